"""Scores of masks that can be counted by hand, and what every metric owes."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from tests.contracts.checks import check_texts
from tests.training.masks import EDGE_CASES, THIN_IMAGES, box, discs, drawn
from unet_playground.errors import UnknownChoice
from unet_playground.registry import Chinese
from unet_playground.training.metrics import (
    GENERAL,
    Counts,
    Mask,
    Scale,
    Truth,
    count_classes,
    dice,
    iou,
    mean_known,
    metrics,
    pooled_dice,
    precision,
    score,
)

NAN = float("nan")
MASKS = {**EDGE_CASES, **THIN_IMAGES, "discs": discs(0), "more discs": discs(1, count=12)}
PAIRS = list(itertools.product(EDGE_CASES.values(), repeat=2)) + [(discs(seed), discs(seed + 50)) for seed in range(6)]
SYMMETRIC = ("dice", "iou", "boundary_f1", "hd95", "cldice", "object_f1")
each_metric = pytest.mark.parametrize("id", metrics)


def _score(id: str, predicted: Mask, labels: Mask, classes: int = 2) -> float:
    return score(id, predicted, Truth(labels), classes)


def test_dice_and_iou_of_two_overlapping_rectangles():
    predicted, truth = drawn("11..", "11.."), Truth(drawn(".11.", ".11."))
    assert count_classes(predicted, truth, 2) == (Counts(both=2, predicted=4, true=4),)
    assert dice(predicted, truth, 2) == pytest.approx(2 * 2 / 8)
    assert iou(predicted, truth, 2) == pytest.approx(2 / 6)
    assert precision(predicted, truth, 2) == pytest.approx(1 / 2)


def test_classes_above_background_are_averaged():
    predicted, truth = drawn("1122", "...."), Truth(drawn("1.22", "...2"))
    assert count_classes(predicted, truth, 3) == (Counts(1, 2, 1), Counts(2, 2, 3))
    assert dice(predicted, truth, 3) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert iou(predicted, truth, 3) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert precision(predicted, truth, 3) == pytest.approx((1 / 2 + 1) / 2)


def test_pooled_dice_adds_up_pixels_before_it_divides():
    pairs = [(drawn("1..."), Truth(drawn(".1.."))), (drawn("1111"), Truth(drawn("1111")))]
    assert pooled_dice([count_classes(*pair, 2) for pair in pairs]) == pytest.approx(2 * 4 / (1 + 1 + 4 + 4))
    assert np.mean([dice(*pair, 2) for pair in pairs]) == pytest.approx(0.5)


def test_pooled_dice_is_averaged_over_classes():
    pairs = [(drawn("12.."), Truth(drawn("1222"))), (drawn("...."), Truth(drawn("11..")))]
    assert pooled_dice([count_classes(*pair, 3) for pair in pairs]) == pytest.approx((2 / 4 + 2 / 4) / 2)


def test_precision_is_left_out_where_nothing_was_predicted():
    assert np.isnan(_score("precision", box(9, 0, 0, 0, 0), box(9, 2, 2, 3, 3)))
    assert precision(drawn("11"), Truth(drawn("12")), 3) == 0.5


def test_a_mean_leaves_nan_out():
    assert mean_known([1.0, NAN, 0.5]) == 0.75
    assert np.isnan(mean_known([NAN]))
    assert np.isnan(mean_known([]))


def test_disjoint_masks_score_zero():
    one, other = box(20, 2, 2, 4, 4), box(20, 12, 12, 4, 4)
    for id in ("dice", "iou", "precision", "boundary_f1", "cldice", "object_f1"):
        assert _score(id, one, other) == 0


@pytest.mark.parametrize("id", ["dice", "iou", "boundary_f1", "interior_dice", "boundary_dice", "cldice", "object_f1"])
def test_both_empty_score_one_and_one_empty_zero(id: str):
    empty, some = box(9, 0, 0, 0, 0), box(9, 1, 1, 7, 7)
    assert _score(id, empty, empty) == 1
    assert _score(id, empty, some) == 0
    assert _score(id, some, empty) == 0


@each_metric
@pytest.mark.parametrize("name", MASKS)
def test_the_truth_itself_has_the_best_score(id: str, name: str):
    value, scale = _score(id, MASKS[name], MASKS[name]), metrics[id].make.scale
    best = 1 if scale.unit == "share" and scale.higher else 0
    assert value == best or (np.isnan(value) and id not in SYMMETRIC)


@each_metric
def test_scores_stay_in_their_range(id: str):
    unit = metrics[id].make.scale.unit
    for predicted, labels in PAIRS:
        value = _score(id, predicted, labels)
        top = {"share": 1, "px": np.hypot(*labels.shape), "count": labels.size}[unit]
        assert isinstance(value, float)
        assert np.isnan(value) or 0 <= value <= top


@pytest.mark.parametrize("id", SYMMETRIC)
def test_symmetric_metrics_do_not_ask_which_mask_is_true(id: str):
    for one, other in PAIRS:
        assert _score(id, one, other) == pytest.approx(_score(id, other, one))


@each_metric
def test_scores_do_not_change_when_background_is_added_around_the_masks(id: str):
    # Distances to a boundary that does not exist are measured by the image, so both masks have one.
    one, other = (np.pad(discs(seed), 9) for seed in (3, 4))
    assert _score(id, np.pad(one, 20), np.pad(other, 20)) == pytest.approx(_score(id, one, other), nan_ok=True)


@each_metric
def test_scores_change_neither_mask(id: str):
    predicted, truth = discs(0), Truth(discs(1), discs(1).astype(np.int32))
    for array in (predicted, truth.labels, truth.objects):
        array.flags.writeable = False  # type: ignore[union-attr]
    score(id, predicted, truth, 2)


@each_metric
def test_texts_are_complete_in_both_languages(id: str):
    check_texts(metrics[id])


def test_every_task_asks_for_the_general_metrics():
    assert GENERAL == (
        "dice",
        "iou",
        "boundary_f1",
        "hd95",
        "interior_dice",
        "boundary_dice",
        "small_recall",
        "large_recall",
    )
    assert {id for id in metrics if not metrics[id].make.scale.higher} == {"hd95", "splits", "merges"}


SLICED = ("boundary_f1", "hd95", "interior_dice", "boundary_dice", "cldice")
"""Metrics that take volumes and look at every class slice by slice."""


@pytest.mark.parametrize("id", ["dice", "iou", "precision"])
def test_solid_metrics_count_the_voxels_of_a_volume(id: str):
    slices = [(discs(seed, classes=3), discs(seed + 9, classes=3)) for seed in range(3)]
    predicted, labels = (np.stack(masks) for masks in zip(*slices, strict=True))
    wide = score(id, np.hstack(list(predicted)), Truth(np.hstack(list(labels))), 3)
    assert _score(id, predicted, labels, 3) == pytest.approx(wide)


@pytest.mark.parametrize("id", [*SLICED, *(id for id in metrics if not metrics[id].make.scale.solid)])
def test_other_metrics_are_averaged_over_the_slices_that_hold_anything(id: str):
    empty = np.zeros_like(discs(0))
    slices = [(discs(0), discs(1)), (empty, empty), (empty, discs(2))]
    values = [_score(id, *pair) for pair in (slices[0], slices[2])]
    predicted, labels = (np.stack(masks) for masks in zip(*slices, strict=True))
    assert _score(id, predicted, labels) == pytest.approx(mean_known(values), nan_ok=True)
    nothing = np.zeros((3, 4, 5), np.uint8)
    assert _score(id, nothing, nothing) == pytest.approx(_score(id, nothing[0], nothing[0]), nan_ok=True)


@pytest.mark.parametrize("id", SLICED)
def test_a_class_is_scored_in_the_slices_that_it_is_in(id: str):
    """Else a class would be perfect in every slice of the other one, and mistakes would weigh half."""
    ones, twos = [(discs(0), discs(1)), (discs(2), discs(3))], [(discs(4), discs(5))]
    alone = [mean_known(_score(id, *pair) for pair in pairs) for pairs in (ones, twos)]
    slices = [*ones, *((2 * predicted, 2 * labels) for predicted, labels in twos)]
    predicted, labels = (np.stack(masks) for masks in zip(*slices, strict=True))
    assert _score(id, predicted, labels, 3) == pytest.approx(np.mean(alone))


def test_the_slices_of_a_volume_keep_their_instances():
    labels = np.stack([box(20, 2, 2, 6, 12), box(20, 2, 2, 6, 12)])
    objects = labels.astype(np.int32)
    objects[0, :, 8:] *= 2
    assert score("merges", labels, Truth(labels, objects), 2) == 0.5


@pytest.fixture
def toy() -> Iterator[str]:
    """A metric of one function with one decorator."""

    @metrics.register(
        "toy_area", title="Area", zh=Chinese("面积", "预测的像素数。"), scale=Scale(unit="count", solid=True)
    )
    def area(predicted: Mask, truth: Truth, classes: int) -> float:
        """How many pixels were predicted."""
        return float(np.count_nonzero(predicted))

    yield "toy_area"
    metrics.unregister("toy_area")


def test_a_new_metric_is_one_function(toy: str):
    assert _score(toy, box(9, 2, 2, 3, 3), box(9, 0, 0, 0, 0)) == 9
    assert metrics[toy].make.scale == Scale(unit="count", solid=True)
    assert metrics[toy].summary.en == "How many pixels were predicted."


def test_an_unknown_metric_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownChoice, match="hd95"):
        _score("toy_area", discs(0), discs(0))
