"""From measured rows to a verdict; nothing here knows any claim by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np

from unet_playground.atlas import COSTS, Atlas, Row, agreement, error_of_difference, error_of_mean
from unet_playground.claims.slot import Claim, Comparison
from unet_playground.errors import Text

TIMING = 0.14
"""How far, as a share, a ratio of two measured times may be off: 95% of those that `benchmarks.atlas` knows to be 1."""
NORMAL = 1.96
"""97.5th percentile of the standard normal distribution."""

SUPPORTED, REFUTED, MIXED, OPEN = "supported", "not supported", "depends", "not measured yet"
VERDICTS = {
    SUPPORTED: Text("supported", "得到支持"),
    REFUTED: Text("not supported", "未得到支持"),
    MIXED: Text("depends", "视情况而定"),
    OPEN: Text("not measured yet", "尚未测量"),
}


@dataclass(frozen=True)
class Finding:
    """One comparison on one task.

    Attributes:
        task: Id of the task.
        column: What was compared.
        weights: `solo` where both designs were trained alone, else `shared`; empty for counted costs.
        first: The first design's number, a mean over its seeds.
        second: The second one's, or the other column's of the first design.
        difference: First minus second, for costs as a share of the second.
        low: End of its 95% interval.
        high: The other end.
        speaks: `for` the claim, `against` it, or `undecided` where the interval holds the boundary.
    """

    task: str
    column: str
    weights: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    speaks: str


@dataclass(frozen=True)
class Judgement:
    """What the measured numbers say of a claim.

    Attributes:
        verdict: A key of `VERDICTS`.
        findings: What it rests on.
    """

    verdict: str
    findings: tuple[Finding, ...]


def judge(claim: Claim, atlases: Mapping[str, Atlas]) -> Judgement:
    """Hold a claim against the atlases.

    `supported` when every comparison on every task where it was measured speaks for it, `not supported` when none
    does, `depends` when some do (it differs by task or by metric), and `not measured yet` without any.

    An interval covers the choice of test images (paired, whole groups), for designs trained alone also the seed, as
    far as second seeds show how much it changes. For shared weights nothing tells how much another bank would change.

    Args:
        claim: Two designs and what to compare.
        atlases: Task -> its atlas.
    """
    found = [
        finding
        for task, atlas in atlases.items()
        for comparison in claim.comparisons
        if (finding := _compare(claim, comparison, task, atlas)) is not None
    ]
    return Judgement(_verdict(finding.speaks for finding in found), tuple(found))


def student(groups: int) -> float:
    """Standard errors on either side of a 95% interval: 1.98 for a hundred groups of images, 3.2 for four.

    The series is within 1.5% from four groups on.

    Source: Abramowitz and Stegun 1964, Handbook of mathematical functions, 26.7.5 (Student's t from the normal z).
    """
    z, n = NORMAL, max(1, groups - 1)
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + sum(term / n**power for power, term in enumerate(terms, start=1))


def _verdict(spoken: Iterable[str]) -> str:
    kinds = set(spoken)
    if not kinds:
        return OPEN
    if "for" not in kinds:
        return REFUTED
    return SUPPORTED if kinds == {"for"} else MIXED


def _compare(claim: Claim, comparison: Comparison, task: str, atlas: Atlas) -> Finding | None:
    if comparison.tasks and task not in comparison.tasks:
        return None
    for weights in ("solo", "shared"):
        first, second = atlas.find(claim.first, weights), atlas.find(claim.second, weights)
        if first and second:
            one = _value(first, comparison.column)
            other = _value(first, comparison.other) if comparison.other else _value(second, comparison.column)
            if not isnan(one) and not isnan(other):
                return _finding(comparison, task, weights, one, other, _error(comparison, first, second, atlas))
    return None


def _finding(
    comparison: Comparison, task: str, weights: str, first: float, second: float, error: float
) -> Finding | None:
    """The finding, None where nothing is known about how much the difference could be off."""
    if isnan(error):
        return None
    difference = first / second - 1 if comparison.relative else first - second
    low, high = difference - error, difference + error
    near, far = (low, high) if comparison.toward > 0 else (-high, -low)
    speaks = "for" if near > -comparison.margin else "against" if far < -comparison.margin else "undecided"
    counted = comparison.column in COSTS and not error
    return Finding(task, comparison.column, "" if counted else weights, first, second, difference, low, high, speaks)


def _error(comparison: Comparison, first: Sequence[Row], second: Sequence[Row], atlas: Atlas) -> float:
    """Half of the width of the 95% interval."""
    if comparison.column in COSTS:
        # The others are counted.
        return TIMING * first[0].latency / second[0].latency if comparison.column == "latency" else 0.0
    errors = student(_known((*first, *second), comparison, atlas.groups))
    if comparison.other:
        return errors * _error_within(first, comparison, atlas.groups)
    images = error_of_difference(first, second, comparison.column, atlas.groups)
    return errors * float(np.hypot(images, _seed_error(comparison.column, first, second, atlas)))


def _known(rows: Sequence[Row], comparison: Comparison, groups: Sequence[str]) -> int:
    """In how many groups of test images there are numbers: redundancy is measured on some images only."""
    columns = [
        row.images[column] for row in rows for column in (comparison.column, comparison.other) if column in row.images
    ]
    known = [not any(map(isnan, values)) for values in zip(*columns, strict=True)] or [True] * len(groups)
    return len({group for group, there in zip(groups, known, strict=True) if there})


def _seed_error(column: str, first: Sequence[Row], second: Sequence[Row], atlas: Atlas) -> float:
    """What seeds add to the standard error of a difference of designs trained alone, as far as it is known."""
    if first[0].weights != "solo":
        return 0.0
    deviation = agreement((), atlas.of("solo"), column, atlas.groups).seed_deviation
    return 0.0 if isnan(deviation) else deviation * sqrt(1 / len(first) + 1 / len(second))


def _error_within(rows: Sequence[Row], comparison: Comparison, groups: Sequence[str]) -> float:
    """Standard error of the difference between two columns of the same design."""
    pair = (comparison.column, comparison.other)
    if not all(column in row.images for row in rows for column in pair):
        return nan
    one, other = (np.mean([row.images[column] for row in rows], axis=0) for column in pair)
    return error_of_mean(one - other, groups)


def _value(rows: Sequence[Row], column: str) -> float:
    return float(np.mean([row.value(column) for row in rows]))
