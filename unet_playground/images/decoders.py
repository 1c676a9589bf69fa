"""The two libraries that turn compressed bytes into numbers, each for what it does right.

Pillow is strict about damage and knows palettes, CMYK and alpha, but keeps only 8 bits of deep colours.
OpenCV keeps every bit, but hands out half an image without a word when a file is cut short.
"""

import os
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unet_playground.errors import Text
from unet_playground.images.picture import Picture, over_black
from unet_playground.limits import Limits

_CONVERTED = {
    "P": Text("The colour table was applied.", "已应用调色板。"),
    "PA": Text("The colour table was applied.", "已应用调色板。"),
    "CMYK": Text("CMYK was converted to RGB.", "已将 CMYK 转换为 RGB。"),
}


def decode_ordinary(data: bytes, kind: str) -> Picture:
    """Decode up to 8 bits a sample with Pillow.

    Args:
        data: A whole file.
        kind: Pillow's name of the only format that is tried.
    """
    with _opened(data, kind) as image:
        image.load()
        notes = (_CONVERTED[image.mode],) if image.mode in _CONVERTED else ()
        numbered = image.mode == "P" and (image.getpalette("RGB") or [])[:3] == [0, 0, 0]
        numbers = np.array(image) if numbered else None
        if image.has_transparency_data:
            gray = image.mode in ("1", "L", "LA")
            pixels, alpha = over_black(np.array(image.convert("LA" if gray else "RGBA")))
            notes += alpha
        else:
            plain = image.mode in ("1", "L", "RGB")
            pixels = np.array(image if plain else image.convert("RGB"))
    return replace(Picture.from_array(pixels), notes=notes, numbers=numbers)


def count_frames(data: bytes, kind: str, limits: Limits) -> int:
    """How many frames an animation has.

    Raises:
        UnreadableImage: More than are allowed.
    """
    with _opened(data, kind) as image:
        count = getattr(image, "n_frames", 1)
    limits.check_frames(kind, count)
    return count


def check_whole(data: bytes, kind: str) -> None:
    """Decode with Pillow only to hear whether the file is damaged."""
    with _opened(data, kind) as image:
        image.load()


def decode_deep(data: bytes) -> NDArray[Any]:
    """Decode with OpenCV in the file's own type: (h, w), (h, w, 3) RGB or (h, w, 4) RGB with alpha."""
    cv2 = _opencv()
    try:
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from None
        array = None
    if array is None:
        raise ValueError("not decoded")
    if array.ndim == 3:
        array[..., :3] = array[..., 2::-1].copy()
    return array


def warm() -> None:
    """Load all libraries that decode, which takes longer than most images."""
    _opencv()
    Image.init()
    import_module("gdcm")
    import_module("pydicom.pixels")
    import_module("nibabel")


def _opencv() -> Any:
    # OpenCV reads these once, while it is loaded; what is damaged, the caller says in one sentence.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(Limits.from_environment().pixels))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    import cv2

    cv2.setNumThreads(1)
    return cv2


def _opened(data: bytes, kind: str) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=[kind])
    except Image.DecompressionBombError:
        raise ValueError("larger than Pillow takes") from None
