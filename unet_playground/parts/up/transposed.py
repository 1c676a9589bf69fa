"""Learned stamps."""

from typing import Annotated, Literal

from torch import Tensor

from unet_playground.parts.layers import Place, transposed_convolution
from unet_playground.parts.up.slot import Up, ups
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import Tap


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
