"""What every instrument takes and gives."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.errors import PlaygroundError, Text
from unet_playground.images import Picture
from unet_playground.inference import read_out
from unet_playground.model import UNet
from unet_playground.registry import Catalogue, Entry
from unet_playground.taps import IGNORE, Tap

LARGEST = 1.1e6
"""Pixels of an image beyond which only the mask is computed: analyses know no tiles."""


@dataclass(frozen=True)
class Target:
    """What is asked about: a class, a region, an object or a pixel.

    Attributes:
        label: Class number.
        point: (row, column) of a pixel; without `point` and `box` every pixel that the model gives to the class.
        whole: With `point`: every pixel of the class that hangs together with it, an object (8 neighbours).
        box: (first row, first column, last row, last column) of a region, of which every pixel counts.
    """

    label: int = 1
    point: tuple[int, int] | None = None
    whole: bool = False
    box: tuple[int, int, int, int] | None = None

    def checked(self, model: UNet, image: Tensor) -> "Target":
        """The target itself, if the model has such a class and the image (1, c, h, w) such a place."""
        if not 0 <= self.label < model.classes:
            raise PlaygroundError(
                f"Class {self.label} does not exist; classes are 0 to {model.classes - 1}.",
                f"没有类别 {self.label}；类别为 0 到 {model.classes - 1}。",
            )
        height, width = image.shape[2:]
        corners = [] if self.box is None else [self.box[:2], self.box[2:]]
        for row, column in [*([] if self.point is None else [self.point]), *corners]:
            if not (0 <= row < height and 0 <= column < width):
                raise PlaygroundError(
                    f"Pixel (row {row}, column {column}) is outside the image; rows are 0 to {height - 1}, columns 0 "
                    f"to {width - 1}.",
                    f"像素（行 {row}，列 {column}）在图像之外；行为 0 到 {height - 1}，列为 0 到 {width - 1}。",
                )
        if self.box and (self.box[0] > self.box[2] or self.box[1] > self.box[3]):
            raise PlaygroundError(
                f"Region {self.box} ends before it begins; give first row, first column, last row, last column.",
                f"区域 {self.box} 的终点在起点之前；请依次给出首行、首列、末行、末列。",
            )
        return self

    def point_in(self, image: Tensor) -> tuple[int, int]:
        """The pixel asked about: the middle of a region, the image's centre when nothing is named."""
        if self.point is None and self.box is not None:
            return (self.box[0] + self.box[2]) // 2, (self.box[1] + self.box[3]) // 2
        height, width = image.shape[2:]
        return self.point or (height // 2, width // 2)

    def pixels(self, model: UNet, image: Tensor, logits: Tensor | None = None) -> Tensor:
        """1 where the target lies and 0 elsewhere, float32 (h, w); what the model says is read once and then frozen.

        Of an object whose point the model gives to another class nothing is left.

        Args:
            model: A loaded model.
            image: (1, channels, h, w), as `prepare` gives it.
            logits: (1, classes, h, w), what the model says of it; computed where not given, and only if needed.
        """
        self.checked(model, image)
        if self.box is not None:
            region = image.new_zeros(image.shape[2:])
            region[self.box[0] : self.box[2] + 1, self.box[1] : self.box[3] + 1] = 1
            return region
        if self.point is not None and not self.whole:
            region = image.new_zeros(image.shape[2:])
            region[self.point] = 1
            return region
        mask = mask_of(model, image) if logits is None else read_out(logits).mask
        of_class = torch.from_numpy(mask == self.label)
        if self.point is not None:
            of_class = _connected(of_class, self.point)
        return of_class.to(image)

    @property
    def text(self) -> Text:
        """Where it lies, in words that can stand in a sentence or a title."""
        if self.box is not None:
            rows, columns = f"{self.box[0]}-{self.box[2]}", f"{self.box[1]}-{self.box[3]}"
            return Text(f"region of rows {rows}, columns {columns}", f"区域（行 {rows}，列 {columns}）")
        if self.point is not None:
            row, column = self.point
            if self.whole:
                return Text(f"object at pixel {row}, {column}", f"像素（{row}，{column}）处的物体")
            return Text(f"pixel {row}, {column}", f"像素（{row}，{column}）")
        return Text("its whole mask", "其整个掩膜")


class Result(Protocol):
    """A frozen dataclass of arrays.

    Attributes:
        check: The result's own test of itself, with its number.
        facts: Its main numbers in words: the text alternative of its figure.
    """

    @property
    def check(self) -> Text: ...

    @property
    def facts(self) -> Text: ...

    def arrays(self) -> Mapping[str, np.ndarray]:
        """The raw numbers by name, float32, for export."""
        ...


class Analysis(Protocol):
    """An instrument. Its options are keyword-only and `Annotated`.

    What else it can make use of it names as keyword-only parameters with a default, and `look` hands it on: `watch`, a
    `Watch`; `truth`, uint8 (h, w), class numbers; `other`, a second prepared image.
    """

    def __call__(self, model: UNet, image: Tensor, target: Target) -> Result:
        """Look at one prepared image (1, channels, h, w)."""
        ...


class Analyses(Catalogue[Analysis]):
    """The instruments, each with the room of the page that offers it; `attribution` is the picture of that name."""

    def __init__(self) -> None:
        super().__init__("analysis", Text("Analysis", "分析"))
        self._rooms: dict[str, str] = {}

    def register(self, id: str, *, room: str = "", **given: Any) -> Callable[[Any], Any]:
        """As every catalogue; without a room an instrument is offered by the command line and to programs only."""
        self._rooms[id] = room
        return super().register(id, **given)

    def within(self, room: str) -> list[Entry[Analysis]]:
        """What a room offers, in menu order."""
        return [entry for entry in self.entries() if self._rooms[entry.id] == room]


analyses = Analyses()


def look(
    entry: Entry[Analysis],
    model: UNet,
    image: Tensor,
    target: Target,
    options: Mapping[str, Any] | None = None,
    **context: Any,
) -> Any:
    """Run an analysis with its options and with what it can make use of of the context.

    Raises:
        UnknownChoice: It has no such option, or the option no such value.
    """
    known = inspect.signature(entry.make).parameters
    fitting = {name: value for name, value in context.items() if name in known and value is not None}
    return entry.make(model, image, target, **entry.parse_options(options or {}), **fitting)


def check_size(picture: Picture) -> None:
    """Refuse an image that is too large to be looked into.

    Raises:
        PlaygroundError: It has more than `LARGEST` pixels.
    """
    if picture.height * picture.width > LARGEST:
        raise PlaygroundError(
            f"This image is {picture.width} x {picture.height} px; analyses take up to {LARGEST / 1e6} Mpx. Crop it.",
            f"此图像为 {picture.width} × {picture.height} 像素；分析最多支持 {LARGEST / 1e6} Mpx，请裁剪。",
        )


def mask_of(model: UNet, image: Tensor, tap: Tap = IGNORE) -> NDArray[np.uint8]:
    """Class numbers (h, w) of one prepared image, with a tap that may change what is computed on the way."""
    with torch.inference_mode():
        return read_out(model(image, tap)).mask


def probability_of(model: UNet, image: Tensor) -> NDArray[np.float32]:
    """The probability of every class (classes, h, w) of one prepared image."""
    with torch.inference_mode():
        return read_out(model(image)).probability


def step_of(image: Sequence[int], sides: Sequence[int]) -> int:
    """How many of an image's pixels one cell of a level covers along a side: 1, or a power of two.

    Args:
        image: Rows and columns of the image.
        sides: Those of the level: the image's, halved again and again and rounded up.
    """
    steps = (2**level for level in range(max(image).bit_length() + 1))
    return next(step for step in steps if [-(-side // step) for side in image] == [*sides])


def in_cells(maps: Tensor, sides: Sequence[int], largest: bool = False) -> Tensor:
    """Maps (n, c, h, w) in the cells of a coarser level.

    Args:
        maps: On the image's pixels.
        sides: Rows and columns of the level: a cell covers as many pixels as the level halves, at the rim fewer.
        largest: Whether the largest value of a cell counts; else the mean.
    """
    step = step_of(maps.shape[2:], sides)
    if largest:
        return F.max_pool2d(maps, step, ceil_mode=True)
    return F.avg_pool2d(maps, step, ceil_mode=True, count_include_pad=False)


def agreement(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice of two masks; 1 where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def _connected(region: Tensor, point: tuple[int, int]) -> Tensor:
    """The part of a region (h, w) that hangs together with one of its pixels; empty where the pixel is not in it."""
    from scipy.ndimage import label

    numbers = np.asarray(label(region.numpy(), np.ones((3, 3)))[0])  # type: ignore[index]
    own = numbers[point]
    return torch.from_numpy((numbers == own) & (own > 0))
