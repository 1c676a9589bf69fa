"""Which way is left: directions of an image's axes in the patient."""

import numpy as np
from numpy.typing import NDArray

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))


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
