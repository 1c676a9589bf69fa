"""What files make a volume: one NIfTI file, or those of a DICOM series, packed as ZIP or not."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.images.archive import is_zip, unpacked
from unet_playground.images.dicom_file import has_slices, is_dicom, read_tags
from unet_playground.images.kinds import guarded
from unet_playground.images.nifti_file import VOLUME, is_nifti, open_nifti
from unet_playground.images.picture import MISSING
from unet_playground.images.series import read_series
from unet_playground.images.volumes import Volume
from unet_playground.limits import Limits

_HEAD = 512
_PASSED_OVER = Text(
    "Files that hold no slice and were passed over: {count}.",
    "已略过不含切片的文件：{count} 个。",
)
_SHEARED = Text(
    "The axes of this volume are {degrees:.1f} degrees off the right angle, as with a tilted gantry. Positions follow "
    "them exactly; programs that ask for right angles do not open the volume as NIfTI.",
    "该体数据的坐标轴偏离直角 {degrees:.1f} 度（如机架倾斜所致）。位置按此精确计算；"
    "要求坐标轴垂直的程序无法以 NIfTI 打开。",
)


def decode_volume(files: list[bytes], number: int, limits: Limits) -> Volume:
    """The volume in files, decoded in this very process; `open_volume` does it in another one.

    Args:
        files: Their bytes; the list is emptied on the way, so that nothing is held twice.
        number: Which volume of a NIfTI file, from 0.
        limits: That hold.

    Raises:
        UnreadableImage: In one sentence, for what is damaged, too large, of another kind or no whole volume.
        MemoryError: The decoder needs more than it may take.
    """
    scans, volumes, others = guarded("ZIP", sorted_files, files, limits)
    if len(volumes) > 1 or (volumes and scans):
        raise refusal(
            f"These are {len(volumes)} NIfTI and {len(scans)} DICOM files; one NIfTI file or one DICOM series makes a "
            "volume. Choose one and try again.",
            f"这里有 {len(volumes)} 个 NIfTI 文件和 {len(scans)} 个 DICOM 文件；一个 NIfTI 文件或一个 DICOM 序列"
            "构成一个体数据。请选择其一后重试。",
        )
    if volumes:
        volume = guarded("NIfTI", partial(_of_nifti, number=number), volumes[0], limits)
    else:
        volume, without = guarded("DICOM series", _of_series, scans, limits)
        others += without
    notes = (_PASSED_OVER.format(count=others),) if others else ()
    degrees = _degrees_off(volume.affine)
    notes += (_SHEARED.format(degrees=degrees),) if degrees > 0.05 else ()
    return replace(volume, notes=notes + volume.notes)


def sorted_files(files: list[bytes], limits: Limits) -> tuple[list[bytes], list[bytes], int]:
    """The DICOM files, the NIfTI files, and how many are neither."""
    scans: list[bytes] = []
    volumes: list[bytes] = []
    others = 0
    for data in _contents(files, limits):
        if is_nifti(data[:_HEAD]):
            volumes.append(data)
        elif is_dicom(data[:_HEAD]):
            scans.append(data)
        else:
            others += 1
    return scans, volumes, others


def _contents(files: list[bytes], limits: Limits) -> Iterator[bytes]:
    """Files as they are, and what is in those that are ZIP; a ZIP inside stays closed."""
    left = limits.decoded_bytes
    while files:
        data = files.pop(0)
        inside = unpacked(data, limits) if is_zip(data[:_HEAD]) else iter((data,))
        for each in inside:
            left -= len(each)
            limits.check_decoded("ZIP", limits.decoded_bytes - left)
            yield each


def _of_series(scans: list[bytes], limits: Limits) -> tuple[Volume, int]:
    tags = []
    count = len(scans)
    while scans:
        one = read_tags(scans.pop(0))
        if has_slices(one):
            tags.append(one)
    if not tags:
        raise refusal(
            "There is no volume in these files; a NIfTI file, the DICOM files of a series or a ZIP of them are read. "
            "Choose those and try again.",
            "这些文件中没有体数据；仅读取 NIfTI 文件、一个序列的 DICOM 文件或其 ZIP。请选择这些文件后重试。",
        )
    return read_series(tags, limits), count - len(tags)


def _of_nifti(data: bytes, limits: Limits, number: int) -> Volume:
    file = open_nifti(data, limits)
    if not 0 <= number < file.volumes:
        raise refusal(
            f"This NIfTI file has no volume {number}; it holds 0 to {file.volumes - 1}. Choose one of them and try "
            "again.",
            f"该 NIfTI 文件没有编号为 {number} 的体数据；编号为 0 至 {file.volumes - 1}。请选择其一后重试。",
        )
    stored = file.stored[..., number].T
    limits.check_frames("NIfTI", stored.shape[0])
    limits.check_size("NIfTI", stored.shape[2], stored.shape[1])
    limits.check_decoded("NIfTI", stored.size * np.dtype(np.float32).itemsize)
    values = np.empty(stored.shape, np.float32)
    with np.errstate(over="ignore"):
        for place, given in zip(values, stored, strict=True):
            place[:] = file.measured(given)
    notes = (VOLUME.format(number=number + 1, volumes=file.volumes),) if file.volumes > 1 else ()
    wrong = ~np.isfinite(values)
    if wrong.any():
        values[wrong] = 0
        notes += (MISSING,)
    return Volume(values.T, file.affine, None, file.spaced, file.oriented, notes, number, file.volumes)


def _degrees_off(affine: NDArray[np.float64]) -> float:
    """By how much two axes miss the right angle at most."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(directions.T @ directions - np.eye(3))
    return float(np.degrees(np.arcsin(min(cosines.max(), 1.0))))
