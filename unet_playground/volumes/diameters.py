"""Diameters of a region in a slice as RECIST takes them: the longest one, and the longest across it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist


@dataclass(frozen=True)
class Diameters:
    """Two diameters at right angles in one slice.

    Attributes:
        longest: Between the two points of the region that lie farthest apart.
        across: Of the longest line at right angles to it, within the region's convex hull.
        slice: In which slice.
    """

    longest: float
    across: float
    slice: int


NOTHING = Diameters(0.0, 0.0, 0)


def diameters(region: NDArray[np.bool_], steps: NDArray[np.float64], number: int) -> Diameters:
    """The diameters of a region, exact for the hull of its pixels.

    A pixel reaches from its centre half a step to either side along each axis. Its corners would lengthen every round
    outline by up to 1.4 pixels, its centre would shorten it as much; so both stay within one.

    Source: Eisenhauer et al. 2009, New response evaluation criteria in solid tumours (RECIST 1.1).

    Args:
        region: (x, y), not empty.
        steps: (2, 2), from one pixel to the next along x and along y, in the plane.
        number: Of the slice.
    """
    hull = _hull(region, steps)
    apart = cdist(hull, hull)
    one, other = np.unravel_index(int(apart.argmax()), apart.shape)
    along = (hull[other] - hull[one]) / apart[one, other]
    return Diameters(float(apart[one, other]), _across(hull, along), number)


def _hull(region: NDArray[np.bool_], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of the convex hull in order, (n, 2)."""
    rows = np.flatnonzero(region.any(1))
    # Of each row only the first and the last pixel can be a corner.
    first, last = region[rows].argmax(1), region.shape[1] - 1 - region[rows][:, ::-1].argmax(1)
    centres = np.concatenate([np.stack([rows, first], 1), np.stack([rows, last], 1)]).astype(np.float64)
    reach = np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    points = (centres[:, None] + reach).reshape(-1, 2) @ steps
    return points[ConvexHull(points).vertices]


def _across(hull: NDArray[np.float64], along: NDArray[np.float64]) -> float:
    """The longest line within a hull at right angles to a direction.

    How long such a line is changes linearly between two corners, so the longest passes through a corner.
    """
    place, side = hull @ along, hull @ np.array([-along[1], along[0]])
    begin, end = place, np.roll(place, -1)
    low, high = np.minimum(begin, end)[:, None], np.maximum(begin, end)[:, None]
    length = np.where(high > low, end[:, None] - begin[:, None], 1)
    part = (place - begin[:, None]) / length
    crossing = side[:, None] + part * (np.roll(side, -1) - side)[:, None]
    # An edge at right angles is itself such a line; its ends are met by its neighbours.
    met = (place >= low) & (place <= high) & (high > low)
    top = np.where(met, crossing, -np.inf).max(0)
    bottom = np.where(met, crossing, np.inf).min(0)
    return float((top - bottom).max())
