"""The rooms of measured designs and of claims show what the atlas holds, and open nothing that is not in it."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from tests.rows import drawn, row
from unet_playground import Design
from unet_playground.atlas import Atlas, interactions, main_effects, pareto, write_atlas
from unet_playground.claims import claims
from unet_playground.errors import Text
from unet_playground.ui.bench import Bench
from unet_playground.ui.rooms import atlas as room
from unet_playground.ui.rooms.claims import _named, pair_of, told

FULL = Design(down="none")
DENSE = Design(skip="dense")
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def measured(checkpoints: Path) -> Atlas:
    """The classic with both kinds of weights, full resolution, and one that is dear and bad."""
    (checkpoints / "nuclei").mkdir()
    borders = {"boundary_dice": (0.7, 0.71, 0.72, 0.73)}
    rows = (
        row(Design(), 0.8, macs=100, images=borders, hd95=5.0),
        row(Design(), 0.82, weights="solo", seed=1, macs=100),
        row(FULL, 0.85, macs=200, images={"boundary_dice": (0.75, 0.76, 0.77, 0.78)}, hd95=9.0),
        row(Design(up="bilinear/bilinear/deformable/deformable"), 0.5, macs=300),
    )
    table = Atlas(rows, NAMES, NAMES)
    write_atlas("nuclei", table)
    return table


@pytest.fixture
def many(checkpoints: Path) -> tuple:
    """Enough designs to tell options apart; dense skips add 0.1."""
    (checkpoints / "nuclei").mkdir()
    rows = tuple(
        row(one, 0.7 + 0.1 * (one.skip == "dense") + 0.001 * (n % 7), macs=100 + n) for n, one in enumerate(drawn(200))
    )
    write_atlas("nuclei", Atlas(rows, NAMES, NAMES))
    return rows


@pytest.mark.usefixtures("measured")
def test_every_design_is_there_with_its_numbers_and_front():
    shown = room.value("nuclei", Bench(), "en")
    designs = shown["designs"]
    said = dict(zip(designs["said"], designs["scores"]["dice"], strict=True))
    assert said["Down: None"] == 0.85
    assert said["Up: Bilinear / Bilinear / Deformable / Deformable"] == 0.5
    assert sorted(designs["seed"], key=str) == [1, None, None, None]
    front = [designs["said"][at] for at in shown["fronts"]["dice"]["macs"]]
    assert front == ["the classic", "Down: None"]
    assert [designs["said"][at] for at in shown["fronts"]["hd95"]["macs"]] == ["the classic"]
    assert [one["id"] for one in shown["metrics"]] == ["dice", "hd95", "boundary_dice"]
    assert [one["higher"] for one in shown["metrics"]] == [True, False, True]


def test_the_pooled_dice_stands_behind_the_mean_over_images(checkpoints: Path):
    """The liver is scored by it."""
    (checkpoints / "liver").mkdir()
    write_atlas("liver", Atlas((row(Design(), 0.8, iou=0.7, dice_pooled=0.9),), NAMES, NAMES))
    shown = room.value("liver", Bench(), "en", "dice_pooled")
    assert [(one["id"], one["title"]) for one in shown["metrics"]] == [
        ("dice", "Dice"),
        ("dice_pooled", "Dice over all pixels"),
        ("iou", "IoU"),
    ]
    assert shown["designs"]["scores"]["dice_pooled"] == [0.9]
    assert shown["fronts"]["dice_pooled"]["macs"] == [0]
    assert room.metric_of({"metric": "dice_pooled"}) == "dice_pooled"


@pytest.mark.usefixtures("measured")
def test_what_a_design_does_not_have_is_null_and_its_options_are_found_by_place():
    shown = room.value("nuclei", Bench(), "en")
    designs = shown["designs"]
    at = designs["said"].index("Up: Bilinear / Bilinear / Deformable / Deformable")
    assert designs["scores"]["hd95"][at] is None
    held = {one["id"]: one["options"][designs["held"][one["id"]][at]]["title"] for one in shown["slots"]}
    assert held["up"] == "Level by level"
    assert held["skip"] == "Concatenation"
    full = designs["said"].index("Down: None")
    up = next(one for one in shown["slots"] if one["id"] == "up")
    assert up["options"][designs["held"]["up"][full]]["title"] == "Does not apply"
    json.dumps(shown, allow_nan=False)


@pytest.mark.usefixtures("measured")
def test_the_present_designs_are_marked_and_what_is_not_measured_is_said():
    shown = room.value("nuclei", Bench(Design(), DENSE, "B"), "en")
    assert [shown["designs"]["link"][at] for at in shown["marks"]["A"]] == [Design().to_link()] * 2
    assert shown["marks"]["B"] == []
    assert any(line.startswith("B has not been measured") for line in shown["lines"])
    assert list(room.value("nuclei", Bench(FULL), "en")["marks"]) == ["A"]


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(("language", "sentence"), [("en", "No design of this task"), ("zh", "尚未测量任何设计")])
def test_an_empty_atlas_is_one_sentence(language: str, sentence: str):
    shown = room.value("liver", Bench(), language, "dice")
    assert len(shown["lines"]) == 1
    assert sentence in shown["lines"][0]
    assert not shown["metrics"]


@pytest.mark.usefixtures("measured")
def test_a_small_atlas_says_that_it_tells_no_effects():
    shown = room.effects("nuclei", "dice", "en")
    assert not shown["rows"]
    assert shown["few"].startswith("3 measured designs")
    assert not shown["pairs"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_effects_and_pairs_are_those_of_the_atlas(many: tuple, language: str):
    shown = room.effects("nuclei", "dice", language)
    dense = next(one for one in shown["rows"] if one["option"] == "dense" and one["family"] == "halving")
    known = next(one for one in main_effects(many) if (one.option, one.family) == ("dense", "halving"))
    assert dense["difference"] == pytest.approx(known.difference, abs=1e-4)
    assert dense["difference"] == pytest.approx(0.1, abs=0.01)
    clear = [one for one in interactions(many, "dice", room.STRONGEST) if one.low * one.high > 0]
    assert len(shown["pairs"]) == max(1, len(clear))
    both = {(one["slot"], one["option"]) for one in shown["rows"] if one["family"] == "all"}
    assert not both & {(one["slot"], one["option"]) for one in shown["rows"] if one["family"] != "all"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_value_of_a_large_atlas_stays_small(many: tuple, language: str):
    shown = room.value("nuclei", Bench(), language, "dice")
    assert shown["effects"]["metric"] == "dice"
    assert len(json.dumps(shown, allow_nan=False)) < 150_000
    best = [row.design.to_link() for row in pareto(many)]
    assert [shown["designs"]["link"][at] for at in shown["fronts"]["dice"]["macs"]] == best


@pytest.mark.usefixtures("measured")
def test_only_a_measured_design_is_opened():
    assert room.measured("nuclei", {"link": FULL.to_link()}) == FULL
    for given in ({"link": DENSE.to_link()}, {"link": "down=?"}, {"link": 3}, {}, None, "x", ["link"]):
        assert room.measured("nuclei", given) is None


def test_a_metric_is_one_that_exists():
    assert room.metric_of({"metric": "hd95"}) == "hd95"
    for given in ({"metric": "?"}, {"metric": []}, {}, None, 1):
        assert room.metric_of(given) == "dice"


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_claim_stands_there_with_verdict_numbers_and_button(language: str):
    shown = told(language)
    parts = shown.split('<article class="claim"')[1:]
    assert len(parts) == len(claims)
    for part, entry in zip(parts, claims.entries(), strict=True):
        assert entry.summary.within(language) in unescape(part)
        assert f'data-claim="{entry.id}"' in part
        assert entry.lesson.within(language) in unescape(part)


@pytest.mark.usefixtures("measured")
def test_a_claim_is_judged_by_the_rows_of_the_atlas():
    first, *others = told("en").split('<article class="claim"')[1:]
    assert 'data-source="one" data-verdict="supported"' in first
    assert "+0.050" in first
    assert "Comparisons: 1 for" in first
    assert any('data-verdict="not measured yet"' in one for one in others)


@pytest.mark.usefixtures("measured")
def test_the_filters_count_what_they_leave():
    shown = told("en")
    total = sum(map(int, re.findall(r'name="source" value="(?:one|two)">.*?<small>(\d+)', shown)))
    assert total == len(claims)
    verdicts = sum(map(int, re.findall(r'name="verdict" value="[^"]+">.*?<small>(\d+)', shown)))
    assert verdicts == len(claims)


def test_a_claim_opens_its_pair_as_a_against_b():
    for entry in claims.entries():
        claim = entry.make()
        pair = pair_of({"claim": entry.id})
        assert pair is not None
        assert (pair.a, pair.b, pair.editing, pair.slot) == (claim.first, claim.second, "B", claim.about[0])
    for given in ({"claim": "?"}, {"claim": []}, {}, None, 1):
        assert pair_of(given) is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_column_that_a_claim_compares_has_a_name(language: str):
    for entry in claims.entries():
        for one in entry.make().comparisons:
            assert _named(one.column, language) != one.column


@pytest.mark.parametrize("words", [room.WORDS])
def test_both_languages_say_the_same_things(words: dict[str, Text]):
    field = re.compile(r"\{(\w+)\}")
    for text in words.values():
        assert sorted(field.findall(text.en)) == sorted(field.findall(text.zh))
