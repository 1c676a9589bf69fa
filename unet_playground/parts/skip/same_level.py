"""Skips from the encoder's level of the same resolution alone."""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from unet_playground.parts.layers import Place, convolution
from unet_playground.parts.skip.slot import Passage, Skip, skips
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap


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

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> None:
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

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        return passage.encoded[self.level]


@skips.register(
    "add",
    title="Addition",
    formula=r"$y = U(d) + \alpha\, W e_i$",
    paper=Paper("Lakkavalli", 2026, "Rethinking Skip Connections: Additive U-Net", "arXiv:2601.13208"),
    zh=Chinese(
        "相加",
        "经 1×1 投影后加到上采样特征上。",
        "通道数不变，下一个卷积比拼接便宜一半；但加起来之后无法再分开。选项 scalar 给每个跳跃一个可学习的非负系数："
        "从 1 开始的数的绝对值，因此可以完全关闭（原文用 softplus，永远到不了 0）。",
    ),
)
class Addition(Skip):
    """The encoder's features are projected by a 1x1 convolution and added.

    The width stays, so the next convolution costs half of what it costs after a concatenation; what has been added
    can no longer be told apart. The option gives every skip one learnable non-negative factor, the absolute value of a
    number that starts at 1, so that a skip can be closed entirely (the paper uses a softplus, which never reaches 0).
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

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        projected = self.projection(passage.encoded[self.level])
        return projected if self.scale is None else projected * self.scale.abs()
