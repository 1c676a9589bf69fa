"""Fixed interpolation, then a convolution."""

import torch.nn.functional as F
from torch import Tensor

from unet_playground.parts.layers import Place, convolution, double
from unet_playground.parts.up.slot import SmallKernel, Up, ups
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import Tap


@ups.register(
    "nearest",
    title="Nearest",
    formula=r"$y = W * z,\quad z(p) = x(\lfloor p / 2 \rfloor)$",
    paper=Paper("Odena et al.", 2016, "Deconvolution and Checkerboard Artifacts", "doi:10.23915/distill.00003"),
    zh=Chinese(
        "最近邻",
        "把每个像素重复成小方块，再卷积。",
        "最简单的放大方式，没有参数；费用几乎都在随后的全分辨率卷积上。方块有台阶状的边：3×3 卷积能把台阶抹平，"
        "1×1 卷积只看一个像素，台阶会留下来。每个输出像素得到同样多的贡献，"
        "因此不会像重叠不均匀的转置卷积那样画出棋盘格。",
    ),
)
class Nearest(Up):
    """Repeats every pixel as a small square, then convolves.

    The simplest enlargement there is, and without parameters; nearly all of its cost is the convolution after it, at
    the finer resolution. The squares have stairs for edges: a 3x3 convolution can smooth them, a 1x1 convolution sees
    one pixel at a time and leaves them. Every output pixel is made of equally many contributions, so it draws no
    checkerboard of the kind that unevenly overlapping stamps of a transposed convolution leave.
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
        return self.convolution(repeat(x))


def repeat(x: Tensor) -> Tensor:
    """Twice the sides by repeating every pixel: output p reads source floor(p / 2)."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


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
