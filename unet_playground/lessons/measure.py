"""Where the numbers of lessons come from: counted costs, the atlas, and trained networks on the shipped images."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from unet_playground.analysis import Target, analyses
from unet_playground.analysis.base import look, mask_of
from unet_playground.atlas import COSTS, Atlas, Effect, main_effects, read_atlas
from unet_playground.claims import Claim, Comparison, Finding, claims, judge
from unet_playground.claims.verdict import KINDS, OPEN
from unet_playground.cost import Cost, cost
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.examples import example
from unet_playground.images.labels import read_labels
from unet_playground.inference import ModelStore, prepare
from unet_playground.model import UNet
from unet_playground.tasks import tasks
from unet_playground.training.metrics import Truth, score
from unet_playground.weights import kinds_of

T = TypeVar("T")
WHOLE = Target()
BAND = 2
"""Pixels on either side of a true boundary that count as near it."""
FOUND = 0.5
"""Share of an object's pixels from which it counts as found."""
ZONES = ("boundary", "interior", "background")


class NotMeasured(PlaygroundError):
    """A number that a lesson needs and nobody has measured."""


class Measured:
    """Everything that lessons measure, each number once; nothing is computed before it is asked for.

    Args:
        models: Loaded networks; the page hands in its own store.
        atlas: Gives the atlas of a task.
        count: Gives the cost of a design.
    """

    def __init__(
        self,
        models: ModelStore | None = None,
        *,
        atlas: Callable[[str], Atlas] = read_atlas,
        count: Callable[[Design], Cost] = cost,
    ):
        self._models, self.atlas, self.cost = models or ModelStore(), atlas, count
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made under a key; made now if it is not there yet."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def compare(self, task: str, first: Design, second: Design, column: str, weights: str | None = None) -> Finding:
        """A column of the atlas, first design against second, with its 95% interval; `for`: the first is larger.

        Args:
            task: Id of a task.
            first: A design.
            second: Another.
            column: Of the atlas.
            weights: `shared` or `solo`, for several comparisons beside each other; else solo where both have such.
        """
        return self.everywhere(first, second, column, task, weights=weights)[0]

    def everywhere(
        self, first: Design, second: Design, column: str, *among: str, weights: str | None = None
    ) -> tuple[Finding, ...]:
        """The same on every task (of some, if any are named) on which both designs were measured.

        Raises:
            NotMeasured: There is none.
        """
        claim = Claim(first, second, (), (Comparison(column, 1, relative=column in COSTS),))
        known = {task: self.atlas(task) for task in among or tasks}
        found = judge(claim, known, (weights,) if weights else KINDS).findings
        if not found:
            raise NotMeasured(
                f"The atlas does not hold {column} of both designs here yet, so this question cannot be marked; go on "
                "to the next step.",
                f"图谱中还没有这两个设计在此处的 {column}，因此本题无法评分；请继续下一步。",
            )
        return found

    def verdict(self, claim: str) -> str:
        """What the atlases of all tasks say of a claim.

        Raises:
            NotMeasured: They say nothing of it.
        """
        verdict = judge(claims[claim].make(), {task: self.atlas(task) for task in tasks}).verdict
        if verdict == OPEN:
            title = claims[claim].title
            raise NotMeasured(
                f'Nothing has been measured about "{title.en}" yet; go on to the next step.',
                f"还没有关于“{title.zh}”的测量；请继续下一步。",
            )
        return verdict

    def effects(self, task: str, slot: str, family: str) -> dict[str, Effect]:
        """Option -> its main effect on Dice among the designs with shared weights.

        Raises:
            NotMeasured: The measured designs cannot tell the options of the slot apart.
        """
        effects = main_effects(self.atlas(task).of("shared"))
        found = {one.option: one for one in effects if one.slot == slot and one.family == family}
        if not found:
            raise NotMeasured(
                f"The measured designs cannot tell the options of {slot} apart yet; go on to the next step.",
                f"现有的测量还分辨不出 {slot} 的各个选项；请继续下一步。",
            )
        return found

    def model(self, task: str, design: Design, *beside: Design) -> UNet:
        """A trained network; all that are compared have weights of one kind, where there are such."""
        kinds = [kinds_of(task, one) for one in (design, *beside)]
        kind = next((one for one in ("solo", "shared") if all(one in own for own in kinds)), None)
        if kind is None:
            raise NotMeasured(
                f"There are no trained weights of one kind for these designs on {task}, so this step shows no numbers; "
                "go on to the next step.",
                f"{task} 上没有适用于这些设计的同类训练权重，因此本步没有数值；请继续下一步。",
            )
        return self._models.get(task, design, kind)

    def mask(self, task: str, id: str, design: Design, *beside: Design) -> NDArray[np.uint8]:
        """Class numbers (h, w) of a shipped image."""
        model = self.model(task, design, *beside)
        return self.once(("mask", task, id, design, model.origin), lambda: mask_of(model, self._image(task, id, model)))

    def look(
        self,
        task: str,
        id: str,
        design: Design,
        analysis: str,
        target: Target = WHOLE,
        *,
        beside: Design | None = None,
    ) -> Any:
        """What an analysis, written with its options, finds in a shipped image."""
        model = self.model(task, design, *([beside] if beside else []))
        return self._looked(task, id, model, analysis, target)

    def look_untrained(self, task: str, id: str, design: Design, analysis: str, target: Target = WHOLE) -> Any:
        """The same with whatever weights there are: for what the wiring alone decides."""
        return self._looked(task, id, self._models.get(task, design), analysis, target)

    def truth(self, task: str, id: str) -> Truth:
        """What a shipped image really shows, object by object."""
        shipped = example(task, id)
        labels = shipped.truth(len(tasks[task].make.labels))
        if labels is None or shipped.label is None:
            raise NotMeasured(
                "Nobody has drawn the truth of this image, so masks cannot be marked; choose another image.",
                "这幅图像没有人工标注，无法评判掩膜；请选择另一幅图像。",
            )
        return Truth(labels, read_labels(shipped.label).astype(np.int32) if labels.max() == 1 else None)

    def score(self, metric: str, task: str, id: str, design: Design, *beside: Design) -> float:
        """A metric of one design on a shipped image."""
        mask = self.mask(task, id, design, *beside)
        return score(metric, mask, self.truth(task, id), len(tasks[task].make.labels))

    def wrong(self, task: str, id: str, design: Design, *beside: Design) -> Mapping[str, NDArray[np.bool_]]:
        """Where the mask is wrong (h, w), and where each of `ZONES` lies."""
        true = self.truth(task, id).labels > 0
        near = grown(true) & grown(~true)
        zones = {"boundary": near, "interior": true & ~near, "background": ~true & ~near}
        return {"wrong": (self.mask(task, id, design, *beside) > 0) != true, **zones}

    def found(self, task: str, id: str, design: Design, *beside: Design) -> NDArray[np.bool_]:
        """(objects,), whether the mask covers at least half of each true object."""
        numbers = self.truth(task, id).instances
        covered = np.bincount(numbers[self.mask(task, id, design, *beside) > 0], minlength=int(numbers.max()) + 1)
        return (covered / np.bincount(numbers.ravel()))[1:] >= FOUND

    def _looked(self, task: str, id: str, model: UNet, analysis: str, target: Target) -> Any:
        def compute() -> Any:
            choice = analyses.parse(analysis)
            truth = example(task, id).truth(len(tasks[task].make.labels))
            image = self._image(task, id, model)
            return look(analyses[choice.id], model, image, target, dict(choice.options), truth=truth)

        return self.once(("look", task, id, model.design, model.origin, analysis, target), compute)

    def image(self, task: str, id: str, design: Design) -> torch.Tensor:
        """A shipped image as a design's network receives it, (1, channels, h, w)."""
        return self._image(task, id, self.model(task, design))

    def _image(self, task: str, id: str, model: UNet) -> torch.Tensor:
        return prepare(example(task, id).read(), model)


def grown(region: NDArray[np.bool_], by: int = BAND) -> NDArray[np.bool_]:
    """A region (h, w) with everything that lies at most so many pixels from it along rows and columns."""
    pixels = torch.from_numpy(region)[None, None].float()
    return F.max_pool2d(pixels, 2 * by + 1, 1, by)[0, 0].numpy() > 0
