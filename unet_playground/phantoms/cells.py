"""Phantom `cells`: bright nuclei on a dark ground, as under a fluorescence microscope."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import numpy as np

from unet_playground.phantoms.clutter import dots, streaks
from unet_playground.phantoms.shapes import Nearest, Outlines, nearest
from unet_playground.phantoms.slot import Clutter, Contrast, Floats, Noise, Phantom, Scene, Side, phantoms, smooth_field
from unet_playground.registry import Chinese, Knob

_TRIES = 12
"""Positions that are tried for a cell before it is given up."""
_CLOSEST = 0.9
"""Nearest distance of two centres, as a part of the sum of the radii: cells touch, and hardly overlap."""


@phantoms.register(
    "cells",
    title="Cells",
    formula=r"$r(\theta) = r_0\,(1 + \mathrm{Re} \sum_k c_k e^{ik\theta})$",
    zh=Chinese(
        "细胞",
        "深色背景上明亮的细胞核，有的互相接触，每个都有编号。",
        "每个细胞是一条星形凸轮廓：从中心看，半径是方向的傅里叶级数。像素中心在轮廓内就属于细胞，"
        "所以掩膜是精确的；灰度按到轮廓的距离过渡，边缘不呈锯齿。两个细胞重叠处归轮廓更深的一个。"
        "杂物是失焦的细胞、碎屑、纤维和不均匀的背景光，它们都不属于掩膜。",
    ),
)
def cells(
    side: Side,
    seed: int,
    *,
    thickness: Annotated[float, Knob("Mean radius of a cell in pixels", "细胞平均半径（像素）", 3.0, 20.0)] = 8.0,
    contrast: Contrast = 0.5,
    noise: Noise = 0.03,
    clutter: Clutter = 0.3,
) -> Phantom:
    """Bright nuclei on a dark ground, some of them touching, each with its number.

    A cell is a star-convex outline: seen from its centre, the radius is a Fourier series of the direction. A pixel
    belongs to the cell when its centre lies inside, so the mask is exact; grey values follow the distance to the
    outline, so that the edge has no steps. Where two cells overlap, the pixel is of the one that it lies deeper in.
    Clutter is cells out of focus, debris, fibres and uneven light, none of them in the mask.
    """
    scene = Scene(side, seed)
    outlines = _outlines(scene, thickness)
    found = nearest(outlines, scene.shape)
    inside = found.inside
    light = contrast * (found.cover(1.5) * _stain(scene, outlines, found))
    pixels = 0.15 * (1 - contrast) + light + contrast * _clutter(scene, thickness, clutter)
    objects = np.zeros(scene.shape, np.int32)
    # A cell that others or the border hide altogether must leave no gap in the numbers.
    objects[inside] = np.unique(found.index[inside], return_inverse=True)[1] + 1
    return Phantom(scene.developed(pixels, noise), inside.astype(np.uint8), objects)


def _outlines(scene: Scene, thickness: float) -> Outlines:
    """Cells of `thickness` pixels mean radius, bent and long to different degrees."""
    rng = scene.objects
    height, width = scene.shape
    density = rng.uniform(0.08, 0.28)
    count = max(1, round(density * (height + thickness) * (width + thickness) / (math.pi * thickness**2)))
    radii = thickness * np.exp(np.clip(rng.normal(0, 0.18, count), -0.4, 0.4))
    centres = _places(rng, scene.shape, radii)
    turns = np.exp(2j * np.pi * rng.random((count, 4)))
    sizes = np.abs(rng.normal(0, (0.02, 0.12, 0.03, 0.015), (count, 4)))
    # Longer than 3 to 2 and with deeper bays they would no longer look like cells.
    waves = turns * np.minimum(sizes, (0.04, 0.2, 0.06, 0.03))
    placed = np.isfinite(centres[:, 0])
    return Outlines(centres[placed], radii[placed], waves[placed])


def _places(rng: np.random.Generator, shape: tuple[int, int], radii: Floats) -> Floats:
    """Centres (n, 2), more than half of them beside another cell; NaN for cells that found no place."""
    dish = _Dish(shape, float(radii.max()))
    chances = iter(rng.random(4 * _TRIES * len(radii)).tolist())
    return np.array([dish.settle(radius, chances) for radius in radii.tolist()])


class _Dish:
    """Where cells already are, sorted into squares so that only neighbours are asked.

    Args:
        shape: (height, width) of the picture; cells may lie half outside.
        largest: The largest radius in pixels.
    """

    def __init__(self, shape: tuple[int, int], largest: float):
        self.shape, self.edge, self.square = shape, largest / 2, 2 * largest
        self.cells: list[tuple[float, float, float]] = []
        self.squares: dict[tuple[int, int], list[tuple[float, float, float]]] = {}

    def settle(self, radius: float, chances: Iterator[float]) -> tuple[float, float]:
        """Put a cell to the first free place of a few that `chances` (4 numbers in 0..1 each) name; NaN if none is."""
        for _ in range(_TRIES):
            beside, which, down, right = islice(chances, 4)
            if self.cells and beside < 0.6:
                row, column = self._beside(radius, which, down, right)
            else:
                row, column = self._anywhere(down, right)
            if self._free(row, column, radius):
                cell = (row, column, radius)
                self.cells.append(cell)
                self.squares.setdefault(self._square(row, column), []).append(cell)
                return row, column
        return math.nan, math.nan

    def _anywhere(self, down: float, right: float) -> tuple[float, float]:
        # The first cell lies within the picture, so that the smallest picture shows one.
        edge = self.edge if self.cells else 0.0
        height, width = self.shape
        return down * (height + 2 * edge) - edge - 0.5, right * (width + 2 * edge) - edge - 0.5

    def _beside(self, radius: float, which: float, direction: float, gap: float) -> tuple[float, float]:
        row, column, other = self.cells[int(which * len(self.cells))]
        away = (radius + other) * (_CLOSEST + 0.15 * gap)
        return row + away * math.sin(math.tau * direction), column + away * math.cos(math.tau * direction)

    def _free(self, row: float, column: float, radius: float) -> bool:
        height, width = self.shape
        if not (-self.edge <= row + 0.5 <= height + self.edge and -self.edge <= column + 0.5 <= width + self.edge):
            return False
        top, left = self._square(row, column)
        around = [self.squares.get((top + i, left + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        return all(
            math.hypot(row - one[0], column - one[1]) > _CLOSEST * (radius + one[2]) for near in around for one in near
        )

    def _square(self, row: float, column: float) -> tuple[int, int]:
        return int(row // self.square), int(column // self.square)


def _stain(scene: Scene, cells: Outlines, found: Nearest) -> Floats:
    """How brightly each pixel of a cell shines, about 1, (h, w): mottled, dimmer to the rim, each cell of its own."""
    rng = scene.objects
    level = np.exp(np.clip(rng.normal(0, 0.3, len(cells.radii)), -0.3, 0.6))
    grain = float(np.median(cells.radii)) / 2.5
    mottle = 0.09 * np.clip(smooth_field(rng, scene.shape, max(grain, 1.5)), -1.5, 2)
    depth = np.minimum(found.distance, 0) / np.maximum(0.3 * found.of(cells.radii), 0.1)
    return found.of(level) * (1.06 - 0.2 * np.exp(depth)) * (1 + mottle)


def _clutter(scene: Scene, thickness: float, amount: float) -> Floats:
    """Light of what is no cell, (h, w), where a cell has about 1: haze, cells out of focus, debris and fibres."""
    rng, shape = scene.clutter, scene.shape
    room = shape[0] * shape[1] / thickness**2
    haze = 0.1 * amount * np.clip(1 + smooth_field(rng, shape, 6 * thickness), 0, 3)
    levels = rng.uniform((0.2, 0.3), (0.6, 1.1), (math.ceil(room), 2))
    ghosts = nearest(dots(rng, shape, 1.2 * thickness, room / 40, amount), shape, 0.8 * thickness)
    specks = nearest(dots(rng, shape, max(thickness / 6, 0.7), room / 40, amount), shape)
    fibres = nearest(streaks(rng, shape, thickness / 12, math.ceil(math.sqrt(room) / 6), amount), shape, 3.0)
    veil = ghosts.cover(1.6 * thickness) * ghosts.of(levels[:, 0])
    return haze + veil + specks.cover(1.5) * specks.of(levels[:, 1]) + 0.2 * fibres.cover(4.0)
