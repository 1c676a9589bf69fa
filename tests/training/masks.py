"""Masks that are drawn, and masks that are grown at random."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]


def drawn(*rows: str) -> Mask:
    """A mask drawn with digits; a dot is background."""
    return np.array([[int(cell) for cell in row.replace(".", "0")] for row in rows], np.uint8)


def box(side: int, top: int, left: int, height: int, width: int) -> Mask:
    """A square image with one box of class 1."""
    mask = np.zeros((side, side), np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask


def discs(seed: int, height: int = 40, width: int = 53, classes: int = 2, count: int = 5) -> Mask:
    """Discs of random classes, some of which overlap or reach over the image's border."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((height, width))
    mask = np.zeros((height, width), np.uint8)
    for _ in range(count):
        distance = np.hypot(rows - rng.integers(height), columns - rng.integers(width))
        mask[distance <= rng.uniform(1, 8)] = rng.integers(1, classes)
    return mask


EDGE_CASES = {
    "empty": np.zeros((7, 9), np.uint8),
    "full": np.ones((7, 9), np.uint8),
    "one pixel": box(9, 4, 4, 1, 1)[:7],
    "corner pixel": box(9, 0, 0, 1, 1)[:7],
    "square of two": box(9, 3, 3, 2, 2)[:7],
    "half": box(9, 0, 0, 7, 4)[:7],
    "noise": np.random.default_rng(0).integers(0, 2, (7, 9)).astype(np.uint8),
    "dust": (np.random.default_rng(1).random((7, 9)) > 0.8).astype(np.uint8),
}
"""Masks (7, 9) of two classes that have broken metrics before."""

THIN_IMAGES = {
    f"{height} x {width}": np.tile(np.array([0, 1, 1, 0, 1], np.uint8), 7)[: height * width].reshape(height, width)
    for height, width in ((1, 1), (1, 30), (30, 1), (2, 3))
}
"""Images with a side of one or two pixels."""
