"""How far a bank of shared weights agrees with designs that were trained alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from unet_playground.atlas.table import Row
from unet_playground.design import Design

APART = 2.0
"""Standard errors by which two solo scores differ that count as told apart."""


@dataclass(frozen=True)
class Agreement:
    """The bank against the references; NaN where there is nothing to compare.

    Attributes:
        designs: How many have both scores.
        mean_gap: Mean of the absolute differences of both scores.
        worst_gap: The largest of them.
        worst: The design that has it; None without designs.
        bias: Mean of solo minus shared.
        pairs: How many pairs of them differ by more than two standard errors when trained alone.
        ordered: Share of these pairs that the bank orders the same way; equal scores are not the same way.
        seeded: How many designs were trained alone with two seeds.
        seed_gap: Mean absolute difference between their two seeds.
        seed_deviation: Standard deviation that a seed adds to a score, pooled over them.
        seed_pairs: How many pairs of them their first seeds tell apart.
        seed_ordered: Share of these pairs that their second seeds order the same way.
    """

    designs: int
    mean_gap: float
    worst_gap: float
    worst: Design | None
    bias: float
    pairs: int
    ordered: float
    seeded: int
    seed_gap: float
    seed_deviation: float
    seed_pairs: int
    seed_ordered: float


def agreement(bank: Sequence[Row], solo: Sequence[Row], metric: str = "dice", groups: Sequence[str] = ()) -> Agreement:
    """Compare the scores of designs in the bank with those of the same designs trained alone.

    The standard error of a difference is that of the paired differences over the test images, so it tells how much
    other images would change it. It holds nothing of what another seed would change; that is told apart.

    Args:
        bank: Rows with shared weights.
        solo: Rows with solo weights, of one or two seeds each; a design's solo score is the mean over its seeds.
        metric: Column of the score.
        groups: Group of each test image, as the rows' scores of images are ordered.
    """
    shared = {row.design: row.value(metric) for row in bank}
    seeds: dict[Design, list[Row]] = {}
    for row in sorted((one for one in solo if not np.isnan(one.value(metric))), key=lambda row: row.seed):
        seeds.setdefault(row.design, []).append(row)
    both = [design for design in seeds if design in shared]
    gaps = np.array([_mean(seeds[design], metric) - shared[design] for design in both])
    order = [
        (_mean(seeds[one], metric) - _mean(seeds[other], metric), shared[one] - shared[other])
        for one, other in combinations(both, 2)
        if _apart(seeds[one], seeds[other], metric, groups)
    ]
    twice = [rows for rows in seeds.values() if len(rows) > 1]
    changes = np.array([rows[1].value(metric) - rows[0].value(metric) for rows in twice])
    seed_order = [
        (one[0].value(metric) - other[0].value(metric), one[1].value(metric) - other[1].value(metric))
        for one, other in combinations(twice, 2)
        if _apart(one[:1], other[:1], metric, groups)
    ]
    return Agreement(
        designs=len(both),
        mean_gap=_or_nan(np.mean, np.abs(gaps)),
        worst_gap=_or_nan(np.max, np.abs(gaps)),
        worst=both[int(np.abs(gaps).argmax())] if both else None,
        bias=_or_nan(np.mean, gaps),
        pairs=len(order),
        ordered=_same_way(order),
        seeded=len(twice),
        seed_gap=_or_nan(np.mean, np.abs(changes)),
        seed_deviation=float(np.sqrt(_or_nan(np.mean, changes**2) / 2)),
        seed_pairs=len(seed_order),
        seed_ordered=_same_way(seed_order),
    )


def error_of_difference(
    one: Sequence[Row], other: Sequence[Row], metric: str = "dice", groups: Sequence[str] = ()
) -> float:
    """Standard error of the difference between two designs' means over the test images, each a mean over its seeds.

    Where scores of single images are known, those of both designs are paired: an image that is hard for both does not
    count. Elsewhere it comes from the errors of both means, which is larger, and is known for Dice only.
    """
    if all(metric in row.images for row in (*one, *other)):
        return error_of_mean(_images(one, metric) - _images(other, metric), groups)
    if metric != "dice":
        return float("nan")
    return float(np.hypot(np.mean([row.error for row in one]), np.mean([row.error for row in other])))


def error_of_mean(values: Sequence[float] | np.ndarray, groups: Sequence[str] = ()) -> float:
    """Standard error of a mean over images, NaN left out; images of one group are not independent.

    Args:
        values: One number per image.
        groups: The group of each; by default every image is alone.

    Source: Cameron and Miller 2015, A practitioner's guide to cluster-robust inference, with G / (G - 1) for G groups.
    """
    given = np.asarray(values, float)
    known = ~np.isnan(given)
    labels = np.asarray(groups if len(groups) else range(len(given)))[known]
    names, members = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return float("nan")
    sums = np.bincount(members, given[known] - given[known].mean())
    return float(np.sqrt((sums**2).sum() * len(names) / (len(names) - 1)) / known.sum())


def _apart(one: Sequence[Row], other: Sequence[Row], metric: str, groups: Sequence[str]) -> bool:
    difference = abs(_mean(one, metric) - _mean(other, metric))
    return difference > APART * error_of_difference(one, other, metric, groups)


def _images(rows: Sequence[Row], metric: str) -> np.ndarray:
    return np.mean([row.images[metric] for row in rows], axis=0)


def _mean(rows: Sequence[Row], metric: str) -> float:
    return float(np.mean([row.value(metric) for row in rows]))


def _same_way(order: Sequence[tuple[float, float]]) -> float:
    return float(np.mean([one * other > 0 for one, other in order])) if order else float("nan")


def _or_nan(of: Callable[[np.ndarray], np.floating], values: np.ndarray) -> float:
    return float(of(values)) if len(values) else float("nan")
