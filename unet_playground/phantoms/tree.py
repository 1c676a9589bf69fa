"""A tree of vessels: it leaves one root, forks by Murray's law, winds, tapers and keeps out of its own way."""

import heapq
import itertools
import math
from dataclasses import dataclass

import numpy as np

from unet_playground.phantoms.clutter import polyline
from unet_playground.phantoms.shapes import Strokes
from unet_playground.phantoms.slot import Floats

FINEST = 0.5
"""Radius of the thinnest vessel that is drawn, in pixels: ends are one pixel wide."""
_END = 0.38
"""Radius at which a vessel ends, or 0.3 of the widest one's; below `FINEST` it is drawn one pixel wide."""
_STEP = 2.0
"""Pixels from one point of a vessel to the next."""
_SQUARE = 5
"""Side of the squares in which vessels leave their mark, in pixels."""
_TAPER = 0.3
"""Logarithm of what a vessel loses of its radius across the whole picture, beside what its forks take."""


@dataclass(frozen=True, eq=False)
class Sprout:
    """Where a vessel begins.

    Attributes:
        start: Its first point, (row, column).
        heading: Its direction in radians, from the columns' axis towards the rows'.
        radius: In pixels.
        bend: Radians per pixel that it turns steadily.
        kind: Number of the trunk that it descends from.
    """

    start: Floats
    heading: float
    radius: float
    bend: float
    kind: int


@dataclass(frozen=True, eq=False)
class Tree:
    """What has grown.

    Attributes:
        strokes: Its n pieces, radii as drawn.
        radii: (n,), radii as grown in pixels; the thinnest are below what is drawn.
        kinds: (n,), number of the trunk that each piece descends from.
    """

    strokes: Strokes
    radii: Floats
    kinds: Floats


def fork(radius: float, share: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Radius and angle (radians, to the left and to the right) of both branches of a fork.

    Murray's law: r0^3 = r1^3 + r2^3, and the angles at which the least work keeps blood and vessel walls going,
    cos t1 = (r0^4 + r1^4 - r2^4) / (2 r0^2 r1^2).

    Args:
        radius: Of the vessel before it forks.
        share: Part of the flow that the first branch takes, between 0 and 1.
    """
    first, second = share ** (1 / 3), (1 - share) ** (1 / 3)
    left, right = (
        math.acos(min(1.0, (1 + one**4 - other**4) / (2 * one**2))) for one, other in ((first, second), (second, first))
    )
    return (radius * first, left), (radius * second, -right)


def grow(rng: np.random.Generator, shape: tuple[int, int], trunks: list[Sprout]) -> Tree:
    """Let `trunks` grow and fork until they leave the (height, width) picture, or are too thin.

    Wide vessels grow first; a thin one ends where it would meet another.
    """
    ground = _Ground(shape)
    order = itertools.count()
    waiting = [(-trunk.radius, next(order), trunk) for trunk in trunks]
    heapq.heapify(waiting)
    end = min(_END, 0.3 * max(trunk.radius for trunk in trunks))
    paths: list[Floats] = []
    while waiting:
        _, number, sprout = heapq.heappop(waiting)
        path = _path(rng, sprout, max(shape))
        kept = ground.reserve(path, number)
        paths.append(path[:kept])
        if kept == len(path):
            for branch in _branches(rng, sprout, path):
                if branch.radius > end:
                    heapq.heappush(waiting, (-branch.radius, next(order), branch))
    return _joined(paths)


def _path(rng: np.random.Generator, sprout: Sprout, side: int) -> Floats:
    """Points of one vessel up to its next fork, (m, 5): row, column, radius, heading, kind.

    Both its length and its windings follow its radius and, so that thin trees fill a picture too, the picture's side.
    """
    length = sprout.radius * rng.uniform(8, 20) + side * rng.uniform(0.03, 0.07)
    way = np.arange(0, length + _STEP, _STEP)
    wave, phase = sprout.radius * rng.uniform(14, 28) + side * rng.uniform(0.06, 0.15), rng.uniform(0, 2 * np.pi)
    sway = rng.uniform(0.1, 0.45) * (np.sin(2 * np.pi * way / wave + phase) - np.sin(phase))
    heading = sprout.heading + sprout.bend * way + sway
    moves = np.stack([np.sin(heading), np.cos(heading)], axis=1)
    points = sprout.start + _STEP * (np.cumsum(moves, axis=0) - moves[0])
    radius = sprout.radius * np.exp(-_TAPER * way / side)
    return np.column_stack([points, radius, heading, np.full_like(way, sprout.kind)])


def _branches(rng: np.random.Generator, sprout: Sprout, path: Floats) -> list[Sprout]:
    """What grows on from the end of a path."""
    end, (radius, heading) = path[-1, :2], path[-1, 2:4].tolist()
    # Mostly a thin branch leaves a wide vessel, seldom does one part into equals.
    share = 0.06 + 0.44 * rng.random() ** 1.7
    side = 1 if rng.random() < 0.5 else -1
    (thin, away), (wide, aside) = fork(radius, share)
    return [
        Sprout(end, heading + side * aside, wide, sprout.bend, sprout.kind),
        Sprout(end, heading + side * away, thin, rng.normal(0, 0.004), sprout.kind),
    ]


class _Ground:
    """Which squares of the picture already have a vessel, so that thin ones keep their distance."""

    def __init__(self, shape: tuple[int, int]):
        self.limit = np.array(shape) // _SQUARE + 5
        self.owners = np.full(self.limit, -1)

    def reserve(self, path: Floats, number: int) -> int:
        """How many points of `path` there is room for, once vessel `number` has left its mark on them."""
        squares = np.floor(path[:, :2] / _SQUARE).astype(np.int64) + 2
        outside = ((squares < 0) | (squares >= self.limit)).any(axis=1)
        kept = int(np.argmax(outside)) if outside.any() else len(path)
        squares = squares[:kept]
        owners = self.owners[squares[:, 0], squares[:, 1]]
        # Its first steps lie beside the vessel that it grows from.
        met = (owners >= 0) & (owners != number) & (path[:kept, 2] < 1.0) & (np.arange(kept) > 4)
        kept = int(np.argmax(met)) if met.any() else kept
        self.owners[squares[:kept, 0], squares[:kept, 1]] = number
        return kept


def _joined(paths: list[Floats]) -> Tree:
    lines = [polyline(path[None, :, :2], np.maximum(path[None, :, 2], FINEST)) for path in paths if len(path) > 1]
    inner = [path[1:] for path in paths if len(path) > 1]
    strokes = Strokes(
        np.concatenate([line.starts for line in lines]),
        np.concatenate([line.ends for line in lines]),
        np.concatenate([line.radii for line in lines]),
    )
    return Tree(strokes, np.concatenate([path[:, 2] for path in inner]), np.concatenate([path[:, 4] for path in inner]))
