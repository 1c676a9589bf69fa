"""The space of all designs: neighbours, coverings and random draws. Nothing here knows any part by name."""

import itertools
import random
from collections.abc import Callable, Collection, Iterator, Sequence

from unet_playground.design import LEVELWISE, SLOT_IDS, Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.registry import Choice, Entry, catalogues

Weight = Callable[[Entry], float]


def change(design: Design, **choices: str) -> Design | Text:
    """The design with other choices in some slots, or the reason why there is none."""
    try:
        return design.replace(**choices)
    except PlaygroundError as error:
        return error.text


def neighbours(design: Design) -> Iterator[Design]:
    """Every legal design that differs from `design` in one slot, each part with its default options."""
    for slot, entry in _parts():
        changed = change(design, **{slot: entry.id})
        if isinstance(changed, Design) and changed != design:
            yield changed


def cover(base: Design, strength: int = 2) -> tuple[Design, ...]:
    """Designs that together hold every legal group of `strength` parts of different slots, `base` first."""
    rng = random.Random(0)
    ids = [[(slot, id) for id in catalogues[slot]] for slot in SLOT_IDS]
    missing = {group for slots in itertools.combinations(ids, strength) for group in itertools.product(*slots)}
    chosen, idle = [base], 0
    missing -= _groups(base, strength)
    # What is still missing after many fruitless draws is illegal.
    while missing and idle < 100:
        candidates = [draw(rng, base=base, levelwise=0) for _ in range(20)]
        best = max(candidates, key=lambda design: len(missing & _groups(design, strength)))
        gained = missing & _groups(best, strength)
        idle = 0 if gained else idle + 1
        if gained:
            chosen.append(best)
            missing -= gained
    return tuple(chosen)


def draw(
    rng: random.Random,
    weight: Weight = lambda entry: 1.0,
    base: Design | None = None,
    levelwise: float = 0.25,
    only: Collection[str] = (),
) -> Design:
    """One random legal design with the depth, width and dims of `base`.

    Args:
        rng: Source of chance.
        weight: How often a part is drawn relative to its siblings.
        base: The classic by default.
        levelwise: Chance that a slot which may differ by level does.
        only: Slots in which it is like `base`.
    """
    base = base or Design()
    drawn = [slot for slot in SLOT_IDS if slot not in only]
    while True:
        choices = {slot: _draw_slot(rng, slot, weight, base.depth, levelwise) for slot in drawn}
        try:
            halfway = base.replace(down=choices.pop("down", base.down))
            # A slot that this way down leaves empty is not drawn; without attention any site is the default one.
            kept = {slot: one for slot, one in choices.items() if slot == "site" or halfway.applies(slot)}
            return halfway.replace(**kept)
        except PlaygroundError:
            continue


def combinations(base: Design, slots: Sequence[str]) -> Iterator[Design]:
    """Every legal design that differs from `base` in these slots only, each part with its default options."""
    for ids in itertools.product(*(catalogues[slot] for slot in slots)):
        changed = change(base, **dict(zip(slots, ids, strict=True)))
        if isinstance(changed, Design):
            yield changed


def option_variants(base: Design) -> Iterator[Design]:
    """Every option of every part at each of its values (numbers: both ends), one at a time."""
    for slot, entry in _parts():
        for option in entry.options:
            for value in option.choices or option.ends:
                changed = change(base, **{slot: str(Choice(entry.id, ((option.id, value),)))})
                if isinstance(changed, Design) and changed.choice(slot).options:  # none where it makes no difference
                    yield changed


def _draw_slot(rng: random.Random, slot: str, weight: Weight, depth: int, levelwise: float) -> str:
    entries = catalogues[slot].entries()
    count = depth if slot in LEVELWISE and rng.random() < levelwise else 1
    return "/".join(entry.id for entry in rng.choices(entries, [weight(entry) for entry in entries], k=count))


def _parts() -> Iterator[tuple[str, Entry]]:
    for slot in SLOT_IDS:
        for entry in catalogues[slot].entries():
            yield slot, entry


def _groups(design: Design, strength: int) -> set[tuple[tuple[str, str], ...]]:
    chosen = [(slot, design.choice(slot).id) for slot in SLOT_IDS]
    return set(itertools.combinations(chosen, strength))
