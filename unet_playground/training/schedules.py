"""In which order the designs of a bank are trained."""

import random
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Protocol

from unet_playground.cost import cost
from unet_playground.design import LEVELWISE, SLOT_IDS, Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.registry import Catalogue, Chinese, Entry, Paper, catalogues
from unet_playground.space import change, draw


class Schedule(Protocol):
    """The designs whose gradients make a step of a bank's training."""

    def __call__(self, base: Design, seed: int, step: int, only: Collection[str] = ()) -> list[Design]:
        """Of the bank's own design, a seed, the step's number and the slots in which all its designs are alike."""
        ...


schedules: Catalogue[Schedule] = Catalogue("schedule", Text("Schedule", "轮换方式"))

MIXED = 0.25
"""Share of steps in which a slot that may differ by level does."""


@schedules.register(
    "fair",
    title="Fair",
    zh=Chinese("公平", "每个槽位的选项洗牌后依次发出，使各选项的训练次数大致相同。"),
    paper=Paper("Chu et al.", 2021, "FairNAS", "arXiv:1907.01845"),
)
def fair(base: Design, seed: int, step: int, only: Collection[str] = ()) -> list[Design]:
    """One design a step; each slot deals its options from a shuffled deck, so that all get about as many steps.

    Those of the way down, the blocks and the skips get as many. Ways up vary with the steps at full resolution, which
    need none, and sites with the skips that they do not go with: of these another site takes the step.
    """
    rng = random.Random(f"{seed}/{step}")
    dealt = {slot: _dealt(slot, seed, step, base.depth, base.dims, rng) for slot in SLOT_IDS if slot not in only}
    halfway = base.replace(down=dealt.pop("down", base.down))
    # Without attention any site is the default one; a slot that this way down leaves empty is not filled.
    kept = {slot: one for slot, one in dealt.items() if slot == "site" or halfway.applies(slot)}
    return [_legal(halfway, kept, rng)]


@schedules.register(
    "uniform",
    title="Uniform",
    zh=Chinese("均匀", "每一步独立随机抽取一个设计。"),
    paper=Paper("Guo et al.", 2020, "Single path one-shot", "arXiv:1904.00420"),
)
def uniform(base: Design, seed: int, step: int, only: Collection[str] = ()) -> list[Design]:
    """One design a step, drawn at random."""
    return [draw(random.Random(f"{seed}/{step}"), share, base, only=only)]


@schedules.register(
    "sandwich",
    title="Sandwich",
    zh=Chinese("三明治", "每一步训练最便宜、最丰富与一个随机的设计。"),
    paper=Paper("Yu and Huang", 2019, "Universally slimmable networks", "arXiv:1903.05134"),
)
def sandwich(base: Design, seed: int, step: int, only: Collection[str] = ()) -> list[Design]:
    """The richest, the cheapest and a random design in every step; the richest comes first and can teach the others."""
    cheapest, richest = _extremes(base, tuple(only))
    return [richest, cheapest, *fair(base, seed, step, only)]


def share(entry: Entry) -> float:
    """How often a part is trained relative to its siblings: starved styles more often."""
    return getattr(entry.make, "share", 1.0)


def _dealt(slot: str, seed: int, step: int, depth: int, dims: int, rng: random.Random) -> str:
    deck = _deck(slot, dims)
    if slot in LEVELWISE and rng.random() < MIXED:
        return "/".join(rng.choices(deck, k=depth))
    turn, place = divmod(step, len(deck))
    return random.Random(f"{slot}/{seed}/{turn}").sample(deck, len(deck))[place]


@lru_cache(maxsize=64)
def _deck(slot: str, dims: int) -> tuple[str, ...]:
    """Every option of a slot that exists in so many dimensions, as often as its share says."""
    entries = [entry for entry in catalogues[slot].entries() if dims in getattr(entry.make, "dims", (2, 3))]
    return tuple(entry.id for entry in entries for _ in range(round(share(entry))))


def _legal(base: Design, choices: dict[str, str], rng: random.Random) -> Design:
    """The choices on top of `base`; where a site does not go with the skip, the site gives way."""
    sites = [choices.get("site", base.site), *rng.sample([*catalogues["site"]], len(catalogues["site"]))]
    for site in sites:
        try:
            return base.replace(**{**choices, "site": site})
        except PlaygroundError:
            continue
    return base


@lru_cache(maxsize=8)
def _extremes(base: Design, only: tuple[str, ...]) -> tuple[Design, Design]:
    """Of designs that differ from `base` slot by slot, the one of fewest and the one of most multiply-adds."""
    cheapest = richest = base
    for slot in (slot for slot in SLOT_IDS if slot not in only):
        cheapest = min(_options(cheapest, slot), key=_macs)
        richest = max(_options(richest, slot), key=_macs)
    return cheapest, richest


def _options(base: Design, slot: str) -> Iterable[Design]:
    changed = (change(base, **{slot: id}) for id in catalogues[slot])
    return [base, *(design for design in changed if isinstance(design, Design))]


def _macs(design: Design) -> int:
    return cost(design, 64).macs
