"""Layers that every slot builds on, written once for images (dims 2) and volumes (dims 3).

Sides follow one rule everywhere: going down, n becomes ceil(n / 2); coming up, 2n is cropped to the side that is
asked for. So every side from one pixel up works and no side has to be even.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CONVOLVE = {2: F.conv2d, 3: F.conv3d}
_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class Place:
    """Where a part stands in its network.

    Attributes:
        level: Resolution: 0 is the image's own, each further level halves the sides.
        depth: Number of the network's levels below 0.
        dims: 2 for images, 3 for volumes.
    """

    level: int = 0
    depth: int = 4
    dims: int = 2


def convolution(
    channels: int, filters: int, kernel: int, dims: int, *, stride: int = 1, bias: bool = True
) -> nn.Module:
    """A convolution that keeps the sides (stride 1) or gives ceil(side / stride): odd kernel, zero padding."""
    layer = _CONVOLUTION[dims](channels, filters, kernel, stride, padding=kernel // 2, bias=bias)
    return start(layer, fan_in=channels * kernel**dims)


def transposed_convolution(channels: int, filters: int, kernel: int, dims: int) -> nn.Module:
    """A transposed convolution of stride 2 that gives exactly twice the side, for kernels 2, 3 and 4."""
    padding = (kernel - 1) // 2
    spare = 2 * padding + 2 - kernel
    layer = _TRANSPOSED[dims](channels, filters, kernel, 2, padding=padding, output_padding=spare)
    return start(layer, fan_in=channels * (kernel / 2) ** dims)


def start(layer: nn.Module, fan_in: float, gain: float = 2.0) -> nn.Module:
    """He initialisation: weights of variance `gain / fan_in`, biases zero."""
    with torch.no_grad():
        layer.weight.normal_(0, math.sqrt(gain / fan_in))  # type: ignore[operator]
        if layer.bias is not None:
            layer.bias.zero_()  # type: ignore[operator]
    return layer


class JoinedConvolution(nn.Module):
    """A convolution over a concatenation, as the sum of one convolution per source.

    The weight of each source has its own name. Two networks that share a source (every skip style has the upsampled
    features) can therefore share its weight exactly, whatever else they concatenate.

    Args:
        sources: Name -> channels, in the order of the concatenation.
        filters: Output channels.
        kernel: Odd side of the kernel.
        dims: 2 or 3.
    """

    def __init__(self, sources: Mapping[str, int], filters: int, kernel: int, dims: int):
        super().__init__()
        self.dims, self.padding = dims, kernel // 2
        spread = math.sqrt(2 / (sum(sources.values()) * kernel**dims))
        self.weight = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(filters, n, *[kernel] * dims) * spread) for name, n in sources.items()}
        )

    def forward(self, joined: Tensor) -> Tensor:
        weights = [*self.weight.values()]
        weight = torch.cat(weights, 1) if len(weights) > 1 else weights[0]
        return _CONVOLVE[self.dims](joined, weight, padding=self.padding)


class Norm(nn.Module):
    r"""Divides every pixel by the size of its channel vector, then adds a learned level per channel.

    $y = x / \sqrt{mean_c(x^2) + \epsilon} + b$: root-mean-square layer normalisation at each pixel. It looks at no
    other pixel and keeps no statistics, so a receptive field stays what the convolutions make it, tiles meet without
    seams, and one set of weights serves every design of the bank. The gain of the original is left out: the next
    convolution holds it. `benchmarks/normalisation.py` compares it with the alternatives.

    Source: Zhang and Sennrich 2019, Root Mean Square Layer Normalization, arXiv:1910.07467 (there over all features).
    """

    def __init__(self, channels: int, dims: int, epsilon: float = 0.1):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, *[1] * dims))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        size = x.square().mean(1, keepdim=True).add_(self.epsilon).rsqrt_()
        return torch.addcmul(self.bias, x, size)


def pool_down(x: Tensor, halvings: int) -> Tensor:
    """Max-pool to ceil(side / 2**halvings): how a finer source is aligned with a coarser place."""
    factor = 2**halvings
    return _MAX_POOL[x.dim() - 2](x, factor, factor, ceil_mode=True) if halvings else x


def double(x: Tensor) -> Tensor:
    """Linear interpolation to twice the sides (pixel centres, `align_corners=False`: shift-equivariant)."""
    return F.interpolate(x, scale_factor=2.0, mode=_LINEAR[x.dim() - 2], align_corners=False)


def crop(x: Tensor, sides: Sequence[int]) -> Tensor:
    """The first `sides` pixels along every side; undoes the rounding up on the way down."""
    for axis, side in enumerate(sides, start=2):
        if x.shape[axis] != side:
            x = x.narrow(axis, 0, side)
    return x


def depth_to_space(x: Tensor) -> Tensor:
    """(n, c * 2**dims, *sides) -> (n, c, *2 sides); channel c * 2**dims + k goes to sub-position k, row-major."""
    dims = x.dim() - 2
    n, channels, *sides = x.shape
    out = channels // 2**dims
    x = x.reshape(n, out, *[2] * dims, *sides)
    order = [0, 1]
    for axis in range(dims):
        order += [2 + dims + axis, 2 + axis]
    return x.permute(order).reshape(n, out, *(2 * side for side in sides))
