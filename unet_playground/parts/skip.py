"""Slot `skip`: what crosses from the encoder to the decoder."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import Place, convolution, pool_down
from unet_playground.registry import Catalogue, Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap


class Skip(nn.Module):
    """Brings encoder features to one decoder stage, always with the width of that stage's level.

    Args of every part: widths (channels of each encoder level, bottleneck last), place, then its options by keyword.

    Attributes:
        crosses: Whether anything crosses at all.
        beside: Whether what crosses is concatenated with the decoded features (else it is added to them).
        share: How often the bank draws this style relative to its siblings.
    """

    crosses: ClassVar[bool] = True
    beside: ClassVar[bool] = True
    share: ClassVar[float] = 1.0

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__()
        self.level = place.level

    def cross(self, encoded: Sequence[Tensor], decoded: Tensor, tap: Tap = IGNORE) -> Tensor | None:
        """What crosses, (n, widths[level], *sides of the level).

        Args:
            encoded: Feature maps of every encoder level, finest first.
            decoded: The upsampled decoder features of this level, same shape as the result.
            tap: Where gates are told.
        """
        raise NotImplementedError

    def join(self, decoded: Tensor, crossed: Tensor | None) -> Tensor:
        """The features that the decoder stage works on; the decoded ones come first."""
        if crossed is None:
            return decoded
        return torch.cat([decoded, crossed], 1) if self.beside else decoded + crossed


skips: Catalogue[type[Skip]] = Catalogue("skip", Text("Skip", "跳跃"))


@skips.register(
    "none",
    title="None",
    formula=r"$y = U(d)$",
    zh=Chinese("无", "什么也不跨越。", "用来显示跳跃连接有什么用的消融实验：所有细节都必须穿过最窄、最粗的一层。"),
)
class NoSkip(Skip):
    """Nothing crosses.

    The ablation that shows what skip connections are for: every detail has to pass through the coarsest stage. In
    the bank its path is starved of gradient, because every other style finds the finest encoder level quicker; so it
    is drawn more often.
    """

    crosses = False
    beside = False
    share = 2.0

    def cross(self, encoded: Sequence[Tensor], decoded: Tensor, tap: Tap = IGNORE) -> None:
        return None


@skips.register(
    "concat",
    title="Concatenation",
    formula=r"$y = [U(d),\ e_i]$",
    paper=Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597"),
    zh=Chinese(
        "拼接",
        "同一层的编码特征与上采样特征按通道并排。",
        "2015 年 U-Net 的做法。解码器得到一切，包括冗余和噪声，并自己学习挑选；代价是下一个卷积的输入加倍。",
    ),
)
class Concatenation(Skip):
    """The encoder's features of the same level are put beside the upsampled ones.

    The decoder receives everything, redundancy and noise included, and learns to choose. The next convolution pays
    for it with twice the input channels.
    """

    def cross(self, encoded: Sequence[Tensor], decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        return encoded[self.level]


@skips.register(
    "add",
    title="Addition",
    formula=r"$y = U(d) + \alpha\, W e_i$",
    paper=Paper("Additive U-Net", 2026, "one learnable scalar per skip (option)", "arXiv:2601.13208"),
    zh=Chinese(
        "相加",
        "经 1×1 投影后加到上采样特征上。",
        "通道数不变，下一个卷积比拼接便宜一半；但加起来之后无法再分开。选项 scalar 给每个跳跃一个可学习的非负系数。",
    ),
)
class Addition(Skip):
    """The encoder's features are projected by a 1x1 convolution and added.

    The width stays, so the next convolution costs half of what it costs after a concatenation; what has been added
    can no longer be told apart. The option gives every skip one learnable non-negative factor (its absolute value is
    used), which can close the skip entirely.
    """

    beside = False

    def __init__(
        self,
        widths: Sequence[int],
        place: Place,
        *,
        scalar: Annotated[bool, Knob("One learnable factor per skip", "每个跳跃一个可学习系数")] = False,
    ):
        super().__init__(widths, place)
        channels = widths[place.level]
        self.projection = convolution(channels, channels, 1, place.dims, centred=True)
        self.scale = nn.Parameter(torch.ones(())) if scalar else None

    def cross(self, encoded: Sequence[Tensor], decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        projected = self.projection(encoded[self.level])
        return projected if self.scale is None else projected * self.scale.abs()


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
    itself takes the rest), so that the decoder stage stays as wide as with any other skip.
    """

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__(widths, place)
        level, channels = place.level, widths[place.level]
        share = channels // (level + 1)
        shares = [share] * level + [channels - share * level]
        self.compressions = nn.ModuleList(
            convolution(widths[source], shares[source], 1, place.dims, centred=True) for source in range(level + 1)
        )

    def cross(self, encoded: Sequence[Tensor], decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        # A 1x1 convolution after the pooling visits fewer pixels than before it.
        return torch.cat(
            [
                compress(pool_down(encoded[source], self.level - source))
                for source, compress in enumerate(self.compressions)
            ],
            1,
        )


@skips.register(
    "attention-gate",
    title="Attention gate",
    formula=r"$y = [U(d),\ \alpha e_i],\quad \alpha = \sigma(\psi(\mathrm{ReLU}(W_e e_i + W_d U(d))))$",
    paper=Paper("Oktay et al.", 2018, "Attention U-Net", "arXiv:1804.03999"),
    zh=Chinese(
        "注意力门",
        "由解码器决定什么可以通过。",
        "每个像素一个 0 到 1 的系数，由编码特征和解码特征一起算出。原文的门控信号来自更粗的一级；"
        "这里用已上采样的特征，因此不需要重新采样。开始时门是打开的（0.88）。",
    ),
)
class AttentionGate(Skip):
    """The decoder decides what may pass.

    One factor between 0 and 1 for every pixel, computed from what the encoder offers and what the decoder already
    knows. The paper takes the gating signal from the coarser scale and interpolates the factor; here the features
    are upsampled already, so nothing is resampled twice. The gate starts open (0.88) and its inner width is half the
    level's.
    """

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__(widths, place)
        channels = widths[place.level]
        inner = max(1, channels // 2)
        self.of_encoded = convolution(channels, inner, 1, place.dims, bias=False)
        self.of_decoded = convolution(channels, inner, 1, place.dims)
        self.psi = convolution(inner, 1, 1, place.dims)
        nn.init.constant_(self.psi.bias, 2.0)  # type: ignore[arg-type]

    def cross(self, encoded: Sequence[Tensor], decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        offered = encoded[self.level]
        alpha = torch.sigmoid(self.psi(F.relu(self.of_encoded(offered) + self.of_decoded(decoded))))
        return offered * tap.gate("alpha", alpha)
