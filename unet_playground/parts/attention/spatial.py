"""Spatial attention: one factor per place."""

import torch
from torch import Tensor, nn

from unet_playground.parts.attention.slot import Attention, KernelSide, attentions
from unet_playground.parts.layers import Place, convolution
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import IGNORE, Tap


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
