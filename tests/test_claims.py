"""Claims compare designs that differ in what they are about, and verdicts follow from the rows alone."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unet_playground.claims as package
from tests.rows import row
from unet_playground import Design
from unet_playground.atlas import COSTS, Atlas, Row, agreement, error_of_mean
from unet_playground.claims import (
    VERDICTS,
    Claim,
    at_most,
    better,
    claims,
    designs_of_claims,
    grows,
    judge,
    less,
    lower,
    more,
    no_worse,
    worse,
)
from unet_playground.claims.slot import Comparison
from unet_playground.claims.verdict import TIMING, student
from unet_playground.design import SLOT_IDS
from unet_playground.tasks import tasks
from unet_playground.training.metrics import metrics
from unet_playground.training.selection import atlas_designs, solo_designs

CJK = re.compile(r"[\u4e00-\u9fff]")
A, B, C = Design(down="none"), Design(), Design(block="dilated")
NAMES = tuple(f"image-{number}" for number in range(20))
each_claim = pytest.mark.parametrize("id", claims)


def _images(mean: float, difference: float = 0.0, noise: float = 0.02) -> tuple[float, ...]:
    """Scores whose differences to others made here with the same mean scatter by `noise`."""
    hard = np.random.default_rng(0).normal(0, 0.1, len(NAMES))
    own = np.random.default_rng(1).permutation(np.linspace(-noise, noise, len(NAMES))) if difference else 0
    return tuple(mean + difference + hard + own)


def _atlas(*rows: Row) -> Atlas:
    return Atlas(rows, NAMES, NAMES)


def _pair(difference: float, metric: str = "dice", weights: str = "shared") -> Atlas:
    """Design A scores higher than B by so much, give or take 0.006."""
    first = row(A, weights=weights, images={metric: _images(0.7, difference)})
    return _atlas(first, row(B, weights=weights, images={metric: _images(0.7)}))


def _verdict(atlas: Atlas | dict[str, Atlas], *comparisons: Comparison) -> str:
    atlases = atlas if isinstance(atlas, dict) else {"nuclei": atlas}
    return judge(Claim(A, B, ("down",), comparisons), atlases).verdict


def _sparse(values: tuple[float, ...], every: int) -> tuple[float, ...]:
    """As many images, most of them not measured."""
    return tuple(value if at % every == 0 else float("nan") for at, value in enumerate(values))


# The catalogue


@each_claim
def test_a_claim_has_both_languages(id: str):
    entry = claims[id]
    for text in (entry.title, entry.summary, entry.lesson):
        assert text.en
        assert not CJK.search(text.en)
        assert CJK.search(text.zh)
    assert entry.lesson.en != entry.summary.en
    assert entry.lesson.zh != entry.summary.zh


@each_claim
def test_a_claim_compares_designs_that_differ_in_what_it_is_about(id: str):
    claim = claims[id].make()
    changed = {slot for slot in SLOT_IDS if getattr(claim.first, slot) != getattr(claim.second, slot)}
    # A way down that keeps resolution leaves `up` empty.
    assert changed - ({"up"} if "down" in changed else set()) == set(claim.about)
    assert (claim.first.depth, claim.first.width, claim.first.dims) == (4, 16, 2)
    assert (claim.second.depth, claim.second.width, claim.second.dims) == (4, 16, 2)
    assert "(" not in claim.first.to_link() + claim.second.to_link()


@each_claim
def test_a_claim_asks_for_columns_and_tasks_that_exist(id: str):
    claim = claims[id].make()
    assert claim.comparisons
    instruments = {"gradient", *(f"{name}_{level}" for name in ("correlation", "cka") for level in range(4))}
    for one in claim.comparisons:
        assert {one.column, one.other or one.column} <= {*metrics, *COSTS, *instruments}
        assert set(one.tasks) <= set(tasks)


def test_the_designs_of_claims_are_measured_and_the_main_ones_trained_alone():
    asked = designs_of_claims()
    assert set(asked) <= set(atlas_designs(Design(), 300, also=asked))
    alone = set(solo_designs())
    pairs = [(claims[id].make().first, claims[id].make().second) for id in claims]
    assert sum(first in alone and second in alone for first, second in pairs) >= len(pairs) - 1


def test_no_verdict_and_no_measured_number_stands_in_the_text():
    for path in Path(package.__file__).parent.glob("*.py"):
        if path.stem in ("__init__", "slot", "verdict"):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        assert not set(VERDICTS) & {one for one in constants if isinstance(one, str)}
        assert {one for one in constants if isinstance(one, float)} <= {0.01, 0.2}


# Verdicts


@pytest.mark.parametrize("weights", ["shared", "solo"])
def test_a_difference_whose_interval_is_on_the_claimed_side_supports_it(weights: str):
    atlas = _pair(0.05, weights=weights)
    assert _verdict(atlas, better("dice")) == "supported"
    assert _verdict(atlas, worse("dice")) == "not supported"
    assert _verdict(_pair(-0.05), worse("dice")) == "supported"


def test_an_interval_that_holds_zero_supports_nothing():
    atlas = _pair(0.003)
    [finding] = judge(Claim(A, B, ("down",), (better("dice"),)), {"nuclei": atlas}).findings
    assert finding.low < 0 < finding.high
    assert finding.speaks == "undecided"
    assert _verdict(atlas, better("dice")) == _verdict(atlas, worse("dice")) == "not supported"
    assert _verdict(atlas, no_worse("dice")) == "supported"
    assert _verdict(_pair(-0.009), no_worse("dice")) == "not supported"


def test_it_depends_where_tasks_or_metrics_differ():
    assert _verdict({"nuclei": _pair(0.05), "liver": _pair(-0.05)}, better("dice")) == "depends"
    assert _verdict({"nuclei": _pair(0.05), "liver": _pair(0.003)}, better("dice")) == "depends"
    both = {"dice": _images(0.7, 0.05), "boundary_dice": _images(0.7, -0.05)}
    atlas = _atlas(row(A, images=both), row(B, images={"dice": _images(0.7), "boundary_dice": _images(0.7)}))
    assert _verdict(atlas, better("dice"), better("boundary_dice")) == "depends"
    assert _verdict(atlas, better("dice"), worse("boundary_dice")) == "supported"


def test_what_has_no_rows_or_no_column_is_not_measured_yet():
    assert _verdict({}, better("dice")) == "not measured yet"
    assert _verdict(Atlas(), better("dice")) == "not measured yet"
    assert _verdict(_atlas(row(A)), better("dice")) == "not measured yet"
    assert _verdict(_pair(0.05), better("cldice")) == "not measured yet"
    assert _verdict(_pair(0.05), better("dice", "liver")) == "not measured yet"
    mixed = _atlas(row(A, weights="solo"), row(B))
    assert _verdict(mixed, better("dice")) == "not measured yet"


def test_all_verdicts_have_both_languages():
    assert set(VERDICTS) == {"supported", "not supported", "depends", "not measured yet"}
    assert all(CJK.search(text.zh) and not CJK.search(text.en) for text in VERDICTS.values())


def test_less_is_better_for_distances():
    atlas = _pair(-0.05, "hd95")
    assert _verdict(atlas, better("hd95")) == "supported"
    assert _verdict(atlas, lower("hd95")) == "supported"
    assert _verdict(atlas, worse("hd95")) == "not supported"


def test_costs_are_compared_as_shares():
    cheap = _atlas(row(A, macs=90), row(B, macs=100))
    assert _verdict(cheap, less("macs")) == "supported"
    assert _verdict(cheap, more("macs")) == "not supported"
    assert _verdict(_atlas(row(A, macs=100), row(B, macs=100)), less("macs")) == "not supported"
    assert _verdict(_atlas(row(A, macs=104), row(B, macs=100)), at_most("macs", 0.05)) == "supported"
    assert _verdict(_atlas(row(A, macs=106), row(B, macs=100)), at_most("macs", 0.05)) == "not supported"
    [finding] = judge(Claim(A, B, ("down",), (less("macs"),)), {"nuclei": cheap}).findings
    assert (finding.difference, finding.low, finding.weights) == (pytest.approx(-0.1), pytest.approx(-0.1), "")


def test_times_may_be_off_by_what_equal_networks_differ():
    rows = [replace(row(A), latency=latency) for latency in (0.95, 0.8)]
    slow, quick = (_atlas(one, replace(row(C), latency=1.0)) for one in rows)
    claim = Claim(A, C, ("down", "block"), (less("latency"),))
    assert judge(claim, {"nuclei": slow}).verdict == "not supported"
    assert judge(claim, {"nuclei": quick}).verdict == "supported"
    # What a time may be off grows with it: 2.1 times and 1.9 times as long are not told apart.
    twice = _atlas(replace(row(A), latency=1.9), replace(row(C), latency=2.1))
    assert judge(claim, {"nuclei": twice}).verdict == "not supported"


def test_the_classic_is_the_unit_of_times_and_not_off():
    atlas = _atlas(replace(row(A), latency=0.85), replace(row(B), latency=1.0))
    [finding] = judge(Claim(A, B, ("down",), (less("latency"),)), {"nuclei": atlas}).findings
    assert finding.high - finding.difference == pytest.approx(TIMING * 0.85 / 2**0.5)
    assert finding.speaks == "for"


def test_costs_are_judged_once_however_many_tasks_there_are():
    claim = Claim(A, B, ("down",), (less("macs"), less("latency"), better("dice")))
    atlases = {task: _pair(0.05) for task in ("nuclei", "liver")}
    costs = [one for one in judge(claim, atlases).findings if one.column in COSTS]
    assert [(one.task, one.column, one.second) for one in costs] == [("", "macs", 100), ("", "latency", 1.5)]
    assert len(judge(claim, atlases).findings) == 4


def test_times_are_means_over_all_rows_of_a_design():
    """Weights do not change them: what was timed with shared weights counts beside what was trained alone."""
    rows = [replace(row(A, weights=kind), latency=latency) for kind, latency in (("solo", 1.7), ("shared", 1.3))]
    others = [replace(row(C, weights=kind), latency=latency) for kind, latency in (("solo", 1.25), ("shared", 0.75))]
    claim = Claim(A, C, ("down", "block"), (less("latency"),))
    [finding] = judge(claim, {"nuclei": _atlas(*rows, *others)}).findings
    assert (finding.first, finding.second, finding.weights) == (1.5, 1.0, "")
    assert finding.high - finding.difference == pytest.approx(TIMING * 1.5 / 2**0.5)
    # `atlas --time` takes one time for all rows of a design, which is no more than one time.
    once = [replace(one, latency=1.0) for one in others]
    [finding] = judge(claim, {"nuclei": _atlas(*rows, *once)}).findings
    assert finding.high - finding.difference == pytest.approx(TIMING * 1.5 * 0.75**0.5)


def test_few_measured_images_make_a_wide_interval():
    pairs = (_images(0.7, 0.011), _images(0.7))
    dense, sparse = ([_sparse(values, every) for values in pairs] for every in (1, 5))
    widths = []
    for first, second in (dense, sparse):
        known = [float(np.nanmean(values)) for values in (first, second)]
        rows = [
            replace(row(design), images={"cka_0": values}, metrics={"cka_0": mean})
            for design, values, mean in zip((A, B), (first, second), known, strict=True)
        ]
        finding = judge(Claim(A, B, ("down",), (lower("cka_0"),)), {"nuclei": _atlas(*rows)}).findings[0]
        widths.append(finding.high - finding.low)
        errors = error_of_mean(np.subtract(first, second), NAMES)
        groups = np.count_nonzero(~np.isnan(first))
        assert widths[-1] == pytest.approx(2 * student(int(groups)) * errors)
    assert widths[1] > 2 * widths[0]


def test_columns_of_one_design_are_compared_image_by_image():
    both = {"correlation_3": _images(0.5, 0.1), "correlation_0": _images(0.5)}
    atlas = _atlas(row(A, images=both), row(B, images=both))
    assert _verdict(atlas, grows("correlation_3", "correlation_0")) == "supported"
    assert _verdict(atlas, grows("correlation_0", "correlation_3")) == "not supported"


def test_rows_of_designs_trained_alone_are_preferred():
    atlas = _atlas(*_pair(-0.05).rows, *_pair(0.05, weights="solo").rows)
    judged = judge(Claim(A, B, ("down",), (better("dice"),)), {"nuclei": atlas})
    assert judged.verdict == "supported"
    assert [one.weights for one in judged.findings] == ["solo"]
    only_one = _atlas(*_pair(-0.05).rows, row(A, weights="solo", images={"dice": _images(0.9)}))
    assert [one.weights for one in judge(Claim(A, B, ("down",), (better("dice"),)), {"x": only_one}).findings] == [
        "shared"
    ]


def test_seeds_widen_the_interval_of_designs_trained_alone():
    alone = _pair(0.02, weights="solo")
    [narrow] = judge(Claim(A, B, ("down",), (better("dice"),)), {"nuclei": alone}).findings
    other = Design(skip="dense")
    seeds = [row(other, weights="solo", seed=seed, images={"dice": _images(0.6 + 0.05 * seed)}) for seed in (0, 1)]
    [wide] = judge(Claim(A, B, ("down",), (better("dice"),)), {"nuclei": _atlas(*alone.rows, *seeds)}).findings
    assert (narrow.speaks, wide.speaks) == ("for", "undecided")
    # A deviation of 0.05 / sqrt(2) in each of two designs, known from one pair of seeds.
    assert wide.high - wide.difference == pytest.approx(12.706 * 0.05, rel=0.01)


def test_what_the_bank_misses_of_references_widens_the_interval_of_shared_weights():
    claim, known = Claim(A, B, ("down",), (better("dice"),)), _pair(0.02).rows
    [narrow] = judge(claim, {"nuclei": _atlas(*known)}).findings
    missed = {Design(attention="se"): 0.01, Design(skip="dense"): -0.01, Design(skip="none", block="dilated"): 0.3}
    both = [
        one
        for design, gap in missed.items()
        for one in (row(design, images={"dice": _images(0.7)}), row(design, 0.7 + gap, "solo"))
    ]
    [wide] = judge(claim, {"nuclei": _atlas(*known, *both)}).findings
    assert (narrow.speaks, wide.speaks) == ("for", "undecided")
    # Two references whose gaps are 0.02 apart, for each of two designs; what is no reference counts for nothing.
    off = np.hypot(12.706 * 0.02 / 2**0.5 * 2**0.5, narrow.high - narrow.difference)
    assert wide.high - wide.difference == pytest.approx(off, rel=0.01)
    # The same holds where solo scores are there and shared ones are asked for.
    alone = [row(design, 0.9, "solo") for design in (A, B)]
    [asked] = judge(claim, {"nuclei": _atlas(*known, *both, *alone)}, ("shared",)).findings
    assert (asked.weights, asked.difference) == ("shared", wide.difference)
    assert asked.high - asked.low > narrow.high - narrow.low


def test_how_far_a_bank_is_off_is_asked_of_what_the_same_bank_serves():
    """A branch was trained on for designs that the bank suits badly, and is off by other amounts."""
    claim, known = Claim(A, B, ("down",), (better("dice"),)), _pair(0.02).rows
    near = [one for one in solo_designs() if one not in (A, B) and one.down == B.down][:5]
    far = Design(down="none", block="dilated")
    assert far in solo_designs()
    both = [
        one
        for at, design in enumerate(near)
        for one in (row(design, images={"dice": _images(0.7)}), row(design, 0.7 + at / 1000, "solo"))
    ]
    branch = [replace(row(far, images={"dice": _images(0.7)}), sha256="branch"), row(far, 0.9, "solo")]
    [alike] = judge(claim, {"nuclei": _atlas(*known, *both)}).findings
    [found] = judge(claim, {"nuclei": _atlas(*known, *both, *branch)}).findings
    assert found == alike
    # Of fewer than five of the same bank the spread would be a guess, and all are asked.
    [wide] = judge(claim, {"nuclei": _atlas(*known, *both[2:], *branch)}).findings
    assert wide.high - wide.low > 5 * (alike.high - alike.low)


def test_costs_are_the_same_whichever_tasks_are_asked():
    quick, slow = (_atlas(replace(row(A), macs=macs), row(B)) for macs in (50, 150))
    claim, both = Claim(A, B, ("down",), (less("macs"), better("dice"))), {"nuclei": quick, "liver": slow}
    asked = judge(claim, both, tasks=["liver"]).findings
    assert [one.task for one in asked] == ["", "liver"]
    assert asked[0] == judge(claim, both).findings[0]


def test_shared_weights_say_nothing_of_a_number_that_references_lack():
    alone = [row(design, 0.8, "solo") for design in (Design(attention="se"), Design(skip="dense"))]
    banked = [row(one.design, images={"dice": _images(0.7)}) for one in alone]
    claim = Claim(A, B, ("down",), (Comparison("gradient", 1),))
    for references, verdict in (((), "supported"), ((*alone, *banked), "not measured yet")):
        atlas = _atlas(*_pair(0.05, "gradient").rows, *references)
        assert judge(claim, {"nuclei": atlas}).verdict == verdict


def test_a_comparison_may_be_with_another_design_or_column_and_says_so():
    third = Design(up="learned")
    images = {"dice": _images(0.8), "boundary_dice": _images(0.6)}
    atlas = _atlas(*_pair(0.05).rows, row(third, images=images))
    beside, within = replace(better("dice"), second=third), grows("boundary_dice", "dice")
    [found] = judge(Claim(A, B, ("down",), (beside,)), {"nuclei": atlas}).findings
    assert (found.beside, found.speaks) == (third, "against")
    [found] = judge(Claim(third, B, ("up",), (within,)), {"nuclei": atlas}).findings
    assert (found.other, found.second, found.speaks) == ("dice", pytest.approx(found.first + 0.2), "against")


def test_a_seed_that_lacks_a_score_is_left_out_of_it():
    pair, lacking = _pair(0.05, "hd95", "solo"), row(B, weights="solo", seed=1, images={"dice": _images(0.7)})
    claim, other = Claim(A, B, ("down",), (Comparison("hd95", 1),)), Design(skip="dense")
    seeds = [row(other, weights="solo", seed=seed, images={"hd95": _images(0.6 + seed / 100)}) for seed in (0, 1)]
    [found] = judge(claim, {"nuclei": _atlas(*pair.rows, *seeds, lacking)}).findings
    assert judge(claim, {"nuclei": _atlas(*pair.rows, *seeds)}).findings == (found,)
    assert agreement((), (*pair.rows, lacking), "hd95").seeded == 0
    # Where no two seeds have it, nobody knows how far off one may be, and shared weights are asked.
    shared = _pair(0.05, "hd95").rows
    [found] = judge(claim, {"nuclei": _atlas(*pair.rows, lacking, *shared)}).findings
    assert found.weights == "shared"


def test_few_groups_of_images_make_intervals_wide():
    atlas = _pair(0.05)
    children = tuple(str(number % 4) for number in range(20))
    [narrow] = judge(Claim(A, B, ("down",), (better("dice"),)), {"nuclei": atlas}).findings
    [wide] = judge(Claim(A, B, ("down",), (better("dice"),)), {"nuclei": replace(atlas, groups=children)}).findings
    assert narrow.high - narrow.low == pytest.approx(
        2 * 2.093 * np.std(np.linspace(-0.02, 0.02, 20), ddof=1) / 20**0.5, rel=1e-3
    )
    assert wide.high - wide.low > 0
    quantiles = {2: 12.706, 4: 3.182, 5: 2.776, 10: 2.262, 20: 2.093, 100: 1.984}
    for groups, quantile in quantiles.items():
        assert student(groups) == pytest.approx(quantile, rel=1e-3)


def test_numbers_of_a_finding_are_those_of_the_rows():
    [finding] = judge(Claim(A, B, ("down",), (better("dice"),)), {"liver": _pair(0.05)}).findings
    assert (finding.task, finding.column) == ("liver", "dice")
    assert finding.first - finding.second == pytest.approx(finding.difference)
    assert finding.difference == pytest.approx(0.05, abs=1e-6)
    assert finding.low < finding.difference < finding.high
