"""The designer: its value and its events."""

import json
from typing import Any

import pytest

from unet_playground import Design, catalogues
from unet_playground.design import NUMBERS, SLOT_IDS
from unet_playground.errors import Text
from unet_playground.presets import presets
from unet_playground.registry import Choice
from unet_playground.space import cover, option_variants
from unet_playground.ui import texts
from unet_playground.ui.designer import WORDS, designer, edit, runs

RICH = Design(skip="dense", attention="cbam(order=parallel)", up="bilinear/bilinear/deformable/carafe", depth=4)
FULL = Design(down="none")
PARTS = [(slot, id) for slot in SLOT_IDS for id in catalogues[slot]]
each_language = pytest.mark.parametrize("language", ["en", "zh"])


def slot_of(value: dict[str, Any], slot: str) -> dict[str, Any]:
    return next(one for one in value["slots"] if one["id"] == slot)


def option_of(value: dict[str, Any], slot: str, id: str) -> dict[str, Any]:
    return next(one for one in slot_of(value, slot)["options"] if one["id"] == id)


def changed(design: Design, event: object) -> Design:
    result = edit(design, event)
    assert isinstance(result, Design)
    return result


@each_language
@pytest.mark.parametrize("design", [Design(), RICH, FULL, *(entry.make() for entry in presets.entries())])
def test_the_value_is_plain_and_shows_the_design(design: Design, language: str):
    value = designer(design, None, "A", language)
    assert json.loads(json.dumps(value))["a"]["link"] == design.to_link()
    assert [slot["id"] for slot in value["slots"]] == list(SLOT_IDS)
    assert set(value["words"]) == set(WORDS)
    assert not value["compare"] and value["b"] is None
    for slot in value["slots"]:
        entries = catalogues[slot["id"]].entries()
        assert [one["title"] for one in slot["options"]] == [entry.title.within(language) for entry in entries]
        assert all(one["glyph"].startswith("<svg") and one["summary"] for one in slot["options"])
        chosen = [one["id"] for one in slot["options"] if one["chosen"]]
        held = {choice.id for choice in design.levels(slot["id"])} if design.applies(slot["id"]) else set()
        assert chosen == (list(held) if len(held) == 1 else [])
        assert slot["applies"] == design.applies(slot["id"]) == (slot["why"] == "")
        assert slot["choice"]["text"] == getattr(design, slot["id"])


@each_language
@pytest.mark.parametrize(
    "design", [Design(), RICH, FULL, Design(skip="none"), Design(skip="none", attention="se", site="fused")]
)
def test_an_option_is_legal_exactly_where_pressing_it_leads_somewhere(design: Design, language: str):
    value = designer(design, None, "A", language)
    for slot, id in PARTS:
        option, result = option_of(value, slot, id), edit(design, {"slot": slot, "id": id})
        assert option["legal"] == isinstance(result, Design)
        assert option["why"] == ("" if isinstance(result, Design) else result.within(language))


def test_a_slot_without_effect_says_why():
    for design, slot in ((Design(), "site"), (FULL, "up")):
        shown = slot_of(designer(design, None, "A", "zh"), slot)
        assert shown["why"] == texts.IDLE[slot].zh
        assert shown["choice"]["title"] == "–" and shown["levels"] is None and not shown["knobs"]
        assert {option["why"] for option in shown["options"]} == {texts.IDLE[slot].zh}


def test_cards_name_both_designs_and_how_far_they_are_apart():
    value = designer(Design(), RICH, "B", "en")
    assert (value["a"]["name"], value["a"]["note"]) == (presets["classic"].title.en, "the classic")
    assert (value["b"]["name"], value["b"]["note"]) == ("My design", "3 slots changed")
    assert value["editing"] == "B" and value["preset"] is None
    assert designer(Design(block="residual", width=8), None, "A", "en")["a"]["note"] == "1 slot changed"
    assert designer(Design(width=8), Design(width=8), "A", "zh")["a"]["note"] == "深度或宽度不同"
    assert designer(Design(width=8), Design(width=8), "A", "zh")["b"]["note"] == "与 A 相同"


def test_without_a_second_design_the_first_is_edited():
    assert designer(RICH, None, "B", "en")["editing"] == "A"


def test_comparison_names_the_other_choice_where_it_differs():
    value = designer(Design(), RICH, "B", "en")
    assert slot_of(value, "skip")["other"] == "Concatenation" and option_of(value, "skip", "concat")["other"]
    assert slot_of(value, "down")["other"] is None
    assert slot_of(designer(Design(), RICH, "A", "en"), "attention")["other"] == "CBAM (parallel)"
    assert slot_of(designer(Design(), RICH, "A", "zh"), "up")["other"] == "逐级不同"
    assert all(slot["other"] is None for slot in designer(RICH, None, "A", "en")["slots"])


def test_what_differs_by_level_is_told_level_by_level():
    shown = slot_of(designer(RICH, None, "A", "en"), "up")
    assert shown["levels"] == ["bilinear", "bilinear", "deformable", "carafe"]
    assert "Bilinear, Bilinear, Deformable, CARAFE" in shown["choice"]["summary"]
    assert shown["choice"]["lesson"].count("\n\n") == 2 and shown["choice"]["paper"].count("; ") == 2
    assert not shown["knobs"] and not shown["choice"]["formula"]
    assert slot_of(designer(RICH, None, "A", "en"), "skip")["levels"] is None


@pytest.mark.parametrize("design", tuple(option_variants(Design())))
def test_knobs_show_every_option_with_its_value(design: Design):
    for slot in designer(design, None, "A", "en")["slots"]:
        choice = design.choice(slot["id"])
        options = catalogues[slot["id"]][choice.id].options if design.applies(slot["id"]) else ()
        held = dict(choice.options)
        assert {knob["id"]: knob["value"] for knob in slot["knobs"]} == {
            option.id: held.get(option.id, option.default) for option in options
        }


@pytest.mark.parametrize(("depth", "width"), [(4, 16), (6, 16), (1, 64), (4, 40)])
def test_sliders_know_which_values_are_refused(depth: int, width: int):
    design = Design(depth=depth, width=width)
    for number in designer(design, None, "A", "en")["numbers"]:
        assert (number["low"], number["high"]) == NUMBERS[number["id"]]
        for value in range(number["low"], number["high"] + 1):
            result = edit(design, {"number": number["id"], "value": value})
            assert number["why"].get(str(value), "") == (result.en if isinstance(result, Text) else "")


@pytest.mark.parametrize("design", cover(Design()))
def test_every_option_that_is_pressed_stands_in_the_design(design: Design):
    for slot, id in PARTS:
        result = edit(design, {"slot": slot, "id": id})
        if isinstance(result, Design):
            assert {choice.id for choice in result.levels(slot)} == {id} or not result.applies(slot) or slot == "site"
            assert (result.depth, result.width) == (design.depth, design.width)


def test_attention_without_a_place_takes_the_first_that_it_fits():
    placed = changed(Design(skip="none"), {"slot": "attention", "id": "se"})
    assert placed == Design(skip="none", attention="se", site=placed.site) and placed.applies("site")
    assert isinstance(edit(Design(attention="se"), {"slot": "skip", "id": "none"}), Text)


def test_levels_are_chosen_one_by_one_and_keep_their_options():
    event = {"slot": "attention", "levels": ["cbam", "se", "cbam", "none"]}
    assert changed(RICH, event).attention == "cbam(order=parallel)/se/cbam(order=parallel)/none"
    same = changed(RICH, {"slot": "up", "levels": ["nearest"] * 4})
    assert same.up == "nearest"


@pytest.mark.parametrize(
    "levels", [[], ["se"], ["se"] * 5, "se", ["se", "se", "se", 3], ["se", "se", "se", "what"], None]
)
def test_levels_that_do_not_fit_are_refused(levels: object):
    assert isinstance(edit(Design(), {"slot": "attention", "levels": levels}), Text)
    assert isinstance(edit(FULL, {"slot": "up", "levels": ["nearest"] * 4}), Text)
    assert isinstance(edit(Design(), {"slot": "block", "levels": ["plain", "plain", "plain", "residual"]}), Text)


def test_knobs_turn_one_option_and_keep_the_others():
    once = changed(Design(attention="cbam"), {"slot": "attention", "knob": "order", "value": "parallel"})
    twice = changed(once, {"slot": "attention", "knob": "kernel", "value": 3})
    assert twice.choice("attention") == Choice("cbam", (("order", "parallel"), ("kernel", 3)))
    back = changed(twice, {"slot": "attention", "knob": "order", "value": "sequential"})
    assert back.attention == "cbam(kernel=3)"
    assert changed(Design(skip="add"), {"slot": "skip", "knob": "scalar", "value": True}).skip == "add(scalar=true)"


@pytest.mark.parametrize(
    "event",
    [
        {"slot": "attention", "knob": "kernel", "value": 4},
        {"slot": "attention", "knob": "kernel", "value": 99},
        {"slot": "attention", "knob": "kernel", "value": float("inf")},
        {"slot": "attention", "knob": "kernel", "value": "3,order=sequential"},
        {"slot": "attention", "knob": "kernel", "value": [3]},
        {"slot": "attention", "knob": "what", "value": 3},
        {"slot": "attention", "knob": None, "value": 3},
        {"slot": "site", "knob": "what", "value": 3},
        {"slot": "up", "knob": "kernel", "value": 1},
    ],
)
def test_a_knob_refuses_what_its_option_does_not_hold(event: dict[str, Any]):
    assert isinstance(edit(RICH, event), Text)


@pytest.mark.parametrize("depth", range(1, 7))
def test_another_depth_cuts_or_repeats_the_coarsest_level(depth: int):
    deeper = changed(RICH, {"number": "depth", "value": depth})
    held = [choice.id for choice in RICH.levels("up")]
    expected = (held + [held[-1]] * 2)[:depth]
    assert [choice.id for choice in deeper.levels("up")] == expected
    assert deeper.attention == RICH.attention and deeper.depth == depth
    assert changed(FULL, {"number": "depth", "value": depth}).depth == depth


@pytest.mark.parametrize(
    ("name", "value"), [("depth", 0), ("depth", 7), ("depth", -3), ("width", 65), ("width", 10**9)]
)
def test_numbers_out_of_range_give_their_reason(name: str, value: int):
    reason = edit(RICH, {"number": name, "value": value})
    assert isinstance(reason, Text) and str(value) in reason.en and str(NUMBERS[name][1]) in reason.zh


def test_a_width_too_large_for_the_depth_gives_its_reason():
    reason = edit(Design(depth=6), {"number": "width", "value": 64})
    assert isinstance(reason, Text) and "4096 channels" in reason.en


@pytest.mark.parametrize("entry", presets.entries(), ids=list(presets))
def test_presets_and_links_become_designs(entry: Any):
    assert changed(RICH, {"preset": entry.id}) == entry.make()
    assert changed(RICH, {"link": entry.make().to_link()}) == entry.make()
    assert designer(entry.make(), None, "A", "en")["a"]["name"] == entry.title.en


def test_a_surprise_keeps_depth_and_width():
    drawn = [changed(Design(depth=3, width=8), {"surprise": True}) for _ in range(30)]
    assert {(design.depth, design.width) for design in drawn} == {(3, 8)}
    assert len(set(drawn)) > 20


@pytest.mark.parametrize(
    "event",
    [
        None,
        "skip",
        [],
        {1: 2},
        {"slot": "skip", "id": None},
        {"slot": "skip", "id": "what"},
        {"slot": "skip", "id": "add(scalar=true)"},
        {"slot": "skip", "id": ""},
        {"slot": "preset", "id": "classic"},
        {"slot": ["skip"], "id": "add"},
        {"slot": "skip", "id": "add", "more": 1},
        {"number": "dims", "value": 3},
        {"number": "depth", "value": True},
        {"number": "depth", "value": 2.5},
        {"number": "depth", "value": "2"},
        {"number": ["depth"], "value": 2},
        {"preset": {}},
        {"link": 3},
        {"link": "skip=what"},
        {"link": "skip=add&" * 1000},
        {"slot": "skip", "id": "x" * 10**6},
    ],
    ids=lambda event: str(event)[:40],
)
def test_what_is_not_understood_is_refused_in_a_sentence(event: object):
    reason = edit(RICH, event)
    assert isinstance(reason, Text)
    assert reason.en.endswith(".") and reason.zh.endswith("。") and len(reason.en) < 400


def test_formulas_are_told_in_plain_signs():
    assert runs("$y = x$") == [("y = x", "")]
    assert runs(r"$x_i^{2} + \frac{1}{4}\, \sigma(w_{i,j-1})$") == [
        ("x", ""),
        ("i", "sub"),
        ("2", "sup"),
        (" + 1/4  σ(w", ""),
        ("i,j-1", "sub"),
        (")", ""),
    ]
    assert runs(r"$\max_{q \in 2p + \{0,1\}^2}$") == [("max", ""), ("q ∈ 2p + {0,1}²", "sub")]
    assert runs(r"$\frac{p + 1/2}{2}$") == [("(p + 1/2)/2", "")]


@pytest.mark.parametrize(("slot", "id"), PARTS)
def test_no_formula_shows_its_markup(slot: str, id: str):
    assert not {"\\", "$", "_", "^"} & set("".join(text for text, _ in runs(catalogues[slot][id].formula)))
