"""Which designs a step trains: every option equally often, and the same ones whenever the step comes again."""

from collections import Counter

import pytest

from unet_playground import Design
from unet_playground.cost import cost
from unet_playground.registry import catalogues
from unet_playground.training.schedules import schedules, share

ROUND = 4 * 7 * 5 * 8


@pytest.mark.parametrize("schedule", schedules)
def test_a_step_is_the_same_whenever_it_comes(schedule: str):
    make = schedules[schedule].make
    for step in (0, 7, 5000):
        assert make(Design(), 3, step) == make(Design(), 3, step)
    assert [make(Design(), 3, step) for step in range(9)] != [make(Design(), 4, step) for step in range(9)]


@pytest.mark.parametrize("schedule", schedules)
def test_designs_have_the_size_of_the_bank(schedule: str):
    for base in (Design(depth=2, width=4), Design(depth=1, width=2, dims=3)):
        for step in range(60):
            for design in schedules[schedule].make(base, 0, step):
                assert (design.depth, design.width, design.dims) == (base.depth, base.width, base.dims)


@pytest.mark.parametrize("schedule", schedules)
def test_designs_are_like_the_banks_own_where_it_says_so(schedule: str):
    base = Design(skip="none", down="blur-pool")
    designs = [one for step in range(60) for one in schedules[schedule].make(base, 0, step, ("skip", "down"))]
    assert {(design.skip, design.down) for design in designs} == {("none", "blur-pool")}
    assert len({design.block for design in designs}) > 1
    assert len({design.up for design in designs}) > 1


def test_fair_deals_every_option_as_often_as_its_share_says():
    designs = [schedules["fair"].make(Design(), 0, step)[0] for step in range(ROUND)]
    for slot in ("down", "block", "skip"):
        counts = Counter(design.choice(slot).id for design in designs)
        entries = catalogues[slot].entries()
        total = sum(share(entry) for entry in entries)
        assert counts == {entry.id: round(ROUND * share(entry) / total) for entry in entries}
    ups = Counter(design.up for design in designs if design.halves and "/" not in design.up)
    assert set(ups) == set(catalogues["up"])
    assert max(ups.values()) < 1.6 * min(ups.values())
    sites = Counter(design.site for design in designs if design.applies("site"))
    assert set(sites) == set(catalogues["site"])
    assert max(sites.values()) < 3 * min(sites.values())


def test_some_designs_differ_by_level():
    designs = [schedules["fair"].make(Design(), 0, step)[0] for step in range(200)]
    assert 20 < sum("/" in design.up for design in designs) < 80
    assert 5 < sum("/" in design.attention for design in designs) < 80


def test_a_sandwich_holds_the_richest_and_the_cheapest():
    richest, cheapest, _ = schedules["sandwich"].make(Design(), 0, 11)
    drawn = [schedules["fair"].make(Design(), 0, step)[0] for step in range(40)]
    macs = [cost(design, 64).macs for design in drawn]
    assert cost(cheapest, 64).macs <= min(macs)
    assert cost(richest, 64).macs >= sorted(macs)[-4]
