"""From a picture and a model to a mask: whole or by tiles; models wait in a locked store."""

import copy
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.cost import cost
from unet_playground.design import Design
from unet_playground.errors import IllegalDesign, PlaygroundError, Text
from unet_playground.images import Picture
from unet_playground.lane import lane, lock
from unet_playground.limits import Limits, figure
from unet_playground.model import LAYOUTS, UNet
from unet_playground.tasks import Scan, Task, in_hounsfield, tasks
from unet_playground.weights import load

DEVICES = ("auto", "cpu", "cuda", "mps")
LARGEST_WHOLE = 1_100_000
"""Pixels of an image beyond which it is computed by tiles."""
TILES = (768, 512, 384, 256)
"""Sides of tiles in pixels: the first whose activations are within the limit. All are multiples of every stride."""
_PASS_BYTES, _PASS_MOST = 256_000_000, 16
"""Activations and images of one pass over several pictures; more at once is no faster."""
_SMALLER = Text(
    "The memory of the GPU did not suffice; this was computed in smaller pieces.", "显存不足；已改为分小块计算。"
)
_UNTRAINED = Text(
    "No weights were trained for this design: they are random, and so is the mask.",
    "该设计没有训练好的权重：权重是随机的，掩膜也是。",
)
_WINDOW = Text(
    "The network sees values from {low:g} to {high:g} HU, through whatever window the file is shown.",
    "网络看到的是 {low:g} 至 {high:g} HU 的数值，与文件的显示窗无关。",
)
UNITLESS = Text(
    "The file does not say that its values are {units}; they are taken so.", "文件未说明数值为 {units}；按此处理。"
)
_ON_CPU = Text("The memory of the GPU did not suffice; this was computed on the CPU.", "显存不足；已改用 CPU 计算。")


@dataclass(frozen=True)
class Segmentation:
    """A mask and what it was read from.

    Attributes:
        mask: uint8 (h, w), class numbers, the input's height and width.
        probability: float32 (classes, h, w), 0 to 1, sums to 1 over the classes.
        notes: How it had to be computed, a sentence each; empty where nothing was in the way.
    """

    mask: NDArray[np.uint8]
    probability: NDArray[np.float32]
    notes: tuple[Text, ...] = ()


def best_device() -> torch.device:
    """`UNET_PLAYGROUND_DEVICE`, or the first of CUDA, Apple's MPS and the CPU that this machine has."""
    wanted = os.environ.get("UNET_PLAYGROUND_DEVICE") or "auto"
    # ZeroGPU lends its GPU to single functions (ui/zero.py) and pretends before that it were there.
    cuda = torch.cuda.is_available() and not os.environ.get("SPACES_ZERO_GPU")
    there = {"cuda": cuda, "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, present in there.items() if present))
    if wanted not in DEVICES or not there[wanted]:
        raise PlaygroundError(
            f"UNET_PLAYGROUND_DEVICE={wanted} is not on this machine; choose auto or one of "
            f"{', '.join(name for name, present in there.items() if present)}.",
            f"本机没有 UNET_PLAYGROUND_DEVICE={wanted}；可选 auto 或 "
            f"{', '.join(name for name, present in there.items() if present)}。",
        )
    return torch.device(wanted)


def load_model(task: str, design: Design, weights: str = "auto", device: torch.device | None = None) -> UNet:
    """A network for a task, frozen, in evaluation mode, on the best device.

    Args:
        task: Id of a task, `nuclei`.
        design: What to build.
        weights: `shared` (the bank), `solo` (trained alone), or `auto`: solo, else shared, else untrained. What was
            found stands in `model.origin`.
        device: The best one by default.

    Raises:
        UnknownChoice: There is no such task.
        UnusableWeights: The weights that were asked for do not exist or are damaged.
    """
    if not isinstance(design, Design):
        raise TypeError(f"A Design is wanted, not {type(design).__name__}; Design.from_link makes one of a link.")
    return load(task, design, weights).to(device or best_device())


def prepare(picture: Picture, model: UNet) -> Tensor:
    """The model's input (1, channels, h, w) for a picture, on the model's device, channels last.

    A CT slice is seen through the window of the task's training slices, whichever its file shows it through.

    Raises:
        IllegalDesign: The model takes volumes.
    """
    task = task_of(model)
    task.check_dims(model.design, picture=True)
    if (scan := task.scan) and _windowed(picture, scan):
        picture = Picture.from_array(scan.seen(picture.values))  # type: ignore[arg-type]
    image = task.prepare(picture)[None]
    return image.to(_device(model), memory_format=torch.channels_last)


def _windowed(picture: Picture, scan: Scan) -> bool:
    """Whether a picture has the values that a task's window is for."""
    return scan.window is not None and picture.values is not None and in_hounsfield(picture.units, picture.values)


def remarks(picture: Picture, model: UNet) -> tuple[Text, ...]:
    """What a reader of any result has to know of how the network saw a picture, and of its weights."""
    scan, notes = task_of(model).scan, ()
    if scan and scan.window and _windowed(picture, scan):
        notes = (_WINDOW.format(low=scan.window[0], high=scan.window[1]),)
        notes += () if picture.units else (UNITLESS.format(units=scan.units or ""),)
    return notes + ((_UNTRAINED,) if model.origin is not None and model.origin.weights == "untrained" else ())


def segment(picture: Picture, model: UNet, between: Callable[[], None] = lambda: None) -> Segmentation:
    """The mask of a picture of any size, pixel for pixel.

    Beyond `LARGEST_WHOLE` pixels, or where the activations would need more memory than is allowed, the picture is cut
    into tiles that overlap and are blended: time grows with the pixels, memory does not, and no seam is seen. Where a
    GPU's memory does not suffice, smaller tiles are tried, then the CPU.

    Args:
        picture: As `read_image` gives it.
        model: As `load_model` gives it.
        between: Called between tiles; whatever it raises ends the computation.

    Raises:
        IllegalDesign: Even the smallest tile needs more memory than is allowed.
    """
    if not isinstance(picture, Picture):
        kind = type(picture).__name__
        raise TypeError(
            f"A picture is wanted, not {kind}; read_image makes one of a file, Picture.from_array of numbers."
        )
    side = tile_side(model.design)
    height, width = picture.height, picture.width
    per_pixel = _bytes_per_pixel(model.design)
    whole = height * width <= min(LARGEST_WHOLE, Limits.from_environment().activation_bytes / per_pixel)
    first = max(height, width) if whole else side
    told = remarks(picture, model)
    with torch.inference_mode():
        image = prepare(picture, model)
        for number, tile in enumerate((first, *(each for each in TILES if each < first))):
            try:
                result = _by_tiles(image, model, tile, between)
                return replace(result, notes=(*((_SMALLER,) if number else ()), *told))
            except torch.OutOfMemoryError:
                pass
            # Out here the error, and with it all that was computed so far, is gone.
            torch.cuda.empty_cache()
        aside = copy.deepcopy(model).cpu()
        return replace(_by_tiles(image.cpu(), aside, side, between), notes=(_ON_CPU, *told))


def pictures_a_pass(design: Design, height: int, width: int) -> int:
    """How many pictures of one size are best computed at once."""
    return max(1, min(_PASS_MOST, int(_PASS_BYTES / (_bytes_per_pixel(design) * height * width))))


def segment_together(pictures: Sequence[Picture], model: UNet) -> list[Segmentation]:
    """The masks of pictures of one size in one pass; one after the other where the memory of a GPU does not suffice.

    Args:
        pictures: Not more than `pictures_a_pass`.
        model: As `load_model` gives it.

    Raises:
        IllegalDesign: A single picture needs more memory than is allowed.
    """
    if len(pictures) > 1:
        try:
            with torch.inference_mode():
                images = torch.cat([prepare(picture, model) for picture in pictures])
                return [read_out(logits[None]) for logits in computed(model, images)]
        except torch.OutOfMemoryError:
            pass
    return [segment(picture, model) for picture in pictures]


def tile_side(design: Design) -> int:
    """The side in pixels of the largest tile that a design may be computed on.

    Raises:
        IllegalDesign: Even the smallest one needs more memory than is allowed.
    """
    most = Limits.from_environment().activation_bytes
    per_pixel = _bytes_per_pixel(design)
    fitting = [side for side in TILES if side * side * per_pixel <= most]
    if not fitting:
        needed = figure(TILES[-1] ** 2 * per_pixel)
        raise IllegalDesign(
            f"This design needs {needed} MB of activations for {TILES[-1]} x {TILES[-1]} px; the limit is "
            f"{figure(most)} MB. Choose a smaller width or a smaller depth.",
            f"该设计在 {TILES[-1]} × {TILES[-1]} 像素上需要 {needed} MB 激活内存；上限为 {figure(most)} MB。"
            "请减小宽度或深度。",
        )
    return fitting[0]


def read_out(logits: Tensor) -> Segmentation:
    """The mask and the probabilities of the logits (1, classes, *sides) of one image or volume."""
    return _masked(logits[0].float().softmax(0))


def _masked(probability: Tensor) -> Segmentation:
    return Segmentation(probability.argmax(0).to(torch.uint8).cpu().numpy(), probability.cpu().numpy())


def _by_tiles(image: Tensor, model: UNet, side: int, between: Callable[[], None] = lambda: None) -> Segmentation:
    """The mask of an image (1, channels, h, w); one that fits into a tile is computed whole."""
    height, width = image.shape[-2:]
    if max(height, width) <= side:
        return read_out(computed(model, image))
    rows, columns = spans(height, side), spans(width, side)
    total = torch.zeros(len(task_of(model).labels), height, width, device=image.device)
    for row, tall in rows:
        for column, wide in columns:
            between()
            logits = computed(model, image[..., row, column])
            weight = (tall[:, None] * wide).to(image.device)
            total[:, row, column] += logits[0].float().softmax(0) * weight
    return _masked(total)


def spans(length: int, side: int, overlap: int = 128, stride: int = 64) -> list[tuple[slice, Tensor]]:
    """The tiles along one axis with the weight of each position; the weights of a position sum to 1.

    Tiles begin at multiples of every stride, so that a pixel is pooled with the same neighbours as in the whole image.

    Args:
        length: Of the axis, in pixels.
        side: Of a tile.
        overlap: Over which two tiles are blended.
        stride: Of the coarsest level, or a multiple of it.
    """
    last = max(0, -(-(length - side) // stride) * stride)
    starts = [*range(0, last, side - overlap), last]
    found = []
    for start in starts:
        end = min(start + side, length)
        inner = torch.arange(end - start) + 0.5
        rising = inner / overlap if start else torch.ones(end - start)
        falling = inner.flip(0) / overlap if end < length else torch.ones(end - start)
        found.append((slice(start, end), torch.minimum(rising, falling).clamp(max=1)))
    total = torch.zeros(length)
    for span, weight in found:
        total[span] += weight
    return [(span, weight / total[span]) for span, weight in found]


def computed(model: UNet, image: Tensor) -> Tensor:
    """The logits, computed when the device is free; a GPU computes convolutions in half precision."""
    with lane.turn(), torch.autocast(image.device.type, dtype=torch.bfloat16, enabled=image.device.type == "cuda"):
        return model(image.contiguous(memory_format=LAYOUTS[model.design.dims]))


def _bytes_per_pixel(design: Design) -> float:
    """Activations of one pass, counted where everybody else counts: at 256 pixels, which is remembered."""
    return cost(design).activation_bytes / TILES[-1] ** design.dims


def task_of(model: UNet) -> Task:
    """The task that a loaded model was made for."""
    if model.origin is None:
        raise PlaygroundError(
            "This network was not loaded for a task; get it from load_model.",
            "该网络没有对应的任务；请用 load_model 取得。",
        )
    return tasks[model.origin.task].make()


class ModelStore:
    """Loaded models, the last used ones kept; safe to ask from many threads.

    Args:
        limits: Of one model's size and of all kept models' bytes together; those of the environment by default.
    """

    def __init__(self, limits: Limits | None = None):
        self._limits = limits or Limits.from_environment()
        self._models: OrderedDict[tuple[str, Design, str], UNet] = OrderedDict()
        self._lock = lock()

    def get(self, task: str, design: Design, weights: str = "auto") -> UNet:
        """The model; loaded when it is not there yet.

        Raises:
            IllegalDesign: It would have more parameters or activations than are allowed; nothing was built.
        """
        key = (task, design, weights)
        with self._lock:
            if key not in self._models:
                self._check(design)
                self._models[key] = load_model(task, design, weights)
            self._models.move_to_end(key)
            while len(self._models) > 1 and self.bytes > self._limits.store_bytes:
                self._models.popitem(last=False)
            return self._models[key]

    @property
    def bytes(self) -> int:
        """Bytes of all kept models."""
        return sum(_bytes_of(model) for model in self._models.values())

    def _check(self, design: Design) -> None:
        parameters, most = cost(design).parameters, self._limits.parameters
        if parameters > most:
            raise IllegalDesign(
                f"This design has {figure(parameters)} million parameters; the limit is {figure(most)} million. "
                "Choose a smaller width or a smaller depth.",
                f"该设计有 {figure(parameters)} 百万个参数；上限为 {figure(most)} 百万。请减小宽度或深度。",
            )
        tile_side(design)


def _bytes_of(model: UNet) -> int:
    return sum(each.nbytes for each in (*model.parameters(), *model.buffers()))


def _device(model: UNet) -> torch.device:
    return next(model.parameters()).device
