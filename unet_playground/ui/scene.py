"""What one visitor looks at, and everything that is computed of it. Pure functions; nothing here knows the page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis import Attribution, Target, analyses
from unet_playground.analysis.base import Result, look
from unet_playground.analysis.watch import Watch, stream
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.examples import ShippedImage
from unet_playground.figures import draw, overlay, to_array
from unet_playground.images import Picture, read_image
from unet_playground.inference import ModelStore, Segmentation, prepare, segment
from unet_playground.model import UNet
from unet_playground.registry import Entry
from unet_playground.tasks import Label, tasks
from unet_playground.training.metrics import Truth, dice
from unet_playground.ui import texts
from unet_playground.weights import stores

AUTO = "auto"
"""The weights that are shown unless others are asked for: trained alone where there are such, else shared."""
OWN = {"attention": "attention", "field": "receptive-field"}
"""Views that always show the same analysis."""
FIRST_METHOD = "integrated-gradients"
LARGEST_EXPLAINED = 1.1e6
"""Pixels of an image beyond which only the mask is computed in the page."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An image, what is asked about it, and which weights are to answer.

    Attributes:
        task: Id of the task.
        picture: The image.
        about: One line on it.
        source: Where it comes from; None for a visitor's own.
        truth: True classes (h, w) where known.
        point: (row, column) that was clicked; None asks about the whole class.
        label: Number of the class that is asked about.
        weights: `auto`, `shared` or `solo`.
        method: How the attribution is computed, an analysis with its options.
        instrument: Another analysis that is looked at besides; None for none.
    """

    task: str
    picture: Picture
    about: Text
    source: Text | None = None
    truth: NDArray[np.uint8] | None = None
    point: tuple[int, int] | None = None
    label: int = 1
    weights: str = AUTO
    method: str = FIRST_METHOD
    instrument: str | None = None

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
        return cls(shipped.task, picture, about, shipped.source, truth)

    @classmethod
    def of_upload(cls, task: str, path: str) -> "Scene":
        """A visitor's file; it is read once and removed."""
        try:
            picture = read_image(path)
        finally:
            Path(path).unlink(missing_ok=True)
        size = {"width": picture.width, "height": picture.height}
        about = Text(
            texts.UPLOADED.en.format(notes=" ".join(note.en for note in picture.notes), **size),
            texts.UPLOADED.zh.format(notes="".join(note.zh for note in picture.notes), **size),
        )
        return cls(task, picture, about)

    def asking(self, **changes: Any) -> "Scene":
        """The same image with another question: `point`, `label`, `weights`, `method`, `instrument`."""
        return replace(self, **changes)

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

    def watch(self) -> Callable[[], None]:
        """A function that raises `Superseded` once this turn is over."""
        mine = self.number

        def check() -> None:
            if self.number != mine:
                raise Superseded

        return check


@dataclass(frozen=True)
class View:
    """One finished picture: RGB pixels (h, w, 3), a line beneath, and its main numbers in words."""

    pixels: NDArray[np.uint8] | None
    line: Text
    facts: Text | None = None


@cache
def models() -> ModelStore:
    """The one store of loaded models."""
    return ModelStore()


def model_for(scene: Scene, design: Design) -> UNet | None:
    """The trained model, or None where a design has no trained weights.

    Where the weights asked for do not exist, it has the others; `model.origin` says which.
    """
    wanted = scene.weights if scene.weights in _kinds(scene.task, design) else AUTO
    model = models().get(scene.task, design, wanted)
    return model if model.origin and model.origin.sha256 else None


def _kinds(task: str, design: Design) -> set[str]:
    """Which weights there are for a design: `shared`, `solo`."""
    return {"shared" if store.card.shared else "solo" for store in stores(task) if store.card.serves(design)}


def predict(scene: Scene, model: UNet) -> View:
    """The mask over the image, with its Dice where the truth is known."""
    result = segment(scene.picture, model)
    shown = overlay(scene.picture, result.mask, scene.labels, point=scene.point)
    return View(shown, _join(_facts(scene, result)))


def explain(scene: Scene, model: UNet, check: Callable[[], None]) -> Iterator[tuple[str, View]]:
    """Every view as it gets ready, coarse first: ("attention", view) and so on.

    Args:
        scene: The image and what is asked.
        model: The model.
        check: Called between pieces of work; whatever it raises ends them.
    """
    shown = {**OWN, "attribution": scene.method}
    if scene.instrument:
        shown["instrument"] = scene.instrument
    if scene.picture.height * scene.picture.width > LARGEST_EXPLAINED:
        size = {"width": scene.picture.width, "height": scene.picture.height, "limit": LARGEST_EXPLAINED / 1e6}
        for name in shown:
            yield name, View(None, texts.TOO_LARGE.format(**size))
        return
    image = prepare(scene.picture, model)
    for name, method in shown.items():
        check()
        try:
            for view in _looks(scene, model, image, method, check):
                yield name, view
        except PlaygroundError as refusal:
            yield name, View(None, refusal.text)


def attribution_methods() -> list[Entry]:
    """The analyses that attribute a decision to the pixels of the image, in menu order."""
    return [entry for entry in analyses.entries() if get_type_hints(entry.make).get("return") is Attribution]


def instruments() -> list[Entry]:
    """The analyses that have no view of their own, in menu order."""
    own = {*OWN.values(), *(entry.id for entry in attribution_methods())}
    return [entry for entry in analyses.entries() if entry.id not in own]


def _looks(scene: Scene, model: UNet, image: Tensor, method: str, check: Callable[[], None]) -> Iterator[View]:
    """One analysis as it gets ready."""
    choice = analyses.parse(method)
    entry, target = analyses[choice.id], Target(scene.label, scene.point)

    def compute(watch: Watch) -> Result:
        return look(entry, model, image, target, dict(choice.options), truth=scene.truth, watch=watch)

    for final, result in stream(compute, check):
        check_en, check_zh = result.check.en, result.check.zh
        coarse = Text(texts.COARSE.en.format(check=check_en), texts.COARSE.zh.format(check=check_zh))
        yield View(to_array(draw(result, scene.picture)), result.check if final else coarse, result.facts)


def _facts(scene: Scene, result: Segmentation) -> Iterator[Text]:
    for number, label in enumerate(scene.labels[1:], start=1):
        share = float((result.mask == number).mean())
        yield Text(
            texts.AREA.en.format(label=label.title.en, share=share),
            texts.AREA.zh.format(label=label.title.zh, share=share),
        )
    if scene.truth is not None:
        yield texts.DICE.format(dice=dice(result.mask, Truth(scene.truth), len(scene.labels)))
    if scene.point is not None:
        row, column = scene.point
        number = int(result.mask[row, column])
        where = {"row": row, "column": column, "probability": float(result.probability[number, row, column])}
        title = scene.labels[number].title
        yield Text(texts.AT_PIXEL.en.format(label=title.en, **where), texts.AT_PIXEL.zh.format(label=title.zh, **where))
    else:
        yield texts.ASK


def _join(facts: Iterator[Text]) -> Text:
    facts = list(facts)  # type: ignore[assignment]
    return Text(" · ".join(fact.en for fact in facts), " · ".join(fact.zh for fact in facts))
