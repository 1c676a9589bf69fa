"""What a mask measures in the patient: volumes, areas, diameters, values; and how sure that is."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unet_playground import __version__
from unet_playground.errors import PlaygroundError, Text
from unet_playground.images.volumes import Volume
from unet_playground.notice import NOTICE
from unet_playground.tasks import Label
from unet_playground.volumes.diameters import NOTHING, Diameters, diameters
from unet_playground.volumes.segmenting import VolumeSegmentation

THRESHOLDS = (0.3, 0.7)
OBJECTS = 50
"""Objects of a class that are listed, the largest; the others are counted."""

Region = NDArray[np.bool_]


@dataclass(frozen=True)
class Size:
    """How large something is; in mm where the spacing is known, else in voxels.

    Attributes:
        volume: In ml; in voxels where the spacing is unknown.
        area: Of its largest axial cross-section, in mm² or pixels.
        area_slice: In which axial slice that is, counted from 0 along the file's own axis.
        diameters: The longest diameter within an axial slice and the longest across it, in mm or pixels.
    """

    volume: float
    area: float
    area_slice: int
    diameters: Diameters


@dataclass(frozen=True)
class Values:
    """What the scanner measured inside, in its units; the deviation is that of all voxels, not of a sample."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Doubt:
    """How far a class's size changes with what could as well have been chosen.

    Attributes:
        id: `threshold`, `views` or `designs`.
        source: What was varied.
        volume: Lowest and highest, in the table's units.
        area: Likewise.
        diameter: Likewise.
    """

    id: str
    source: Text
    volume: tuple[float, float]
    area: tuple[float, float]
    diameter: tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """A class as a whole, or one of its objects.

    Attributes:
        label: Class number.
        title: Its name.
        number: 0 for the class; its objects count from 1, the largest first.
        components: Objects of the class: voxels that touch, if only by a corner, are one.
        voxels: How many.
        size: Of a class with several objects, the diameters of the longest one.
        values: None without voxels.
        centroid: Mean place in mm towards the patient's right, front and head (RAS+); in voxels from 0 along i, j and
            k where the spacing is unknown; None without voxels.
        doubts: Ranges of the size, for a class.
    """

    label: int
    title: Text
    number: int
    components: int
    voxels: int
    size: Size
    values: Values | None
    centroid: tuple[float, float, float] | None
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class Table:
    """Everything measured in one mask.

    Attributes:
        rows: Each class, followed by its objects.
        spaced: Whether lengths are in mm; else in voxels.
        oriented: Whether it is known which way is left; else a place is told along the file's axes.
        units: Of values; None if unknown.
        design: Of the network, as a link; empty if unknown.
        weights: sha256 of its weights; empty if untrained or unknown.
        edited: Whether the mask was corrected by hand.
    """

    rows: tuple[Measured, ...] = field(repr=False)
    spaced: bool
    units: str | None
    design: str = ""
    weights: str = ""
    edited: bool = False
    oriented: bool = True


def measure(
    volume: Volume,
    mask: NDArray[np.uint8],
    labels: Sequence[Label],
    *,
    found: VolumeSegmentation | None = None,
    views: Sequence[VolumeSegmentation] = (),
    designs: Sequence[VolumeSegmentation] = (),
    edited: bool = False,
) -> Table:
    """Measure every class of a mask but the background, and each of its objects.

    Args:
        volume: What was segmented.
        mask: (i, j, k), class numbers on the volume's grid.
        labels: The task's classes, background first.
        found: What the mask was read from; its probabilities give a range over thresholds, 0.3 to 0.7.
        views: The same network's answers to other views, for a second range.
        designs: Other designs' answers, for a third.
        edited: Whether the mask was corrected by hand; ranges are then those of the networks.

    Raises:
        PlaygroundError: The mask has another shape than the volume.
    """
    if mask.shape != volume.values.shape:
        one, other = (" x ".join(map(str, shape)) for shape in (mask.shape, volume.values.shape))
        raise PlaygroundError(
            f"The mask is {one} voxels, the volume {other}; a mask has the shape of its volume. Segment it again.",
            f"掩膜为 {one} 体素，而体数据为 {other}；两者形状必须相同。请重新分割。",
        )
    ruler = _Ruler(volume)
    rows: list[Measured] = []
    for label in range(1, len(labels)):
        doubts = tuple(_doubts(ruler, mask, label, found, views, designs))
        rows += _measured(ruler, mask == label, label, labels[label].title, doubts)
    design, weights = (found.design.to_link(), found.origin.sha256) if found else ("", "")
    return Table(tuple(rows), volume.spaced, volume.units, design, weights, edited, volume.oriented)


def to_csv(table: Table) -> str:
    """A table as CSV: a comment with the notice and what made it, the names of the columns, a row each.

    Lengths are in the columns' units, centroids in mm towards the patient's right, front and head.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    edited = "; edited by hand" if table.edited else ""
    writer.writerow(
        [
            f"# {NOTICE.en}. unet-playground {__version__}; design {table.design or 'unknown'}; "
            f"weights sha256 {table.weights or 'none'}{edited}"
        ]
    )
    kinds = list(dict.fromkeys(doubt.id for row in table.rows for doubt in row.doubts))
    writer.writerow(_columns(table, kinds))
    for row in table.rows:
        writer.writerow(_cells(row, kinds))
    return text.getvalue()


class _Ruler:
    """A volume's geometry in the order of its anatomy, where slices across the last axis are the axial ones."""

    def __init__(self, volume: Volume):
        from nibabel.orientations import inv_ornt_aff

        self.volume = volume
        self.values = volume.canonical()
        turned = inv_ornt_aff(volume.order, volume.values.shape)
        self.affine = volume.affine @ turned if volume.spaced else np.eye(4)
        self.place = volume.affine @ turned if volume.spaced else turned
        across, along = self.affine[:3, 0], self.affine[:3, 1]
        self.voxel = float(abs(np.linalg.det(self.affine[:3, :3]))) / (1000 if volume.spaced else 1)
        self.pixel = float(np.linalg.norm(np.cross(across, along)))
        # The axes of a slice as plane vectors, the first along x: a sheared grid keeps its angle.
        first = float(np.linalg.norm(across))
        self.steps = np.array([[first, 0.0], [float(across @ along) / first, self.pixel / first]])

    def slice(self, z: int) -> int:
        """An axial slice's number along the file's own axis."""
        axis = int(np.flatnonzero(self.volume.order[:, 0] == 2)[0])
        return z if self.volume.order[axis, 1] > 0 else self.values.shape[2] - 1 - z

    def size(self, region: Region, objects: Iterable[tuple[int, Region]], first: int) -> Size:
        """Of a canonical region cut out from slice `first` on; `objects` are (slice, region) of its parts."""
        areas = region.sum((0, 1))
        if not areas.any():
            return Size(0.0, 0.0, 0, NOTHING)
        largest = int(areas.argmax())
        longest = max((self.longest(part, begin) for begin, part in objects), key=lambda one: one.longest)
        return Size(
            float(areas.sum()) * self.voxel, float(areas[largest]) * self.pixel, self.slice(first + largest), longest
        )

    def longest(self, region: Region, first: int) -> Diameters:
        """The longest diameter of one object within an axial slice."""
        found = [
            diameters(region[..., z], self.steps, self.slice(first + z))
            for z in np.flatnonzero(region.any((0, 1))).tolist()
        ]
        return max(found, key=lambda one: one.longest, default=NOTHING)


@dataclass(frozen=True)
class _Parts:
    """A class, cut out of the canonical volume, and its objects by size."""

    region: Region
    corner: tuple[int, int, int]
    numbers: NDArray[np.int32]
    boxes: list[tuple[slice, slice, slice]]
    order: list[int]

    def each(self) -> Iterator[tuple[tuple[int, int, int], Region]]:
        """The largest objects, each with its own corner."""
        for number in self.order[:OBJECTS]:
            box = self.boxes[number - 1]
            x, y, z = (base + cut.start for base, cut in zip(self.corner, box, strict=True))
            yield (x, y, z), self.numbers[box] == number


def _parts(ruler: _Ruler, inside: Region) -> _Parts:
    """The objects of a class, (i, j, k) on the file's grid; neighbours over corners belong together."""
    turned = ruler.volume.canonical(inside)
    boxes = ndimage.find_objects(turned.astype(np.uint8))
    if not boxes:
        return _Parts(np.zeros((0, 0, 0), bool), (0, 0, 0), np.zeros((0, 0, 0), np.int32), [], [])
    box = boxes[0]
    region = np.ascontiguousarray(turned[box])
    numbers = np.zeros(region.shape, np.int32)
    ndimage.label(region, np.ones((3, 3, 3)), output=numbers)
    sizes = np.bincount(numbers.ravel())[1:]
    order = (np.argsort(-sizes, kind="stable") + 1).tolist()
    x, y, z = (cut.start for cut in box)
    return _Parts(region, (x, y, z), numbers, ndimage.find_objects(numbers), order)


def _measured(ruler: _Ruler, inside: Region, label: int, title: Text, doubts: tuple[Doubt, ...]) -> Iterator[Measured]:
    """A class as a whole, then its objects where it has several."""
    parts = _parts(ruler, inside)
    components = len(parts.order)
    size = ruler.size(parts.region, ((corner[2], part) for corner, part in parts.each()), parts.corner[2])
    yield _row(ruler, parts.region, parts.corner, size, (label, title, 0, components), doubts)
    for number, (corner, part) in enumerate(parts.each(), 1):
        own = ruler.size(part, [(corner[2], part)], corner[2])
        yield _row(ruler, part, corner, own, (label, title, number, components), ())


def _row(
    ruler: _Ruler,
    region: Region,
    corner: tuple[int, int, int],
    size: Size,
    who: tuple[int, Text, int, int],
    doubts: tuple[Doubt, ...],
) -> Measured:
    voxels = int(np.count_nonzero(region))
    if not voxels:
        return Measured(*who, 0, size, None, None, doubts)
    cut = tuple(slice(start, start + length) for start, length in zip(corner, region.shape, strict=True))
    inside = ruler.values[cut][region].astype(np.float64)
    values = Values(float(inside.mean()), float(inside.std()), float(inside.min()), float(inside.max()))
    middle = [float(places.mean()) + start for places, start in zip(np.nonzero(region), corner, strict=True)]
    x, y, z = (ruler.place @ [*middle, 1])[:3].tolist()
    return Measured(*who, voxels, size, values, (x, y, z), doubts)


def _doubts(
    ruler: _Ruler,
    mask: NDArray[np.uint8],
    label: int,
    found: VolumeSegmentation | None,
    views: Sequence[VolumeSegmentation],
    designs: Sequence[VolumeSegmentation],
) -> Iterator[Doubt]:
    """The ranges that can be told, of what networks say; what a hand has drawn is in none of them."""
    own = (mask if found is None else found.mask) == label
    if found is not None:
        chance = found.foreground[label - 1]
        masks = (own, *(chance >= threshold * 255 for threshold in THRESHOLDS))
        yield _doubt(ruler, masks, "threshold", Text("threshold 0.3 to 0.7", "阈值 0.3 至 0.7"))
    if views:
        masks = (own, *(one.mask == label for one in views))
        yield _doubt(ruler, masks, "views", Text("test-time augmentation", "测试时增强"))
    if designs:
        masks = (own, *(one.mask == label for one in designs))
        yield _doubt(ruler, masks, "designs", Text("other designs", "其他设计"))


def _doubt(ruler: _Ruler, masks: Iterable[Region], id: str, source: Text) -> Doubt:
    sizes = []
    for inside in masks:
        parts = _parts(ruler, inside)
        sizes.append(ruler.size(parts.region, ((corner[2], part) for corner, part in parts.each()), parts.corner[2]))

    def span(numbers: Iterable[float]) -> tuple[float, float]:
        every = list(numbers)
        return min(every), max(every)

    return Doubt(
        id,
        source,
        span(size.volume for size in sizes),
        span(size.area for size in sizes),
        span(size.diameters.longest for size in sizes),
    )


def _columns(table: Table, kinds: Sequence[str]) -> list[str]:
    volume, area, length = ("ml", "mm2", "mm") if table.spaced else ("voxels", "px", "px")
    units = table.units or "unknown_units"
    places = [f"centroid_{way}_mm" for way in (("right", "front", "head") if table.oriented else "ijk")]
    sizes = (f"volume_{volume}", f"area_{area}", f"diameter_{length}")
    return [
        *("class", "object", "components", "voxels", f"volume_{volume}", f"largest_axial_area_{area}", "area_slice"),
        *(f"longest_axial_diameter_{length}", f"perpendicular_{length}", "diameter_slice"),
        *(f"{name}_{units}" for name in ("mean", "sd", "min", "max")),
        *(places if table.spaced else [f"centroid_{axis}_voxels" for axis in "ijk"]),
        *(f"{size}_{kind}_{end}" for kind in kinds for size in sizes for end in ("min", "max")),
    ]


def _cells(row: Measured, kinds: Sequence[str]) -> list[str]:
    size, values = row.size, row.values
    told = {doubt.id: doubt for doubt in row.doubts}
    ends: list[float | None] = []
    for kind in kinds:
        doubt = told.get(kind)
        ends += [*doubt.volume, *doubt.area, *doubt.diameter] if doubt else [None] * 6
    return [
        *(row.title.en, str(row.number or "all"), str(row.components), str(row.voxels)),
        *(_number(size.volume), _number(size.area), str(size.area_slice) if row.voxels else ""),
        *(_number(size.diameters.longest), _number(size.diameters.across)),
        str(size.diameters.slice) if row.voxels else "",
        *map(_number, (values.mean, values.sd, values.low, values.high) if values else [None] * 4),
        *map(_number, row.centroid or [None] * 3),
        *map(_number, ends),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
