"""Slots `attention` and `site`: what is emphasised, and where."""

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import Place, convolution
from unet_playground.registry import Catalogue, Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap

OPEN = 2.0
"""Bias before a sigmoid that starts it nearly open: sigmoid(2) = 0.88."""

Reduction = Annotated[int, Knob("Reduction", "压缩比", 1, 64)]
KernelSide = Annotated[int, Knob("Kernel side", "卷积核边长", 1, 15, odd=True)]


class Attention(nn.Module):
    """Weighs features by factors computed from them: (n, channels, *sides) -> the same shape.

    Args of every part: channels, place, then its options by keyword.

    Attributes:
        weighs: Whether it does anything (the choice "none" does not).
    """

    weighs: ClassVar[bool] = True

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        raise NotImplementedError


attentions: Catalogue[type[Attention]] = Catalogue("attention", Text("Attention", "注意力"))


class Site:
    """A place in the decoder where attention can sit.

    Attributes:
        needs_crossing: Whether it works on what a skip brings.
    """

    needs_crossing: ClassVar[bool] = False


sites: Catalogue[type[Site]] = Catalogue("site", Text("Site", "位置"))


@sites.register(
    "skip",
    title="On the skip",
    zh=Chinese("跳跃上", "作用于跨越的特征，在合并之前。", "注意力只筛选编码器送来的内容，解码器自己的特征不变。"),
)
class OnSkip(Site):
    """On what crosses, before it is joined.

    Attention sifts what the encoder sends; the decoder's own features stay as they are.
    """

    needs_crossing = True


@sites.register(
    "fused",
    title="On the joined features",
    zh=Chinese("合并后", "作用于合并后的特征。", "注意力能同时比较编码器与解码器的特征，再决定强调哪些。"),
)
class OnFused(Site):
    """On the joined features.

    Attention sees what the encoder sends and what the decoder has, and weighs both.
    """


class PooledGate(nn.Module):
    """The squeeze and the excitation: a small network from pooled channels to one score per channel.

    The hidden width is max(4, channels // reduction): without a floor it would be zero for thin stages.
    """

    def __init__(self, channels: int, reduction: int, dims: int):
        super().__init__()
        hidden = max(4, channels // reduction)
        self.squeeze = convolution(channels, hidden, 1, dims)
        self.excite = convolution(hidden, channels, 1, dims)
        with torch.no_grad():
            self.excite.weight.mul_(0.1)  # type: ignore[operator]

    def forward(self, pooled: Tensor) -> Tensor:
        return self.excite(F.relu(self.squeeze(pooled)))


@attentions.register(
    "none",
    title="None",
    formula=r"$y = x$",
    zh=Chinese("无", "特征原样通过。"),
)
class NoAttention(Attention):
    """Features pass as they are."""

    weighs = False

    def __init__(self, channels: int, place: Place):
        super().__init__()

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return x


@attentions.register(
    "se",
    title="Squeeze and excitation",
    formula=r"$y = x \cdot \sigma(W_2\, \mathrm{ReLU}(W_1\, \mathrm{GAP}(x)))$",
    paper=Paper("Hu et al.", 2018, "Squeeze-and-Excitation Networks", "arXiv:1709.01507"),
    zh=Chinese(
        "SE 通道注意力",
        "看整幅图，决定哪些通道重要。",
        "每个通道取全图平均，经小网络得到 0 到 1 的权重。隐藏宽度为 max(4, C // r)，否则窄层会得到零宽度。"
        "开始时权重约为 0.88，信号几乎原样通过。",
    ),
)
class SqueezeExcitation(Attention):
    """Looks at the whole image and decides which channels matter.

    Every channel is averaged over the image; a small network turns the averages into one factor between 0 and 1 per
    channel. Its hidden width is max(4, C // r): without the floor, thin stages would have none. Factors start near
    0.88, so that switching it on does not silence the network.
    """

    def __init__(self, channels: int, place: Place, *, reduction: Reduction = 16):
        super().__init__()
        self.gate = PooledGate(channels, reduction, place.dims)
        nn.init.constant_(self.gate.excite.bias, OPEN)  # type: ignore[arg-type]

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return x * tap.gate("channel", torch.sigmoid(self.gate(_mean(x))))


@attentions.register(
    "cbam",
    title="CBAM",
    formula=r"$c = x\, \sigma(M(\mathrm{avg}\, x) + M(\max x)),\quad y = c\, \sigma(K * [\max_c, \mathrm{mean}_c])$",
    paper=Paper("Woo et al.", 2018, "CBAM: Convolutional Block Attention Module", "arXiv:1807.06521"),
    zh=Chinese(
        "CBAM",
        "先选通道，再选位置。",
        "论文是先后两步；order=parallel 让两个门都看同一输入，再把两者相乘。论文在 7×7 卷积后用批归一化；"
        "推理时那只是缩放与平移，已包含在卷积的权重和偏置里。两个门开始时都几乎打开。",
    ),
)
class Cbam(Attention):
    """First which channel, then which place.

    A channel gate (one small network shared by the average and the maximum) and then a spatial gate (a 7x7
    convolution over the channels' maximum and mean). The paper runs them one after the other; `order=parallel` lets
    both look at the same input and multiplies by both. The paper normalises the spatial score over the batch; at
    inference that is a scale and a shift, which the convolution's weight and bias contain. Both gates start open.
    """

    def __init__(
        self,
        channels: int,
        place: Place,
        *,
        order: Annotated[Literal["sequential", "parallel"], Knob("Order", "顺序")] = "sequential",
        kernel: KernelSide = 7,
        reduction: Reduction = 16,
    ):
        super().__init__()
        self.parallel = order == "parallel"
        self.channel = PooledGate(channels, reduction, place.dims)
        self.spatial = convolution(2, 1, kernel, place.dims)
        # Two pooled vectors are summed, so each brings half of the bias.
        nn.init.constant_(self.channel.excite.bias, OPEN / 2)  # type: ignore[arg-type]
        nn.init.constant_(self.spatial.bias, OPEN)  # type: ignore[arg-type]
        with torch.no_grad():
            self.spatial.weight.mul_(0.1)  # type: ignore[operator]

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        score = self.channel(_mean(x)) + self.channel(x.amax(_sides(x), keepdim=True))
        weighed = x * tap.gate("channel", torch.sigmoid(score))
        seen = x if self.parallel else weighed
        summary = torch.cat([seen.amax(1, keepdim=True), seen.mean(1, keepdim=True)], 1)
        return weighed * tap.gate("spatial", torch.sigmoid(self.spatial(summary)))


@attentions.register(
    "spatial",
    title="Spatial",
    formula=r"$y = 2\,\sigma(K * x) \cdot x$",
    paper=Paper("Roy et al.", 2018, "Concurrent Spatial and Channel Squeeze and Excitation", "arXiv:1803.02579"),
    zh=Chinese(
        "空间注意力",
        "一张图说明哪里重要。",
        "一个卷积得到一张图；单纯的 sigmoid 会让信号一开始减半，因此乘以 2：范围 0 到 2，1 表示不变。",
    ),
)
class SpatialAttention(Attention):
    """One map says which places matter.

    A convolution gives one score per pixel. A bare sigmoid would halve the signal at the start, so it is doubled:
    the factor runs from 0 to 2 and starts at 1, which changes nothing.
    """

    def __init__(self, channels: int, place: Place, *, kernel: KernelSide = 7):
        super().__init__()
        self.score = convolution(channels, 1, kernel, place.dims)
        nn.init.zeros_(self.score.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return x * tap.gate("spatial", 2 * torch.sigmoid(self.score(x)), top=2.0)


def _sides(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.dim()))


def _mean(x: Tensor) -> Tensor:
    return x.mean(_sides(x), keepdim=True)
