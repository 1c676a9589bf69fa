"""Objects that can be counted by eye, and matching against every pair one by one."""

import itertools

import numpy as np
import pytest

from tests.training.masks import box, discs, drawn
from unet_playground.training.metrics import (
    Mask,
    Truth,
    large_recall,
    merges,
    object_f1,
    small_recall,
    splits,
)


def _truth(*rows: str) -> Truth:
    """Two classes; the digits are instances."""
    objects = drawn(*rows).astype(np.int32)
    return Truth((objects > 0).astype(np.uint8), objects)


TOUCHING = _truth(
    "11112222....",
    "11112222....",
    "11112222.333",
    ".........333",
)


def _fill(mask: Mask, region: set[tuple[int, int]], start: tuple[int, int]) -> set[tuple[int, int]]:
    """All pixels above 0 that can be reached from one, across sides and corners."""
    waiting = [start]
    while waiting:
        row, column = waiting.pop()
        if (row, column) in region or not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]):
            continue
        if mask[row, column]:
            region.add((row, column))
            waiting += [(row + r, column + c) for r, c in itertools.product((-1, 0, 1), repeat=2)]
    return region


def _pieces(mask: Mask) -> list[set[tuple[int, int]]]:
    pieces: list[set[tuple[int, int]]] = []
    for place in np.ndindex(mask.shape):
        if mask[place] and not any(place in piece for piece in pieces):
            pieces.append(_fill(mask, set(), (place[0], place[1])))
    return pieces


@pytest.mark.parametrize("seed", range(10))
def test_objects_are_counted_as_if_pair_by_pair(seed: int):
    truth = Truth(discs(seed, count=14))
    predicted = np.roll(truth.labels, 1, 0) & (np.random.default_rng(seed).random(truth.labels.shape) > 0.1)
    predicted |= discs(seed + 70, count=3)
    true, own = _pieces(truth.labels), _pieces(predicted)
    assert truth.instances.max() == len(true)
    matched = sum(len(t & p) / len(t | p) > 0.5 for t in true for p in own)
    assert object_f1(predicted, truth, 2) == pytest.approx(2 * matched / (len(true) + len(own)))
    assert splits(predicted, truth, 2) == sum(sum(len(t & p) / len(t) >= 0.1 for p in own) >= 2 for t in true)
    assert merges(predicted, truth, 2) == sum(sum(len(t & p) / len(t) >= 0.5 for t in true) >= 2 for p in own)
    found = {
        small: [np.mean([predicted[place] for place in t]) for t in true if (len(t) < 100) == small] for small in (0, 1)
    }
    for small, metric in ((1, small_recall), (0, large_recall)):
        expected = np.mean(found[small]) if found[small] else float("nan")
        assert metric(predicted, truth, 2) == pytest.approx(expected, nan_ok=True)


def test_touching_nuclei_are_one_component_of_a_perfect_mask():
    # The pair has an IoU of 12 / 24 with either nucleus, which is not above 0.5.
    assert object_f1(TOUCHING.labels, TOUCHING, 2) == pytest.approx(2 * 1 / (3 + 2))
    assert merges(TOUCHING.labels, TOUCHING, 2) == 1
    assert splits(TOUCHING.labels, TOUCHING, 2) == 0
    assert small_recall(TOUCHING.labels, TOUCHING, 2) == 1


def test_without_instances_the_components_of_the_truth_are_its_objects():
    alone = Truth(TOUCHING.labels)
    assert alone.instances.max() == 2
    assert object_f1(alone.labels, alone, 2) == 1
    assert merges(alone.labels, alone, 2) == 0


def test_corners_join_pixels_to_one_component():
    truth = Truth(drawn("1..", ".1.", "..1"))
    assert truth.instances.max() == 1
    assert object_f1(truth.labels, truth, 2) == 1


@pytest.mark.parametrize(("columns", "expected"), [(5, 0.0), (6, 1.0)])
def test_half_an_object_is_no_match(columns: int, expected: float):
    assert object_f1(box(20, 2, 2, 4, columns), Truth(box(20, 2, 2, 4, 10)), 2) == expected


def test_missed_and_invented_objects_lower_the_f1():
    one, two = box(30, 2, 2, 5, 5), box(30, 12, 12, 5, 5)
    assert object_f1(one, Truth(one | two), 2) == pytest.approx(2 / 3)
    assert object_f1(one | two, Truth(one), 2) == pytest.approx(2 / 3)
    assert object_f1(two, Truth(one), 2) == 0


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("1111.11111", 1),
        ("1.1.......", 1),  # exactly a tenth each
        ("1111111111", 0),
        ("1111......", 0),
    ],
)
def test_an_object_is_split_when_two_parts_have_a_tenth_of_it_each(row: str, expected: int):
    assert splits(drawn(row), Truth(drawn("1" * 10)), 2) == expected


def test_a_crumb_splits_nothing():
    assert splits(drawn("1" * 18 + ".1"), Truth(drawn("1" * 20)), 2) == 0


def test_a_component_merges_objects_of_which_it_covers_half():
    truth = _truth("1111..2222")
    assert merges(drawn("..111111.."), truth, 2) == 1
    assert merges(drawn("...11111.."), truth, 2) == 0
    assert merges(drawn("1111111..."), truth, 2) == 0
    assert merges(drawn("1111..1111"), truth, 2) == 0


def test_no_objects_are_found_perfectly_and_have_no_share():
    nothing = np.zeros((5, 6), np.uint8)
    assert object_f1(nothing, Truth(nothing), 2) == 1
    assert splits(nothing, Truth(nothing), 2) == merges(nothing, Truth(nothing), 2) == 0
    assert np.isnan(small_recall(nothing, Truth(nothing), 2))
    assert np.isnan(large_recall(nothing, Truth(nothing), 2))


def test_objects_below_a_hundred_pixels_are_small():
    labels = box(60, 2, 2, 9, 11) | box(60, 30, 30, 10, 10)
    predicted = labels.copy()
    predicted[:, :13] = 0
    assert small_recall(predicted, Truth(labels), 2) == 0
    assert large_recall(predicted, Truth(labels), 2) == 1
    assert np.isnan(small_recall(predicted, Truth(box(60, 2, 2, 20, 20)), 2))


def test_every_object_weighs_the_same():
    truth = _truth("1111111111", "..........", "22........")
    assert small_recall(drawn("1111111111", "..........", ".........."), truth, 2) == 0.5


def test_pixels_of_an_object_count_in_their_own_class_only():
    truth = Truth(drawn("1122", "1122"))
    assert small_recall(drawn("1111", "1111"), truth, 3) == 0.5


def test_instance_numbers_may_have_gaps():
    objects = TOUCHING.objects
    assert objects is not None
    sparse = Truth(TOUCHING.labels, np.array([0, 900, 7, 65535], np.uint16)[objects])
    for metric in (object_f1, splits, merges, small_recall):
        assert metric(TOUCHING.labels, sparse, 2) == metric(TOUCHING.labels, TOUCHING, 2)
