"""What a claim is: two designs, and the numbers that would have to differ if it is true."""

from collections.abc import Callable
from dataclasses import dataclass

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.registry import Catalogue
from unet_playground.training.metrics import metrics

MARGIN = 0.01
"""Dice by which a design may fall behind and still count as no worse."""
PIECES = ("nuclei", "liver", "hippocampus")
"""Tasks with objects, small and large: vessels are one tree, whose thin and thick branches are told apart instead."""


@dataclass(frozen=True)
class Comparison:
    """One number of the first design against the same number of the second.

    It speaks for the claim where `toward * (first - second) > -margin`, the whole interval considered.

    Attributes:
        column: Of the atlas: a metric, a cost, or an instrument's number.
        toward: 1 where the claim says that the first design's number is the larger one, -1 the smaller one.
        margin: By how much it may miss that.
        relative: Whether the difference is a share of the second design's number, as for costs.
        other: Another column, whose number of the same design takes the place of the second design's.
        tasks: Ids of the tasks that the claim is about; empty for all.
        second: The design to compare with, where it is not the claim's second one.
    """

    column: str
    toward: int
    margin: float = 0.0
    relative: bool = False
    other: str = ""
    tasks: tuple[str, ...] = ()
    second: Design | None = None


@dataclass(frozen=True)
class Claim:
    """Two designs that differ in what a text makes a claim about.

    Attributes:
        first: The design of which it is claimed.
        second: The design that it is compared with.
        about: The slots in which they differ.
        comparisons: What decides; each on every task on which it was measured.
    """

    first: Design
    second: Design
    about: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


claims: Catalogue[Callable[[], Claim]] = Catalogue("claim", Text("Claim", "论断"))


def designs_of_claims() -> list[Design]:
    """Every design that a claim compares, without repetition."""
    made = [entry.make() for entry in claims.entries()]
    others = (one.second for claim in made for one in claim.comparisons if one.second)
    return list(dict.fromkeys([*(design for claim in made for design in (claim.first, claim.second)), *others]))


def better(metric: str, *tasks: str) -> Comparison:
    """The first design scores better."""
    return Comparison(metric, _direction(metric), tasks=tasks)


def worse(metric: str, *tasks: str) -> Comparison:
    """The first design scores worse."""
    return Comparison(metric, -_direction(metric), tasks=tasks)


def no_worse(metric: str, margin: float = MARGIN) -> Comparison:
    """The first design scores better, or worse by less than `margin`."""
    return Comparison(metric, _direction(metric), margin)


def less(cost: str) -> Comparison:
    """The first design needs less."""
    return Comparison(cost, -1, relative=True)


def more(cost: str) -> Comparison:
    """The first design needs more."""
    return Comparison(cost, 1, relative=True)


def lower(column: str) -> Comparison:
    """The first design has the smaller number, whatever is better."""
    return Comparison(column, -1)


def higher(column: str) -> Comparison:
    """The first design has the larger number, whatever is better."""
    return Comparison(column, 1)


def at_most(cost: str, share: float) -> Comparison:
    """The first design needs at most so large a share more."""
    return Comparison(cost, -1, share, relative=True)


def grows(column: str, other: str) -> Comparison:
    """In the first design itself a column is larger than another one."""
    return Comparison(column, 1, other=other)


def _direction(metric: str) -> int:
    return 1 if metrics[metric].make.scale.higher else -1
