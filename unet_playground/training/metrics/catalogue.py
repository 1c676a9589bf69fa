"""What a metric is, and the list of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unet_playground.errors import Text
from unet_playground.registry import Catalogue, F

Mask = NDArray[np.uint8]
Region = NDArray[np.bool_]
EIGHT = np.ones((3, 3), bool)
"""Neighbours of a pixel across its sides and corners."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What an image really shows.

    Attributes:
        labels: uint8 (h, w) or (d, h, w), class numbers.
        objects: uint16 or int32 of the same shape, instance numbers, 0 for background; None where only classes are
            known.
    """

    labels: Mask
    objects: NDArray[np.integer] | None = None

    @cached_property
    def instances(self) -> NDArray[np.integer]:
        """Instance numbers 1, 2, ... (h, w) without gaps.

        Without `objects`, the 8-connected components of all labels above 0 are the objects.
        """
        if self.objects is None:
            return components(self.labels > 0)
        inside = self.objects > 0
        numbers = np.zeros(self.objects.shape, np.int32)
        numbers[inside] = np.unique(self.objects[inside], return_inverse=True)[1] + 1
        return numbers

    def slices(self) -> Iterable["Truth"]:
        """The truth of every slice (h, w) of a volume (d, h, w)."""
        for at, labels in enumerate(self.labels):
            yield Truth(labels, None if self.objects is None else self.objects[at])


@dataclass(frozen=True)
class Scale:
    """What the numbers of a metric mean.

    Attributes:
        unit: `share` is 0 to 1, `px` a distance in pixels, `count` a number of objects.
        higher: Whether more is better.
        general: Whether every task asks for it.
        solid: Whether it takes volumes, too; else a volume has the mean over its slices.
    """

    unit: Literal["share", "px", "count"] = "share"
    higher: bool = True
    general: bool = False
    solid: bool = False


class Metric(Protocol):
    """How well a predicted mask agrees with the truth.

    Attributes:
        scale: What the number means.
    """

    scale: Scale

    def __call__(self, predicted: Mask, truth: Truth, classes: int) -> float:
        """One number, NaN where the image has nothing that the metric asks about; means leave NaN out.

        Args:
            predicted: (h, w) or, for solid metrics, (d, h, w) class numbers.
            truth: Of the same shape.
            classes: Number of classes with the background, which is class 0 and not scored.
        """
        ...


class Metrics(Catalogue[Metric]):
    """The metrics; each carries its scale."""

    def register(self, id: str, *, scale: Scale = Scale(), **texts: Any) -> Callable[[F], F]:
        """Make a function a metric under a permanent id, which is its key in cards and therefore snake_case."""
        add = super().register(id, **texts)

        def declare(made: Any) -> Any:
            made.scale = scale
            return add(made)

        return declare


metrics = Metrics("metric", Text("Metric", "指标"))


def score(id: str, predicted: Mask, truth: Truth, classes: int) -> float:
    """A metric of an image or a volume.

    A metric that is defined on images only is averaged over the slices in which the truth or the prediction is not
    empty; a volume without any has the value of an empty slice.

    Args:
        id: Of the metric.
        predicted: (h, w) or (d, h, w) class numbers.
        truth: Of the same shape.
        classes: Number of classes with the background.
    """
    metric = metrics[id].make
    if predicted.ndim == 2 or metric.scale.solid:
        return metric(predicted, truth, classes)
    pairs = list(zip(predicted, truth.slices(), strict=True))
    filled = [(mask, true) for mask, true in pairs if mask.any() or true.labels.any()]
    return mean_known(metric(mask, true, classes) for mask, true in filled or pairs[:1])


Measure = Callable[[Region, Region], float]
"""What is said of a predicted and the true region."""


def over_classes(measure: Measure, predicted: Mask, truth: Truth, classes: int) -> float:
    """The mean over the classes above background of what `measure` says of (predicted, true) regions."""
    return mean_known(measure(predicted == label, truth.labels == label) for label in range(1, classes))


def by_slice(measure: Measure) -> Measure:
    """A measure of regions (h, w) that takes volumes (d, h, w), too: the mean over the slices that either region is in.

    So a class is not asked about where it is not, which would be right in every mask. A volume that both regions are
    absent from has the value of an empty slice.
    """

    def of_any(predicted: Region, true: Region) -> float:
        if predicted.ndim == 2:
            return measure(predicted, true)
        filled = np.flatnonzero((predicted | true).any(axis=(1, 2)))
        return mean_known(measure(predicted[at], true[at]) for at in (filled if len(filled) else [0]))

    return of_any


def mean_known(values: Iterable[float]) -> float:
    """The mean without NaN; NaN when nothing is left."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def components(region: Region) -> NDArray[np.integer]:
    """The 8-connected components of a region (h, w), numbered from 1; 0 outside."""
    numbers = np.zeros(region.shape, np.int32)
    ndimage.label(region, EIGHT, output=numbers)
    return numbers
