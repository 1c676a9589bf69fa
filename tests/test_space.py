"""Neighbours, coverings and draws hold legal designs only, and all of them that they promise."""

import itertools
import random
from collections import Counter

import pytest

from unet_playground import Design, PlaygroundError, catalogues
from unet_playground.design import SLOT_IDS
from unet_playground.errors import Text
from unet_playground.space import change, cover, draw, neighbours, option_variants


def _pairs(design: Design) -> set[tuple[tuple[str, str], ...]]:
    return set(itertools.combinations([(slot, design.choice(slot).id) for slot in SLOT_IDS], 2))


def _possible(pair: tuple[tuple[str, str], ...]) -> bool:
    """Whether any design holds both parts, tried with every attention and site around them."""
    for attention, site, skip in itertools.product(*(catalogues[slot] for slot in ("attention", "site", "skip"))):
        wanted = {"attention": attention, "site": site, "skip": skip, **dict(pair)}
        try:
            if pair in _pairs(Design().replace(**wanted)):
                return True
        except PlaygroundError:
            continue
    return False


def test_neighbours_differ_in_one_slot_and_reach_every_part():
    base, reached = Design(attention="se"), set()
    for design in neighbours(base):
        # A way down that keeps resolution leaves `up` empty, which is no choice of its own.
        changed = [slot for slot in SLOT_IDS if design.applies(slot) and getattr(design, slot) != getattr(base, slot)]
        assert len(changed) == 1
        reached.add((changed[0], getattr(design, changed[0])))
    for slot in SLOT_IDS:
        others = {id for id in catalogues[slot] if isinstance(change(base, **{slot: id}), Design)}
        assert {id for at, id in reached if at == slot} == others - {getattr(base, slot)}


def test_a_cover_holds_every_possible_pair_of_parts():
    covered = set().union(*(_pairs(design) for design in cover(Design())))
    parts = [[(slot, id) for id in catalogues[slot]] for slot in SLOT_IDS]
    for one, other in itertools.combinations(parts, 2):
        for pair in itertools.product(one, other):
            assert (pair in covered) == _possible(pair), pair


def test_a_cover_starts_with_its_base_and_is_always_the_same():
    base = Design(depth=2, width=4)
    assert cover(base)[0] == base
    assert cover(base) == cover(base)
    assert len(cover(base)) < 120
    assert {(design.depth, design.width) for design in cover(base)} == {(2, 4)}


def test_an_impossible_change_gives_the_reason():
    reason = change(Design(skip="none"), attention="se")
    assert isinstance(reason, Text)
    assert "skip=none lets nothing cross" in reason.en


def test_option_variants_change_one_option_of_one_part():
    for design in option_variants(Design()):
        options = [option for slot in SLOT_IDS for option in design.choice(slot).options]
        assert len(options) == 1


def test_draws_depend_on_the_seed_and_keep_the_size():
    base = Design(depth=3, width=8, dims=3)
    one, other = ([draw(random.Random(seed), base=base) for seed in range(30)] for _ in range(2))
    assert one == other
    assert len(set(one)) > 20
    assert {(design.depth, design.width, design.dims) for design in one} == {(3, 8, 3)}
    assert any("/" in design.up for design in one)


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_a_part_is_drawn_as_often_as_its_weight_says(weight: float):
    rng = random.Random(0)
    ups = catalogues["up"]
    favourite = next(iter(ups))
    designs = [draw(rng, lambda entry: weight if entry.id == favourite else 1.0, levelwise=0) for _ in range(1600)]
    drawn = Counter([design.up for design in designs if design.applies("up")][:1200])
    expected = weight / (weight + len(ups) - 1)
    # Three standard deviations of 1200 draws are at most 0.043.
    assert drawn[favourite] / 1200 == pytest.approx(expected, abs=0.043)
