"""Scores of a model on images with truth."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from unet_playground.errors import MissingData
from unet_playground.images import read_image
from unet_playground.images.volumes import is_volume, open_volume, plane
from unet_playground.inference import read_out, segment, task_of
from unet_playground.model import LAYOUTS, UNet
from unet_playground.training.datasets import Example, Sample, check_grid, check_solid, in_classes, naming, read_truth
from unet_playground.training.metrics import (
    GENERAL,
    Counts,
    Mask,
    Truth,
    count_classes,
    dice_interval,
    mean_interval,
    mean_known,
    pooled_dice,
    score,
)
from unet_playground.training.metrics import metrics as catalogue
from unet_playground.volumes.segmenting import segment_volume

TOGETHER = 2**15
"""Pixels of the images that are segmented in one pass, where they are small."""
HEADLINE = "dice"
"""The metric that is always scored."""
POOLED = "dice_pooled"
"""Dice over the pixels of all images together, which is no mean over images as the metrics are."""

Unit = Literal["image", "group"]


@dataclass(frozen=True, eq=False)
class Case:
    """A predicted mask beside the truth.

    Attributes:
        name: Of the image or the volume.
        group: The patient, child or volume that it belongs to.
        predicted: uint8 (h, w) or (d, h, w), class numbers.
        truth: Of the same shape.
    """

    name: str
    group: str
    predicted: Mask
    truth: Truth


@dataclass(frozen=True)
class Evaluation:
    """Scores over a set of images or volumes.

    Attributes:
        names: Of the images or volumes.
        groups: The group of each.
        values: Metric id -> its value for each; NaN where it has nothing to ask about.
        counts: Pixels of each, per class above background.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    values: Mapping[str, tuple[float, ...]]
    counts: tuple[tuple[Counts, ...], ...]

    @property
    def dice(self) -> float:
        """Mean over images or volumes."""
        return mean_known(self.values[HEADLINE])

    def summary(self) -> dict[str, Any]:
        """The numbers of a card, plain JSON: `n`, means by metric, `dice_pooled` over all pixels, `intervals`.

        Means leave NaN out and are None where nothing is left. `intervals` holds [low, high] of the 95% bootstrap
        interval of each, groups drawn whole; both are None where all images are of one group.
        """
        means = {id: mean_known(values) for id, values in self.values.items()}
        intervals = {id: mean_interval(values, self.groups) for id, values in self.values.items()}
        return {
            "n": len(self.names),
            HEADLINE: _plain(means.pop(HEADLINE)),
            POOLED: _plain(pooled_dice(self.counts)),
            **{id: _plain(value) for id, value in means.items()},
            "intervals": {
                id: [_plain(end) for end in ends]
                for id, ends in {**intervals, POOLED: dice_interval(self._pixels(), self.groups)}.items()
            },
        }

    def per_image(self) -> list[dict[str, Any]]:
        """One row for each image or volume: name, group and every metric unrounded, None where it is not defined."""
        columns = {"name": self.names, "group": self.groups} | {
            id: [None if np.isnan(value) else value for value in values] for id, values in self.values.items()
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _pixels(self) -> np.ndarray:
        """(n, classes, 3) of the counts."""
        return np.array([[(one.both, one.predicted, one.true) for one in image] for image in self.counts])


def evaluate(
    model: UNet, examples: Iterable[Example], metrics: Sequence[str] = GENERAL, unit: Unit = "image"
) -> Evaluation:
    """Segment every example at its own size and compare with its truth.

    Args:
        model: In evaluation mode.
        examples: Images with truth.
        metrics: Ids of metrics; `dice` is scored in any case.
        unit: `image` scores every image by itself; `group` stacks the masks of a group into one volume in the order
            of the examples, and scores that; volumes that a network takes whole are scored as they are.

    Raises:
        UnknownChoice: There is no such metric.
        MissingData: The images of a group differ in size.
    """
    cases = _segment(model, examples)
    sliced = unit == "group" and model.design.dims == 2
    return compare(_stack(cases) if sliced else cases, model.classes, metrics)


def segmented(samples: Iterable[Sample], model: UNet) -> Iterator[Case]:
    """The masks that the commands and the page give for files, beside their truth; a volume is one case.

    Volumes are resampled and seen through the task's window, and large images cut into tiles: what is scored is what
    somebody gets.

    Args:
        samples: Files with labels.
        model: As `load_model` gives it.

    Raises:
        UnreadableImage: A file cannot be read.
        MissingData: A label does not fit its image, or an image does not fit a design for volumes.
    """
    task = task_of(model)
    for sample in samples:
        if model.design.dims == 3:
            check_solid(sample)
        if is_volume(sample.image):
            with naming(sample.image):
                volume = open_volume([sample.image])
            truth = read_truth(sample, volume.canonical().shape)
            with naming(sample.label):
                check_grid(sample, volume, open_volume([sample.label]))
            shown = volume.canonical(segment_volume(volume, model).mask)
            predicted, labels = plane(shown, task.plane), plane(truth, task.plane)
        else:
            with naming(sample.image):
                picture = read_image(sample.image)
            predicted = segment(picture, model).mask
            labels = read_truth(sample, predicted.shape)
        yield Case(sample.name, sample.name, predicted, Truth(*in_classes(sample.name, labels, task)))


def compare(cases: Iterable[Case], classes: int, metrics: Sequence[str] = GENERAL) -> Evaluation:
    """Score masks that are there already.

    Args:
        cases: Masks and truth.
        classes: Number of classes with the background.
        metrics: Ids of metrics; `dice` is scored in any case.
    """
    values: dict[str, list[float]] = {catalogue[id].id: [] for id in (HEADLINE, *metrics)}
    names, groups, counts = [], [], []
    for case in cases:
        names.append(case.name)
        groups.append(case.group)
        counts.append(count_classes(case.predicted, case.truth, classes))
        for id, column in values.items():
            column.append(score(id, case.predicted, case.truth, classes))
    return Evaluation(tuple(names), tuple(groups), {id: tuple(column) for id, column in values.items()}, tuple(counts))


def _segment(model: UNet, examples: Iterable[Example]) -> Iterator[Case]:
    device, layout = next(model.parameters()).device, LAYOUTS[model.design.dims]
    for batch in _batches(examples):
        with torch.inference_mode():
            images = torch.stack([example.image for example in batch])
            logits = model(images.to(device, memory_format=layout))
        for example, own in zip(batch, logits.split(1), strict=True):
            objects = None if example.objects is None else example.objects.numpy()
            truth = Truth(example.labels.numpy(), objects)
            # An image that names no group is alone in its own.
            yield Case(example.name, example.group or example.name, read_out(own).mask, truth)


def _batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Small images of one size together: what a pass costs beside the pixels is paid once."""
    batch: list[Example] = []
    for example in examples:
        alike = batch and example.image.shape == batch[0].image.shape
        if batch and not (alike and (len(batch) + 1) * example.labels.numel() <= TOGETHER):
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


def _stack(cases: Iterable[Case]) -> Iterator[Case]:
    """One case per group, its slices in the order in which they came."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    for group, slices in groups.items():
        if len({one.predicted.shape for one in slices}) > 1:
            raise MissingData(
                f"The images of {group} differ in size and make no volume; score them one by one.",
                f"{group} 的图像大小不一，不能叠成体；请逐幅评分。",
            )
        objects = [one.truth.objects for one in slices if one.truth.objects is not None]
        truth = Truth(
            np.stack([one.truth.labels for one in slices]),
            np.stack(objects) if len(objects) == len(slices) else None,
        )
        yield Case(group, group, np.stack([one.predicted for one in slices]), truth)


def _plain(number: float) -> float | None:
    """A number as JSON has it: four digits, None for NaN."""
    return None if np.isnan(number) else round(float(number), 4)
