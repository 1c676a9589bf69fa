"""What a NIfTI file says: its numbers, and where they lie in the patient."""

import gzip
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.limits import Limits

VOLUME = Text("Volume {number} of {volumes} is used.", "使用第 {number} 个体数据，共 {volumes} 个。")
_GZIP = b"\x1f\x8b"
_SINGLE, _PAIR = (b"n+1\0", b"n+2\0"), (b"ni1\0", b"ni2\0")
_LONGEST_HEADER = 540
_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}


def is_nifti(head: bytes) -> bool:
    """Whether a file is NIfTI or packed by gzip, by its first bytes."""
    return head.startswith(_GZIP) or _magic(head) in _SINGLE + _PAIR


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """An opened file, of which nothing but the header has been looked at.

    Attributes:
        stored: (i, j, k, volumes), a view of the file's own numbers.
        scale: What they are multiplied by, and what is then added.
        affine: float64 (4, 4), from (i, j, k) to mm towards right, front and head. Each number has the 24 bits that
            the file format keeps.
        spaced: Whether the file says how far apart voxels are.
        oriented: Whether the file says which way is left.
    """

    stored: NDArray[Any]
    scale: tuple[float, float]
    affine: NDArray[np.float64]
    spaced: bool
    oriented: bool

    @property
    def volumes(self) -> int:
        """How many volumes there are."""
        return self.stored.shape[3]

    def measured(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Stored numbers as what was measured."""
        return stored.astype(np.float64) * self.scale[0] + self.scale[1]


def open_nifti(data: bytes, limits: Limits) -> NiftiFile:
    """Unpack a file and check what its header declares.

    Raises:
        UnreadableImage: It is too large, half a pair, or of other than real numbers.
        ValueError: It is damaged.
    """
    if data.startswith(_GZIP):
        data = _unpacked(data, limits)
    if _magic(data) in _PAIR:
        raise refusal(
            "This is one half of a NIfTI pair (.hdr and .img); single files (.nii, .nii.gz) are read. "
            "Save the volume as one and try again.",
            "这是 NIfTI 文件对（.hdr 和 .img）的一半；仅读取单个文件（.nii、.nii.gz）。请另存为单个文件后重试。",
        )
    header = _header(data)
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise refusal(
            "This NIfTI file holds complex numbers or colours; whole and real numbers are read. "
            "Save one part of it and try again.",
            "该 NIfTI 文件含有复数或颜色；仅读取整数和实数。请另存其中一部分后重试。",
        )
    if not 2 <= len(shape) <= 7 or min(shape) < 1:
        raise ValueError("no volume")
    limits.check_decoded("NIfTI", int(np.prod(shape, dtype=object)) * dtype.itemsize)
    stored = np.ndarray(shape, dtype, data, int(header.get_data_offset()), order="F")
    stored = stored.reshape(*shape[:3], *([1] * (3 - len(shape))), -1, order="F")
    slope, intercept = header.get_slope_inter()
    affine, spaced, oriented = _affine(header, _lengths(data, len(shape)), stored.shape[:3])
    return NiftiFile(stored, (1.0 if slope is None else slope, intercept or 0.0), affine, spaced, oriented)


def _affine(header: Any, raw: NDArray[Any], shape: tuple[int, ...]) -> tuple[NDArray[np.float64], bool, bool]:
    """Where voxels lie, by the format's order of preference, whether they are spaced, and whether oriented."""
    from nibabel.spatialimages import HeaderDataError

    scale = np.diag([*3 * [_MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)], 1.0])
    spaced = bool((np.isfinite(raw) & (raw != 0)).all())
    for code, said in (("sform_code", header.get_sform), ("qform_code", header.get_qform)):
        try:
            affine = _rounded(scale @ said()) if int(header[code]) > 0 else None
        except (HeaderDataError, ValueError):
            continue
        if affine is not None and np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 0:
            spaced = spaced or code == "sform_code"
            return affine if spaced else _unspaced(affine), spaced, True
    lengths = np.abs(header["pixdim"][1:4]) * scale[0, 0] if spaced else np.ones(3)
    # Without a place the format's own convention: i grows to the left, the middle is the origin.
    base = np.diag([-lengths[0], lengths[1], lengths[2], 1.0])
    base[:3, 3] = -base[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return _rounded(base), spaced, False


def _unspaced(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return _rounded(affine / [*np.linalg.norm(affine[:3, :3], axis=0), 1.0])


def _rounded(affine: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return affine.astype(np.float32).astype(np.float64)


def _lengths(data: bytes, axes: int) -> NDArray[Any]:
    """Distances as they stand in the header; nibabel makes those of 0 to 1 while it reads."""
    return _kind(data)(data[: _kind(data).sizeof_hdr], check=False)["pixdim"][1 : 1 + min(axes, 3)]


def _header(data: bytes) -> Any:
    from nibabel.spatialimages import HeaderDataError

    try:
        return _kind(data)(data[: _kind(data).sizeof_hdr], check=True)
    except HeaderDataError:
        pass
    raise ValueError("no header")


def _kind(data: bytes) -> Any:
    from nibabel import Nifti1Header, Nifti2Header

    return Nifti2Header if _magic(data) == _SINGLE[1] else Nifti1Header


def _magic(data: bytes) -> bytes:
    """What makes a file NIfTI, at one of two places."""
    return data[4:8] if data[4:8] in _SINGLE + _PAIR else data[344:348]


def _unpacked(data: bytes, limits: Limits) -> bytes:
    """What a gzip file holds, in one piece or in several, of which not more is unpacked than is allowed."""
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        unpacked = file.read(limits.decoded_bytes + _LONGEST_HEADER + 1)
    limits.check_decoded("NIfTI", len(unpacked) - _LONGEST_HEADER)
    if _magic(unpacked) not in _SINGLE + _PAIR:
        raise ValueError("no whole NIfTI file")
    return unpacked
