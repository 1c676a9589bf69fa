"""One design becomes one row of the atlas: scores on the test split, cost, and time beside the classic's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from unet_playground.atlas import Row, atlas_path, classic_of, error_of_mean, read_atlas, write_atlas
from unet_playground.atlas.table import DIGITS
from unet_playground.cost import cost
from unet_playground.design import Design
from unet_playground.errors import UnusableWeights
from unet_playground.inference import best_device, load_model, task_of
from unet_playground.model import Origin, UNet
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example, data_root, datasets, examples, split
from unet_playground.training.evaluate import HEADLINE, POOLED, Evaluation, evaluate
from unet_playground.training.gradients import weakest_gradient
from unet_playground.training.metrics import GENERAL
from unet_playground.training.redundancy import redundancy
from unet_playground.weights import Card, stores

SIDE = 256
"""Side in pixels of the image for which cost is counted and time is taken."""
ROUNDS, SECONDS = 20, 1.0
"""At most so many rounds of timing, and none begun after so many seconds."""
LOOKED_AT = 16
"""Test images on which redundancy and gradients are measured."""
GRADIENT = "gradient"
"""Column of `weakest_gradient`."""


@dataclass(frozen=True)
class Measured:
    """A row with what it was computed from.

    Attributes:
        row: With the scores of every image.
        names: Of the images or volumes.
        groups: The group of each.
        summary: Means and intervals, as a card holds them.
    """

    row: Row
    names: tuple[str, ...]
    groups: tuple[str, ...]
    summary: dict[str, Any]


@dataclass(frozen=True)
class MeasureJob:
    """Measure a design with the bank's weights and put it into the task's table.

    Args:
        task: Id of a task.
        design: What to measure.
        sha256: First digits of the hash of its bank; a row of another bank is measured again.
        images: Whether the scores of single images are kept.
        data: Folder with the data sets; `UNET_PLAYGROUND_DATA` by default.
    """

    task: str
    design: Design
    sha256: str
    images: bool = False
    data: str | None = None

    @property
    def name(self) -> str:
        return self.design.to_link()

    def done(self) -> bool:
        rows = read_atlas(self.task).find(self.design, "shared")
        return any(row.sha256 == self.sha256 and (GRADIENT in row.images or not self.images) for row in rows)

    def run(self) -> Measured:
        card = bank_card(self.task, self.design)
        measured = measure(load_model(self.task, self.design, "shared"), card.recipe.get("seed", 0), self.data)
        return measured if self.images else replace(measured, row=replace(measured.row, images={}))

    def keep(self, result: Measured) -> None:
        put(self.task, result)


def bank_card(task: str, design: Design | None = None) -> Card:
    """The card of the bank that serves a design; by default of the one that serves every design.

    Raises:
        UnusableWeights: The task has none.
    """
    for store in stores(task):
        if store.card.shared and (store.card.serves(design) if design else not store.card.only):
            return store.card
    raise UnusableWeights(
        f"There is no trained bank for {task} to measure; train one with train --bank, or choose another task.",
        f"{task} 没有训练好的权重库可供测量；请先用 train --bank 训练，或选择其他任务。",
    )


def metrics_of(task: str) -> tuple[str, ...]:
    """The scores that tell designs apart on a task, the general ones first."""
    return tuple(dict.fromkeys((*GENERAL, *datasets[task].make.metrics)))


def put(task: str, measured: Measured) -> None:
    """Put a row into the task's table; rows of banks that no longer serve their designs leave it.

    One process at a time does so.

    Raises:
        UnusableWeights: The row is of another bank than the one that serves its design here, or weights of the task
            cannot be read; the table is as it was.
    """
    row = measured.row
    if row.weights == "shared" and not is_current(task, row):
        raise UnusableWeights(
            "It was measured with other weights than those that serve it here; use the same weights everywhere, and "
            "measure it again.",
            "测量所用的权重与此处提供的权重不同；请在各处使用相同的权重，然后重新测量。",
        )
    path = atlas_path(task)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        table = read_atlas(task).with_row(measured.row, measured.names, measured.groups)
        rows = tuple(row for row in table.rows if row.weights != "shared" or is_current(task, row))
        write_atlas(task, replace(table, rows=rows))


def is_current(task: str, row: Row) -> bool:
    """Whether the bank that a row of shared weights was measured with is the one that serves its design now."""
    banks = (store.card for store in stores(task) if store.card.shared and store.card.serves(row.design))
    bank = next(banks, None)
    return bank is not None and bank.sha256.startswith(row.sha256)


def time_again(task: str, design: Design) -> None:
    """Take the time of a design that the task's table has, and write it into all its rows; weights do not matter."""
    made = tasks[task].make
    model = UNet(design, made.channels, len(made.labels)).requires_grad_(False).channels_last().eval()
    latency = times_classic_measured(model.to(best_device()))
    with FileLock(atlas_path(task).with_suffix(".lock")):
        table = read_atlas(task)
        rows = (replace(row, latency=latency) if row.design == design else row for row in table.rows)
        write_atlas(task, replace(table, rows=tuple(rows)))


def measure(model: UNet, seed: int = 0, data: str | None = None) -> Measured:
    """Score a loaded model on its task's test split, count its cost and take its time.

    Args:
        model: As `load_model` gives it, with trained weights, of a design with dims=2.
        seed: Of the training that the weights come from.
        data: Folder with the data sets; `UNET_PLAYGROUND_DATA` by default.
    """
    task = task_of(model)
    origin: Origin = model.origin  # type: ignore[assignment]
    id = origin.task
    images = _test_images(id, str(data_root(data)))
    result = evaluate(model, images, metrics_of(id), datasets[id].make.unit)
    summary = result.summary()
    values = {**result.values, **_within(model, result, images)}
    means = {id: _mean(column) for id, column in values.items()} | {POOLED: summary[POOLED]}
    counted = cost(model.design, SIDE, task.channels, len(task.labels))
    row = Row(
        design=model.design,
        weights=origin.weights,
        seed=seed,
        sha256=origin.sha256[:DIGITS],
        metrics=means,
        error=error_of_mean(result.values[HEADLINE], result.groups),
        parameters=counted.parameters,
        macs=counted.macs,
        activation_bytes=counted.activation_bytes,
        latency=times_classic_measured(model),
        images=values,
    )
    return Measured(row, result.names, result.groups, summary)


def times_classic_measured(model: UNet) -> float:
    """How many times as long as the classic's a forward pass takes on one image of 256 x 256.

    Both take turns, and the quickest pass of each counts: what else the machine does makes passes slower, never
    quicker. On a CPU that is the time that one thread computes, so that waiting for a core does not count.
    """
    if model.design == classic_of(model.design):
        return 1.0
    device = next(model.parameters()).device
    classic = _untrained(classic_of(model.design), model.in_channels, model.classes, device)
    image = torch.rand(1, model.in_channels, SIDE, SIDE, device=device).contiguous(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        own, other = _quickest(image, model, classic)
    finally:
        torch.set_num_threads(threads)
    return own / other


def _quickest(image: Tensor, *models: UNet) -> list[float]:
    """Seconds of the quickest forward pass of each model."""
    rounds: list[list[float]] = []
    started = time.perf_counter()
    while len(rounds) < ROUNDS and (not rounds or time.perf_counter() - started < SECONDS):
        rounds.append([_seconds(model, image) for model in models])
    return [min(times) for times in zip(*rounds, strict=True)]


def _seconds(model: UNet, image: Tensor) -> float:
    clock = time.thread_time if image.device.type == "cpu" else time.perf_counter
    started = clock()
    with torch.inference_mode():
        float(model(image).flatten()[0])  # reading a number waits for a GPU
    return clock() - started


@lru_cache(maxsize=2)
def _untrained(design: Design, channels: int, classes: int, device: torch.device) -> UNet:
    return UNet(design, channels, classes).requires_grad_(False).channels_last().eval().to(device)


@lru_cache(maxsize=2)
def _test_images(task: str, root: str) -> tuple[Example, ...]:
    """The test split, read once by each process."""
    return tuple(examples(task, split(task, data_root(root))["test"]))


def _within(model: UNet, result: Evaluation, images: Sequence[Example]) -> dict[str, tuple[float, ...]]:
    """Redundancy and gradient on some evenly chosen images (of a volume: its middle slice), NaN for the others."""
    owners: dict[str, list[Example]] = {}
    for image in images:
        owners.setdefault(image.name if image.name in result.names else image.group, []).append(image)
    names = list(owners)
    chosen = [names[at] for at in np.linspace(0, len(names) - 1, min(LOOKED_AT, len(names)), dtype=int)]
    shown = [owners[name][len(owners[name]) // 2] for name in chosen]
    columns = redundancy(model, [one.image for one in shown])
    columns[GRADIENT] = tuple(weakest_gradient(model, one.image, one.labels) for one in shown)
    found = {id: dict(zip(chosen, column, strict=True)) for id, column in columns.items()}
    return {id: tuple(column.get(name, float("nan")) for name in result.names) for id, column in found.items()}


def _mean(values: Sequence[float]) -> float:
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")
