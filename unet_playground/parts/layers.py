"""Layers that every slot builds on, written once for images (dims 2) and volumes (dims 3).

Sides follow one rule everywhere: going down, n becomes ceil(n / 2); coming up, 2n is cropped to the side that is
asked for. So every side from one pixel up works and no side has to be even.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CONVOLVE = {2: F.conv2d, 3: F.conv3d}
_MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class Place:
    """Where a part stands in its network.

    Attributes:
        level: Resolution: 0 is the image's own, each further level halves the sides.
        depth: Number of the network's levels below 0.
        dims: 2 for images, 3 for volumes.
        halves: Whether levels halve the sides at all; in a full-resolution network they do not.
        classes: Channels of the network's logits.
    """

    level: int = 0
    depth: int = 4
    dims: int = 2
    halves: bool = True
    classes: int = 2

    def align(self, x: Tensor, level: int, sides: Sequence[int]) -> Tensor:
        """Bring features of another level to the sides of this one: max-pooled when finer, interpolated when coarser.

        Args:
            x: (n, c, *sides of its level).
            level: Where it comes from.
            sides: Of this place.
        """
        halvings = self.level - level if self.halves else 0
        if halvings >= 0:
            return pool_down(x, halvings)
        return crop(enlarge(x, 2**-halvings, _LINEAR[self.dims]), sides)


class Unset:
    """A layer whose weights are not set when it is built: `start` does it, and networks without storage go without."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class Conv2d(Unset, nn.Conv2d):
    """A 2-D convolution."""


class Conv3d(Unset, nn.Conv3d):
    """A 3-D convolution."""


class Centred:
    """A layer whose filters have mean zero, at the start and after every step of training.

    Features are positive after a ReLU, so free filters mostly pass on a constant; after 18 layers hardly anything is
    left that differs between pixels, and a network without skips does not learn at all.

    Source: Brock et al. 2021, Characterizing signal propagation (there: mean shift), arXiv:2101.08692.
    """

    weight: Tensor
    filter_axes: tuple[int, ...] = (0,)

    def center(self) -> None:
        """Take the mean off every filter."""
        if not self.weight.is_meta:
            others = tuple(axis for axis in range(self.weight.dim()) if axis not in self.filter_axes)
            with torch.no_grad():
                self.weight.sub_(self.weight.mean(others, keepdim=True))


class CentredConv2d(Centred, Conv2d):
    """A 2-D convolution of mean-free filters."""


class CentredConv3d(Centred, Conv3d):
    """A 3-D convolution of mean-free filters."""


class CentredConvTranspose2d(Centred, Unset, nn.ConvTranspose2d):
    """A 2-D transposed convolution; every tap has its own filter over the channels."""

    filter_axes = (1, 2, 3)


class CentredConvTranspose3d(Centred, Unset, nn.ConvTranspose3d):
    """A 3-D transposed convolution; every tap has its own filter over the channels."""

    filter_axes = (1, 2, 3, 4)


_CONVOLUTION = {2: Conv2d, 3: Conv3d}
_CENTRED = {2: CentredConv2d, 3: CentredConv3d}
_TRANSPOSED = {2: CentredConvTranspose2d, 3: CentredConvTranspose3d}


def convolution(
    channels: int, filters: int, kernel: int, dims: int, *, stride: int = 1, bias: bool = True, centred: bool = False
) -> nn.Module:
    """A convolution that keeps the sides (stride 1) or gives ceil(side / stride): odd kernel, zero padding.

    Args:
        channels: Of the input.
        filters: Channels of the output.
        kernel: Odd side of the kernel.
        dims: 2 or 3.
        stride: Of the output positions.
        bias: Whether a constant is added per filter.
        centred: Whether it carries features, and so has mean-free filters.
    """
    kind = _CENTRED[dims] if centred else _CONVOLUTION[dims]
    layer = kind(channels, filters, kernel, stride, padding=kernel // 2, bias=bias)
    return start(layer, fan_in=channels * kernel**dims)


def transposed_convolution(channels: int, filters: int, kernel: int, dims: int) -> nn.Module:
    """A transposed convolution of stride 2 that gives exactly twice the side, for kernels 2, 3 and 4."""
    padding = (kernel - 1) // 2
    spare = 2 * padding + 2 - kernel
    layer = _TRANSPOSED[dims](channels, filters, kernel, 2, padding=padding, output_padding=spare)
    return start(layer, fan_in=channels * (kernel / 2) ** dims)


def start(layer: nn.Module, fan_in: float, gain: float = 2.0) -> nn.Module:
    """He initialisation: weights of variance `gain / fan_in`, biases zero."""
    scatter(layer.weight, math.sqrt(gain / fan_in))  # type: ignore[arg-type]
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    if isinstance(layer, Centred):
        layer.center()
    return layer


def scatter(weight: Tensor, spread: float) -> None:
    """Give weights normal values of mean 0 and this standard deviation.

    Weights without storage are left alone, here and by `center`: for those PyTorch loads its compiler, in seconds.
    """
    if not weight.is_meta:
        nn.init.normal_(weight, std=spread)


def center(network: nn.Module) -> None:
    """Take the mean off every filter over features in a network; training does it after every step."""
    for module in network.modules():
        if isinstance(module, Centred | JoinedConvolution):
            module.center()


class JoinedConvolution(nn.Module):
    """A convolution over a concatenation, as the sum of one convolution per source.

    The weight of each source has its own name. Two networks that share a source (every skip style has the upsampled
    features) can therefore share its weight exactly, whatever else they concatenate.

    Every filter over features has mean zero, source by source, as in `Centred`.

    Args:
        sources: Name -> channels, in the order of the concatenation; the name `image` keeps its mean.
        filters: Output channels.
        kernel: Odd side of the kernel.
        dims: 2 or 3.
        dilation: Pixels from one tap of the kernel to the next.
    """

    def __init__(self, sources: Mapping[str, int], filters: int, kernel: int, dims: int, dilation: int = 1):
        super().__init__()
        self.dilation = dilation
        spread = math.sqrt(2 / (sum(sources.values()) * kernel**dims))
        # Pairs, because a dict of a ParameterDict is sorted by name, and the order is that of the concatenation.
        self.weight = nn.ParameterDict(
            [(name, nn.Parameter(torch.empty(filters, n, *[kernel] * dims))) for name, n in sources.items()]
        )
        for weight in self.weight.values():
            scatter(weight, spread)
        self.center()

    def center(self) -> None:
        """Take the mean off every filter over features, one source at a time."""
        with torch.no_grad():
            for name, weight in self.weight.items():
                if name != "image" and not weight.is_meta:
                    weight.sub_(weight.flatten(1).mean(1).view(-1, *[1] * (weight.dim() - 1)))

    def fill(self, value: float) -> None:
        """Give every weight one value."""
        for weight in self.weight.values():
            weight.data.fill_(value)

    def pass_on(self) -> None:
        """Give out what comes in, as nearly as filters of mean zero can; of a single source with as many channels."""
        (weight,) = self.weight.values()
        middle = tuple(side // 2 for side in weight.shape[2:])
        weight.data.zero_()
        weight.data[(slice(None), slice(None), *middle)] = torch.eye(weight.shape[0], device=weight.device)
        self.center()

    def joined(self) -> Tensor:
        """The weight over the whole concatenation."""
        weights = [*self.weight.values()]
        return torch.cat(weights, 1) if len(weights) > 1 else weights[0]

    def forward(self, joined: Tensor) -> Tensor:
        return convolve(joined, self.joined(), dilation=self.dilation)


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
        if torch.is_grad_enabled() and (x.requires_grad or self.bias.requires_grad):
            return _Normalised.apply(x, self.bias, self.epsilon)  # type: ignore[return-value]
        size = x.square().mean(1, keepdim=True).add_(self.epsilon).rsqrt_()
        return torch.addcmul(self.bias, x, size)


class _Normalised(torch.autograd.Function):
    r"""`Norm` where a gradient is asked for: the same numbers, with a gradient of few passes over memory.

    With $s = 1 / \sqrt{mean_c(x^2) + \epsilon}$ the gradient of x is $s g - x\, s^3\, mean_c(g x)$. It computes in
    float32 at least: spreading bfloat16 over few channels defeats the vector units of a CPU (11 ms against 5).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        power = torch.linalg.vector_norm(wide, dim=1, keepdim=True).square_()
        size = power.div_(x.shape[1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, size)
        ctx.kind, ctx.epsilon = bias.dtype, epsilon
        return torch.addcmul(bias.to(wide.dtype), wide, size).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        x, size = ctx.saved_tensors
        wide, given = x.to(size.dtype), grad.to(size.dtype)
        if torch.is_grad_enabled():  # a gradient of this gradient will be asked for, and the size has one too
            size = wide.square().mean(1, keepdim=True).add(ctx.epsilon).rsqrt()
        along = (given * wide).sum(1, keepdim=True).mul_(size**3).div_(-x.shape[1])
        bias = given.sum((0, *range(2, grad.dim()))).to(ctx.kind)
        return (given * size).addcmul_(wide, along).to(grad.dtype), bias.view(-1, *[1] * (grad.dim() - 2)), None


def convolve(x: Tensor, weight: Tensor, *, dilation: int = 1, groups: int = 1) -> Tensor:
    """A convolution that keeps the sides, by a weight (filters, channels / groups, *odd kernel)."""
    padding = dilation * (weight.shape[-1] // 2)
    return _CONVOLVE[x.dim() - 2](x, weight, padding=padding, dilation=dilation, groups=groups)


def pool_down(x: Tensor, halvings: int) -> Tensor:
    """Max-pool to ceil(side / 2**halvings): how a finer source is aligned with a coarser place."""
    factor = 2**halvings
    return _MAX_POOL[x.dim() - 2](x, factor, factor, ceil_mode=True) if halvings else x


def double(x: Tensor) -> Tensor:
    """Linear interpolation to twice the sides (pixel centres, `align_corners=False`: shift-equivariant)."""
    return enlarge(x, 2, _LINEAR[x.dim() - 2])


def enlarge(x: Tensor, times: int, mode: str) -> Tensor:
    """Interpolation to a multiple of the sides: `nearest`, `bilinear` or `trilinear`."""
    corners = None if mode == "nearest" else False
    return F.interpolate(x, scale_factor=float(times), mode=mode, align_corners=corners)


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
