"""The Pareto front: designs that no other design beats in one respect without losing in the other."""

from collections.abc import Sequence
from math import isnan

from unet_playground.atlas.table import Row


def pareto(rows: Sequence[Row], metric: str = "dice", cost: str = "macs", higher: bool = True) -> list[Row]:
    """The designs for which no other is at least as good and as cheap, and better in one of the two.

    Scores of a bank are of shared weights: a design may stand on the front because its path through the bank was
    trained more often. Differences below the standard error of a mean decide places on the front, too; it shows where
    to look, not who wins.

    Args:
        rows: Measured designs; those without the metric are left out.
        metric: Column of the score.
        cost: Column of the cost, less is better.
        higher: Whether more of the metric is better.

    Returns:
        The front from the cheapest to the dearest; equal designs stand in it together.
    """
    sign = 1 if higher else -1
    known = [row for row in rows if not isnan(row.value(metric)) and not isnan(row.value(cost))]
    front: list[Row] = []
    for row in sorted(known, key=lambda row: (row.value(cost), -sign * row.value(metric))):
        last = front[-1] if front else None
        if last is None or sign * row.value(metric) > sign * last.value(metric) or _same(row, last, metric, cost):
            front.append(row)
    return front


def _same(one: Row, other: Row, *columns: str) -> bool:
    return all(one.value(column) == other.value(column) for column in columns)
