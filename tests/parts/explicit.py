"""What a network computes, written out with the plainest operations, and what tests of skips share."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground import Design, UNet

both = pytest.mark.parametrize("dims", [2, 3])
CONVOLVE = {2: F.conv2d, 3: F.conv3d}
STAMP = {2: F.conv_transpose2d, 3: F.conv_transpose3d}
SIDES = {2: (13, 10), 3: (9, 6, 11)}
State = Mapping[str, Tensor]


def build(skip: str, depth: int = 3, dims: int = 2, **choices: Any) -> UNet:
    """In double precision, with no parameter at a special value such as a bias of zero."""
    network = UNet(Design(skip=skip, depth=depth, width=4, dims=dims, **choices), in_channels=2, classes=3)
    network.double().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return network


def copy_weights(network: UNet, source: UNet, was: str = "", now: str = "") -> None:
    """Give a network every weight of its names; the source may call a tensor otherwise, but has to have it."""
    state = {name.replace(was, now): weight for name, weight in source.state_dict().items()}
    network.load_state_dict({name: state[name] for name in network.state_dict()})


def random_image(dims: int = 2) -> Tensor:
    return torch.randn(2, 2, *SIDES[dims], dtype=torch.float64)


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def shapes_of(design: Design) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: parameter.shape for name, parameter in UNet(design).named_parameters()}


# Slow code.


def pool(x: Tensor, halvings: int) -> Tensor:
    """Strongest of every window, one axis after the other; the last window may be cut off by the border."""
    for axis in range(2, x.dim()):
        x = torch.cat([window.amax(axis, keepdim=True) for window in x.split(2**halvings, axis)], axis)
    return x


def enlarge(x: Tensor, doublings: int, sides: Sequence[int]) -> Tensor:
    """Every axis weighed by how near the pixel centres lie, for as many pixels as are asked for."""
    for axis, side in enumerate(sides, start=2):
        last = x.shape[axis] - 1
        positions = [min(max((pixel + 0.5) / 2**doublings - 0.5, 0), last) for pixel in range(side)]
        near = [[max(0.0, 1 - abs(position - pixel)) for pixel in range(last + 1)] for position in positions]
        x = (x.movedim(axis, -1) @ x.new_tensor(near).T).movedim(-1, axis)
    return x


def align(x: Tensor, level: int, to: int, sides: Sequence[int]) -> Tensor:
    return pool(x, to - level) if level <= to else enlarge(x, level - to, sides)


def repeat(x: Tensor, sides: Sequence[int]) -> Tensor:
    for axis, side in enumerate(sides, start=2):
        x = x.index_select(axis, torch.arange(side) // 2)
    return x


def convolve(x: Tensor, state: State, name: str = "") -> Tensor:
    weight = state[f"{name}weight"]
    return CONVOLVE[x.dim() - 2](x, weight, state.get(f"{name}bias"), padding=weight.shape[-1] // 2)


def normalise(x: Tensor, bias: Tensor) -> Tensor:
    """Normalised by the size of each pixel's channel vector, then ReLU."""
    return (x / torch.sqrt((x**2).mean(1, keepdim=True) + 0.1) + bias).clamp_min(0)


def plain_block(state: State, prefix: str, sources: Mapping[str, Tensor]) -> Tensor:
    """H of the papers: two convolutions, the first one as a sum over its sources by their names."""
    first = [CONVOLVE[x.dim() - 2](x, state[f"{prefix}.first.weight.{name}"], padding=1) for name, x in sources.items()]
    inner = normalise(torch.stack(first).sum(0), state[f"{prefix}.first_norm.bias"])
    second = CONVOLVE[inner.dim() - 2](inner, state[f"{prefix}.second.weight.inner"], padding=1)
    return normalise(second, state[f"{prefix}.second_norm.bias"])
