"""Boundaries against definitions that go pixel by pixel, and against MONAI."""

import itertools

import numpy as np
import pytest
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance

from tests.training.masks import EDGE_CASES, THIN_IMAGES, box, discs
from unet_playground.training.metrics import (
    Mask,
    Truth,
    boundary_dice,
    boundary_f1,
    dice,
    edge,
    hd95,
    interior_dice,
)

PAIRS = [(discs(seed, 26, 33), discs(seed + 50, 26, 33)) for seed in range(12)] + [
    *itertools.permutations(EDGE_CASES.values(), 2),
    *((mask, np.flip(mask)) for mask in THIN_IMAGES.values()),
]


def _f1(predicted: Mask, labels: Mask) -> float:
    return boundary_f1(predicted, Truth(labels), 2)


def _points(mask: Mask, closed: bool) -> list[tuple[int, int]]:
    """The pixels of class 1 with a 4-neighbour of another class, or beyond the image if that closes a region."""
    cells = {(int(row), int(column)) for row, column in np.argwhere(mask == 1)}
    places = set(np.ndindex(mask.shape))
    found = []
    for row, column in sorted(cells):
        for place in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if (place in places and place not in cells) or (closed and place not in places):
                found.append((row, column))
                break
    return found


def _distances(own: list[tuple[int, int]], other: list[tuple[int, int]]) -> list[float]:
    return [min(np.hypot(r - row, c - column) for r, c in other) for row, column in own]


def _slow_f1(predicted: Mask, labels: Mask) -> float:
    own, other = _points(predicted, closed=False), _points(labels, closed=False)
    if not own or not other:
        return float((predicted == labels).all())
    shares = [np.mean([d <= 2 for d in _distances(*pair)]) for pair in ((own, other), (other, own))]
    return float(2 * shares[0] * shares[1] / sum(shares)) if sum(shares) else 0.0


def _slow_parts(predicted: Mask, labels: Mask) -> tuple[float, float]:
    """Dice along the boundary and away from it."""
    inside, outside = np.argwhere(labels == 1).tolist(), np.argwhere(labels != 1).tolist()
    band = np.zeros(labels.shape, bool)
    for own, other in ((inside, outside), (outside, inside)):
        for row, column in own:
            band[row, column] = any(np.hypot(r - row, c - column) <= 2 for r, c in other)
    dices = []
    for part in (band, ~band) if band.any() else (~band, ~band):
        sizes = (predicted[part] == 1).sum() + (labels[part] == 1).sum()
        dices.append(2 * ((predicted[part] == 1) & (labels[part] == 1)).sum() / sizes if sizes else 1.0)
    return dices[0], dices[1]


@pytest.mark.parametrize("at", range(len(PAIRS)))
def test_boundary_metrics_are_what_their_definitions_say(at: int):
    predicted, labels = PAIRS[at]
    near, far = _slow_parts(predicted, labels)
    assert _f1(predicted, labels) == pytest.approx(_slow_f1(predicted, labels))
    assert boundary_dice(predicted, Truth(labels), 2) == pytest.approx(near)
    assert interior_dice(predicted, Truth(labels), 2) == pytest.approx(far)


@pytest.mark.parametrize("at", [at for at, pair in enumerate(PAIRS) if pair[0].any() and pair[1].any()])
def test_hd95_is_that_of_monai(at: int):
    predicted, labels = PAIRS[at]
    one, other = (torch.from_numpy(mask.copy())[None, None] for mask in (predicted, labels))
    expected = compute_hausdorff_distance(one, other, include_background=True, percentile=95)
    assert hd95(predicted, Truth(labels), 2) == pytest.approx(float(expected), abs=1e-5)


def test_hd95_is_averaged_over_classes_like_monais():
    predicted, labels = discs(3, classes=4, count=9), discs(8, classes=4, count=9)
    one, other = (
        torch.from_numpy(np.stack([mask == label for label in (1, 2, 3)]))[None].float() for mask in (predicted, labels)
    )
    expected = compute_hausdorff_distance(one, other, include_background=True, percentile=95)
    assert expected.shape == (1, 3)
    assert hd95(predicted, Truth(labels), 4) == pytest.approx(float(expected.mean()), abs=1e-5)


def test_hd95_of_an_empty_mask_is_the_diagonal():
    empty, some = np.zeros((30, 40), np.uint8), np.pad(box(10, 3, 3, 4, 4), ((0, 20), (0, 30)))
    assert hd95(empty, Truth(empty), 2) == 0
    assert hd95(empty, Truth(some), 2) == hd95(some, Truth(empty), 2) == 50
    assert hd95(some, Truth(some), 3) == 0
    both = some.copy()
    both[20, 20] = 2
    assert hd95(some, Truth(both), 3) == 25


@pytest.mark.parametrize("shift", [1, 2, 3, 7])
def test_hd95_of_a_moved_box_is_the_way_it_went(shift: int):
    assert hd95(box(40, 8, 8, 9, 9), Truth(box(40, 8, 8 + shift, 9, 9)), 2) == shift


def test_hd95_ignores_five_percent_of_the_boundary():
    # 4 x 40 - 4 boundary pixels; one far pixel is 0.6% of them.
    mask = box(80, 8, 8, 40, 40)
    speck = mask.copy()
    speck[75, 75] = 1
    assert hd95(speck, Truth(mask), 2) == 0


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (2, 1.0)])
def test_a_boundary_within_two_pixels_is_found(shift: int, expected: float):
    assert _f1(box(30, 8, 8, 9, 9), box(30, 8, 8 + shift, 9, 9)) == expected


def test_a_boundary_shifted_by_three_pixels_is_partly_missed():
    # Of the 32 boundary pixels of a 9 x 9 box, the 9 of the left side have nothing within 2, nor have the 3 in the
    # middle of the right side, which lie inside the moved box; the other way round it is the same.
    assert _f1(box(30, 8, 8, 9, 9), box(30, 8, 11, 9, 9)) == pytest.approx(20 / 32)


def test_nothing_against_everything_is_no_agreement_though_neither_has_a_boundary():
    full = np.ones((10, 20), np.uint8)
    assert _f1(full, 0 * full) == _f1(0 * full, full) == 0
    assert _f1(full, full) == _f1(0 * full, 0 * full) == 1


def test_the_border_of_the_image_is_no_boundary():
    full = np.ones((10, 20), np.uint8)
    assert _f1(full, full) == 1
    left = full.copy()
    left[:, 8:] = 0
    assert _f1(left, np.roll(left, 2, axis=1) | left) == 1
    assert _f1(left, left[:, ::-1]) == 0
    assert not edge(full > 0).any()
    assert edge(full > 0, closed=True).sum() == 2 * 20 + 2 * 8


def test_a_shift_by_one_pixel_is_seen_along_the_boundary_and_nowhere_else():
    truth = Truth(box(60, 15, 15, 30, 30))
    moved = np.roll(truth.labels, 1, axis=1)
    assert interior_dice(moved, truth, 2) == 1
    # The band outside a 30 x 30 box has 4 sides of 2 and corners of 3 pixels, inside a frame 2 wide.
    inside = 30 * 30 - 26 * 26
    assert boundary_dice(moved, truth, 2) == pytest.approx(2 * (inside - 30) / (inside + inside))


def test_a_missed_or_invented_object_is_seen_away_from_the_boundary():
    truth = Truth(box(60, 5, 5, 20, 20))
    invented = truth.labels | box(60, 35, 35, 20, 20)
    assert interior_dice(invented, truth, 2) == pytest.approx(2 * 16 * 16 / (16 * 16 * 2 + 20 * 20))
    assert boundary_dice(invented, truth, 2) == 1
    hollow = truth.labels - box(60, 7, 7, 16, 16)
    assert interior_dice(hollow, truth, 2) == 0
    assert boundary_dice(hollow, truth, 2) == 1


@pytest.mark.parametrize("name", ["empty", "full"])
def test_without_a_true_boundary_both_parts_are_the_plain_dice(name: str):
    for predicted in EDGE_CASES.values():
        truth = Truth(EDGE_CASES[name])
        assert boundary_dice(predicted, truth, 2) == interior_dice(predicted, truth, 2) == dice(predicted, truth, 2)
