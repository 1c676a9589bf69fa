"""Which way is left: directions of an image's axes in the patient."""

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
_SIDES = {
    **{"L": Text("left", "左侧"), "R": Text("right", "右侧"), "P": Text("back", "后侧"), "A": Text("front", "前侧")},
    **{"I": Text("feet", "足侧"), "S": Text("head", "头侧")},
}
_LEARNED = ("LP", "LI", "PI")
"""Axial, coronal and sagittal slices as radiologists look at them."""
_OTHERWISE = Text(
    "The {side} of the patient is on the right of this picture, the {end} at the bottom. Networks learned from slices "
    "as radiologists look at them, so a mask of this one may be wrong: turn it, or open it as a volume, which is "
    "turned by itself.",
    "此图像的右方为患者的{side}，下方为{end}。网络学习的是按放射学惯例显示的切片，因此该图像的掩膜可能有误："
    "请转正后再试，或作为体数据打开（会自动转正）。",
)


def directions(axes: NDArray[np.float64]) -> str | None:
    """Where an image's columns and its rows grow to, a letter each: `LP` is an axial slice seen from the feet.

    L and R are the patient's left and right, A and P front and back, S and I head and feet; of an oblique axis the
    letter that it points to most.

    Args:
        axes: (2, 3), the direction along a row and the direction along a column, in mm towards right, front and head.

    Returns:
        Two letters; None where the directions are no two axes.
    """
    if not np.isfinite(axes).all() or np.abs(np.cross(*axes)).max() < 1e-6:
        return None
    largest = np.abs(axes).argmax(axis=1)
    return "".join(_LETTERS[axis][int(row[axis] > 0)] for row, axis in zip(axes, largest, strict=True))


def seen_otherwise(orientation: str | None) -> tuple[Text, ...]:
    """A note where an image, whose directions are known, shows the patient otherwise than networks learned."""
    if orientation is None or orientation in _LEARNED:
        return ()
    side, end = (_SIDES[letter] for letter in orientation)
    return (_OTHERWISE.format(side=side, end=end),)
