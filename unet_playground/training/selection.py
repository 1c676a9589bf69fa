"""Which designs are measured, and which are trained alone."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

from unet_playground.atlas import Row, classic_of, differences
from unet_playground.design import Design
from unet_playground.presets import presets
from unet_playground.space import cover, draw, neighbours

SOLO = (
    {},
    {"down": "none"},
    {"skip": "none"},
    {"down": "none", "block": "dilated"},
    {"up": "bilinear"},
    {"attention": "cbam"},
    {"up": "pixel-shuffle"},
    {"skip": "dense"},
    {"attention": "se"},
    {"up": "deformable"},
    {"skip": "attention-gate"},
    {"down": "none", "attention": "spatial"},
    {"attention": "scse"},
    {"up": "learned"},
    {"skip": "pyramid"},
    {"attention": "eca"},
    {"up": "learned/learned/bilinear/bilinear"},
    {"down": "none", "block": "multi-scale"},
    {"skip": "cross-stage"},
    {"down": "blur-pool"},
    {"skip": "nested"},
)
"""What is changed in the classic, the most instructive first: a small budget trains the first ones."""
TWICE = 3
"""So many of the first designs are trained with a second seed."""
KEPT = 6
"""Of so many of the first designs the weights are kept; of the others only the card."""


def atlas_designs(
    base: Design,
    count: int = 300,
    seed: int = 0,
    also: Sequence[Design] = (),
    served: Callable[[Design], bool] = lambda design: True,
) -> list[Design]:
    """The designs of an atlas, without repetition and always the same.

    First what single changes do: the classic, its neighbours, the classic at full resolution and its neighbours, the
    presets. Then what is asked for besides, then designs that cover every legal pair of options, and random designs
    until there are enough.

    Args:
        base: The classic of the bank's depth, width and dims.
        count: How many.
        seed: Of the random ones.
        also: Designs that must be there.
        served: Whether the bank has weights for a design; it has none for options other than the default.
    """
    chosen = (design for design in dict.fromkeys(_first(base, also)) if served(design))
    listed = dict.fromkeys(islice(chosen, count))
    rng = random.Random(seed)
    while len(listed) < count:
        design = draw(rng, base=base)
        if served(design):
            listed[design] = None
    return list(listed)


@lru_cache(maxsize=16)
def solo_designs(base: Design | None = None) -> tuple[Design, ...]:
    """The designs that are trained alone, the most instructive first: one factor at a time around the classic.

    Args:
        base: The classic of other sizes than the default ones.
    """
    base = base or Design()
    return tuple(base.replace(**_fitting(changes, base.depth)) for changes in SOLO)


def references(rows: Sequence[Row]) -> list[Row]:
    """Of rows of designs trained alone, those that the bank is held against: what `solo_designs` lists.

    Others were trained because the bank is weak there, perhaps at another rate: that tells whose fault it is.
    """
    return [row for row in rows if row.design in solo_designs(classic_of(row.design))]


def solo_name(design: Design, seed: int = 0) -> str:
    """The folder of a design that was trained alone: `solo-classic`, `solo-down-none-block-dilated-seed1`."""
    changed = "-".join(f"{slot}-{choice}" for slot, choice in differences(design).items())
    spelled = "".join(sign if sign.isalnum() else "-" for sign in changed or "classic")
    return f"solo-{spelled}" + (f"-seed{seed}" if seed else "")


def _first(base: Design, also: Sequence[Design]) -> Iterator[Design]:
    full = base.replace(down="none")
    yield base
    yield from neighbours(base)
    yield full
    yield from neighbours(full)
    yield from (design for design in (entry.make() for entry in presets.entries()) if classic_of(design) == base)
    yield from also
    yield from cover(base)


def _fitting(changes: dict[str, str], depth: int) -> dict[str, str]:
    """Choices by level, cut to as many levels as there are."""
    return {slot: "/".join(text.split("/")[:depth]) for slot, text in changes.items()}
