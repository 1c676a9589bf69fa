"""A DICOM series as one volume: slices in the order of their place in the patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.images.dicom_file import Frame, count_frames, number, warnings
from unet_playground.images.picture import MISSING
from unet_playground.images.volumes import Volume
from unet_playground.limits import Limits

_KIND = "DICOM"
# Positions are written with few digits, so distances differ a little; a missing slice makes one twice as long.
_UNEVEN = 0.1
_SAME_PLACE = 0.01
_SAME_POINT = 1e-3
_SAME_DIRECTION = 1e-3
_STRAIGHT = 1e-4
_TWICE = Text(
    "{count} slices were there twice and are used once.",
    "{count} 个切片重复出现，仅使用一次。",
)
_UNPLACED = Text(
    "The files do not say where the slices lie in the patient: they are in the order of their numbers, and neither "
    "left and right nor distances across slices are known.",
    "文件未说明各切片在患者体内的位置：切片按编号排列，左右方向与层间距离未知。",
)
_TURNED_OVER = Text(
    "The file shows low values white (MONOCHROME1): its values were turned over, the highest for the lowest.",
    "文件以白色显示低值（MONOCHROME1）：数值已反转，最高值与最低值互换。",
)
_KEPT = Text(
    "The file shows low values white (MONOCHROME1); they are kept in {units} and shown black.",
    "文件以白色显示低值（MONOCHROME1）；数值保持为 {units}，此处低值显示为黑色。",
)


@dataclass(frozen=True, eq=False)
class Stack:
    """The slices of a series in their order, and where they lie.

    Attributes:
        frames: From the first to the last, along the axis on which rows, columns and slices make a right hand.
        affine: float64 (4, 4), from (column, row, slice) to mm towards right, front and head. Each number has the 24
            bits that a NIfTI file keeps.
        spaced: Whether the distances of voxels are known.
        oriented: Whether it is known which way is left.
        notes: What was left out or is not known.
    """

    frames: Sequence[Frame]
    affine: NDArray[np.float64]
    spaced: bool
    oriented: bool
    notes: tuple[Text, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, slices."""
        tags = self.frames[0].tags
        return int(tags.Columns), int(tags.Rows), len(self.frames)

    @property
    def distance(self) -> float:
        """From one slice to the next in mm, straight across them."""
        row, column, _ = axes = self.affine[:3, :3].T
        return float(abs(np.linalg.det(axes)) / np.linalg.norm(np.cross(row, column)))


def stack(files: Sequence[Any], limits: Limits) -> Stack:
    """Put the frames of all files in order.

    Args:
        files: The tags of each.
        limits: That hold.

    Raises:
        UnreadableImage: By name of what is wrong: several series, sizes or directions, missing slices, several
            slices at one place, or too much of it.
    """
    counts = [count_frames(tags, limits) for tags in files]
    frames = [
        Frame(tags, index if count > 1 or "PerFrameFunctionalGroupsSequence" in tags else None)
        for tags, count in zip(files, counts, strict=True)
        for index in range(count)
    ]
    limits.check_frames(_KIND, len(frames))
    _check_alike(files)
    first = files[0]
    limits.check_decoded(_KIND, int(first.Rows) * int(first.Columns) * len(frames) * np.dtype(np.float32).itemsize)
    axes = _common_axes(frames)
    places = [frame.position for frame in frames]
    if axes is None or any(place is None for place in places):
        return _unplaced(frames, axes)
    _check_own_places(frames)
    return _placed(frames, axes, np.stack([place for place in places if place is not None]))


def read_series(files: Sequence[Any], limits: Limits) -> Volume:
    """The volume that a series makes.

    Args:
        files: The tags of each.
        limits: That hold.

    Raises:
        UnreadableImage: As `stack`, and for colours.
    """
    made = stack(files, limits)
    values = np.empty(made.shape[::-1], np.float32)
    missing = False
    for place, frame in zip(values, made.frames, strict=True):
        measured = _measured(frame)
        with np.errstate(over="ignore"):
            place[:] = measured
        wrong = ~np.isfinite(place)
        if wrong.any():
            place[wrong], missing = place[~wrong].min(initial=0), True
    notes = made.notes + tuple(dict.fromkeys(note for tags in files for note in warnings(tags)))
    notes += (MISSING,) if missing else ()
    units = made.frames[0].units
    if made.frames[0].tags.PhotometricInterpretation == "MONOCHROME1":
        notes += (_KEPT.format(units=units),) if units else (_TURNED_OVER,)
        values = values if units else values.min() + values.max() - values
    return Volume(values.T, made.affine, units, made.spaced, made.oriented, notes)


def _check_own_places(frames: Sequence[Frame]) -> None:
    if any(frame.index is not None and "PerFrameFunctionalGroupsSequence" not in frame.tags for frame in frames):
        raise refusal(
            "The frames of this DICOM file have no places of their own, as in a dose distribution (RT-DOSE); the "
            "slices of a volume say where they lie. Choose the series that it was made from, or save it as NIfTI, and "
            "try again.",
            "该 DICOM 文件的各帧没有各自的位置（例如 RT-DOSE 文件）；体数据的每个切片应说明其位置。"
            "请选择其来源序列，或另存为 NIfTI 后重试。",
        )


def _check_alike(files: Sequence[Any]) -> None:
    series = len({str(tags.get("SeriesInstanceUID", "")) for tags in files})
    if series > 1:
        raise refusal(
            f"These files are of {series} series; one series makes a volume. Choose the files of one series (a scout "
            "image is a series of its own) and try again.",
            f"这些文件属于 {series} 个序列；一个序列构成一个体数据。请选择同一序列的文件（定位像为单独的序列）后重试。",
        )
    if any(int(tags.SamplesPerPixel) != 1 or tags.PhotometricInterpretation == "PALETTE COLOR" for tags in files):
        raise refusal(
            "These slices are coloured; volumes are of gray values. Choose a series without colours and try again.",
            "这些切片为彩色；体数据应为灰度值。请选择非彩色的序列后重试。",
        )
    sizes = sorted({(int(tags.Columns), int(tags.Rows)) for tags in files})
    if len(sizes) > 1:
        said = " and ".join(f"{columns} x {rows} px" for columns, rows in sizes[:2])
        raise refusal(
            f"These slices differ in size ({said}); those of one volume are alike. Choose one size and try again.",
            f"这些切片大小不同（{said.replace(' and ', '、')}）；同一体数据的切片应一致。请选择同一大小的切片后重试。",
        )


def _common_axes(frames: Sequence[Frame]) -> NDArray[np.float64] | None:
    """(2, 3) unit vectors along a row and along a column, at right angles; None if a slice does not say."""
    given = [frame.axes for frame in frames]
    if any(axes is None for axes in given):
        return None
    all_axes = np.stack([axes for axes in given if axes is not None])
    if np.abs(all_axes - all_axes[0]).max() > _SAME_DIRECTION:
        raise refusal(
            "These slices lie in several directions; those of one volume are parallel. Choose the slices of one "
            "direction and try again.",
            "这些切片方向不同；同一体数据的切片应相互平行。请选择同一方向的切片后重试。",
        )
    row, column = all_axes[0]
    lengths = np.linalg.norm(all_axes[0], axis=1)
    if not (np.abs(lengths - 1) < 0.01).all() or abs(row @ column) > 0.01:
        return None
    row = row / lengths[0]
    column = column - (column @ row) * row
    return np.stack([row, column / np.linalg.norm(column)])


def _unplaced(frames: list[Frame], axes: NDArray[np.float64] | None) -> Stack:
    """Slices without a place; of a single one the directions may still be known."""
    if len(frames) == 1 and axes is not None:
        return _placed(frames, axes, np.zeros((1, 3)))
    if len({id(frame.tags) for frame in frames}) > 1:
        frames = sorted(frames, key=lambda frame: number(frame.tags.get("InstanceNumber"), 0))
    notes = (_UNPLACED,) if len(frames) > 1 else ()
    return Stack(frames, np.diag([-1.0, -1.0, 1.0, 1.0]), spaced=False, oriented=False, notes=notes)


def _placed(frames: list[Frame], axes: NDArray[np.float64], places: NDArray[np.float64]) -> Stack:
    normal = np.cross(*axes)
    order = np.argsort(places @ normal, kind="stable")
    frames, places = [frames[each] for each in order], places[order]
    kept = _different(frames, places, normal)
    twice = len(frames) - len(kept)
    frames, places = [frames[each] for each in kept], places[kept]
    spacing = _common_spacing(frames)
    step = _step(frames, places, normal)
    spaced = spacing is not None and step is not None
    rows, columns = spacing if spacing is not None and spaced else (1.0, 1.0)
    step = step if step is not None and spaced else normal
    affine = np.eye(4)
    affine[:3] = np.column_stack([axes[0] * columns, axes[1] * rows, step, places[0]])
    notes = (_TWICE.format(count=twice),) if twice else ()
    return Stack(frames, affine.astype(np.float32).astype(np.float64) + 0.0, spaced, oriented=True, notes=notes)


def _different(frames: list[Frame], places: NDArray[np.float64], normal: NDArray[np.float64]) -> list[int]:
    """Which slices are kept so that each place has one; the others are the same."""
    along = places @ normal
    near = _SAME_PLACE * (along[-1] - along[0]) / max(len(frames) - 1, 1)
    kept = [0]
    for each in range(1, len(frames)):
        last = kept[-1]
        if along[each] - along[last] > near:
            kept.append(each)
        elif np.linalg.norm(places[each] - places[last]) > near + _SAME_POINT or not np.array_equal(
            _measured(frames[each]), _measured(frames[last]), equal_nan=True
        ):
            raise refusal(
                "Different slices lie at the same place in this series, as of several phases, echoes or "
                "reconstructions; a volume has one slice at a place. Choose the slices of one and try again.",
                "该序列中同一位置有不同的切片（例如多个时相、回波或重建）；体数据的每个位置只有一个切片。请选择其中一组后重试。",
            )
    return kept


def _common_spacing(frames: list[Frame]) -> tuple[float, float] | None:
    """Distance of rows and of columns in mm, if all slices say so."""
    given = [frame.spacing for frame in frames]
    if any(each is None for each in given):
        return None
    known = np.array(given, float)
    if np.abs(known / known[0] - 1).max() > _SAME_DIRECTION:
        raise refusal(
            "The pixels of these slices differ in size; those of one volume are alike. Choose the slices of one "
            "pixel size and try again.",
            "这些切片的像素间距不同；同一体数据的像素间距应一致。请选择同一像素间距的切片后重试。",
        )
    return float(known[0, 0]), float(known[0, 1])


def _step(frames: list[Frame], places: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(3,): from one slice to the next in mm; None where a single slice does not say how thick it is."""
    if len(frames) == 1:
        return None if frames[0].distance is None else normal * frames[0].distance
    gaps = np.array([float(after - before) for before, after in pairwise(places @ normal)])
    usual = float(np.median(gaps))
    if np.abs(gaps - usual).max() > _UNEVEN * usual:
        raise refusal(
            f"Neighbouring slices of this series are {gaps.min():.4g} to {gaps.max():.4g} mm apart; those of a volume "
            "are evenly spaced. Slices are missing or do not belong to it: choose the whole series and try again.",
            f"该序列相邻切片的间距为 {gaps.min():.4g} 至 {gaps.max():.4g} mm；体数据的切片间距应均匀。"
            "有切片缺失或不属于该序列：请选择完整的序列后重试。",
        )
    step = (places[-1] - places[0]) / (len(frames) - 1)
    if np.abs(places - places[0] - np.outer(np.arange(len(frames)), step)).max() > _UNEVEN * usual:
        raise refusal(
            "The slices of this series do not lie on one straight line; those of a volume do. Choose the slices of "
            "one scan and try again.",
            "该序列的切片不在一条直线上；体数据的切片应在一条直线上。请选择同一次扫描的切片后重试。",
        )
    across = step - (step @ normal) * normal
    return (step @ normal) * normal if np.linalg.norm(across) < _STRAIGHT * usual else step


def _measured(frame: Frame) -> NDArray[np.float64]:
    return frame.measured(frame.stored())
