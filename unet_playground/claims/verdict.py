"""From measured rows to a verdict; nothing here knows any claim by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from scipy.special import stdtrit

from unet_playground.atlas import COSTS, Atlas, Row, classic_of, error_of_difference, error_of_mean
from unet_playground.claims.slot import Claim, Comparison
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.training.selection import references

TIMING = 0.18
"""How far, as a share, a ratio of two measured times may be off: 95% of those that `benchmarks.atlas` knows to be 1."""
KINDS = ("solo", "shared")
"""Of weights, what is known more exactly first."""
ENOUGH = 5
"""References of the same banks by which to tell how far these are off; of fewer the spread would be a guess."""
QUANTILE = 0.975
"""Of the distribution of an error: what lies between it and its mirror image is the 95% interval."""
CAVEAT = Text(
    "Intervals cover the choice of test images; for designs trained alone (solo) also the seed, as far as designs with "
    "two tell; for shared weights also how far bank and solo differ, as far as designs that have both tell. In banks, "
    "attention parts got few steps of training: SE and ECA stay near their start, and scores with them near those "
    "without. Not supported is what nothing speaks for, also where nothing speaks against it because these numbers are "
    "too coarse (undecided); and of forty comparisons of equal designs one would speak for a claim by chance.",
    "区间涵盖测试图像的选取；单独训练（独立）的设计还涵盖种子，依据是用两个种子训练过的设计；"
    "共享权重还涵盖权重库与单独训练的差别，依据是两者都有的设计。权重库中注意力部件得到的训练步数很少，"
    "SE 和 ECA 仍接近初始状态，用它们的分数也接近不用时的分数。“未得到支持”指没有比较支持该论断，"
    "也包括因数值不够精确而无一反对（未定）的情形；若设计本无差别，每四十项比较约有一项会偶然表示支持。",
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
        task: Id of the task; empty for costs, which are the mean over all tasks.
        column: What was compared.
        other: The column of the first design that it was compared with, if not with the second design's.
        beside: The second design, if not the claim's.
        weights: `solo` where both designs were trained alone, else `shared`; empty for costs.
        first: The first design's number, a mean over its seeds.
        second: The second one's, or the other column's of the first design.
        difference: First minus second, for costs as a share of the second.
        low: End of its 95% interval.
        high: The other end.
        speaks: `for` the claim, `against` it, or `undecided` where the interval holds the boundary.
    """

    task: str
    column: str
    other: str
    beside: Design | None
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


def judge(
    claim: Claim, atlases: Mapping[str, Atlas], kinds: Sequence[str] = KINDS, tasks: Sequence[str] | None = None
) -> Judgement:
    """Hold a claim against the atlases.

    `supported` when every comparison on every task where it was measured speaks for it, `not supported` when none
    does, `depends` when some do, and `not measured yet` without any. Where nothing speaks against a claim that is not
    supported, or depends, the rest is undecided.

    An interval covers the choice of test images (paired, whole groups). For designs trained alone it also covers the
    seed, as far as second seeds show how much it changes; for shared weights how far designs of the same banks are from
    the same designs trained alone, as far as there are such. Costs depend on no weights and hardly on the task: each is
    judged once, by the mean over all rows of a design.

    Args:
        claim: Two designs and what to compare.
        atlases: Task -> its atlas; costs are judged by all of them.
        kinds: Weights that scores may come from, what is preferred first.
        tasks: Ids of those whose scores are compared; by default all.
    """
    found = [
        finding
        for comparison in claim.comparisons
        if comparison.column in COSTS and (finding := _cost(claim, comparison, atlases.values())) is not None
    ]
    found += [
        finding
        for task, atlas in atlases.items()
        if tasks is None or task in tasks
        for comparison in claim.comparisons
        if comparison.column not in COSTS and (finding := _compare(claim, comparison, task, atlas, kinds)) is not None
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


def _cost(claim: Claim, comparison: Comparison, atlases: Iterable[Atlas]) -> Finding | None:
    designs = (claim.first, comparison.second or claim.second)
    rows = [[row for atlas in atlases for row in atlas.rows if row.design == design] for design in designs]
    if not all(rows):
        return None
    timed = _timing(*rows) if comparison.column == "latency" else 0.0  # the others are counted
    first, second = (_value(one, comparison.column) for one in rows)
    return _finding(comparison, "", "", first, second, timed)


def _compare(claim: Claim, comparison: Comparison, task: str, atlas: Atlas, kinds: Sequence[str]) -> Finding | None:
    if comparison.tasks and task not in comparison.tasks:
        return None
    other = claim.first if comparison.other else comparison.second or claim.second
    for kind in kinds:
        first, second = (_rows(atlas, design, kind, comparison.column) for design in (claim.first, other))
        if first and second:
            one, two = _value(first, comparison.column), _value(second, comparison.other or comparison.column)
            found = _finding(comparison, task, kind, one, two, _error(comparison, first, second, atlas))
            if found is not None:
                return found
    return None


def _rows(atlas: Atlas, design: Design, kind: str, column: str) -> list[Row]:
    """The rows of a design that have the column: not every seed was measured in everything."""
    return [row for row in atlas.find(design, kind) if not isnan(row.value(column))]


def _finding(
    comparison: Comparison, task: str, weights: str, first: float, second: float, error: float
) -> Finding | None:
    """The finding, None where a number is not known, or how much their difference could be off."""
    difference = first / second - 1 if comparison.relative else first - second
    if isnan(difference) or isnan(error):
        return None
    low, high = difference - error, difference + error
    near, far = (low, high) if comparison.toward > 0 else (-high, -low)
    speaks = "for" if near > -comparison.margin else "against" if far < -comparison.margin else "undecided"
    compared = (task, comparison.column, comparison.other, comparison.second, weights)
    return Finding(*compared, first, second, difference, low, high, speaks)


def _error(comparison: Comparison, first: Sequence[Row], second: Sequence[Row], atlas: Atlas) -> float:
    """Half of the width of the 95% interval."""
    errors = student(_known((*first, *second), comparison, atlas.groups))
    if comparison.other:
        images = _error_within(first, comparison, atlas.groups)
    else:
        images = error_of_difference(first, second, comparison.column, atlas.groups)
    solo = first[0].weights == "solo"
    weights = (_seed_error if solo else _bank_error)(comparison, first, second, atlas)
    return float(np.hypot(errors * images, weights))


def _timing(first: Sequence[Row], second: Sequence[Row]) -> float:
    """How far the ratio of two mean times may be off: the less, the more often they were taken.

    Rows of one design may hold one time, taken once for all of them. The classic's is 1, since it is the unit.
    """
    ratio = _value(first, "latency") / _value(second, "latency")
    taken = [
        len({row.latency for row in rows}) for rows in (first, second) if rows[0].design != classic_of(rows[0].design)
    ]
    return TIMING * ratio * sqrt(sum(1 / times for times in taken) / 2)


def _known(rows: Sequence[Row], comparison: Comparison, groups: Sequence[str]) -> int:
    """In how many groups of test images there are numbers: redundancy is measured on some images only."""
    columns = [
        row.images[column] for row in rows for column in (comparison.column, comparison.other) if column in row.images
    ]
    known = [not any(map(isnan, values)) for values in zip(*columns, strict=True)] or [True] * len(groups)
    return len({group for group, there in zip(groups, known, strict=True) if there})


def _seed_error(comparison: Comparison, first: Sequence[Row], second: Sequence[Row], atlas: Atlas) -> float:
    """What seeds add to half of the width for designs trained alone.

    Nothing where there are no second seeds; NaN where there are some, but this was not asked of any two.
    """
    of = {design: [_compared(row, comparison) for row in rows] for design, rows in _trained(atlas).items()}
    twice = np.array([values[1] - values[0] for values in of.values() if len(values) > 1])
    known = twice[~np.isnan(twice)]
    if not len(known):
        return nan if len(twice) else 0.0
    runs = 1 / len(first) + (0 if comparison.other else 1 / len(second))
    return student(len(known) + 1) * sqrt(float(np.mean(known**2)) / 2 * runs)


def _bank_error(comparison: Comparison, first: Sequence[Row], second: Sequence[Row], atlas: Atlas) -> float:
    """What the bank adds to half of the width: how unevenly far it is from the same designs trained alone.

    The banks that serve the two designs are asked, where enough of what they serve was trained alone, else all: a
    branch was trained on for designs that its bank suits badly, and is off by other amounts.

    Nothing where no designs were trained alone; NaN where some were, but this was not asked of two of them.
    """
    rows, trained = {row.design: row for row in atlas.of("shared")}, _trained(atlas)
    banks = {row.sha256 for row in (*first, *second)}
    same = [design for design in trained if design in rows and rows[design].sha256 in banks]
    asked = same if len(same) >= ENOUGH else [design for design in trained if design in rows]
    shared = {design: _compared(rows[design], comparison) for design in asked}
    alone = {
        design: [one for row in trained[design] if not isnan(one := _compared(row, comparison))] for design in asked
    }
    known = [float(np.mean(one)) - shared[design] for design, one in alone.items() if one and not isnan(shared[design])]
    if len(known) < 2:
        return nan if len(alone) > 1 else 0.0
    return student(len(known)) * float(np.std(known, ddof=1)) * sqrt(1 if comparison.other else 2)


def _trained(atlas: Atlas) -> dict[Design, list[Row]]:
    """The rows of every reference, by seed."""
    rows: dict[Design, list[Row]] = {}
    for row in sorted(references(atlas.of("solo")), key=lambda row: row.seed):
        rows.setdefault(row.design, []).append(row)
    return rows


def _compared(row: Row, comparison: Comparison) -> float:
    """What a comparison looks at in one design: a column, or by how much it is above another one."""
    return row.value(comparison.column) - (row.value(comparison.other) if comparison.other else 0.0)


def _error_within(rows: Sequence[Row], comparison: Comparison, groups: Sequence[str]) -> float:
    """Standard error of the difference between two columns of the same design."""
    pair = (comparison.column, comparison.other)
    if not all(column in row.images for row in rows for column in pair):
        return nan
    one, other = (np.mean([row.images[column] for row in rows], axis=0) for column in pair)
    return error_of_mean(one - other, groups)


def _value(rows: Sequence[Row], column: str) -> float:
    return float(np.mean([row.value(column) for row in rows]))
