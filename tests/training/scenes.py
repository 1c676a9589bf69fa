"""Small images of bright discs with their labels, in the layout of the nuclei data set."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def scene(seed: int, side: int = 24) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """A noisy gray image (h, w) of two discs and their instance labels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side + 4))
    labels = np.zeros(rows.shape, np.uint16)
    for number in (1, 2):
        row, column, radius = *rng.integers(5, side - 5, 2), rng.integers(3, 6)
        labels[np.hypot(rows - row, columns - column) <= radius] = number
    noise = rng.integers(0, 40, labels.shape)
    return (noise + 180 * (labels > 0)).astype(np.uint8), labels


def write_scenes(root: Path, count: int = 12) -> Path:
    """`nuclei/images/scene-N.png` and `nuclei/labels/scene-N.png` below `root`."""
    for kind in ("images", "labels"):
        (root / "nuclei" / kind).mkdir(parents=True)
    for number in range(count):
        image, labels = scene(number)
        Image.fromarray(image).save(root / "nuclei" / "images" / f"scene-{number}.png")
        Image.fromarray(labels).save(root / "nuclei" / "labels" / f"scene-{number}.png")
    return root
