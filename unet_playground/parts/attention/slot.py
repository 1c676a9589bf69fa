"""The slot `attention`: its contract, its catalogue, and what several of its parts share."""

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import convolution
from unet_playground.registry import Catalogue, Knob
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


class PooledGate(nn.Module):
    """The squeeze and the excitation: a small network from pooled channels to one score per channel.

    The hidden width is max(4, channels // reduction): without a floor it would be zero for thin stages. (timm rounds
    it to a multiple of 8 instead.)
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


def sides_of(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.dim()))


def mean_of(x: Tensor) -> Tensor:
    return x.mean(sides_of(x), keepdim=True)
