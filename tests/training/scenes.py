"""Small images and volumes of bright shapes with their labels, in the layout of the data sets."""

from pathlib import Path

import nibabel
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


def cube(seed: int, sides: tuple[int, int, int] = (14, 20, 13)) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A noisy volume (x, y, z) of two bright parts, the front one label 1 and the back one label 2."""
    rng = np.random.default_rng(seed)
    middle = np.array(sides) / 2 + rng.uniform(-1, 1, 3)
    places = np.indices(sides) + 0.5
    inside = (
        np.sqrt(np.square((places - middle[:, None, None, None]) / np.array(sides)[:, None, None, None]).sum(0)) < 0.3
    )
    labels = np.where(inside, np.where(places[1] > middle[1], 1, 2), 0).astype(np.uint8)
    return (rng.normal(100, 10, sides) + 200 * inside).astype(np.float32), labels


def write_cubes(root: Path, count: int = 12) -> Path:
    """`hippocampus/images/cube-N.nii.gz` and `hippocampus/labels/cube-N.nii.gz` below `root`."""
    for kind in ("images", "labels"):
        (root / "hippocampus" / kind).mkdir(parents=True)
    for number in range(count):
        for kind, array in zip(("images", "labels"), cube(number), strict=True):
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), root / "hippocampus" / kind / f"cube-{number}.nii.gz")
    return root
