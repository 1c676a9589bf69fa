"""Skips that bring encoder features of other levels as well."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unet_playground.parts.layers import Place, convolution, crop, enlarge
from unet_playground.parts.skip.slot import Passage, Skip, skips
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import IGNORE, Tap


@skips.register(
    "dense",
    title="Dense",
    formula=r"$y = [U(d),\ W_0 P(e_0),\ \ldots,\ W_i e_i]$",
    paper=Paper("Huang et al.", 2017, "Densely Connected Convolutional Networks", "arXiv:1608.06993"),
    zh=Chinese(
        "稠密",
        "所有更精细的层也一起跨越。",
        "每个分辨率相同或更高的编码层各经自己的 1×1 压缩后拼接；更精细的先做最大池化。"
        "每层各占一份通道，合起来仍是这一级的宽度。",
    ),
)
class Dense(Skip):
    """Every finer level crosses as well.

    Each encoder level of equal or higher resolution is compressed by its own 1x1 convolution and they are
    concatenated; finer ones are max-pooled to size first. Each gets an equal share of the level's width (the level
    itself takes the rest), so that the decoder stage costs as much as after a concatenation.
    """

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__(widths, place)
        level, channels = place.level, widths[place.level]
        share = max(1, channels // (level + 1))
        shares = [share] * level + [max(1, channels - share * level)]
        self.crossing = sum(shares)
        self.compressions = nn.ModuleList(
            convolution(widths[source], shares[source], 1, place.dims, centred=True) for source in range(level + 1)
        )

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        # A 1x1 convolution after the pooling visits fewer pixels than before it.
        sides = decoded.shape[2:]
        return torch.cat(
            [
                compress(self.place.align(passage.encoded[source], source, sides))
                for source, compress in enumerate(self.compressions)
            ],
            1,
        )


@skips.register(
    "pyramid",
    title="Pyramid",
    formula=r"$P_i = W_i e_i + U(P_{i+1}),\quad y = [U(d),\ K_i * P_i]$",
    paper=Paper("Lin et al.", 2017, "Feature Pyramid Networks", "arXiv:1612.03144"),
    zh=Chinese(
        "金字塔",
        "粗层的语义自上而下加到每一级再跨越。",
        "每个编码级（含瓶颈）经 1×1 投影到同一宽度，从粗到细最近邻放大后逐级相加，再用 3×3 卷积平滑并恢复该级宽度，"
        "最后与解码特征拼接。内部宽度取最细一级的宽度，与 FPN 相同（256，ResNet 最细一级的宽度）。",
    ),
)
class Pyramid(Skip):
    """What coarse levels know is added, from the top down, to what crosses at each finer one.

    Every encoder level, the bottleneck included, is projected to one common width by a 1x1 convolution; from coarse
    to fine, maps are enlarged (nearest) and added; a 3x3 convolution smooths each sum and gives it its level's width.
    The common width is that of the finest level, as in the paper (256 for a ResNet). The paper predicts from each
    map; here each is joined by a decoder stage.
    """

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__(widths, place)
        level, common = place.level, widths[0]
        self.lateral = convolution(widths[level], common, 1, place.dims, centred=True)
        coarsest = level == place.depth - 1
        self.top = convolution(widths[level + 1], common, 1, place.dims, centred=True) if coarsest else None
        self.smooth = convolution(common, widths[level], 3, place.dims, centred=True)

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        above = passage.handed[0] if self.top is None else self.top(passage.encoded[-1])
        if self.place.halves:
            above = crop(enlarge(above, 2, "nearest"), decoded.shape[2:])
        summed = self.lateral(passage.encoded[self.level]) + above
        passage.handed = [summed]
        return self.smooth(summed)


@skips.register(
    "cross-stage",
    title="Cross-stage",
    formula=r"$y = [U(d),\ e_i + W\, A(e_{L-i})]$",
    paper=Paper("Huang et al.", 2017, "Densely Connected Convolutional Networks", "arXiv:1608.06993"),
    zh=Chinese(
        "跨阶段",
        "在拼接之外，每个解码级还有一条直达镜像编码级的线。",
        "最深的编码级直达最后一个解码级，次深的直达倒数第二个，以此类推；各经 1×1 卷积并对齐分辨率，"
        "加到同级的编码特征上，因此宽度不变。最深的层离输出只有一步，梯度路径最短。思路来自稠密网络的捷径；镜像连线出自原始文章。",
    ),
)
class CrossStage(Skip):
    """Besides concatenation, every decoder stage has a direct line from the mirrored encoder stage.

    The deepest encoder stage reaches the last decoder stage, the second deepest the last but one, and so on, each
    through a 1x1 convolution, aligned in resolution and added to the encoder's own level, so that the width stays.
    The deepest stages are then one step from the output, which is the shortest way for a gradient. Short cuts between
    all stages are the idea of dense networks; the mirrored lines are this playground's source text's.
    """

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__(widths, place)
        self.mirror = place.depth - place.level
        self.line = convolution(widths[self.mirror], widths[place.level], 1, place.dims, centred=True)

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        mirrored, sides = passage.encoded[self.mirror], decoded.shape[2:]
        # A 1x1 convolution commutes with interpolation; it visits the coarser of the two resolutions.
        if self.mirror > self.level:
            mirrored = self.place.align(self.line(mirrored), self.mirror, sides)
        else:
            mirrored = self.line(self.place.align(mirrored, self.mirror, sides))
        return passage.encoded[self.level] + mirrored
