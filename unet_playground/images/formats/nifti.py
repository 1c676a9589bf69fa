"""NIfTI: volumes of research scanners; of each one slice becomes a picture."""

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.images.geometry import directions
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import Picture
from unet_playground.limits import Limits

_GZIP = b"\x1f\x8b"
_SINGLE, _PAIR = (b"n+1\0", b"n+2\0"), (b"ni1\0", b"ni2\0")
_LONGEST_HEADER = 540
_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
_SLICE = Text("Axial slice {number} of {slices} is used.", "使用第 {number} 个横断面切片，共 {slices} 个。")
_VOLUME = Text("Volume 1 of {volumes} is used.", "使用第 1 个体数据，共 {volumes} 个。")


def _is_nifti(head: bytes) -> bool:
    return head.startswith(_GZIP) or _magic(head) in _SINGLE + _PAIR


@image_format("NIfTI", _is_nifti)
def read_nifti(data: bytes, limits: Limits) -> Picture:
    """Read the middle axial slice of the first volume as radiologists look at it: right is on the left."""
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
    values = np.ndarray(shape, dtype, data, int(header.get_data_offset()), order="F")
    return _slice(values, header, limits)


def _slice(values: NDArray[Any], header: Any, limits: Limits) -> Picture:
    from nibabel.orientations import apply_orientation, io_orientation

    volumes = int(np.prod(values.shape[3:]))
    values = values.reshape(*values.shape[:3], *([1] * (3 - values.ndim)), -1, order="F")[..., 0]
    known = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    order = io_orientation(header.get_best_affine())
    canonical = apply_orientation(values, order)
    limits.check_frames("NIfTI", canonical.shape[2])
    middle = canonical.shape[2] // 2
    # Columns grow to the patient's left and rows to the back.
    plane = canonical[::-1, ::-1, middle].T
    limits.check_size("NIfTI", plane.shape[1], plane.shape[0], plane.itemsize)
    slope, intercept = header.get_slope_inter()
    measured = np.ascontiguousarray(plane).astype(np.float64) * (1 if slope is None else slope) + (intercept or 0)
    notes = tuple(
        note.format(number=middle + 1, slices=canonical.shape[2], volumes=volumes)
        for note, count in ((_SLICE, canonical.shape[2]), (_VOLUME, volumes))
        if count > 1
    )
    picture = Picture.from_array(measured.astype(np.float32))
    finite = np.where(np.isfinite(measured), measured, 0)
    return replace(
        picture,
        bits=min(8 * values.itemsize, 32),
        spacing=_spacing(header, order),
        orientation=directions(np.array([[-1.0, 0, 0], [0, -1.0, 0]])) if known else None,
        notes=notes + picture.notes,
        values=finite.astype(np.float32),
    )


def _spacing(header: Any, order: NDArray[Any]) -> tuple[float, float] | None:
    """Distance of rows and of columns in mm."""
    unit = _MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    zooms = (*header.get_zooms()[:3], 1.0, 1.0)[:3]
    along = {int(axis): float(zoom) * unit for axis, zoom in zip(order[:, 0], zooms, strict=True)}
    rows, columns = along[1], along[0]
    return (rows, columns) if rows > 0 and columns > 0 and np.isfinite((rows, columns)).all() else None


def _header(data: bytes) -> Any:
    from nibabel import Nifti1Header, Nifti2Header
    from nibabel.spatialimages import HeaderDataError

    kind = Nifti2Header if _magic(data) == _SINGLE[1] else Nifti1Header
    try:
        return kind(data[: kind.sizeof_hdr], check=True)
    except HeaderDataError:
        pass
    raise ValueError("no header")


def _magic(data: bytes) -> bytes:
    """What makes a file NIfTI, at one of two places."""
    return data[4:8] if data[4:8] in _SINGLE + _PAIR else data[344:348]


def _unpacked(data: bytes, limits: Limits) -> bytes:
    """What a gzip file holds, of which not more is unpacked than is allowed."""
    most = limits.decoded_bytes + _LONGEST_HEADER
    machine = zlib.decompressobj(31)
    unpacked = machine.decompress(data, most + 1)
    limits.check_decoded("NIfTI", len(unpacked) - _LONGEST_HEADER)
    if not machine.eof or _magic(unpacked) not in _SINGLE + _PAIR:
        raise ValueError("no whole NIfTI file")
    return unpacked
