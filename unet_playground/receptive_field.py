"""The theoretical receptive field: which input pixels can reach an output pixel at all, by the wiring alone.

A copy of the network with one channel per stage gets positive weights everywhere, so that no two paths cancel;
maxima become means, normalisation and gates are held still, deformable sampling stays in its place. Then the
gradient of an output is positive exactly where the wiring lets an input through. Every operation is separable along
the sides, so each side is asked alone, on an image that is one pixel thin along the others. Nothing here knows any
part: a new part is covered when it tells its gates and offsets to the tap.
"""

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unet_playground.design import Design
from unet_playground.errors import UnknownChoice
from unet_playground.model import UNet
from unet_playground.parts.layers import Norm
from unet_playground.registry import remembered
from unet_playground.taps import Freeze

P = ParamSpec("P")
R = TypeVar("R")


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


LOGITS = "logits"


def places(design: Design) -> tuple[str, ...]:
    """Names of all feature maps of a design, in the order of computation: `encoder.0` ... `logits`."""
    return tuple(_sketch(design).features)


def gates(design: Design) -> tuple[str, ...]:
    """Names of everything that weighs a feature map by the image's content, in the order of computation."""
    return tuple(_sketch(design).gates)


def sides_of(design: Design, sides: tuple[int, ...], place: str = LOGITS) -> tuple[int, ...]:
    """The sides of a feature map for an image of given sides: every halving rounds up.

    Raises:
        UnknownChoice: There is no such place.
    """
    features = _sketch(design).features
    if place not in features:
        raise UnknownChoice(
            f'This design has no place "{place}"; places are {", ".join(features)}.',
            f"该设计没有位置“{place}”；可选：{'、'.join(features)}。",
        )
    return tuple(math.ceil(side * features[place].shape[2] / _sketch_side(design)) for side in sides)


def receptive_field(design: Design, sides: tuple[int, ...], point: tuple[int, ...], place: str = LOGITS) -> Field:
    """The box of input pixels that one pixel of a feature map depends on, clipped to the image.

    Args:
        design: Any design.
        sides: (rows, columns) of the image, planes first for volumes.
        point: Position in the feature map, in its own pixels.
        place: Name of the feature map, one of `places(design)`; by default the output.

    Raises:
        UnknownChoice: There is no such place or no such pixel.
    """
    own = sides_of(design, sides, place)
    if len(point) != len(own) or not all(0 <= at < side for at, side in zip(point, own, strict=True)):
        raise UnknownChoice(
            f"{place} has no pixel {point}: it has {' x '.join(map(str, own))} pixels here, counted from 0.",
            f"{place} 没有像素 {point}：此处共有 {' × '.join(map(str, own))} 个像素，从 0 开始计数。",
        )
    spans = [_span(design, side, at, place) for side, at in zip(sides, point, strict=True)]
    return Field(tuple(low for low, _ in spans), tuple(high for _, high in spans), *_held_still(design, place))


class _Probe(Freeze):
    """Holds still what depends on content, and keeps every feature map and every held value."""

    def __init__(self) -> None:
        super().__init__()
        self.features: dict[str, Tensor] = {}
        self.held: dict[str, Tensor] = {}
        self.gates: list[str] = []

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        self.features[name] = tensor
        return tensor

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        self.gates.append(name)
        self.held[name] = super().gate(name, gate, top).requires_grad_()
        return self.held[name]

    def sampling(self, name: str, values: Tensor, rest: float) -> Tensor:
        self.held[name] = super().sampling(name, values, rest).requires_grad_()
        return self.held[name]


def with_gradients(call: Callable[P, R]) -> Callable[P, R]:
    """The same, whatever the caller switched off: gradients are what is counted, and what is counted is kept."""
    return torch.inference_mode(False)(torch.enable_grad()(call))


def _probe(design: Design, image: Tensor) -> _Probe:
    probe = _Probe()
    with _Wiring():
        _wiring(design)(image, probe)
    return probe


def _thin(design: Design, side: int) -> Tensor:
    """An image one pixel thin along all sides but one; every part treats its sides alike."""
    return torch.ones(1, 1, side, *[1] * (design.dims - 1), dtype=torch.float64)


@remembered(maxsize=16)
@with_gradients
def _probed(design: Design, side: int) -> tuple[Tensor, _Probe]:
    """A thin image, and every feature map of it, whose graph answers for all their pixels."""
    image = _thin(design, side).requires_grad_()
    return image, _probe(design, image)


@remembered(maxsize=4096)
@with_gradients
def _span(design: Design, side: int, at: int, place: str) -> tuple[int, int]:
    image, probe = _probed(design, side)
    asked = probe.features[place].flatten(2)[0, :, at].sum()
    (gradient,) = torch.autograd.grad(asked, image, retain_graph=True)
    reached = gradient.flatten().nonzero().flatten()
    return int(reached.min()), int(reached.max())


def _sketch_side(design: Design) -> int:
    """The smallest side that leaves two pixels at the coarsest level."""
    return 2 ** (design.depth + 1)


@remembered(maxsize=64)
@with_gradients
def _sketch(design: Design) -> _Probe:
    """Every feature map and held value of a design, on a small image."""
    return _probe(design, _thin(design, _sketch_side(design)))


@remembered(maxsize=256)
@with_gradients
def _held_still(design: Design, place: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of what sees the whole image, and of what sees a neighbourhood, on the way to a place."""
    feature, held = _sketch(design).features[place], _sketch(design).held
    if not feature.requires_grad:
        return (), ()
    reached = torch.autograd.grad(feature.sum(), [*held.values()], allow_unused=True, retain_graph=True)
    upstream = [name for name, gradient in zip(held, reached, strict=True) if gradient is not None]
    pooled = tuple(name for name in upstream if all(side == 1 for side in held[name].shape[2:]))
    return pooled, tuple(name for name in upstream if name not in pooled)


@remembered(maxsize=64)
@with_gradients
def _wiring(design: Design) -> UNet:
    """The network of a design, one channel wide, with positive weights and nothing that depends on content."""
    with torch.device("meta"):
        network = UNet(design.replace(width=1), in_channels=1, classes=1)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, Norm):
                setattr(module, name, nn.Identity())
    network = network.to_empty(device="cpu").double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            many = parameter.dim() > 1
            parameter.fill_(1 / parameter[0].numel() if many else float(parameter.dim() == 0))
    return network.requires_grad_(False)


class _Wiring(TorchFunctionMode):
    """Replaces what picks by content with what lets everything through."""

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in (F.max_pool2d, F.max_pool3d):
            return _mean_pool(args[0], args[1], kwargs.get("stride") or args[1])
        if function is F.grid_sample:
            return _sample_exactly(args[0], args[1], kwargs["padding_mode"])
        return function(*args, **kwargs)


def _mean_pool(x: Tensor, side: int, stride: int) -> Tensor:
    """Means over windows of `side` pixels; a window that reaches over the border is filled up with zeros."""
    edges = [edge for n in reversed(x.shape[2:]) for edge in (0, -n % side if stride == side else 0)]
    mean = F.avg_pool2d if x.dim() == 4 else F.avg_pool3d
    return mean(F.pad(x, edges), side, stride)


def _sample_exactly(x: Tensor, grid: Tensor, padding: str) -> Tensor:
    """`grid_sample` with positions snapped to 1/1024 pixel, so that rounding lets no neighbour in."""
    n, channels, *sides = x.shape
    corners = []
    for axis, side in enumerate(sides):
        position = ((grid[..., len(sides) - 1 - axis].reshape(n, -1) + 1) * side - 1) / 2
        position = torch.round(position * 1024) / 1024
        if padding == "border":
            position = position.clamp(0, side - 1)
        below = position.floor()
        corners.append([_corner(below, 1 - (position - below), side), _corner(below + 1, position - below, side)])
    read = x.new_zeros(n, channels, 1)
    for corner in itertools.product(*corners):
        index, weight = torch.zeros_like(corner[0][0]), torch.ones_like(corner[0][1])
        for (at, share), side in zip(corner, sides, strict=True):
            index, weight = index * side + at, weight * share
        taken = x.flatten(2).gather(2, index.unsqueeze(1).expand(n, channels, -1))
        read = read + taken * weight.unsqueeze(1)
    return read.unflatten(2, grid.shape[1:-1])


def _corner(at: Tensor, share: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Index of a neighbour along one side, and its share, which is zero outside the image."""
    return at.long().clamp(0, side - 1), share * ((at >= 0) & (at < side))
