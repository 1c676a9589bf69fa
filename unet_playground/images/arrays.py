"""NumPy's own files: plain numbers of any type, never objects."""

from io import BytesIO
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from unet_playground.errors import refusal
from unet_playground.limits import Limits

MAGIC = npy.MAGIC_PREFIX
"""How such a file begins."""


def read_array(data: bytes, limits: Limits) -> NDArray[Any]:
    """The numbers of a `.npy` file.

    Raises:
        UnreadableImage: It holds no plain numbers, no image, or more than is allowed.
        ValueError: It is damaged.
    """
    file = BytesIO(data)
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, _, dtype = read(file)
    except TokenError:
        raise ValueError("no header") from None
    if dtype.kind not in "buif" or dtype.itemsize > 8 or len(shape) not in (2, 3) or 0 in shape:
        raise refusal(
            "This .npy file holds neither an image nor labels; whole and real numbers of up to 64 bits in the shapes "
            "(h, w), (h, w, 3) and (h, w, 4) are read. Save such an array and try again.",
            "该 .npy 文件不是图像或标注；可读取 (h, w)、(h, w, 3) 和 (h, w, 4) 形状的整数和实数（最多 64 位）。"
            "请保存这样的数组后重试。",
        )
    limits.check_size("NPY", shape[1], shape[0], dtype.itemsize * int(np.prod(shape[2:])))
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)
