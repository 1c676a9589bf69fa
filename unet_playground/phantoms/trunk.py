"""A trunk in three dimensions: slices of the phantom `organs` one above the other, in Hounsfield units."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.phantoms.organs import organs

SPACING = 3.0
"""Side of a voxel in mm."""
_SIDES, _SLICES, _SEED = (104, 128), 30, 0
_CONTRAST = 0.35
_FAT = 0.15 * (1 - _CONTRAST)
_GRAY = (0.0, _FAT, _FAT + _CONTRAST, 1.0)
_HU = (-1000.0, -100.0, 110.0, 900.0)
_NOISE = 12.0


def trunk() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The same trunk every time, with its liver; axes grow towards the patient's right, front and head.

    The liver is largest above the middle and tapers towards feet and head; the other organs run through.

    Returns:
        float32 (x, y, z) in HU, and uint8 (x, y, z), 1 where the centre of a voxel lies in the liver.
    """
    heights = np.linspace(-1, 1, _SLICES)
    radii = 26 * np.sqrt(1 - 0.6 * (heights - 0.2) ** 2)
    slices = [organs(_SIDES, _SEED, thickness=float(radius), contrast=_CONTRAST, noise=0.0) for radius in radii]
    values = np.interp(np.stack([one.pixels for one in slices]), _GRAY, _HU)
    values += np.random.default_rng(_SEED).normal(0, _NOISE, values.shape)
    return _standing(values.astype(np.float32)), _standing(np.stack([one.labels for one in slices]))


def _standing(slices: NDArray[Any]) -> NDArray[Any]:
    """(x, y, z) of slices (z, rows, columns), whose rows grow to the back and whose columns to the patient's left."""
    return np.ascontiguousarray(slices[:, ::-1, ::-1].transpose(2, 1, 0))
