"""What an image file becomes: plain numbers, their geometry, and what had to be converted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, UnreadableImage

ALPHA = Text("Alpha was laid over black.", "透明部分已叠加在黑色背景上。")
MISSING = Text("Values that are no numbers (NaN, infinite) became 0.", "非数值（NaN、无穷大）已置为 0。")
SCALED = Text(
    "Values were scaled so that the lowest is 0 and the highest is 1.",
    "数值已缩放：最小值为 0，最大值为 1。",
)
FRAME = Text("Frame 1 of {frames} is used.", "使用第 1 帧，共 {frames} 帧。")

# Above this a difference of two float32 values may overflow; no detector measures such numbers.
_LARGEST = 1e38


@dataclass(frozen=True, eq=False)
class Picture:
    """An image as the networks see it: numbers, without names, dates or headers.

    Attributes:
        pixels: (h, w) gray or (h, w, 3) RGB; C-contiguous; uint8, or float32 in 0..1.
        bits: Bits per sample in the source: 1, 8, 16 or 32.
        spacing: Distance of neighbouring rows and of neighbouring columns in mm; None if unknown.
        orientation: Which way is left; None if unknown.
        units: What `values` measure, as `HU`; None if unknown.
        notes: What was converted on the way, one sentence each.
        values: float32 (h, w), what the scanner measured, in `units`; None where the pixels are all there is.
        numbers: uint8 (h, w), of every pixel's colour in the file's colour table, in which 0 is black; None where there
            is no such table.
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32] = field(repr=False)
    bits: int
    spacing: tuple[float, float] | None = None
    orientation: str | None = None
    units: str | None = None
    notes: tuple[Text, ...] = ()
    values: NDArray[np.float32] | None = field(default=None, repr=False)
    numbers: NDArray[np.uint8] | None = field(default=None, repr=False)

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.pixels.shape[1]

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> "Picture":
        """Make a picture from numbers that are already in memory; they are copied.

        uint8 stays, bool becomes 0 and 255, uint16 is divided by 65535. Floats within 0..1 stay; other
        floats and integers are scaled from their lowest to their highest value, and a note says so.

        Args:
            array: (h, w), (h, w, 3) RGB or (h, w, 4) RGB with alpha.

        Raises:
            UnreadableImage: For another shape or for values that are no real numbers.
        """
        array = np.asarray(array)
        _check(array)
        bits = 1 if array.dtype == bool else min(8 * array.dtype.itemsize, 32)
        notes: tuple[Text, ...] = ()
        if array.ndim == 3 and array.shape[2] == 4:
            array, notes = over_black(array)
        pixels, scaling = _normalised(array)
        return cls(np.ascontiguousarray(pixels), bits, notes=notes + scaling)


def over_black(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[Text, ...]]:
    """Mix colours with black where they are transparent.

    Args:
        array: (h, w, 2) gray with alpha or (h, w, 4) RGB with alpha; integers, or floats with alpha in 0..1.

    Returns:
        (h, w) or (h, w, 3) of the same type, and a note if anything was transparent.
    """
    colours, alpha = array[..., :-1], array[..., -1]
    channels = colours.shape[-1]
    whole = array.dtype.kind in "ui"
    opaque = np.iinfo(array.dtype).max if whole else 1
    notes = () if (alpha == opaque).all() else (ALPHA,)
    wide = {"uint8": np.uint16, "uint16": np.uint32}.get(array.dtype.name, np.float64)
    mixed = np.empty(colours.shape, array.dtype)
    for channel in range(channels):  # one at a time: the wide product is several times the image
        product = np.multiply(colours[..., channel], alpha, dtype=wide)
        mixed[..., channel] = (product + opaque // 2) // opaque if whole else product
    return (mixed[..., 0] if channels == 1 else mixed), notes


def _check(array: NDArray[Any]) -> None:
    flat = array.ndim == 2
    coloured = array.ndim == 3 and array.shape[2] in (3, 4)
    if not (flat or coloured) or array.size == 0:
        raise UnreadableImage(
            "An array of this shape is no image; (h, w), (h, w, 3) and (h, w, 4) are read. "
            "Rearrange its axes and try again. Nothing was kept.",
            "该形状的数组不是图像；可读取 (h, w)、(h, w, 3) 和 (h, w, 4)。请调整数组的轴后重试。未保留任何内容。",
        )
    if array.dtype.kind not in "buif" or (array.dtype == bool and array.shape[2:] == (4,)):
        raise UnreadableImage(
            "An array of this type is no image; whole and real numbers are read. "
            "Convert its values and try again. Nothing was kept.",
            "该类型的数组不是图像；可读取整数和实数。请转换数值类型后重试。未保留任何内容。",
        )


def _normalised(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[Text, ...]]:
    """uint8, or float32 in 0..1, in memory of its own."""
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255), ()
    if array.dtype == np.uint8:
        return array.copy(), ()
    if array.dtype == np.uint16:
        return np.divide(array, 65535, dtype=np.float32, order="C"), ()
    return _stretched(array)


def _stretched(array: NDArray[Any]) -> tuple[NDArray[np.float32], tuple[Text, ...]]:
    # Wide integers are shifted in double precision, which keeps fine levels on a high pedestal apart.
    values = array.astype(np.promote_types(array.dtype, np.float32))
    missing = ~(np.abs(values) < _LARGEST)  # a comparison with NaN is false
    notes = (MISSING,) if missing.any() else ()
    lowest = np.min(values, where=~missing, initial=np.inf)
    highest = np.max(values, where=~missing, initial=-np.inf)
    scaled = highest > 1 or lowest < 0 or array.dtype.kind in "ui"
    if scaled and lowest <= highest:
        values[missing] = lowest
        values -= lowest
        values /= (highest - lowest) or 1
        notes += (SCALED,)
    values[missing] = 0
    return values.astype(np.float32, copy=False), notes
