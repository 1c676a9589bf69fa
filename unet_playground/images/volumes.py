"""Volumes: plain numbers on the grid of their file, and where they lie in the patient."""

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.images.apart import decoders
from unet_playground.images.reader import content_of
from unet_playground.limits import Limits

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
        number: Which of its file's volumes this is, from 0.
        volumes: How many its file holds.
    """

    values: NDArray[np.float32] = field(repr=False)
    affine: NDArray[np.float64] = field(repr=False)
    units: str | None = None
    spaced: bool = True
    oriented: bool = True
    notes: tuple[Text, ...] = ()
    number: int = 0
    volumes: int = 1

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

    def apart(self) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """This volume as a decoder's message."""
        said = {
            "affine": self.affine.tolist(),
            "units": self.units,
            "spaced": self.spaced,
            "oriented": self.oriented,
            "notes": [(note.en, note.zh) for note in self.notes],
            "number": self.number,
            "volumes": self.volumes,
        }
        return said, [self.values.T]

    @classmethod
    def together(cls, said: dict[str, Any], arrays: list[NDArray[Any]]) -> "Volume":
        """The volume of a message."""
        return cls(
            arrays[0].T,
            np.array(said["affine"], np.float64).reshape(4, 4),
            said["units"],
            bool(said["spaced"]),
            bool(said["oriented"]),
            tuple(Text(en, zh) for en, zh in said["notes"]),
            int(said["number"]),
            int(said["volumes"]),
        )


def open_volume(sources: Sequence[str | os.PathLike[str] | bytes], number: int = 0) -> Volume:
    """Read a volume; what kind its files are, their content decides and not their names.

    One NIfTI file, the DICOM files of one series (in any order), one DICOM file of many frames, or a ZIP of these.
    Decoding happens in another process, which is bounded in time and memory; no name, date or number of a patient
    comes out of it.

    Args:
        sources: Paths of files or of folders, or the bytes of files.
        number: Which volume of a NIfTI file with several, from 0.

    Returns:
        The volume, whose `values` lie in memory with i running fastest.

    Raises:
        UnreadableImage: In one sentence, for files that are missing, damaged, too large together, or no one whole
            volume: slices are missing, differ at one place, or belong to several series.
        PlaygroundError: If an environment variable that sets a limit holds no number.
    """
    limits = Limits.from_environment()
    return Volume.together(
        *decoders().ask({"what": "volume", "number": int(number)}, contents(sources, limits), limits)
    )


def contents(sources: Sequence[str | os.PathLike[str] | bytes], limits: Limits) -> list[bytes]:
    """The bytes of files and of all files in folders, of which there are not more than is allowed.

    Raises:
        UnreadableImage: One cannot be opened, or they are too large together.
    """
    files: list[bytes] = []
    size = 0
    for source in _files(sources):
        files.append(content_of(source, limits))
        size += len(files[-1])
        limits.check_files(len(files), size)
    limits.check_files(len(files), size)
    return files


def _files(sources: Sequence[str | os.PathLike[str] | bytes]) -> Iterator[str | os.PathLike[str] | bytes]:
    for source in sources:
        if isinstance(source, bytes) or not Path(source).is_dir():
            yield source
        else:
            yield from filter(Path.is_file, sorted(Path(source).rglob("*")))


def is_volume(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a volume, by its name."""
    return str(path).lower().endswith(SUFFIXES)


def stem(path: str | os.PathLike[str]) -> str:
    """A file's name without its kind; `.nii.gz` is one kind."""
    name = Path(path).name
    return name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else Path(name).stem


def read_volume(path: str | os.PathLike[str]) -> Volume:
    """Read a 3-D NIfTI file; its axes are turned to grow towards the patient's right, front and head.

    Values that are no number, or not finite, are 0, as wherever networks see a volume.

    Raises:
        UnreadableImage: In one sentence, for a file that is missing, damaged or has other than three axes.
    """
    image = _opened(path)
    values = np.nan_to_num(_values(image).astype(np.float32), posinf=0, neginf=0)
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
