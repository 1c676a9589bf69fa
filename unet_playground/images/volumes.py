"""Volumes in NIfTI files: plain numbers in anatomical order, with the distance of their voxels."""

import gzip
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal

SUFFIXES = (".nii", ".nii.gz")
_BROKEN = (OSError, ValueError, EOFError, LookupError, ArithmeticError, TypeError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume on the grid of its file: plain numbers, where they lie in the patient, and nothing else.

    Attributes:
        values: float32 (i, j, k), what the scanner measured, in `units`.
        affine: float64 (4, 4), from (i, j, k) to mm towards the patient's right, front and head; voxel centres are at
            whole numbers.
        units: What `values` measure, as `HU`; None if unknown.
        spaced: Whether the file says how far apart voxels are; if not, a voxel counts as 1 x 1 x 1.
        oriented: Whether the file says which way is left.
        notes: What was converted on the way, one sentence each.
    """

    values: NDArray[np.float32] = field(repr=False)
    affine: NDArray[np.float64] = field(repr=False)
    units: str | None = None
    spaced: bool = True
    oriented: bool = True
    notes: tuple[Text, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along i, j and k in mm."""
        i, j, k = (float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))
        return i, j, k

    @property
    def order(self) -> NDArray[Any]:
        """(3, 2): of i, j and k the anatomical axis (0 right, 1 front, 2 head) that it follows most, and 1 or -1."""
        from nibabel.orientations import io_orientation

        return io_orientation(self.affine)

    def canonical(self, array: NDArray[Any] | None = None) -> NDArray[Any]:
        """An array on this grid with its axes turned to grow towards right, front and head, whichever is nearest.

        Args:
            array: (i, j, k), `values` by default.
        """
        from nibabel.orientations import apply_orientation

        return apply_orientation(self.values if array is None else array, self.order)

    def native(self, array: NDArray[Any]) -> NDArray[Any]:
        """The reverse of `canonical`."""
        from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform

        return apply_orientation(array, ornt_transform(axcodes2ornt("RAS"), self.order))


def is_volume(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a volume, by its name."""
    return str(path).lower().endswith(SUFFIXES)


def stem(path: str | os.PathLike[str]) -> str:
    """A file's name without its kind; `.nii.gz` is one kind."""
    name = Path(path).name
    return name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else Path(name).stem


def read_volume(path: str | os.PathLike[str]) -> Volume:
    """Read a 3-D NIfTI file; its axes are turned to grow towards the patient's right, front and head.

    Raises:
        UnreadableImage: In one sentence, for a file that is missing, damaged or has other than three axes.
    """
    image = _opened(path)
    values = _values(image).astype(np.float32)
    return Volume(np.ascontiguousarray(values), np.asarray(image.affine, np.float64))


def read_label_volume(path: str | os.PathLike[str]) -> NDArray[np.uint16]:
    """The class number of every voxel, (x, y, z) in the order of `read_volume`.

    Raises:
        UnreadableImage: As `read_volume`, and for values that are no whole numbers from 0 to 65535.
    """
    values = _values(_opened(path)).astype(np.float64)
    whole = np.rint(values)
    if not (np.isfinite(values).all() and (whole == values).all() and (whole >= 0).all() and (whole < 65536).all()):
        raise refusal(
            "This label volume holds fractions or values outside 0 to 65535; labels are whole numbers from 0.",
            "该标注体数据含有小数或 0 至 65535 之外的值；标注应为从 0 开始的整数。",
        )
    return np.ascontiguousarray(whole.astype(np.uint16))


def plane(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """A volume (x, y, z) cut across `axis`: (slices, rows, columns).

    Head or front is up; the patient's right (in sagittal slices the front) is on the left, as radiologists look.
    """
    return np.moveaxis(values, axis, 0).transpose(0, 2, 1)[:, ::-1, ::-1]


def _opened(path: str | os.PathLike[str]) -> Any:
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))  # type: ignore[arg-type]
    except (*_BROKEN, ImageFileError):
        image = None
    if image is None:
        raise _damaged()
    if len(image.shape) != 3 or 0 in image.shape:
        shape = " x ".join(map(str, image.shape))
        raise refusal(
            f"This NIfTI volume is {shape}; volumes with three axes are read. Save one volume and try again.",
            f"该 NIfTI 体数据为 {shape}；仅读取三维数据。请另存为单个三维体数据后重试。",
        )
    return image


def _values(image: Any) -> NDArray[Any]:
    try:
        return np.asanyarray(image.dataobj)
    except _BROKEN:
        pass
    raise _damaged()


def _damaged() -> Exception:
    return refusal(
        "This file is no whole NIfTI volume; .nii and .nii.gz files are read. Save the volume again and try again.",
        "该文件不是完整的 NIfTI 体数据；仅读取 .nii 与 .nii.gz 文件。请重新保存后重试。",
    )
