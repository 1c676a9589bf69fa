"""Masks and images as files."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import PlaygroundError


def encode_mask(mask: NDArray[np.uint8]) -> bytes:
    """A mask as a PNG file that gives back exactly the same labels.

    Args:
        mask: (h, w) labels.

    Raises:
        PlaygroundError: For another shape or type.
    """
    if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0:
        raise PlaygroundError(
            "This array is no mask; a mask is (h, w) of type uint8. Convert it and try again.",
            "该数组不是掩膜；掩膜的形状为 (h, w)，类型为 uint8。请转换后重试。",
        )
    return _png(mask)


def encode_labels(mask: NDArray[np.uint8], colors: Sequence[str]) -> bytes:
    """A mask as a PNG file that gives back exactly the same labels and shows each in its colour.

    Args:
        mask: (h, w) labels.
        colors: `#rrggbb` of every label, the background first.

    Raises:
        PlaygroundError: For another shape or type, or a label without a colour.
    """
    from PIL import Image

    largest = int(mask.max(initial=0))
    if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0 or largest >= len(colors):
        raise PlaygroundError(
            f"This mask goes up to {largest} and there are {len(colors)} colours; a mask is (h, w) of type uint8, and "
            "every label has a colour.",
            f"该掩膜最大值为 {largest}，颜色有 {len(colors)} 种；掩膜的形状为 (h, w)，类型为 uint8，每个标签都有颜色。",
        )
    image = Image.fromarray(np.ascontiguousarray(mask)).convert("L")
    image.putpalette(b"".join(bytes.fromhex(color.removeprefix("#")) for color in colors))
    file = BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """An image as a PNG file that gives back exactly the same values.

    Args:
        image: (h, w) of 8 or 16 bits, or (h, w, 3) RGB of 8 bits.

    Raises:
        PlaygroundError: For another shape or type.
    """
    gray = image.ndim == 2 and image.dtype in (np.uint8, np.uint16)
    coloured = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    if not (gray or coloured) or image.size == 0:
        raise PlaygroundError(
            "This array is not written as PNG; (h, w) of type uint8 or uint16 and (h, w, 3) of type uint8 are. "
            "Convert it and try again.",
            "该数组不能写为 PNG；可写 uint8 或 uint16 的 (h, w) 以及 uint8 的 (h, w, 3)。请转换后重试。",
        )
    return _png(image)


def _png(array: NDArray[Any]) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, format="PNG")
    return file.getvalue()
