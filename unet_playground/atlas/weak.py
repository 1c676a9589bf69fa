"""Designs far below the classic, and whether training them alone shows the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean

from unet_playground.atlas.table import Row, classic_of
from unet_playground.design import Design

WEAK = 0.1
"""How far below the classic no design of a bank may be, unless it is as weak when trained alone."""


@dataclass(frozen=True)
class Weak:
    """What a bank scores far below its classic.

    Attributes:
        classic: The classic's score from the bank; NaN where it was not measured, and then nothing is weak.
        designs: Those more than `WEAK` below it.
        alone: Those of them that are as weak when trained alone, by the mean of all seeds: there the design is to
            blame, not the bank.
    """

    classic: float
    designs: tuple[Design, ...]
    alone: frozenset[Design]


def weak(bank: Sequence[Row], solo: Sequence[Row], metric: str = "dice") -> Weak:
    """Find the designs whose score is too far below the classic's.

    Args:
        bank: Rows of shared weights.
        solo: Rows of designs trained alone.
        metric: Column of the score, more is better.
    """
    classic = next((row.value(metric) for row in bank if row.design == classic_of(row.design)), nan)
    found = tuple(row.design for row in bank if row.value(metric) < classic - WEAK)
    return Weak(classic, found, frozenset(one for one in found if alone(one, solo, metric) < classic - WEAK))


def alone(design: Design, solo: Sequence[Row], metric: str = "dice") -> float:
    """The score of a design trained alone, a mean over its seeds; NaN where it was not.

    Args:
        design: Any.
        solo: Rows of designs trained alone.
        metric: Column of the score.
    """
    scores = [row.value(metric) for row in solo if row.design == design]
    return fmean(scores) if scores else nan
