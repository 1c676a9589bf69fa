"""Masks that were drawn by somebody: class numbers, not brightness."""

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import refusal
from unet_playground.images.apart import decoders
from unet_playground.images.arrays import MAGIC
from unet_playground.images.picture import SCALED
from unet_playground.images.reader import content_of, read_image
from unet_playground.limits import Limits


def read_labels(source: str | PathLike[str] | bytes) -> NDArray[np.uint16]:
    """The class or object number of every pixel, (h, w), of a label image with 1, 8 or 16 bits or a NumPy array.

    A gray value is the number itself, and so is a colour's place in a colour table whose first colour is black; of
    other colours the largest channel is taken, so that only black is 0.

    Raises:
        UnreadableImage: As `read_image`, and for signed, 32-bit or floating-point values.
    """
    limits = Limits.from_environment()
    data = content_of(source, limits)
    if data.startswith(MAGIC):
        return _of_array(decoders().array(data, limits))
    picture = read_image(data)
    if picture.bits > 16 or SCALED in picture.notes:
        raise refusal(
            "This label image holds signed, 32-bit or fractional values; labels are whole numbers of 1, 8 or 16 bits.",
            "该标注图含有带符号、32 位或小数值；标注应为 1、8 或 16 位整数。",
        )
    pixels = picture.pixels if picture.numbers is None else picture.numbers
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels * 65535)
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    return pixels.astype(np.uint16)


def as_classes(labels: NDArray[np.uint16], classes: int) -> NDArray[np.uint8]:
    """The class of every pixel, 0 to classes - 1.

    Args:
        labels: Numbers of classes or, where there are two classes, of objects: every number above 0 is then class 1.
        classes: Of the task, with the background.

    Raises:
        UnreadableImage: There is a number beyond the classes.
    """
    largest = int(labels.max(initial=0))
    if classes > 2 and largest >= classes:
        raise refusal(
            f"The labels go up to {largest}; this task has the classes 0 to {classes - 1}: give every pixel its class.",
            f"标注最大值为 {largest}；该任务的类别为 0 至 {classes - 1}：请为每个像素给出其类别。",
        )
    return (labels > 0 if classes == 2 else labels).astype(np.uint8)


def _of_array(array: NDArray[Any]) -> NDArray[np.uint16]:
    whole = array.dtype.kind in "bui" and array.ndim == 2
    if not whole or array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
        raise refusal(
            "This .npy file holds no labels; labels are an array (h, w) of whole numbers from 0 to 65535.",
            "该 .npy 文件不是标注；标注应为 (h, w) 的整数数组，取值 0 至 65535。",
        )
    return array.astype(np.uint16)
