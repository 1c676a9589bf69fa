"""Slot `phantom`: images drawn by code, whose true mask is therefore known to every pixel."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import PlaygroundError, Text
from unet_playground.registry import Catalogue, Choice, Knob

LARGEST = 2048
"""The longest side of a phantom, in pixels."""

Floats = NDArray[np.float64]
Contrast = Annotated[float, Knob("Contrast: object minus ground", "对比度：目标与背景之差", 0.0, 1.0)]
Noise = Annotated[float, Knob("Noise: standard deviation", "噪声：标准差", 0.0, 0.5)]
Clutter = Annotated[float, Knob("Clutter: share of distracting structures", "杂物：干扰结构的比例", 0.0, 1.0)]


@dataclass(frozen=True, eq=False)
class Phantom:
    """A drawn image and the exact truth about it.

    Attributes:
        pixels: (h, w) gray, float32 in 0..1.
        labels: (h, w), uint8: 1 where the centre of a pixel lies inside an object, 0 elsewhere.
        objects: (h, w), int32: the number of the object from 1 in the order of drawing, 0 elsewhere; None where the
            objects of a kind are one connected thing.
    """

    pixels: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)
    objects: NDArray[np.int32] | None = field(repr=False, default=None)


Side = int | tuple[int, int]
Draw = Callable[..., Phantom]
"""(side or (height, width), seed, *, thickness, contrast, noise, clutter) -> Phantom; lengths in pixels.

It trusts the values of its knobs, as parts trust their options; `draw` checks them.
"""

phantoms: Catalogue[Draw] = Catalogue("phantom", Text("Phantom", "仿真图像"))


def draw(choice: str | Choice, side: Side, seed: int) -> Phantom:
    """Draw what `choice` says, such as `cells(thickness=6,contrast=0.4)`.

    Args:
        choice: A phantom with its knobs; an unknown one and a value out of range are refused.
        side: Of a square, or (height, width), 1 to 2048 pixels each.
        seed: From 0; the same seed gives the same image.
    """
    parsed = phantoms.parse(str(choice))
    return phantoms[parsed.id].make(side, seed, **dict(parsed.options))


class Scene:
    """An empty picture: its sides, and a stream of random numbers for each kind of thing that is put into it.

    The streams are independent: another contrast, noise or clutter leaves the objects of a seed where they are.

    Attributes:
        shape: (height, width) in pixels.
        objects: For the objects.
        clutter: For what distracts from them and for the ground.
    """

    def __init__(self, side: Side, seed: int):
        self.shape = _checked(side)
        if seed < 0:
            raise PlaygroundError(
                f"The seed {seed} is not possible: seeds count from 0.", f"种子 {seed} 无效：种子从 0 开始。"
            )
        self.objects, self.clutter, self._noise = (np.random.default_rng((seed, stream)) for stream in range(3))

    def developed(self, pixels: Floats, noise: float) -> NDArray[np.float32]:
        """`pixels` (h, w) as a detector records them: Gaussian noise added, cut off at 0 and 1, float32."""
        return np.clip(pixels + noise * self._noise.standard_normal(self.shape), 0, 1).astype(np.float32)


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], spacing: float) -> Floats:
    """A random landscape without steps, (h, w): mean 0, standard deviation 1, hills about `spacing` pixels apart.

    Independent random numbers on a coarse grid are joined by cubic B-splines.
    """
    rows, columns = (_splines(side, max(spacing, 1.0)) for side in shape)
    return rows @ rng.standard_normal((rows.shape[1], columns.shape[1])) @ columns.T


def _splines(side: int, spacing: float) -> Floats:
    """How much each node of the coarse grid counts at each pixel, (side, nodes)."""
    nodes = np.arange(-1, side / spacing + 2)
    far = np.abs(np.arange(side)[:, None] / spacing - nodes)
    weights = np.clip(2 - far, 0, None) ** 3 / 6 - np.clip(1 - far, 0, None) ** 3 * 4 / 6
    # Averaging neighbours makes hills lower; dividing by the root of the weights' squares restores their height.
    return weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))


def _checked(side: Side) -> tuple[int, int]:
    height, width = (side, side) if isinstance(side, int) else side
    if not (1 <= height <= LARGEST and 1 <= width <= LARGEST):
        raise PlaygroundError(
            f"{height} x {width} pixels are not possible: both sides can be 1 to {LARGEST}.",
            f"{height} × {width} 像素无效：两边均可取 1 到 {LARGEST}。",
        )
    return height, width
