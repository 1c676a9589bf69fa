"""The table keeps what it is given, and what was planted in a table is found again."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.rows import drawn, row
from unet_playground import Design, PlaygroundError, catalogues
from unet_playground.atlas import (
    Atlas,
    Row,
    agreement,
    alone,
    differences,
    error_of_difference,
    error_of_mean,
    interactions,
    main_effects,
    pareto,
    read_atlas,
    weak,
    write_atlas,
)
from unet_playground.design import DEFAULTS, SLOT_IDS
from unet_playground.tasks import tasks
from unet_playground.training.measure import is_current

PLANTED = {
    ("down", "none"): -0.08,
    ("skip", "none"): -0.2,
    ("skip", "dense"): 0.03,
    ("attention", "cbam"): 0.02,
    ("site", "bottleneck"): -0.01,
    ("up", "deformable"): 0.04,
    ("block", "residual"): 0.01,
}


def _score(design: Design) -> float:
    """The classic has 0.8; every option adds what is planted, by the share of levels that hold it."""
    return 0.8 + sum(
        PLANTED.get((slot, choice.id), 0.0) / design.depth
        for slot in SLOT_IDS
        if design.applies(slot)
        for choice in design.levels(slot)
    )


@pytest.fixture(scope="module")
def noisy() -> list[Row]:
    rng = np.random.default_rng(0)
    return [row(design, _score(design) + rng.normal(0, 0.01)) for design in drawn(300)]


# The table


def test_a_table_is_read_as_it_was_written(checkpoints: Path):
    one = row(Design(skip="none"), 0.71239, hd95=float("nan"), images={"iou": (0.25, float("nan"), 1.0)})
    two = replace(row(Design(), 0.9, "solo", seed=1), metrics={"dice": 0.9}, latency=1.0)
    atlas = Atlas().with_row(one, ["a", "b", "c"], ["x", "x", "y"]).with_row(two, ["a", "b", "c"], ["x", "x", "y"])
    write_atlas("nuclei", atlas)
    read = read_atlas("nuclei")
    assert read.names == ("a", "b", "c")
    assert read.groups == ("x", "x", "y")
    [first] = read.find(Design(skip="none"), "shared")
    assert (first.sha256, first.parameters, first.macs, first.activation_bytes) == ("abc", 1000, 100, 5000)
    assert first.value("dice") == 0.7124
    assert math.isnan(first.value("hd95"))
    assert first.images["iou"] == pytest.approx((0.25, float("nan"), 1.0), nan_ok=True)
    [second] = read.find(Design(), "solo")
    assert (second.seed, second.latency, second.images) == (1, 1.0, {})
    assert math.isnan(second.value("iou"))


def test_a_table_is_one_line_a_design_in_an_order_that_does_not_depend_on_when_it_was_measured(checkpoints: Path):
    rows = [row(design) for design in drawn(5)]
    texts = []
    for order in (rows, rows[::-1]):
        atlas = Atlas()
        for one in order:
            atlas = atlas.with_row(one, ["a"], ["a"])
        write_atlas("nuclei", atlas)
        texts.append((checkpoints / "nuclei" / "atlas.csv").read_text())
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == 6


def test_a_row_takes_the_place_of_the_one_with_its_design_weights_and_seed():
    atlas = Atlas()
    for one in (row(Design(), 0.1), row(Design(), 0.2), row(Design(), 0.3, "solo"), row(Design(), 0.4, "solo", 1)):
        atlas = atlas.with_row(one, ["a"], ["a"])
    assert [one.value("dice") for one in atlas.rows] == [0.2, 0.3, 0.4]
    # A branch of the bank may have another seed than the bank that served the design before.
    atlas = atlas.with_row(replace(row(Design(), 0.5), seed=7), ["a"], ["a"])
    assert [(one.seed, one.value("dice")) for one in atlas.of("shared")] == [(7, 0.5)]
    assert len(atlas.of("solo")) == 2


def test_rows_of_other_images_are_refused():
    atlas = Atlas().with_row(row(Design()), ["a"], ["a"])
    with pytest.raises(PlaygroundError, match="other images"):
        atlas.with_row(row(Design()), ["b"], ["b"])


@pytest.mark.parametrize("cut", [60, 40, 7])
def test_a_damaged_table_is_refused(checkpoints: Path, cut: int):
    write_atlas("nuclei", Atlas().with_row(row(Design()), ["a"], ["a"]))
    path = checkpoints / "nuclei" / "atlas.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:-cut]]))
    with pytest.raises(PlaygroundError, match="atlas of nuclei is damaged"):
        read_atlas("nuclei")


def test_a_table_with_an_endless_field_is_refused(checkpoints: Path):
    write_atlas("nuclei", Atlas().with_row(row(Design()), ["a"], ["a"]))
    path = checkpoints / "nuclei" / "atlas.csv"
    path.write_text(path.read_text() + '"' + "x" * 200_000)
    with pytest.raises(PlaygroundError, match="atlas of nuclei is damaged"):
        read_atlas("nuclei")


def test_there_may_be_no_table(checkpoints: Path):
    assert read_atlas("nuclei") == Atlas()


def test_differences_name_what_is_not_the_classics():
    assert differences(Design(width=8)) == {}
    assert differences(Design(down="none", attention="se", site="fused")) == {
        "down": "none",
        "attention": "se",
        "site": "fused",
    }


# Effects


def test_effects_of_a_table_without_noise_are_exact():
    rows = [row(design, _score(design)) for design in drawn(300)]
    found = {(one.slot, one.option): one for one in main_effects(rows) if one.family == "all"}
    options = {(slot, id) for slot in SLOT_IDS for id in catalogues[slot]} - set(DEFAULTS.items())
    assert set(found) == options
    for term, one in found.items():
        assert one.difference == pytest.approx(PLANTED.get(term, 0.0), abs=1e-6), term
        assert one.low == pytest.approx(one.high, abs=1e-6)


def test_most_intervals_hold_the_planted_effect(noisy: list[Row]):
    effects = [one for one in main_effects(noisy) if one.family == "all"]
    inside = [one.low <= PLANTED.get((one.slot, one.option), 0.0) <= one.high for one in effects]
    assert np.mean(inside) >= 0.85
    assert all(0 < one.high - one.low < 0.03 for one in effects)


def test_both_families_are_told_apart(noisy: list[Row]):
    families = {family: [one for one in main_effects(noisy) if one.family == family] for family in ("halving", "full")}
    assert not any(one.slot == "up" for one in families["full"])
    assert not any(one.slot == "down" for one in families["full"])
    assert {one.option for one in families["halving"] if one.slot == "down"} < set(catalogues["down"])
    [dense] = [one for one in families["full"] if one.option == "dense"]
    assert dense.designs == sum(one.design.choice("skip").id == "dense" for one in noisy if not one.design.halves)


def test_effects_that_cannot_be_told_apart_are_left_out():
    alike = [Design(block="residual", skip="dense", depth=depth) for depth in range(1, 5)]
    designs = [*alike, *(Design(up=up, depth=depth) for up in ("transposed", "bilinear") for depth in range(1, 5))]
    effects = main_effects([row(one, _score(one)) for one in designs])
    assert {(one.slot, one.option) for one in effects if one.family == "all"} == {("up", "bilinear")}


def test_designs_without_the_metric_are_left_out():
    rows = [row(design, _score(design)) for design in drawn(200)]
    lost = [row(design, float("nan")) for design in drawn(20, seed=9)]
    assert main_effects([*rows, *lost]) == main_effects(rows)
    assert main_effects(lost) == []
    assert interactions(lost) == []


def test_a_planted_interaction_leads_the_list():
    def both(design: Design) -> bool:
        return design.block == "dilated" and design.skip == "nested"

    rng = np.random.default_rng(1)
    designs = [*drawn(250), *(Design(block="dilated", skip="nested", up=up) for up in catalogues["up"] if up != "none")]
    rows = [row(one, _score(one) + 0.1 * both(one) + rng.normal(0, 0.005)) for one in dict.fromkeys(designs)]
    [first, *others] = interactions(rows, top=8)
    assert {first.first, first.second} == {("block", "dilated"), ("skip", "nested")}
    assert first.family == "halving"
    assert 0.08 < first.low < first.extra < first.high < 0.12
    assert first.extra == pytest.approx(0.1, abs=0.01)
    assert first.designs == sum(both(one.design) for one in rows if one.design.halves)
    assert len(others) == 7
    assert all(one.designs >= 3 for one in others)


def test_without_interactions_few_pairs_depart_from_zero(noisy: list[Row]):
    found = interactions(noisy, top=1000)
    assert len(found) > 200
    assert np.mean([one.low * one.high > 0 for one in found]) < 0.15
    assert max(abs(one.extra) for one in found if one.designs >= 20) < 0.012


def test_what_an_option_does_at_full_resolution_alone_is_no_interaction(noisy: list[Row]):
    def gain(design: Design) -> float:
        return 0.0 if design.halves or design.block != "dilated" else 0.2

    rows = [replace(one, metrics={"dice": one.value("dice") + gain(one.design)}) for one in noisy]
    effects = {one.family: one.difference for one in main_effects(rows) if one.option == "dilated"}
    assert effects["full"] - effects["halving"] > 0.15
    for before, after in zip(interactions(noisy, top=1000), interactions(rows, top=1000), strict=True):
        assert (after.family, after.first, after.second) == (before.family, before.first, before.second)
        assert after.extra == pytest.approx(before.extra, abs=1e-6)


# The front


def test_the_front_holds_exactly_what_nothing_dominates():
    scores = {"a": (10, 0.5), "b": (20, 0.7), "c": (20, 0.6), "d": (30, 0.7), "e": (40, 0.9), "f": (50, 0.8)}
    designs = dict(zip(scores, drawn(6), strict=True))
    rows = [row(designs[name], dice, macs=macs) for name, (macs, dice) in scores.items()]
    assert [one.design for one in pareto(rows)] == [designs[name] for name in "abe"]
    twin = replace(rows[1], design=Design())
    assert {one.design for one in pareto([*rows, twin])} == {designs["a"], designs["b"], Design(), designs["e"]}


def test_the_front_of_a_distance_is_the_lower_one():
    rows = [
        row(design, macs=macs, hd95=hd95) for design, macs, hd95 in zip(drawn(3), (1, 2, 3), (9, 4, 6), strict=True)
    ]
    assert [one.value("hd95") for one in pareto(rows, "hd95", higher=False)] == [9, 4]
    assert pareto([row(Design(), hd95=float("nan"))], "hd95") == []


def test_a_front_agrees_with_the_definition():
    rng = np.random.default_rng(2)
    rows = [row(one, float(rng.integers(0, 9)), macs=int(rng.integers(0, 9))) for one in drawn(60)]

    def beats(one: Row, other: Row) -> bool:
        better = (one.value("dice") - other.value("dice"), other.macs - one.macs)
        return min(better) >= 0 and max(better) > 0

    expected = {one.design for one in rows if not any(beats(other, one) for other in rows)}
    assert {one.design for one in pareto(rows)} == expected


# Agreement


def _solo(design: Design, scores: tuple[float, ...], seed: int = 0) -> Row:
    return row(design, weights="solo", seed=seed, images={"dice": scores})


def test_agreement_is_counted_by_hand():
    a, b, c, d = drawn(4)
    bank = [row(a, 0.80), row(b, 0.71), row(c, 0.62), row(d, 0.9)]
    # Seeds of a: 0.8 and 0.84; pairs differ by the same on every image, so all of them are told apart.
    solo = [_solo(a, (0.7, 0.9)), _solo(a, (0.74, 0.94), 1), _solo(b, (0.5, 0.7)), _solo(c, (0.55, 0.75))]
    found = agreement(bank, solo)
    assert found.designs == 3
    assert found.mean_gap == pytest.approx((0.02 + 0.11 + 0.03) / 3)
    assert (found.worst_gap, found.worst) == (pytest.approx(0.11), b)
    assert found.bias == pytest.approx((0.02 - 0.11 + 0.03) / 3)
    # a > b and a > c in both; b < c alone but b > c in the bank.
    assert (found.pairs, found.ordered) == (3, pytest.approx(2 / 3))
    assert (found.seeded, found.seed_gap) == (1, pytest.approx(0.04))
    assert found.seed_deviation == pytest.approx(0.04 / math.sqrt(2))
    assert found.seed_pairs == 0
    assert math.isnan(found.seed_ordered)


def test_pairs_within_two_standard_errors_are_not_asked():
    a, b = drawn(2)
    bank = [row(a, 0.9), row(b, 0.1)]
    # Differences -0.1 and 0.3: mean 0.1, standard error 0.2.
    assert agreement(bank, [_solo(a, (0.5, 0.9)), _solo(b, (0.6, 0.6))]).pairs == 0
    # Differences 0.09 and 0.11: mean 0.1, standard error 0.01.
    apart = agreement(bank, [_solo(a, (0.59, 0.91)), _solo(b, (0.5, 0.8))])
    assert (apart.pairs, apart.ordered) == (1, 1.0)


def test_two_seeds_agree_where_they_order_alike():
    a, b, c = drawn(3)
    first, second = (0.5, 0.6, 0.7), (0.52, 0.75, 0.69)
    solo = [
        _solo(design, (score, score + 0.1), seed)
        for seed, scores in enumerate((first, second))
        for design, score in zip((a, b, c), scores, strict=True)
    ]
    found = agreement([], solo)
    assert (found.designs, found.seeded, found.seed_pairs) == (0, 3, 3)
    assert found.seed_ordered == pytest.approx(2 / 3)
    assert found.worst is None
    assert math.isnan(found.mean_gap)


def test_agreement_of_nothing_is_not_a_number():
    found = agreement([], [])
    assert (found.designs, found.pairs, found.seeded) == (0, 0, 0)
    assert math.isnan(found.ordered)


def test_designs_far_below_the_classic_are_weak_and_training_alone_tells_whose_fault_it_is():
    others = [Design(down="none"), Design(skip="none"), Design(up="bilinear")]
    bank = [row(Design(), 0.9), *(row(one, dice) for one, dice in zip(others, (0.79, 0.7, 0.801), strict=True))]
    found = weak(bank, [row(others[0], 0.78, "solo"), row(others[1], 0.85, "solo"), row(others[2], 0.1, "solo")])
    assert (found.classic, found.designs, found.alone) == (0.9, tuple(others[:2]), {others[0]})
    seeds = [row(others[0], 0.78, "solo"), row(others[0], 0.84, "solo", seed=1)]
    assert alone(others[0], seeds) == pytest.approx(0.81)
    assert weak(bank, seeds).alone == frozenset(), "alone it is not weak on average"
    unknown = weak(bank[1:], [])
    assert (math.isnan(unknown.classic), unknown.designs) == (True, ())


def test_the_error_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(3).random(9)
    assert error_of_mean(values) == pytest.approx(values.std(ddof=1) / 3)
    assert error_of_mean([*values, float("nan")]) == pytest.approx(error_of_mean(values))
    # Images of a patient that are all alike tell no more than one of them.
    assert error_of_mean(np.repeat(values, 4), list("aaaabbbbccccddddeeeeffffgggghhhhiiii")) == pytest.approx(
        error_of_mean(values)
    )
    assert math.isnan(error_of_mean(values, ["one"] * 9))


def test_errors_of_differences_are_paired_where_images_are_known():
    a, b = drawn(2)
    one, other = _solo(a, (0.2, 0.9, 0.5)), _solo(b, (0.1, 0.8, 0.4))
    assert error_of_difference([one], [other]) == pytest.approx(0, abs=1e-12)
    assert error_of_difference([one], [row(b)]) == pytest.approx(math.hypot(0.01, 0.01))
    assert math.isnan(error_of_difference([one], [row(b)], "hd95"))


# What is committed


@pytest.mark.parametrize("task", [task for task in tasks if read_atlas(task).rows])
def test_every_committed_row_was_measured_with_the_weights_that_are_there(task: str):
    # How many there are to be, and what they have to cover, `python -m benchmarks.atlas` holds against the bounds.
    rows = read_atlas(task).of("shared")
    assert len({one.design for one in rows}) == len(rows)
    for one in rows:
        assert is_current(task, one)
        assert 0 <= one.value("dice") <= 1
        assert min(one.macs, one.parameters, one.latency) > 0


def test_the_committed_tables_are_small():
    from unet_playground.weights import checkpoint_root

    assert sum(path.stat().st_size for path in checkpoint_root().glob("*/atlas*.csv")) < 5_000_000
