"""Masks that were drawn by somebody: class numbers, not brightness."""

from os import PathLike

import numpy as np
from numpy.typing import NDArray

from unet_playground.images.picture import SCALED
from unet_playground.images.reader import read_image, refusal


def read_labels(source: str | PathLike[str] | bytes) -> NDArray[np.uint16]:
    """The class or object number of every pixel, (h, w), of a label image with 1, 8 or 16 bits.

    A gray value is the number itself; of a coloured label the largest channel is taken, so that only black is 0.

    Raises:
        UnreadableImage: As `read_image`, and for signed, 32-bit or floating-point values.
    """
    picture = read_image(source)
    if picture.bits > 16 or SCALED in picture.notes:
        raise refusal(
            "This label image holds signed, 32-bit or fractional values; labels are whole numbers of 1, 8 or 16 bits.",
            "该标注图含有带符号、32 位或小数值；标注应为 1、8 或 16 位整数。",
        )
    pixels = picture.pixels
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels * 65535)
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    return pixels.astype(np.uint16)
