"""What is left of edges and small dots after going down and coming up again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.operators.part import plain
from unet_playground.errors import PlaygroundError

SIDE = 32
MARGIN = 6
"""Pixels at the border of the test image that are not read."""
DOTS = (1, 2, 3)
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Where an edge or a dot begins against the coarser grid."""


@dataclass(frozen=True)
class Edges:
    """A step from 0 to 1 after one way down and up, both with plain weights (one channel).

    Attributes:
        rise: (2,) pixels from 10% to 90% of the step, for an edge on the coarser grid and one a pixel beside it. An
            untouched step has 0.8.
        shift: (2,) pixels by which its half height has moved, positive towards its bright side.
        profile: float32 (2, n), its heights across the edge.
        places: float32 (n,), where these lie, in pixels from the true edge of the first.
    """

    rise: NDArray[np.float32]
    shift: NDArray[np.float32]
    profile: NDArray[np.float32]
    places: NDArray[np.float32]


@dataclass(frozen=True)
class Dots:
    """Share of its contrast that a square dot keeps after one way down and up, both with plain weights.

    Attributes:
        bright: float32 (3, 4), for dots of 1, 2 and 3 pixels at every position against the coarser grid.
        dark: The same for dark dots on a bright ground.
    """

    bright: NDArray[np.float32]
    dark: NDArray[np.float32]


def edges(down: str, up: str) -> Edges:
    """The edge response of a pair of parts."""
    through = _through(down, up)
    middle = SIDE // 2
    kept = slice(MARGIN, SIDE - MARGIN)
    profiles, rises, shifts = [], [], []
    for place in (middle, middle + 1):
        image = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.float64)
        image[..., place:] = 1
        profile = through(image)[0, 0, kept, kept].mean(0).numpy()
        dark, bright = profile[:4].mean(), profile[-4:].mean()
        # A part that lets no step through has no edge anywhere.
        profile = (profile - dark) / (bright - dark) if abs(bright - dark) > 1e-9 else np.zeros_like(profile)
        low, half, high = (crossing(profile, height) for height in (0.1, 0.5, 0.9))
        rises.append(high - low)
        shifts.append(half + MARGIN - (place - 0.5))
        profiles.append(profile)
    places = np.arange(SIDE)[kept] - (middle - 0.5)
    return Edges(*(np.asarray(one, np.float32) for one in (rises, shifts, profiles, places)))


def crossing(profile: NDArray, height: float) -> float:
    """Where a profile first comes up to a height, interpolated between pixels; its end where it never does."""
    above = np.flatnonzero(profile >= height)
    if not len(above) or above[0] == 0:
        return float(above[0]) if len(above) else float(len(profile) - 1)
    at = int(above[0])
    low, high = float(profile[at - 1]), float(profile[at])
    return at - 1 + (height - low) / (high - low)


def dots(down: str, up: str) -> Dots:
    """The contrast that small dots keep through a pair of parts."""
    through = _through(down, up)
    kept = []
    for ground in (0.0, 1.0):
        image = torch.full((1, 1, SIDE, SIDE), ground, dtype=torch.float64)
        empty = through(image)
        kept.append([[_kept(through, image, empty, side, phase) for phase in PHASES] for side in DOTS])
    return Dots(*(np.asarray(one, np.float32) for one in kept))


def _kept(
    through: Callable[[Tensor], Tensor], image: Tensor, empty: Tensor, side: int, phase: tuple[int, int]
) -> float:
    top, left = (SIDE // 2 + offset for offset in phase)
    dotted = image.clone()
    dotted[..., top : top + side, left : left + side] = 1 - image[0, 0, 0, 0]
    sign = 1 if image[0, 0, 0, 0] == 0 else -1
    return max(0.0, float((sign * (through(dotted) - empty)).max()))


def _through(down: str, up: str) -> Callable[[Tensor], Tensor]:
    on_the_way_down, on_the_way_up = plain("down", down), plain("up", up)
    if not on_the_way_down.part.halves:
        raise PlaygroundError(
            f"{down} gives up no resolution, so nothing has to come up again; choose another way down.",
            f"{down} 不降低分辨率，无需再上采样；请选择另一种下采样。",
        )

    def through(image: Tensor) -> Tensor:
        with torch.no_grad():
            return on_the_way_up(on_the_way_down(image), image.shape[2:])

    return through
