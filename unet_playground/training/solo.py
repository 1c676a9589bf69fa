"""Training designs alone: the references that the bank is held against."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from unet_playground.atlas import read_atlas, weak
from unet_playground.atlas.table import DIGITS
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.inference import best_device
from unet_playground.model import Origin, UNet
from unet_playground.training.datasets import datasets
from unet_playground.training.evaluate import HEADLINE, POOLED
from unet_playground.training.measure import GRADIENT, Measured, measure, put
from unet_playground.training.recipe import Recipe
from unet_playground.training.selection import KEPT, TWICE, solo_designs, solo_name
from unet_playground.training.session import Session
from unet_playground.weights import Card, WeightStore, checkpoint_root, read_card, replace_file, write_card

FOUND = 0.1
"""Pooled Dice below which a training has found nothing: that tells of the training, not of the design."""
DICES = (HEADLINE, POOLED)
"""Scores by which a design can be weak: how far below the classic it must be is set for them alone."""


@dataclass(frozen=True)
class Trained:
    """What a job brings back from the machine on which it ran.

    Attributes:
        card: With the scores on the test split.
        files: Name -> content of every file of weights.
        measured: The row for the atlas.
    """

    card: Card
    files: dict[str, bytes]
    measured: Measured


@dataclass(frozen=True)
class SoloJob:
    """Train a design alone, score it, and keep card and row; a training that was broken off goes on.

    Done is what was trained for at least so many steps, at whatever rate, and found something: a training that found
    nothing fails, keeps no row, and can be given another rate.

    Args:
        task: Id of a task.
        design: What to train.
        seed: Of everything random.
        keeps: Whether the weights stay; else only their card does, which then names no file.
        steps: Number of updates; the task's recipe by default.
        rate: Highest learning rate; the task's recipe by default.
        data: Folder with the data sets; `UNET_PLAYGROUND_DATA` by default.
    """

    task: str
    design: Design
    seed: int = 0
    keeps: bool = True
    steps: int | None = None
    rate: float | None = None
    data: str | None = None

    @property
    def name(self) -> str:
        return solo_name(self.design, self.seed)

    @property
    def folder(self) -> Path:
        return checkpoint_root() / self.task / self.name

    @property
    def _scratch(self) -> Path:
        """Where it is trained: weights serve nobody before they are found to be good for something."""
        return self.folder / "training"

    def done(self) -> bool:
        rows = read_atlas(self.task).find(self.design, "solo")
        card = self._card(self.folder)
        if card is None or bool(card.files) != self.keeps:
            return False
        scored = str(card.metrics.get("weights_sha256", ""))[:DIGITS]
        # Where the weights stay, what was not asked of them when they were trained can be asked now.
        return any(
            (row.seed, row.sha256) == (self.seed, scored) and (GRADIENT in row.images or not self.keeps) for row in rows
        )

    def run(self) -> Trained:
        store = self._trained() or self._train()
        card = store.card
        measured = measure(self._network(store), self.seed, self.data)
        card = replace(card, metrics={**card.metrics, "test": measured.summary, "weights_sha256": card.sha256})
        if not _found(card):
            shutil.rmtree(self._scratch, ignore_errors=True)
            with suppress(OSError):  # what is there of an earlier training stays
                self.folder.rmdir()
            raise PlaygroundError(
                f"The training found nothing at the rate {card.recipe['rate']:g}; give another --rate.",
                f"训练在学习率 {card.recipe['rate']:g} 下什么也没有找到；请换一个 --rate。",
            )
        files = {file["name"]: (store.folder / file["name"]).read_bytes() for file in card.files}
        return Trained(card, files, measured)

    def keep(self, result: Trained) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.keeps:
            for name, content in result.files.items():
                replace_file(self.folder / name, content)
        put(self.task, result.measured)
        # Last, because it makes the job done: what it no longer names may go then.
        write_card(self.folder, result.card if self.keeps else replace(result.card, files=()))
        if not self.keeps:
            for name in result.files:
                (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _trained(self) -> WeightStore | None:
        """Weights that need no more training."""
        for folder in (self._scratch, self.folder):
            card = self._card(folder)
            if card is not None and card.files:
                return WeightStore(folder, card)
        return None

    def _card(self, folder: Path) -> Card | None:
        """The card of a training of at least so many steps that came to its end and found something."""
        path = folder / "card.json"
        card = read_card(path) if path.exists() else None
        if card is None or "test" not in card.metrics or card.recipe["steps"] < self._recipe().steps:
            return None
        return card if _found(card) else None

    def _recipe(self) -> Recipe:
        recipe = datasets[self.task].make.recipe_of(self.design)
        return replace(recipe, seed=self.seed, steps=self.steps or recipe.steps, rate=self.rate or recipe.rate)

    def _train(self) -> WeightStore:
        session = Session(self.task, self.design, False, self._recipe(), self._scratch, self.data, anew=True)
        return WeightStore(self._scratch, session.run())

    def _network(self, store: WeightStore) -> UNet:
        network = store.network().requires_grad_(False)
        network.origin = Origin(self.task, "solo", store.card.sha256)
        return network.channels_last().eval().to(best_device())


def _found(card: Card) -> bool:
    return card.metrics["test"][POOLED] >= FOUND


def solo_jobs(task: str, count: int, base: Design | None = None) -> Sequence[SoloJob]:
    """Jobs for the first so many designs that are worth training alone, the first of them with two seeds.

    Weights of the first seed of the first six stay, which a repository has room for.
    """
    return [
        SoloJob(task, design, seed, keeps=number < KEPT and seed == 0)
        for number, design in enumerate(solo_designs(base)[:count])
        for seed in range(2 if number < TWICE else 1)
    ]


def weak_jobs(task: str, metric: str) -> Sequence[SoloJob]:
    """Jobs for the designs that the bank scores far below its classic and that were never trained alone.

    They tell whether the bank is to blame or the design. Only their cards stay.

    Raises:
        PlaygroundError: The metric is none of `DICES`.
    """
    if metric not in DICES:
        raise PlaygroundError(
            f"--weak {metric} does not tell weak designs; choose {' or '.join(DICES)}.",
            f"--weak {metric} 不能用来判断设计的强弱；可选 {'、'.join(DICES)}。",
        )
    table = read_atlas(task)
    found = weak(table.of("shared"), table.of("solo"), metric).designs
    return [SoloJob(task, design, keeps=False) for design in found if not table.find(design, "solo")]
