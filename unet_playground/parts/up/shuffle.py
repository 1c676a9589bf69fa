"""Channels dealt out as pixels."""

import torch
from torch import Tensor

from unet_playground.parts.layers import Place, convolution, depth_to_space
from unet_playground.parts.up.slot import SmallKernel, Up, ups
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import Tap


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
