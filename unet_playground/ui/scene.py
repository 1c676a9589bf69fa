"""What one visitor looks at, and everything that is computed of it. Pure functions; nothing here knows the page."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice, repeat
from secrets import token_hex
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis import Target, analyses
from unet_playground.analysis.base import LARGEST, Result, look
from unet_playground.analysis.watch import Watch, stream
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, Text, refusal, sentences
from unet_playground.examples import ShippedImage
from unet_playground.images import Picture, read_image
from unet_playground.images.labels import as_classes, read_labels
from unet_playground.inference import ModelStore, Segmentation, prepare
from unet_playground.model import UNet
from unet_playground.registry import Entry
from unet_playground.tasks import Label, tasks
from unet_playground.training.metrics import Truth, dice
from unet_playground.ui import texts
from unet_playground.ui.store import read_once
from unet_playground.volumes.quality import unusual
from unet_playground.weights import kinds_of

AUTO = "auto"
"""The weights that are shown unless others are asked for: trained alone where there are such, else shared."""
GLIMPSE, TESTED = "attention(checks=false)", "attention"
"""Attention is shown at once, and put to the test after everything else is there."""
FIELD = "receptive-field"
FLOW = "gradient-flow(deepest=0)"
"""What the drawing's lines can be weighed by, besides the field."""
FIRST_METHOD = "integrated-gradients"


@dataclass(frozen=True, eq=False)
class Scene:
    """An image, what is asked about it, and which weights are to answer.

    Attributes:
        task: Id of the task.
        picture: The image.
        about: One line on it.
        source: Where it comes from; None for a visitor's own.
        warning: Why masks of a visitor's own may mean nothing.
        truth: True classes (h, w) where known.
        judged: Whether a visitor gave the truth.
        point: (row, column) that was clicked; None asks about the whole class.
        label: Number of the class that is asked about.
        weights: `auto`, `shared` or `solo`.
        method: How the attribution is computed, an analysis with its options.
        id: Of the image, the same for every question about it.
    """

    task: str
    picture: Picture
    about: Text
    source: Text | None = None
    warning: Text | None = None
    truth: NDArray[np.uint8] | None = None
    judged: bool = False
    point: tuple[int, int] | None = None
    label: int = 1
    weights: str = AUTO
    method: str = FIRST_METHOD
    id: str = field(default_factory=lambda: token_hex(8))

    @classmethod
    def of_example(cls, shipped: ShippedImage) -> "Scene":
        """A shipped image."""
        picture = shipped.read()
        size = {"width": picture.width, "height": picture.height}
        about = Text(
            texts.SHIPPED.en.format(title=shipped.title.en, **size),
            texts.SHIPPED.zh.format(title=shipped.title.zh, **size),
        )
        truth = shipped.truth(len(tasks[shipped.task].make.labels))
        return cls(shipped.task, picture, about, shipped.source, truth=truth)

    @classmethod
    def of_upload(cls, task: str, path: str) -> "Scene":
        """A visitor's file; it is read once and removed."""
        with read_once(path):
            picture = read_image(path)
        size = {"width": picture.width, "height": picture.height}
        unknown = (texts.UNORIENTED,) if tasks[task].make.scan and picture.orientation is None else ()
        about = texts.UPLOADED.format(notes=sentences((*picture.notes, *unknown)), **size)
        return cls(task, picture, about, warning=unusual(picture, task))

    def judged_by(self, path: str) -> "Scene":
        """The same image with a visitor's own mask as the truth; the file is read once and removed.

        Raises:
            UnreadableImage: It is no mask of this task, or not of the image's size.
        """
        with read_once(path):
            truth = as_classes(read_labels(path), len(self.labels))
        if truth.shape != self.sides:
            (height, width), (rows, columns) = self.sides, truth.shape
            raise refusal(
                f"This mask has {columns} x {rows} pixels, the image {width} x {height}: give one of the image's size.",
                f"该掩膜为 {columns} x {rows} 像素，图像为 {width} x {height}：请提供与图像同样大小的掩膜。",
            )
        return replace(self, truth=truth, judged=True)

    def asking(self, **changes: Any) -> "Scene":
        """The same image with another question: `point`, `label`, `weights`, `method`."""
        return replace(self, **changes)

    @property
    def told(self) -> Text:
        """One line on the image and, where it is a visitor's, on its truth."""
        own = texts.JUDGED if self.judged else Text("", "")
        return Text(" ".join(filter(None, (self.about.en, own.en))), self.about.zh + own.zh)

    @property
    def sides(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.picture.height, self.picture.width

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.picture.pixels, self.picture.values, self.picture.numbers, self.truth)
        return sum(array.nbytes for array in arrays if array is not None)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The classes of its task, background first."""
        return tasks[self.task].make.labels


class Superseded(Exception):
    """The visitor has made another choice; what was being computed is of no use any more."""


class Turn:
    """Counts a visitor's choices, so that a long computation notices the next one."""

    def __init__(self) -> None:
        self.number = 0

    def next(self) -> int:
        """Begin another turn."""
        self.number += 1
        return self.number

    def watch(self, turn: int | None = None) -> Callable[[], None]:
        """A function that raises `Superseded` once a turn is over: the one with this number, else the present one."""
        mine = self.number if turn is None else turn

        def check() -> None:
            if self.number != mine:
                raise Superseded

        return check


@dataclass(frozen=True)
class View:
    """What an analysis found so far.

    Attributes:
        result: None where it is refused.
        line: Its check in one line, or why it is refused.
        facts: Its main numbers in words.
        final: Whether nothing better comes.
    """

    result: Result | None
    line: Text
    facts: Text | None = None
    final: bool = True


@cache
def models() -> ModelStore:
    """The one store of loaded models."""
    return ModelStore()


def model_for(scene: Scene, design: Design) -> UNet | None:
    """The trained model, or None where a design has no trained weights.

    Where the weights asked for do not exist, it has the others; `model.origin` says which.
    """
    return trained(scene.task, design, scene.weights)


def trained(task: str, design: Design, weights: str = AUTO) -> UNet | None:
    """As `model_for`, of a task and the weights that are asked for."""
    model = models().get(task, design, weights if weights in kinds_of(task, design) else AUTO)
    return model if model.origin and model.origin.sha256 else None


def on_equal_terms(scene: Scene, designs: Iterable[Design]) -> Scene:
    """The scene with weights of one kind for all designs, where they were left to us and such exist.

    What a network gains from being trained alone must not look like the gain of a part.
    """
    return scene.asking(weights=equal_weights(scene.task, designs, scene.weights))


def equal_weights(task: str, designs: Iterable[Design], weights: str = AUTO) -> str:
    """The kind of weights that all of several designs have, where it was left to us and there is such a kind."""
    kinds = [kinds_of(task, design) for design in designs]
    if weights != AUTO or len(kinds) < 2:
        return weights
    return next((one for one in ("solo", "shared") if all(one in own for own in kinds)), AUTO)


def facts_of(scene: Scene, result: Segmentation, alone: bool = True) -> Text:
    """A mask in one line: its Dice where the truth is known, its area, and what it says of the pixel asked about.

    Args:
        scene: What is shown.
        result: The mask.
        alone: Whether no other line follows, so that there is room to say that pixels can be asked about.
    """
    facts = [fact for fact in _facts(scene, result) if alone or fact is not texts.ASK]
    return Text(" · ".join(fact.en for fact in facts), " · ".join(fact.zh for fact in facts))


def glimpse(scene: Scene, model: UNet) -> View:
    """Attention, not yet put to the test: what is quick enough to come with the mask."""
    if reason := too_large(scene):
        return View(None, reason)
    *_, last = _guarded(scene, model, prepare(scene.picture, model), lambda: None, GLIMPSE)
    return last


def explain(scene: Scene, model: UNet, check: Callable[[], None]) -> Iterator[tuple[str, View]]:
    """Every other view as it gets ready, coarse first: ("field", view) and so on.

    After its first look, which is quick, the attribution waits until attention has been put to the test.

    Args:
        scene: The image and what is asked.
        model: The model.
        check: Called between pieces of work; whatever it raises ends them.
    """
    if reason := too_large(scene):
        yield from ((name, View(None, reason)) for name in ("field", "flow", "attribution", "attention"))
        return
    looks = partial(_guarded, scene, model, prepare(scene.picture, model), check)
    with closing(looks(scene.method)) as attribution:
        yield from zip(repeat("field"), looks(FIELD))
        yield from zip(repeat("attribution"), islice(attribution, 1))
        yield from zip(repeat("flow"), looks(FLOW))
        yield from zip(repeat("attention"), looks(TESTED))
        yield from zip(repeat("attribution"), attribution)


def too_large(scene: Scene) -> Text | None:
    """Why nothing but the mask is computed of an image in the page; None where it is small enough."""
    picture = scene.picture
    if picture.height * picture.width <= LARGEST:
        return None
    return texts.TOO_LARGE.format(width=picture.width, height=picture.height, limit=LARGEST / 1e6)


def attribution_methods() -> list[Entry]:
    """The analyses that attribute a decision to the pixels of the image, in menu order."""
    return analyses.within("attribution")


def _guarded(
    scene: Scene, model: UNet, image: Tensor, check: Callable[[], None], method: str
) -> Generator[View, None, None]:
    """One analysis as it gets ready; a refusal is its last view."""
    check()
    try:
        yield from _looks(scene, model, image, check, method)
    except PlaygroundError as refusal:
        yield View(None, refusal.text)


def _looks(scene: Scene, model: UNet, image: Tensor, check: Callable[[], None], method: str) -> Iterator[View]:
    """One analysis as it gets ready."""
    choice = analyses.parse(method)
    entry, target = analyses[choice.id], Target(scene.label, scene.point)

    def compute(watch: Watch) -> Result:
        return look(entry, model, image, target, dict(choice.options), truth=scene.truth, watch=watch)

    for final, result in stream(compute, check):
        check_en, check_zh = result.check.en, result.check.zh
        coarse = Text(texts.COARSE.en.format(check=check_en), texts.COARSE.zh.format(check=check_zh))
        yield View(result, result.check if final else coarse, result.facts, final)


def _facts(scene: Scene, result: Segmentation) -> Iterator[Text]:
    yield from result.notes
    if scene.truth is not None:
        yield texts.DICE.format(dice=dice(result.mask, Truth(scene.truth), len(scene.labels)))
    for number, label in enumerate(scene.labels[1:], start=1):
        share = float((result.mask == number).mean())
        yield Text(
            texts.AREA.en.format(label=label.title.en, share=share),
            texts.AREA.zh.format(label=label.title.zh, share=share),
        )
    if scene.point is not None:
        row, column = scene.point
        number = int(result.mask[row, column])
        where = {"row": row, "column": column, "probability": float(result.probability[number, row, column])}
        title = scene.labels[number].title
        yield Text(texts.AT_PIXEL.en.format(label=title.en, **where), texts.AT_PIXEL.zh.format(label=title.zh, **where))
    else:
        yield texts.ASK
