"""Objects one by one: nuclei, lesions, whatever the truth numbers. Images only; classes are not told apart."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unet_playground.registry import Chinese, Paper
from unet_playground.training.metrics.catalogue import (
    Mask,
    Scale,
    Truth,
    components,
    mean_known,
    metrics,
)

MATCH = 0.5
"""IoU above which a predicted object is a true one."""
SPLIT = 0.1
"""Share of a true object that each of its parts covers at least."""
MERGE = 0.5
"""Share of each true object that a component which merges them covers at least."""
SMALL = 100
"""Pixels below which an object is small: the smaller quarter of the nuclei."""


@dataclass(frozen=True)
class Overlaps:
    """Every pair of a true object and a predicted component that share a pixel.

    Attributes:
        true: Number of the true object, from 0, per pair.
        predicted: Number of the predicted component, from 0, per pair.
        shared: Pixels in both, per pair.
        true_areas: Pixels of every true object.
        predicted_areas: Pixels of every predicted component.
    """

    true: NDArray[np.integer]
    predicted: NDArray[np.integer]
    shared: NDArray[np.integer]
    true_areas: NDArray[np.integer]
    predicted_areas: NDArray[np.integer]

    @classmethod
    def of(cls, predicted: Mask, truth: Truth) -> "Overlaps":
        """The pairs of an image; predicted objects are the 8-connected components of all classes above 0."""
        true, own = truth.instances, components(predicted > 0)
        both = (true > 0) & (own > 0)
        count = int(own.max()) + 1
        # One number for each pair, so that counting pairs is counting numbers.
        pairs, shared = np.unique(true[both].astype(np.int64) * count + own[both], return_counts=True)
        return cls(
            true=pairs // count - 1,
            predicted=pairs % count - 1,
            shared=shared,
            true_areas=np.bincount(true.ravel())[1:],
            predicted_areas=np.bincount(own.ravel())[1:],
        )

    @property
    def iou(self) -> NDArray[np.floating]:
        """Per pair."""
        return self.shared / (self.true_areas[self.true] + self.predicted_areas[self.predicted] - self.shared)

    @property
    def covered(self) -> NDArray[np.floating]:
        """The share of the true object that the component covers, per pair."""
        return self.shared / self.true_areas[self.true]


@metrics.register(
    "object_f1",
    title="Object F1",
    zh=Chinese("目标级 F1", "交并比大于 0.5 的预测连通域与真实目标一一配对，再算 F1。"),
    formula=r"$\frac{2\,TP}{N_P + N_T}$",
    paper=Paper(
        "Caicedo et al.", 2019, "Nucleus segmentation across imaging experiments", "doi:10.1038/s41592-019-0612-7"
    ),
)
def object_f1(predicted: Mask, truth: Truth, classes: int) -> float:
    """How many objects are found: pairs of an object and a component with IoU above 0.5, twice, per object of either.

    An IoU above 0.5 makes pairs one to one, because no two components can each have most of an object. Components are
    8-connected. No object and no component give 1.
    """
    overlaps = Overlaps.of(predicted, truth)
    objects = len(overlaps.true_areas) + len(overlaps.predicted_areas)
    return 2 * int(np.count_nonzero(overlaps.iou > MATCH)) / objects if objects else 1.0


@metrics.register(
    "splits",
    title="Split objects",
    zh=Chinese("被拆分的目标数", "被两个以上预测连通域各覆盖至少 10% 面积的真实目标的个数。"),
    scale=Scale(unit="count", higher=False),
)
def splits(predicted: Mask, truth: Truth, classes: int) -> float:
    """How many true objects fall apart: two or more components each cover at least 10% of their area."""
    overlaps = Overlaps.of(predicted, truth)
    return _repeated(overlaps.true[overlaps.covered >= SPLIT])


@metrics.register(
    "merges",
    title="Merging components",
    zh=Chinese("合并目标的连通域数", "至少覆盖两个真实目标各 50% 面积的预测连通域的个数。"),
    scale=Scale(unit="count", higher=False),
)
def merges(predicted: Mask, truth: Truth, classes: int) -> float:
    """How many predicted components run together: they cover at least half of each of two or more true objects.

    A mask of classes cannot tell touching nuclei apart, so even the true mask has merges where nuclei touch.
    """
    overlaps = Overlaps.of(predicted, truth)
    return _repeated(overlaps.predicted[overlaps.covered >= MERGE])


@metrics.register(
    "small_recall",
    title="Recall of small objects",
    zh=Chinese("小目标召回率", "面积小于 100 像素的真实目标中被找到的像素比例，按目标平均；没有小目标时不计。"),
    scale=Scale(general=True),
)
def small_recall(predicted: Mask, truth: Truth, classes: int) -> float:
    """How much of a small object is found: the share of its pixels with the right class, averaged over objects.

    Small is less than 100 px. An image without small objects is left out. Pixels are asked and not pairs, because in
    a mask of classes touching objects are one component. Objects are the true instances, or where none are known the
    8-connected components of all classes above 0.
    """
    areas, found = _found(predicted, truth)
    return mean_known(found[areas < SMALL])


@metrics.register(
    "large_recall",
    title="Recall of large objects",
    zh=Chinese("大目标召回率", "面积不小于 100 像素的真实目标中被找到的像素比例，按目标平均；没有大目标时不计。"),
    scale=Scale(general=True),
)
def large_recall(predicted: Mask, truth: Truth, classes: int) -> float:
    """How much of a large object is found: as for small ones, of 100 px and more."""
    areas, found = _found(predicted, truth)
    return mean_known(found[areas >= SMALL])


def _found(predicted: Mask, truth: Truth) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Per true object its area and the share of its pixels that have the right class."""
    numbers = truth.instances
    areas = np.bincount(numbers.ravel())[1:]
    hits = np.bincount(numbers[predicted == truth.labels], minlength=len(areas) + 1)[1:]
    return areas, hits / areas


def _repeated(numbers: NDArray[np.integer]) -> float:
    """How many numbers occur more than once."""
    return float(np.count_nonzero(np.bincount(numbers) > 1))
