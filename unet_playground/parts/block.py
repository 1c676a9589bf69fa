"""Slot `block`: what a stage computes."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import JoinedConvolution, Norm, Place
from unet_playground.registry import Catalogue, Chinese, Paper
from unet_playground.taps import IGNORE, Tap


class Block(nn.Module):
    """Features at one resolution: (n, sum of sources, *sides) -> (n, channels, *sides).

    Args of every part: sources (name -> channels, in the order in which they are concatenated), channels, place, then
    its options by keyword.
    """

    def forward(self, joined: Tensor, tap: Tap = IGNORE) -> Tensor:
        raise NotImplementedError


blocks: Catalogue[type[Block]] = Catalogue("block", Text("Block", "模块"))


@blocks.register(
    "plain",
    title="Plain",
    formula=r"$y = \mathrm{ReLU}(N(W_2 * \mathrm{ReLU}(N(W_1 * x))))$",
    paper=Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597"),
    zh=Chinese(
        "普通",
        "两个 3×3 卷积，各接归一化和 ReLU。",
        "2015 年 U-Net 的模块；这里用补零卷积，因此输出与输入同样大小（原文不补零，边缘逐层变小），并加入了归一化。",
    ),
)
class Plain(Block):
    """Two 3x3 convolutions, each with normalisation and ReLU.

    The block of the 2015 U-Net. It is padded here, so that a mask has the size of its image (the original lost a
    border at every convolution), and normalised, which the original was not.
    """

    def __init__(self, sources: Mapping[str, int], channels: int, place: Place):
        super().__init__()
        self.first = JoinedConvolution(sources, channels, 3, place.dims)
        self.first_norm = Norm(channels, place.dims)
        self.second = JoinedConvolution({"inner": channels}, channels, 3, place.dims)
        self.second_norm = Norm(channels, place.dims)

    def forward(self, joined: Tensor, tap: Tap = IGNORE) -> Tensor:
        inner = F.relu(self.first_norm(self.first(joined)))
        return F.relu(self.second_norm(self.second(inner)))
