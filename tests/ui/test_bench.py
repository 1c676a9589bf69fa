"""One design or two, and which of them a choice changes."""

import pytest

from unet_playground import Design
from unet_playground.errors import Text
from unet_playground.ui.bench import Bench

ADD, DENSE = Design(skip="add"), Design(skip="dense")


def test_a_comparison_begins_with_a_copy_that_is_then_edited():
    bench = Bench(ADD).compared(True)
    assert bench == Bench(ADD, ADD, "B")
    changed = bench.holding(DENSE)
    assert (changed.a, changed.b, changed.edited, changed.other) == (ADD, DENSE, DENSE, ADD)


def test_either_design_can_be_edited():
    bench = Bench(ADD, DENSE, "B").turned_to("A")
    assert (bench.edited, bench.other) == (ADD, DENSE)
    assert bench.holding(Design()).a == Design()
    assert bench.turned_to("nonsense").editing == "A"


def test_what_was_edited_stays_when_the_comparison_ends():
    assert Bench(ADD, DENSE, "B").compared(False) == Bench(DENSE)
    assert Bench(ADD).turned_to("B").editing == "A"


def test_the_slot_that_was_touched_last_is_remembered():
    bench = Bench().holding(Design(up="carafe"))
    assert bench.slot == "up"
    assert bench.holding(Design(up="carafe", depth=3)).slot == "up"


def test_both_designs_come_back_and_the_slot_that_changes_is_touched():
    before, after = Bench(ADD, DENSE, "B", "skip"), Bench(Design(up="carafe"), slot="up")
    kept = {"a": ADD.to_link(), "b": DENSE.to_link(), "edit": "B"}
    assert after.brought_back(kept) == before
    assert before.brought_back({"a": after.a.to_link(), "b": None, "edit": "A"}) == Bench(after.a, slot="skip")


@pytest.mark.parametrize("kept", [None, {}, {"a": 7}, {"a": "skip=none", "b": "skip=telepathy"}, {"a": "x" * 9999}])
def test_what_no_browser_keeps_is_refused_in_words(kept: object):
    assert isinstance(Bench(ADD).brought_back(kept), Text)
