"""Shapes that know the distance to their own outline, and the pixels nearest to them.

Everything a phantom holds is a set of outlines (cells, organs, spots) or strokes (vessels, fibres). The sign of the
distance is exact and makes the mask; its size makes the soft edge.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unet_playground.phantoms.slot import Floats

Indices = NDArray[np.int64]
_CHUNK = 1 << 16
"""Pixels that are computed at once: few enough for the processor's cache."""


class Shapes(Protocol):
    """n shapes of one kind."""

    def boxes(self) -> Floats:
        """What they fit into, (n, 4): first row, first column, last row, last column."""
        ...

    def distance(self, index: Indices, rows: Floats, columns: Floats) -> Floats:
        """From point i to the outline of shape `index[i]` in pixels, (m,); negative inside."""
        ...


@dataclass(frozen=True, eq=False)
class Outlines:
    """Star-convex outlines: seen from the centre, the radius is a Fourier series of the direction.

    Attributes:
        centres: (n, 2), row and column.
        radii: (n,), mean radius in pixels.
        waves: (n, k) complex: radius(t) = mean * (1 + Re sum_k waves_k e^(ikt)), k from 1, t from the columns' axis
            towards the rows'. The radius stays above 0 everywhere.
    """

    centres: Floats
    radii: Floats
    waves: NDArray[np.complex128]

    def first(self, count: int) -> "Outlines":
        """The first `count` of them."""
        return Outlines(self.centres[:count], self.radii[:count], self.waves[:count])

    def boxes(self) -> Floats:
        reach = (self.radii * (1 + np.abs(self.waves).sum(axis=1)))[:, None]
        return np.concatenate([self.centres - reach, self.centres + reach], axis=1)

    def distance(self, index: Indices, rows: Floats, columns: Floats) -> Floats:
        offset = columns - self.centres[index, 1] + 1j * (rows - self.centres[index, 0])
        away = _length(offset.imag, offset.real)
        turn = offset / np.maximum(away, 1e-9)
        series, slope = np.zeros_like(turn), np.zeros_like(turn)
        for k in range(self.waves.shape[1], 0, -1):
            wave = self.waves[index, k - 1]
            series = (series + wave) * turn
            slope = (slope + k * wave) * turn
        stretch = 1 + series.real
        # Where the outline is oblique, the nearest point of it is closer than the one straight ahead.
        return (away - self.radii[index] * stretch) / _length(1.0, slope.imag / stretch)


@dataclass(frozen=True, eq=False)
class Strokes:
    """Straight strokes with round ends and a radius that changes evenly from start to end.

    Attributes:
        starts: (n, 2), row and column.
        ends: (n, 2), row and column.
        radii: (n, 2), at the start and at the end, in pixels.
    """

    starts: Floats
    ends: Floats
    radii: Floats

    def boxes(self) -> Floats:
        reach = self.radii.max(axis=1, initial=0)[:, None]
        low, high = np.minimum(self.starts, self.ends), np.maximum(self.starts, self.ends)
        return np.concatenate([low - reach, high + reach], axis=1)

    def distance(self, index: Indices, rows: Floats, columns: Floats) -> Floats:
        row, column, down, right, size, radius, growth = self._pieces[:, index]
        rows, columns = rows - row, columns - column
        part = np.clip((rows * down + columns * right) / size, 0, 1)
        return _length(rows - part * down, columns - part * right) - (radius + part * growth)

    @cached_property
    def _pieces(self) -> Floats:
        """Start, step, squared length, radius and its change of every stroke, (7, n)."""
        steps, growth = self.ends - self.starts, self.radii[:, 1] - self.radii[:, 0]
        sizes = np.maximum((steps**2).sum(axis=1), 1e-9)
        return np.stack([*self.starts.T, *steps.T, sizes, self.radii[:, 0], growth])


@dataclass(frozen=True, eq=False)
class Nearest:
    """For every pixel the nearest of some shapes.

    Attributes:
        distance: (h, w), from the pixel's centre to the outline in pixels; negative inside, infinite far away.
        index: (h, w), which shape; -1 far away from all.
    """

    distance: Floats
    index: Indices

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether the pixel's centre lies inside a shape, (h, w)."""
        return self.distance < 0

    def cover(self, softness: float | Floats = 1.0) -> Floats:
        """How much of the pixel is covered, 0 to 1, (h, w); the edge is `softness` pixels wide, one half on it."""
        return np.clip(0.5 - self.distance / softness, 0, 1)

    def of(self, values: Floats) -> Floats:
        """What the nearest shape has of `values` (n,), (h, w); 0 far away from all."""
        return np.append(values, 0.0)[self.index]


def nearest(shapes: Shapes, shape: tuple[int, int], margin: float = 2.0) -> Nearest:
    """The nearest of `shapes` for every pixel of a (height, width) picture, up to `margin` pixels outside of them.

    A soft edge needs a margin of half its width.
    """
    distance, index = np.full(shape[0] * shape[1], np.inf), np.full(shape[0] * shape[1], -1)
    for item, rows, columns in _pixels(_clipped(shapes.boxes(), shape, margin)):
        pixel = rows * shape[1] + columns
        away = shapes.distance(item, rows.astype(np.float64), columns.astype(np.float64))
        np.minimum.at(distance, pixel, away)
        first = away == distance[pixel]
        index[pixel[first]] = item[first]
    index[distance > margin], distance[distance > margin] = -1, np.inf
    return Nearest(distance.reshape(shape), index.reshape(shape))


def _length(down: float | Floats, right: Floats) -> Floats:
    """Length of a step; `np.hypot` guards against overflow and takes several times as long."""
    return np.sqrt(down * down + right * right)


def _clipped(boxes: Floats, shape: tuple[int, int], margin: float) -> Indices:
    """Boxes in whole pixels of the picture, (n, 4); the last row and column are no longer part of them."""
    limit = np.array(shape)
    low = np.clip(np.ceil(boxes[:, :2] - margin), 0, limit)
    high = np.clip(np.floor(boxes[:, 2:] + margin) + 1, low, limit)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def _pixels(boxes: Indices) -> Iterator[tuple[Indices, Indices, Indices]]:
    """Every pixel of every box, in chunks of any boxes: number of the box, row, column."""
    width = boxes[:, 3] - boxes[:, 1]
    counts = (boxes[:, 2] - boxes[:, 0]) * width
    ends = np.cumsum(counts)
    begins = ends - counts
    for start in range(0, int(counts.sum()), _CHUNK):
        stop = min(start + _CHUNK, int(ends[-1]))
        first, last = np.searchsorted(ends, [start, stop - 1], side="right")
        count = np.minimum(ends[first : last + 1], stop) - np.maximum(begins[first : last + 1], start)
        item = np.repeat(np.arange(first, last + 1), count)
        rows, columns = np.divmod(np.arange(start, stop) - begins[item], width[item])
        yield item, rows + boxes[item, 0], columns + boxes[item, 1]
