"""Whether every second pixel is treated like the first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.operators.part import Operator, fresh

SIDE = 8
"""Side in coarse pixels of the flat image; its middle half is read."""
IMPULSES = 16
"""At most so many channels get an impulse."""
SEEDS = 5
CHANNELS = 8


@dataclass(frozen=True)
class Checkerboard:
    """How unevenly a part treats the four sub-pixel positions of the finer grid.

    Both numbers are the standard deviation over the four positions, divided by their root mean square: 0 is no
    checkerboard, 1 nothing but one.

    Attributes:
        constant: Of the answer to an image that is flat in every channel; 0 by nature on the way down.
        impulse: Of the whole answer to one pixel: by output position on the way up, by its own position on the way
            down.
        phases: float32 (2, 2), size of the answer to the flat image at each position, its mean 1; on the way down that
            of the answers to an impulse.
    """

    constant: float
    impulse: float
    phases: NDArray[np.float32]


def checkerboard(operator: Operator, level: Tensor | None = None) -> Checkerboard:
    """The unevenness of a part with the weights it has.

    Args:
        operator: The part.
        level: float32 (channels,), the value of each channel of the flat image; 1 by default.
    """
    level = (torch.ones(operator.channels) if level is None else level).to(operator.like)
    with torch.no_grad():
        zero = operator(level.new_zeros(1, operator.channels, SIDE, SIDE))
        impulse = _up_impulses(operator, zero) if operator.enlarges else _down_impulses(operator, zero)
        if not operator.enlarges:
            return Checkerboard(0.0, unevenness(impulse), _relative(impulse))
        flat = operator(level.view(1, -1, 1, 1).expand(1, -1, SIDE, SIDE))
        constant = _by_phase(flat[..., SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2], torch.mean)
    return Checkerboard(unevenness(constant), unevenness(impulse), _relative(constant))


def fresh_checkerboard(slot: str, choice: str) -> Checkerboard:
    """The mean of a part's unevenness over seeds of its fresh weights, on random flat channels."""
    found = []
    for seed in range(SEEDS):
        level = torch.rand(CHANNELS, generator=torch.Generator().manual_seed(seed))
        found.append(checkerboard(fresh(slot, choice, CHANNELS, CHANNELS, seed), level))
    return Checkerboard(
        float(np.mean([one.constant for one in found])),
        float(np.mean([one.impulse for one in found])),
        np.stack([one.phases for one in found]).mean(0),
    )


def unevenness(phases: Tensor) -> float:
    """Standard deviation over the four positions (k, 2, 2) of a grid, as a share of the root mean square; 0 of none."""
    four = phases.double().flatten(1)
    size = float(four.square().mean().sqrt())
    # What rounding alone leaves over is no pattern.
    return float(four.var(1, correction=0).mean().sqrt()) / size if size > 1e-6 else 0.0


def _by_phase(x: Tensor, summed: Callable[..., Tensor]) -> Tensor:
    """(n, c, 2h, 2w) -> (n c, 2, 2)."""
    corners = [summed(x[:, :, row::2, column::2], (2, 3)) for row in (0, 1) for column in (0, 1)]
    return torch.stack(corners, -1).reshape(-1, 2, 2)


def _up_impulses(operator: Operator, zero: Tensor) -> Tensor:
    return _by_phase(operator(_impulses(operator, (SIDE // 2, SIDE // 2), zero)) - zero, torch.sum)


def _down_impulses(operator: Operator, zero: Tensor) -> Tensor:
    places = [(SIDE // 2 + row, SIDE // 2 + column) for row in (0, 1) for column in (0, 1)]
    answers = [(operator(_impulses(operator, place, zero)) - zero).sum((2, 3)).flatten() for place in places]
    return torch.stack(answers, -1).reshape(-1, 2, 2)


def _impulses(operator: Operator, place: tuple[int, int], like: Tensor) -> Tensor:
    """(k, channels, side, side): one pixel of 1 in one channel each."""
    chosen = torch.linspace(0, operator.channels - 1, min(IMPULSES, operator.channels)).round().long()
    x = like.new_zeros(len(chosen), operator.channels, SIDE, SIDE)
    x[(torch.arange(len(chosen)), chosen, *place)] = 1
    return x


def _relative(phases: Tensor) -> NDArray[np.float32]:
    size = phases.double().square().mean(0).sqrt()
    mean = float(size.mean())
    return (size / mean if mean > 1e-6 else torch.ones_like(size)).float().cpu().numpy()
