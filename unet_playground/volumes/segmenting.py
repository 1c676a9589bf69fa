"""A volume's mask: slice by slice through a network of images, or at once through a network of volumes."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from unet_playground.design import Design
from unet_playground.errors import Text, refusal
from unet_playground.images import Picture
from unet_playground.images.volumes import Volume, plane
from unet_playground.inference import UNITLESS, pictures_a_pass, segment_together, task_of
from unet_playground.lane import lane
from unet_playground.limits import Limits, figure
from unet_playground.model import Origin, UNet
from unet_playground.tasks import Scan, tasks

T = TypeVar("T")
Progress = Callable[[int, int], None]
EVERY = 0.25
"""Seconds between two words of progress while a pass is computed."""
_OBLIQUE = math.cos(math.radians(5))

_ONE_SIDE = Text(
    "Read slice by slice, one side of the head is known: a mirrored volume gets a poor mask. Whole volumes (3-D) know "
    "both.",
    "逐层读取的网络只认识头部的一侧：左右镜像的体数据结果较差。整体读取（3-D）的网络两侧都认识。",
)
_UNSPACED = Text(
    "The file does not say how far apart voxels are; a voxel counts as a cube.", "文件未给出体素间距；体素按立方体计。"
)
_UNORIENTED = Text(
    "The file does not say which way is left; its axes are taken as they are.", "文件未给出左右方向；坐标轴按原样使用。"
)
_TILTED = Text(
    "The grid is oblique; slices are cut along its own axes, not along the patient's.",
    "网格是倾斜的；切片沿网格自身的轴，而非患者的轴。",
)


@dataclass(frozen=True)
class View:
    """A way to show a volume to a network, undone in its mask; each is a change that training had, too.

    Attributes:
        scale: Above 1, everything looks larger.
        gamma: Below 1, everything looks brighter; for windowed values.
        mirrored: Whether slices are mirrored left to right.
    """

    scale: float = 1.0
    gamma: float = 1.0
    mirrored: bool = False


AS_IT_IS = View()


@dataclass(frozen=True, eq=False)
class VolumeSegmentation:
    """The mask of a volume on the volume's own grid, and what it was read from.

    Attributes:
        mask: uint8 (i, j, k), class numbers.
        foreground: uint8 (classes - 1, i, j, k), probability of every class but the background, times 255.
        design: Of the network.
        origin: Where its weights come from.
        notes: What was assumed or not known, a sentence each.
    """

    mask: NDArray[np.uint8] = field(repr=False)
    foreground: NDArray[np.uint8] = field(repr=False)
    design: Design
    origin: Origin
    notes: tuple[Text, ...] = ()

    def probability(self, label: int) -> NDArray[np.float32]:
        """The probability of a class, float32 (i, j, k), 0 to 1 in steps of 1/255; 0 is the background."""
        if label:
            return self.foreground[label - 1] / np.float32(255)
        return 1 - self.foreground.sum(0, dtype=np.uint16).clip(max=255) / np.float32(255)


def made_by(found: VolumeSegmentation) -> str:
    """The weights and the design, for exports."""
    return f"Weights sha256 {found.origin.sha256}. Design {found.design.to_link()}."


def views_of(model: UNet) -> tuple[View, ...]:
    """Views for test-time augmentation: nearer, farther, brighter, darker, and mirrored where training was, too."""
    views = (View(scale=1.1), View(scale=1 / 1.1), View(gamma=0.85), View(gamma=1 / 0.85))
    return (*views, View(mirrored=True)) if scan_of(model).mirrored and model.design.dims == 3 else views


def scan_of(model: UNet) -> Scan:
    """How the task of a model sees volumes.

    Raises:
        UnreadableImage: Its images are no slices.
    """
    scan = task_of(model).scan
    if scan is None:
        own = tasks[model.origin.task].title if model.origin else Text("", "")
        others = [entry.title for entry in tasks.entries() if entry.make.scan]
        raise refusal(
            f"A volume was given for the task {own.en}, whose images are no slices of volumes; choose "
            f"{' or '.join(each.en for each in others)} and try again.",
            f"给出了体数据，但任务“{own.zh}”的图像不是体数据的切片；"
            f"请选择{'或'.join(each.zh for each in others)}后重试。",
        )
    return scan


def _quiet(done: int, slices: int) -> None:
    pass


def segment_volume(
    volume: Volume, model: UNet, *, view: View = AS_IT_IS, progress: Progress = _quiet
) -> VolumeSegmentation:
    """Segment a volume in the plane of the model's task, with memory that does not grow with its slices.

    Slices are resampled to the pixels of the task's training and probabilities back onto the volume's own grid, where
    the most probable class is taken. A network of volumes (`dims=3`) sees the volume as one.

    Args:
        volume: On any grid.
        model: As `load_model` gives it.
        view: How the volume is shown.
        progress: Called with the finished slices (of a network of volumes, blocks) and their number at least every
            second, from the caller's thread. What it raises ends the work after the pass at hand and comes out of here.

    Raises:
        UnreadableImage: The task has no slices, or a slice would be too large for its spacing.
        IllegalDesign: A slice needs more memory than is allowed.
    """
    scan = scan_of(model)
    mask = np.zeros(volume.values.shape, np.uint8)
    foreground = np.zeros((len(task_of(model).labels) - 1, *mask.shape), np.uint8)
    run = _cube if model.design.dims == 3 else _slices
    notes = run(volume, model, scan, view, mask, foreground, progress)
    origin = model.origin or Origin("", "untrained", "")
    return VolumeSegmentation(
        mask, foreground, model.design, origin, (*_assumed(volume, scan, model.design.dims), *notes)
    )


def slices_as_pictures(volume: Volume, found: VolumeSegmentation, model: UNet, most: int) -> list[Picture]:
    """Slices as a network sees them: up to `most`, evenly spread over those in which something was found.

    Args:
        volume: What was segmented.
        found: Its segmentation; where it is empty, slices from everywhere are given.
        model: Of the task.
        most: How many.
    """
    scan, axis = scan_of(model), task_of(model).plane
    shown, masks = plane(volume.canonical(), axis), plane(volume.canonical(found.mask), axis)
    filled = np.flatnonzero(masks.any((1, 2)))
    filled = filled if len(filled) else np.arange(len(shown))
    chosen = filled[np.unique(((np.arange(most) + 0.5) * len(filled) / most).astype(int))]
    sides = _sides(volume, scan, AS_IT_IS, axis, shown.shape[1:])
    values = torch.from_numpy(np.nan_to_num(shown[chosen], posinf=0, neginf=0)[:, None])
    return [Picture.from_array(each) for each in _shown(_resized(values, sides)[:, 0].numpy(), scan, AS_IT_IS)]


def canonical_spacing(volume: Volume) -> tuple[float, float, float]:
    """Distance of neighbouring voxels in mm along the axes of `Volume.canonical`."""
    spacing = np.empty(3)
    spacing[volume.order[:, 0].astype(int)] = volume.spacing
    x, y, z = spacing.tolist()
    return x, y, z


def _assumed(volume: Volume, scan: Scan, dims: int) -> tuple[Text, ...]:
    notes = [scan.note, *([_ONE_SIDE] if scan.mirrored and dims == 2 else [])]
    if not volume.spaced:
        notes.append(_UNSPACED)
    if not volume.oriented:
        notes.append(_UNORIENTED)
    directions = np.abs(volume.affine[:3, :3]) / np.array(volume.spacing)
    if volume.oriented and directions.max(0).min() < _OBLIQUE:
        notes.append(_TILTED)
    if scan.units and volume.units != scan.units:
        notes.append(UNITLESS.format(units=scan.units))
    return tuple(notes)


def _slices(
    volume: Volume,
    model: UNet,
    scan: Scan,
    view: View,
    mask: NDArray[np.uint8],
    foreground: NDArray[np.uint8],
    progress: Progress,
) -> tuple[Text, ...]:
    """Fill mask and foreground pass by pass; what had to be done otherwise on the way."""
    axis = task_of(model).plane
    shown = plane(volume.canonical(), axis)
    # Views of the results in the order of the slices: writing into them writes into the results.
    masks, chances = plane(volume.canonical(mask), axis), [plane(volume.canonical(each), axis) for each in foreground]
    sides = _sides(volume, scan, view, axis, shown.shape[1:])
    slices = len(shown)
    notes: dict[Text, None] = {}
    progress(0, slices)
    with ThreadPoolExecutor(1) as aside:
        together = _awaited(aside.submit(pictures_a_pass, model.design, *sides), lambda: progress(0, slices))
        for first in range(0, slices, together):
            span = slice(first, first + together)
            job = aside.submit(_pass, shown[span], model, scan, view, sides)
            found, probability, said = _awaited(job, lambda done=first: progress(done, slices))
            masks[span] = found
            for number, chance in enumerate(chances):
                chance[span] = probability[:, number]
            notes |= dict.fromkeys(said)
            progress(min(first + together, slices), slices)
    return tuple(notes)


def _sides(volume: Volume, scan: Scan, view: View, axis: int, shape: Sequence[int]) -> tuple[int, int]:
    """Height and width in pixels that a slice of (h, w) voxels has for the network."""
    spacing = canonical_spacing(volume)
    column, row = (spacing[other] for other in range(3) if other != axis)
    if volume.spaced:
        factors = (row / scan.pixel, column / scan.pixel)
    else:
        factors = ((scan.side / max(shape) if scan.side else 1.0),) * 2
    height, width = (max(1, round(n * factor * view.scale)) for n, factor in zip(shape, factors, strict=True))
    if height * width > (most := Limits.from_environment().pixels):
        size = f"{shape[0] * row:.0f} x {shape[1] * column:.0f} mm"
        raise refusal(
            f"A slice of this volume measures {size}, {figure(height * width)} Mpx for the network; the limit is "
            f"{figure(most)} Mpx. Check its spacing or cut it smaller and try again.",
            f"该体数据的切片为 {size}，网络需处理 {figure(height * width)} Mpx；上限为 {figure(most)} Mpx。"
            "请检查体素间距或裁小后重试。",
        )
    return height, width


def _pass(
    slices: NDArray[np.float32], model: UNet, scan: Scan, view: View, sides: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[Text]]:
    """Masks (n, h, w), probabilities (n, classes - 1, h, w) and notes of slices (n, h, w)."""
    values = torch.from_numpy(np.nan_to_num(slices, posinf=0, neginf=0)[:, None])
    seen = _shown(_resized(values, sides)[:, 0].numpy(), scan, view)
    step = -1 if view.mirrored else 1
    several = segment_together([Picture.from_array(each[:, ::step]) for each in seen], model)
    probability = torch.from_numpy(np.stack([one.probability[..., ::step] for one in several]))
    probability = _resized(probability, slices.shape[1:])
    found = probability.argmax(1).to(torch.uint8).numpy()
    chances = (probability[:, 1:] * 255).round().to(torch.uint8).numpy()
    return found, chances, [note for one in several for note in one.notes]


def _resized(values: torch.Tensor, sides: Sequence[int]) -> torch.Tensor:
    """(n, c, h, w) at other sides over the same field of view; averaged where it becomes smaller."""
    if tuple(values.shape[2:]) == tuple(sides):
        return values
    return F.interpolate(values, tuple(sides), mode="bilinear", antialias=True, align_corners=False)


def _shown(values: NDArray[np.float32], scan: Scan, view: View) -> NDArray[np.float32]:
    """Slices or volumes (n, ...) through the task's window, 0 to 1, where there is one; brightened as the view says."""
    values = scan.seen(values)
    if view.gamma == 1:
        return values
    within = tuple(range(1, values.ndim))
    low, high = values.min(within, keepdims=True), values.max(within, keepdims=True)
    if scan.window:
        return values**view.gamma
    return ((values - low) / np.where(high > low, high - low, 1)) ** view.gamma


class _Stopped(Exception):
    """Ends a computation aside whose caller has left."""


def _awaited(job: "Future[T]", told: Callable[[], object]) -> T:
    """A job's result; while it runs, in turns of its own, the caller is told so."""
    with lane.left():
        while wait([job], EVERY).not_done:
            told()
    return job.result()


def _cube(
    volume: Volume,
    model: UNet,
    scan: Scan,
    view: View,
    mask: NDArray[np.uint8],
    foreground: NDArray[np.uint8],
    progress: Progress,
) -> tuple[Text, ...]:
    """Fill mask and foreground by a network of volumes."""
    from unet_playground.volumes.cubes import segment_cube

    spacing = canonical_spacing(volume) if volume.spaced else (scan.pixel,) * 3
    values = np.nan_to_num(volume.canonical(), posinf=0, neginf=0)
    side = -1 if view.mirrored else 1
    seen = np.ascontiguousarray(_shown(values[None], scan, view)[0][::side])
    stop, at = Event(), (0, 1)

    def told(done: int, blocks: int) -> None:
        nonlocal at
        at = done, blocks
        if stop.is_set():
            raise _Stopped

    with ThreadPoolExecutor(1) as aside:
        try:
            job = aside.submit(segment_cube, seen, spacing, model, told, view.scale)
            found = _awaited(job, lambda: progress(*at))
        finally:
            stop.set()
    progress(*at)
    probability = found[:, ::side]
    volume.canonical(mask)[...] = probability.argmax(0)
    for number, each in enumerate(foreground, 1):
        volume.canonical(each)[...] = np.rint(probability[number] * 255)
    return ()
