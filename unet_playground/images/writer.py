"""Masks as files."""

from io import BytesIO

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
    from PIL import Image

    if mask.ndim != 2 or mask.dtype != np.uint8 or mask.size == 0:
        raise PlaygroundError(
            "This array is no mask; a mask is (h, w) of type uint8. Convert it and try again.",
            "该数组不是掩码；掩码的形状为 (h, w)，类型为 uint8。请转换后重试。",
        )
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(mask)).save(file, format="PNG")
    return file.getvalue()
