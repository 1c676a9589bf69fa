"""Efficient channel attention: one factor per channel from the means of its neighbouring channels."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from unet_playground.parts.attention.slot import Attention, attentions, mean_of
from unet_playground.parts.layers import Place
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap


@attentions.register(
    "eca",
    title="ECA",
    formula=r"$y = 2\,\sigma(K * \mathrm{GAP}(x)) \cdot x,\quad k = \mathrm{odd}(|(\log_2 C + 1) / 2|)$",
    paper=Paper("Wang et al.", 2020, "ECA-Net: Efficient Channel Attention", "arXiv:1910.03151"),
    zh=Chinese(
        "ECA 通道注意力",
        "每个通道只与相邻的通道比较。",
        "每个通道取全图平均，再沿通道方向做无偏置的一维卷积（两端补零）：只有 k 个权重，也没有压缩。"
        "核边长随宽度增长：t 是 |(log₂ C + 1) / 2| 的整数部分，奇数时 k = t，偶数时 k = t + 1。"
        "timm 的实现规定 k 至少为 3，对应 smallest=3，只影响不足 8 个通道的层。单纯的 sigmoid 会让信号一开始减半，"
        "因此乘以 2：范围 0 到 2，权重从零开始，系数从 1 开始。",
    ),
)
class EfficientChannelAttention(Attention):
    """Compares every channel with its neighbouring channels only.

    Every channel is averaged over the image; a convolution along the channels, without a bias and padded with zeros,
    turns the averages into one factor per channel: k weights in all, and nothing is squeezed. The kernel grows with
    the width: t is the integer part of |(log2 C + 1) / 2|, and k is t where that is odd, else t + 1. timm's code takes
    no k below 3, which is `smallest=3` and matters below 8 channels only. A bare sigmoid would halve the signal at the
    start, so it is doubled: the factor runs from 0 to 2 and, as the weights start at zero, starts at 1.
    """

    def __init__(
        self,
        channels: int,
        place: Place,
        *,
        smallest: Annotated[Literal[1, 3], Knob("Smallest kernel", "最小卷积核")] = 1,
    ):
        super().__init__()
        t = int(abs((math.log2(channels) + 1) / 2))
        kernel = max(smallest, t if t % 2 else t + 1)
        self.across = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)
        nn.init.zeros_(self.across.weight)

    @classmethod
    def settle(cls, options: Mapping[str, Any], depth: int, width: int) -> dict[str, Any]:
        """From 8 channels on, which no layer of such a width goes below, no kernel is smaller than 3."""
        return {name: value for name, value in options.items() if name != "smallest" or width < 8}

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        pooled = mean_of(x)
        score = self.across(pooled.flatten(1).unsqueeze(1)).reshape(pooled.shape)
        return x * tap.gate("channel", 2 * torch.sigmoid(score), top=2.0)
