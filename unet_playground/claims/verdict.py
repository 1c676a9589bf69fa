"""From measured rows to a verdict; nothing here knows any claim by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from scipy.special import stdtrit

from unet_playground.atlas import COSTS, Atlas, Row, agreement, error_of_difference, error_of_mean
from unet_playground.claims.slot import Claim, Comparison
from unet_playground.design import Design
from unet_playground.errors import Text

TIMING = 0.18
"""How far, as a share, a ratio of two measured times may be off: 95% of those that `benchmarks.atlas` knows to be 1."""
QUANTILE = 0.975
"""Of the distribution of an error: what lies between it and its mirror image is the 95% interval."""
CAVEAT = Text(
    "Intervals cover the choice of test images; for designs trained alone (solo) also the seed, on tasks where designs "
    "were trained with two. Shared weights say how a design does in these banks alone.",
    "区间涵盖测试图像的选取；单独训练（独立）的设计，若其任务有用两个种子训练过的设计，还涵盖种子。"
    "共享权重只说明设计在这些权重库中的表现。",
)

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
    Time depends on no weights: it is the mean over all rows of a design.

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

    Source: Student 1908, The probable error of a mean, doi:10.1093/biomet/6.1.1.
    """
    return float(stdtrit(max(1, groups - 1), QUANTILE))


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
    kinds = [("solo", "shared")] if comparison.column == "latency" else [("solo",), ("shared",)]
    for kind in kinds:
        first, second = (_rows(atlas, design, kind, comparison.column) for design in (claim.first, claim.second))
        if first and second:
            one = _value(first, comparison.column)
            other = _value(first, comparison.other) if comparison.other else _value(second, comparison.column)
            if not isnan(one) and not isnan(other):
                return _finding(comparison, task, kind[0], one, other, _error(comparison, first, second, atlas))
    return None


def _rows(atlas: Atlas, design: Design, kind: Sequence[str], column: str) -> list[Row]:
    """The rows of a design that have the column: not every seed was measured in everything."""
    return [row for weights in kind for row in atlas.find(design, weights) if not isnan(row.value(column))]


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
    told = "" if comparison.column in COSTS else weights
    return Finding(task, comparison.column, told, first, second, difference, low, high, speaks)


def _error(comparison: Comparison, first: Sequence[Row], second: Sequence[Row], atlas: Atlas) -> float:
    """Half of the width of the 95% interval."""
    if comparison.column in COSTS:
        return _timing(first, second) if comparison.column == "latency" else 0.0  # the others are counted
    errors = student(_known((*first, *second), comparison, atlas.groups))
    if comparison.other:
        return errors * _error_within(first, comparison, atlas.groups)
    images = error_of_difference(first, second, comparison.column, atlas.groups)
    return float(np.hypot(errors * images, _seed_error(comparison.column, first, second, atlas)))


def _timing(first: Sequence[Row], second: Sequence[Row]) -> float:
    """How far the ratio of two mean times may be off: the less, the more often they were taken.

    Rows of one design may hold one time, taken once for all of them.
    """
    ratio = _value(first, "latency") / _value(second, "latency")
    one, other = (len({row.latency for row in rows}) for rows in (first, second))
    return TIMING * ratio * sqrt((1 / one + 1 / other) / 2)


def _known(rows: Sequence[Row], comparison: Comparison, groups: Sequence[str]) -> int:
    """In how many groups of test images there are numbers: redundancy is measured on some images only."""
    columns = [
        row.images[column] for row in rows for column in (comparison.column, comparison.other) if column in row.images
    ]
    known = [not any(map(isnan, values)) for values in zip(*columns, strict=True)] or [True] * len(groups)
    return len({group for group, there in zip(groups, known, strict=True) if there})


def _seed_error(column: str, first: Sequence[Row], second: Sequence[Row], atlas: Atlas) -> float:
    """What seeds add to half of the width for designs trained alone, as far as second seeds tell."""
    if first[0].weights != "solo":
        return 0.0
    known = agreement((), atlas.of("solo"), column, atlas.groups)
    if not known.seeded:
        return 0.0
    return student(known.seeded + 1) * known.seed_deviation * sqrt(1 / len(first) + 1 / len(second))


def _error_within(rows: Sequence[Row], comparison: Comparison, groups: Sequence[str]) -> float:
    """Standard error of the difference between two columns of the same design."""
    pair = (comparison.column, comparison.other)
    if not all(column in row.images for row in rows for column in pair):
        return nan
    one, other = (np.mean([row.images[column] for row in rows], axis=0) for column in pair)
    return error_of_mean(one - other, groups)


def _value(rows: Sequence[Row], column: str) -> float:
    return float(np.mean([row.value(column) for row in rows]))
