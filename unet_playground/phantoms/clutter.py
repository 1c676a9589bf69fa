"""What distracts: dots and streaks strewn over a picture.

Both are drawn in full and then cut to a share, so that more clutter adds to what less clutter shows.
"""

import math

import numpy as np

from unet_playground.phantoms.shapes import Outlines, Strokes
from unet_playground.phantoms.slot import Floats


def dots(rng: np.random.Generator, shape: tuple[int, int], radius: float, number: float, share: float) -> Outlines:
    """Roundish spots of about `radius` pixels, a `share` of `number`, anywhere in the (height, width) picture."""
    count = math.ceil(number)
    radii = radius * np.exp(np.clip(rng.normal(0, 0.35, count), -0.7, 0.7))
    turns = np.exp(2j * np.pi * rng.random((count, 3)))
    waves = turns * np.minimum(np.abs(rng.normal(0, (0.05, 0.15, 0.08), (count, 3))), 0.25)
    centres = rng.uniform(-0.5, np.array(shape) - 0.5, (count, 2))
    return Outlines(centres, radii, waves).first(round(share * count))


def streaks(
    rng: np.random.Generator, shape: tuple[int, int], radius: float, number: int, share: float, bend: float = 0.03
) -> Strokes:
    """Lines that cross the (height, width) picture, a `share` of `number`, `radius` pixels wide to either side.

    Their direction changes at random, by about `bend` radians within one pixel and ten times as much within a hundred.
    """
    step = 6 + 3 * radius
    steps = math.ceil(2 * math.hypot(*shape) / step)
    turns = rng.normal(0, bend * math.sqrt(step), (number, steps))
    headings = rng.uniform(0, 2 * np.pi, (number, 1)) + np.cumsum(turns, axis=1)
    points = step * np.cumsum(np.stack([np.sin(headings), np.cos(headings)], axis=2), axis=1)
    # A line passes through its middle point, which lies in the picture; both its ends lie outside.
    points += rng.uniform(-0.5, np.array(shape) - 0.5, (number, 1, 2)) - points[:, steps // 2, None]
    widths = radius * rng.uniform(0.6, 1.4, number)
    kept = round(share * number)
    return polyline(points[:kept], np.repeat(widths[:kept, None], steps, axis=1))


def polyline(points: Floats, radii: Floats) -> Strokes:
    """Lines through `points` (n, m, 2), `radii` (n, m) pixels wide to either side, as n * (m - 1) strokes."""
    starts, ends = points[:, :-1].reshape(-1, 2), points[:, 1:].reshape(-1, 2)
    return Strokes(starts, ends, np.stack([radii[:, :-1], radii[:, 1:]], axis=2).reshape(-1, 2))
