"""The theoretical receptive field: which input pixels can reach an output pixel at all, by the wiring alone.

A copy of the network with one channel per stage gets positive weights everywhere, so that no two paths cancel;
maxima become means, normalisation and gates are held still, deformable sampling stays in its place. Then the
gradient of an output is positive exactly where the wiring lets an input through. Every operation is separable along
the sides, so each side is asked alone, on an image that is one pixel thin along the others. Nothing here knows any
part: a new part is covered when it tells its gates and offsets to the tap.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.parts.layers import Norm
from unet_playground.taps import Freeze


@dataclass(frozen=True)
class Field:
    """A receptive field as a box.

    Attributes:
        low: First input pixel along every side.
        high: Last input pixel along every side.
        through: Gates that make the output depend on the whole image besides; they are held still for the box.
        held: Gates and sampling positions that depend on a neighbourhood; they are held still for the box as well.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    through: tuple[str, ...]
    held: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[int, ...]:
        """Length of the box along every side, in pixels."""
        return tuple(high - low + 1 for low, high in zip(self.low, self.high, strict=True))


def kinds(names: Sequence[str]) -> list[str]:
    """Names without their level: `skip.0.channel` and `skip.1.channel` are both `skip.channel`."""
    return list(dict.fromkeys(re.sub(r"\.\d+", "", name) for name in names))


def receptive_field(design: Design, sides: tuple[int, ...], point: tuple[int, ...]) -> Field:
    """The box of input pixels that the output at `point` depends on, clipped to the image.

    Args:
        design: Any design.
        sides: (rows, columns) of the image, planes first for volumes.
        point: Position of the output pixel.
    """
    spans = [_span(design, side, at, axis) for axis, (side, at) in enumerate(zip(sides, point, strict=True))]
    return Field(tuple(low for low, _ in spans), tuple(high for _, high in spans), *_held_still(design))


@lru_cache(maxsize=4096)
def _span(design: Design, side: int, at: int, axis: int) -> tuple[int, int]:
    thin = [1] * design.dims
    thin[axis] = side
    image = torch.ones(1, 1, *thin, dtype=torch.float64, requires_grad=True)
    with _Wiring():
        output = _wiring(design)(image, Freeze())
    (gradient,) = torch.autograd.grad(output.flatten(2)[0, 0, at], image)
    reached = gradient.flatten().nonzero().flatten()
    return int(reached.min()), int(reached.max())


@lru_cache(maxsize=64)
def _wiring(design: Design) -> UNet:
    """The network of a design, one channel wide, with positive weights and nothing that depends on content."""
    network = UNet(design.replace(width=1), in_channels=1, classes=1).double().eval()
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, Norm):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for parameter in network.parameters():
            many = parameter.dim() > 1
            parameter.fill_(1 / parameter[0].numel() if many else float(parameter.dim() == 0))
    return network.requires_grad_(False)


@lru_cache(maxsize=256)
def _held_still(design: Design) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of what sees the whole image, and of what sees a neighbourhood."""
    freeze = Freeze()
    with torch.no_grad(), _Wiring():
        _wiring(design)(torch.ones(1, 1, *[2 ** (design.depth + 1)] * design.dims, dtype=torch.float64), freeze)
    pooled = tuple(name for name, gate in freeze.frozen.items() if all(side == 1 for side in gate[2:]))
    return pooled, tuple(name for name in freeze.frozen if name not in pooled)


class _Wiring(TorchFunctionMode):
    """Replaces what picks by content with what lets everything through."""

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in (F.max_pool2d, F.max_pool3d):
            return _mean_pool(args[0], args[1])
        if function is F.grid_sample:
            return _sample_exactly(args[0], args[1])
        return function(*args, **kwargs)


def _mean_pool(x: Tensor, side: int) -> Tensor:
    """Means over windows of `side` pixels; a window that reaches over the border is filled up with zeros."""
    edges = [edge for n in reversed(x.shape[2:]) for edge in (0, -n % side)]
    mean = F.avg_pool2d if x.dim() == 4 else F.avg_pool3d
    return mean(F.pad(x, edges), side)


def _sample_exactly(x: Tensor, grid: Tensor) -> Tensor:
    """`grid_sample` with positions snapped to 1/1024 pixel, so that rounding lets no neighbour in."""
    n, _, *sides = x.shape
    weights = x.new_ones(n, grid[0, ..., 0].numel(), 1)
    for axis, side in enumerate(sides):
        position = ((grid[..., len(sides) - 1 - axis].reshape(n, -1, 1) + 1) * side - 1) / 2
        position = torch.round(position * 1024) / 1024
        hat = (1 - (position - torch.arange(side, dtype=x.dtype)).abs()).clamp_min(0)
        weights = (weights.unsqueeze(-1) * hat.unsqueeze(-2)).flatten(2)
    return torch.einsum("ncs,nps->ncp", x.flatten(2), weights).unflatten(2, grid.shape[1:-1])
