"""Shares of pixels: how much of two masks coincides. Images and volumes alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unet_playground.registry import Chinese, Paper
from unet_playground.training.metrics.catalogue import Mask, Region, Scale, Truth, metrics, over_classes


@dataclass(frozen=True)
class Counts:
    """Pixels of one class in one image: in both masks, in the prediction, in the truth."""

    both: int
    predicted: int
    true: int

    @property
    def dice(self) -> float:
        """2 |P and T| / (|P| + |T|); 1 when both are empty."""
        total = self.predicted + self.true
        return 2 * self.both / total if total else 1.0

    @property
    def iou(self) -> float:
        """|P and T| / |P or T|; 1 when both are empty."""
        union = self.predicted + self.true - self.both
        return self.both / union if union else 1.0

    @property
    def precision(self) -> float:
        """|P and T| / |P|; NaN when nothing was predicted."""
        return self.both / self.predicted if self.predicted else float("nan")

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(self.both - other.both, self.predicted - other.predicted, self.true - other.true)


def count(predicted: Region, true: Region) -> Counts:
    """The counts of two regions of the same shape."""
    return Counts(*(int(np.count_nonzero(region)) for region in (predicted & true, predicted, true)))


def count_classes(predicted: Mask, truth: Truth, classes: int) -> tuple[Counts, ...]:
    """The counts of every class above background."""
    return tuple(count(predicted == label, truth.labels == label) for label in range(1, classes))


def pooled_dice(counts: Sequence[Sequence[Counts]]) -> float:
    """Dice over the pixels of all images together, averaged over the classes.

    Args:
        counts: Per image, per class.
    """
    totals = np.array([[(one.both, one.predicted, one.true) for one in image] for image in counts]).sum(0)
    return float(np.mean([Counts(*map(int, total)).dice for total in totals]))


@metrics.register(
    "dice",
    title="Dice",
    zh=Chinese("Dice", "两个掩膜的重叠占两者平均面积的比例；两者都为空时为 1。"),
    formula=r"$\frac{2\,|P \cap T|}{|P| + |T|}$",
    paper=Paper("Dice", 1945, "Measures of the amount of ecologic association between species", "doi:10.2307/1932409"),
    scale=Scale(general=True, solid=True),
)
def dice(predicted: Mask, truth: Truth, classes: int) -> float:
    """What two masks share, as a share of their mean size; 1 when both are empty.

    Per class above background, then the mean over the classes.
    """
    return over_classes(lambda own, true: count(own, true).dice, predicted, truth, classes)


@metrics.register(
    "iou",
    title="IoU",
    zh=Chinese("交并比", "两个掩膜的交集占并集的比例；两者都为空时为 1。"),
    formula=r"$\frac{|P \cap T|}{|P \cup T|}$",
    paper=Paper(
        "Jaccard", 1912, "The distribution of the flora in the alpine zone", "doi:10.1111/j.1469-8137.1912.tb05611.x"
    ),
    scale=Scale(general=True, solid=True),
)
def iou(predicted: Mask, truth: Truth, classes: int) -> float:
    """What two masks share, as a share of what either covers; 1 when both are empty.

    Per class above background, then the mean over the classes.
    """
    return over_classes(lambda own, true: count(own, true).iou, predicted, truth, classes)


@metrics.register(
    "precision",
    title="Precision",
    zh=Chinese("精确率", "预测的像素中正确的比例；没有任何预测时不计。"),
    formula=r"$\frac{|P \cap T|}{|P|}$",
    scale=Scale(solid=True),
)
def precision(predicted: Mask, truth: Truth, classes: int) -> float:
    """How many of the predicted pixels are right; left out where nothing was predicted.

    Per class above background, then the mean over the classes of which something was predicted.
    """
    return over_classes(lambda own, true: count(own, true).precision, predicted, truth, classes)
