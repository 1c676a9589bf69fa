"""How well a mask agrees with the truth. Arrays (h, w) of class numbers; scores from 0 to 1."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
TOLERANCE = 2
"""Pixels within which a boundary counts as found."""


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


@dataclass(frozen=True)
class Scores:
    """Scores of one image, averaged over the classes above background."""

    dice: float
    iou: float
    boundary_f1: float
    counts: tuple[Counts, ...]


def score(predicted: Mask, true: Mask, classes: int) -> Scores:
    """Compare a predicted mask with the true one."""
    counts, boundary = [], []
    for label in range(1, classes):
        one, other = predicted == label, true == label
        counts.append(Counts(int((one & other).sum()), int(one.sum()), int(other.sum())))
        boundary.append(boundary_f1(one, other))
    return Scores(
        dice=float(np.mean([count.dice for count in counts])),
        iou=float(np.mean([count.iou for count in counts])),
        boundary_f1=float(np.mean(boundary)),
        counts=tuple(counts),
    )


def pooled_dice(scores: Sequence[Scores]) -> float:
    """Dice over the pixels of all images together, averaged over the classes."""
    dices = []
    for counts in zip(*(score.counts for score in scores), strict=True):
        total = Counts(*(sum(getattr(count, name) for count in counts) for name in ("both", "predicted", "true")))
        dices.append(total.dice)
    return float(np.mean(dices))


def boundary_f1(predicted: NDArray[np.bool_], true: NDArray[np.bool_], tolerance: int = TOLERANCE) -> float:
    """Harmonic mean of the shares of each boundary that lies within `tolerance` pixels of the other.

    Both empty give 1. Source: Csurka et al. 2013, What is a good evaluation measure for semantic segmentation?
    """
    own_edge, true_edge = edge(predicted), edge(true)
    if not own_edge.any() and not true_edge.any():
        return 1.0
    if not own_edge.any() or not true_edge.any():
        return 0.0
    precision = (own_edge & _widen(true_edge, tolerance)).sum() / own_edge.sum()
    recall = (true_edge & _widen(own_edge, tolerance)).sum() / true_edge.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def edge(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a region that have a 4-neighbour outside it; the image's border is no edge."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner


def _widen(region: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Every pixel within a Euclidean distance of `radius` of the region."""
    height, width = region.shape
    padded = np.pad(region, radius)
    wide = np.zeros_like(region)
    for row in range(-radius, radius + 1):
        for column in range(-radius, radius + 1):
            if row * row + column * column <= radius * radius:
                wide |= padded[radius + row : radius + row + height, radius + column : radius + column + width]
    return wide
