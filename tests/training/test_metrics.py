"""Scores of masks that can be counted by hand."""

import itertools

import numpy as np
import pytest

from unet_playground.training.metrics import Counts, boundary_f1, pooled_dice, score


def _mask(*rows: str) -> np.ndarray:
    """A mask drawn with digits."""
    return np.array([[int(cell) for cell in row] for row in rows], np.uint8)


def _box(side: int, top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask


def test_dice_and_iou_of_two_overlapping_rectangles():
    result = score(_mask("1100", "1100"), _mask("0110", "0110"), 2)
    assert result.counts == (Counts(both=2, predicted=4, true=4),)
    assert result.dice == pytest.approx(2 * 2 / 8)
    assert result.iou == pytest.approx(2 / 6)


def test_equal_masks_score_one_and_disjoint_masks_zero():
    box, other = _box(20, 2, 2, 4, 4), _box(20, 12, 12, 4, 4)
    assert score(box, box, 2) == score(other, other, 2)
    assert (score(box, box, 2).dice, score(box, box, 2).iou, score(box, box, 2).boundary_f1) == (1, 1, 1)
    assert (score(box, other, 2).dice, score(box, other, 2).iou, score(box, other, 2).boundary_f1) == (0, 0, 0)


def test_both_empty_score_one_and_one_empty_zero():
    empty, box = _box(9, 0, 0, 0, 0), _box(9, 2, 2, 3, 3)
    for one, other, expected in ((empty, empty, 1), (empty, box, 0), (box, empty, 0)):
        result = score(one, other, 2)
        assert (result.dice, result.iou, result.boundary_f1) == (expected, expected, expected)


def test_classes_above_background_are_averaged():
    result = score(_mask("1122", "0000"), _mask("1022", "0002"), 3)
    assert result.counts == (Counts(1, 2, 1), Counts(2, 2, 3))
    assert result.dice == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert result.iou == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_pooled_dice_adds_up_pixels_before_it_divides():
    small, large = score(_mask("1000"), _mask("0100"), 2), score(_mask("1111"), _mask("1111"), 2)
    assert pooled_dice([small, large]) == pytest.approx(2 * 4 / (1 + 1 + 4 + 4))
    assert np.mean([small.dice, large.dice]) == pytest.approx(0.5)


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (2, 1.0)])
def test_a_boundary_within_two_pixels_is_found(shift: int, expected: float):
    assert boundary_f1(_box(30, 8, 8, 9, 9) > 0, _box(30, 8, 8 + shift, 9, 9) > 0) == expected


def test_a_boundary_shifted_by_three_pixels_is_partly_missed():
    # Of the 32 boundary pixels of a 9 x 9 box, those of one vertical side beyond reach are missed: the 5 in its
    # middle have the moved box's rows further than 2 away; 27 of 32 are found, both ways.
    assert boundary_f1(_box(30, 8, 8, 9, 9) > 0, _box(30, 8, 11, 9, 9) > 0) == pytest.approx(_slow_f1(3))


def _slow_f1(shift: int) -> float:
    """The definition, pixel by pixel."""
    boundaries = []
    for left in (8, 8 + shift):
        cells = set(itertools.product(range(8, 17), range(left, left + 9)))
        steps = ((0, 1), (1, 0), (0, -1), (-1, 0))
        boundaries.append([p for p in cells if any((p[0] + r, p[1] + c) not in cells for r, c in steps)])
    shares = []
    for own, other in (boundaries, boundaries[::-1]):
        found = [p for p in own if any((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 <= 4 for q in other)]
        shares.append(len(found) / len(own))
    return 2 * shares[0] * shares[1] / sum(shares)


def test_the_border_of_the_image_is_no_boundary():
    full = np.ones((6, 6), bool)
    assert boundary_f1(full, full) == 1
    left = np.zeros((10, 20), bool)
    left[:, :8] = True
    assert boundary_f1(left, np.roll(left, 2, axis=1) | left) == 1
    assert boundary_f1(left, left[:, ::-1]) == 0
