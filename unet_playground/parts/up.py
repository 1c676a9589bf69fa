"""Slot `up`: how the decoder gets resolution back."""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.deform import DeformableConvolution
from unet_playground.parts.layers import Place, convolution, crop, depth_to_space, double, transposed_convolution
from unet_playground.registry import Catalogue, Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap

SmallKernel = Annotated[Literal[1, 3], Knob("Kernel side", "卷积核边长")]


class Up(nn.Module):
    """Doubles the sides, crops them to what is asked for, changes the width: (n, in, *s) -> (n, out, *sides).

    Args of every part: in_channels, out_channels, place (of the finer level), then its options by keyword.
    """

    def forward(self, x: Tensor, sides: Sequence[int], tap: Tap = IGNORE) -> Tensor:
        return crop(self.enlarge(x, tap), sides)

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        """(n, in, *s) -> (n, out, *2s)."""
        raise NotImplementedError


ups: Catalogue[type[Up]] = Catalogue("up", Text("Up", "上采样"))


@ups.register(
    "bilinear",
    title="Bilinear",
    formula=r"$y = W * \mathrm{interp}_2(x)$",
    paper=Paper("Odena et al.", 2016, "Deconvolution and Checkerboard Artifacts", "doi:10.23915/distill.00003"),
    zh=Chinese(
        "双线性",
        "先插值放大，再卷积。",
        "插值没有参数，边缘会变软，随后的卷积负责修复。按像素中心对齐（align_corners=False），因此平移输入只会平移输出。",
    ),
)
class Bilinear(Up):
    """Interpolates, then convolves.

    Interpolation has no parameters and softens edges; the convolution after it has to mend them. Pixel centres are
    aligned (`align_corners=False`), so that shifting the input shifts the output and nothing else.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        place: Place,
        *,
        kernel: SmallKernel = 3,
    ):
        super().__init__()
        self.convolution = convolution(in_channels, out_channels, kernel, place.dims, centred=True)

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        return self.convolution(double(x))


@ups.register(
    "transposed",
    title="Transposed convolution",
    formula=r"$y(2p + k) = W_k^{T} x(p) + b$",
    paper=Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597"),
    zh=Chinese(
        "转置卷积",
        "每个像素盖出一个可学习的小块。",
        "核边长为 2 或 4 时，每个输出像素得到同样多的贡献；边长 3 会重叠 1、2、4 次，画出棋盘格，仅供演示。",
    ),
)
class Transposed(Up):
    """Every pixel stamps a small learned patch.

    With a kernel that the stride divides (2 or 4) every output pixel receives equally many stamps. Kernel 3 overlaps
    once, twice or four times and draws a checkerboard: it is kept for the lesson.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        place: Place,
        *,
        kernel: Annotated[Literal[2, 3, 4], Knob("Kernel side", "卷积核边长")] = 2,
    ):
        super().__init__()
        self.convolution = transposed_convolution(in_channels, out_channels, kernel, place.dims)

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        return self.convolution(x)


@ups.register(
    "pixel-shuffle",
    title="Pixel shuffle",
    formula=r"$y(2p + k) = (W * x)_{4c + k}(p)$",
    paper=Paper("Shi et al.", 2016, "Efficient Sub-Pixel Convolution", "arXiv:1609.05158"),
    zh=Chinese(
        "像素重排",
        "在低分辨率算出四倍通道，再发牌成像素。",
        "卷积得到 4C 个通道，然后重排为两倍边长。用 ICNR 初始化且偏置为零，开始时正好等于最近邻放大，因此没有棋盘格。",
    ),
)
class PixelShuffle(Up):
    """Computes four times the channels at low resolution and deals them out as pixels.

    A convolution gives 4C channels, which are rearranged to twice the sides. It starts as nearest-neighbour
    enlargement (ICNR initialisation: the sub-pixels of a channel start with equal weights, and zero bias), so it
    draws no checkerboard until it learns a reason to.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        place: Place,
        *,
        kernel: SmallKernel = 3,
    ):
        super().__init__()
        parts = 2**place.dims
        self.convolution = convolution(in_channels, parts * out_channels, kernel, place.dims, centred=True)
        with torch.no_grad():
            weight: Tensor = self.convolution.weight  # type: ignore[assignment]
            weight.copy_(weight[::parts].repeat_interleave(parts, 0))

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        return depth_to_space(self.convolution(x))


@ups.register(
    "deformable",
    title="Deformable",
    formula=r"$y(p) = \sum_k w_k\, m_k\, x(p + p_k + \Delta p_k)$",
    paper=Paper("Zhu et al.", 2019, "Deformable ConvNets v2", "arXiv:1811.11168"),
    zh=Chinese(
        "可变形",
        "从它学会移动到的位置取值。",
        "调制可变形卷积（DCNv2）：每个像素的九个取样点各有位移 Δp 和权重 m = 2σ。位移从零开始，m 从 1 开始，"
        "因此起初就是普通卷积加插值。offsets=target 在放大之后才预测位移，代价约四倍。",
    ),
)
class Deformable(Up):
    """Reads from places that it has learned to shift.

    A modulated deformable convolution (version 2): each of the nine taps of every pixel has its own displacement and
    its own factor m = 2 sigmoid(.). Displacements start at zero and factors at one, so it starts as a plain
    convolution followed by interpolation. `offsets=target` interpolates first and predicts displacements at the
    target resolution, for about four times the cost.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        place: Place,
        *,
        offsets: Annotated[Literal["source", "target"], Knob("Offsets predicted at", "位移预测于")] = "source",
    ):
        super().__init__()
        self.at_target = offsets == "target"
        self.convolution = DeformableConvolution(in_channels, out_channels, place.dims)

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        if self.at_target:
            return self.convolution(double(x), tap)
        return double(self.convolution(x, tap))
