"""Vessels whose centre lines and widths are known."""

import itertools

import numpy as np
import pytest
from skimage.morphology import skeletonize

from tests.training.masks import THIN_IMAGES, box
from unet_playground.training.metrics import Mask, Truth, cldice, thick_recall, thin_recall, widths


def _line(width: int, length: int = 60, side: int = 80) -> Mask:
    return box(side, 20, 10, width, length)


@pytest.mark.parametrize(("width", "expected"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (6, 5), (9, 9)])
def test_a_straight_vessel_is_as_wide_as_it_is(width: int, expected: int):
    line = _line(width)
    middle = widths(line > 0)[20 : 20 + width, 30:50]
    assert (middle == expected).all()
    assert (widths(line.T > 0)[30:50, 20 : 20 + width] == expected).all()


def test_a_pixel_has_the_width_of_the_vessel_that_it_belongs_to():
    both = _line(9) | box(80, 50, 10, 2, 60)
    local = widths(both > 0)
    assert (local[20:29, 30:50] == 9).all()
    assert (local[50:52, 30:50] == 1).all()


def test_a_vessel_that_leaves_the_image_keeps_its_width():
    assert (widths(np.pad(np.ones((5, 40), bool), ((7, 7), (0, 0))))[7:12, 5:-5] == 5).all()


def test_recall_is_apart_for_thin_and_thick_vessels():
    thin, thick = box(80, 60, 10, 3, 60), _line(9)
    truth = Truth(thin | thick)
    assert thin_recall(thick, truth, 2) < 0.05
    assert thick_recall(thick, truth, 2) == 1
    assert thin_recall(thin, truth, 2) > 0.95
    assert thick_recall(thin, truth, 2) == 0
    assert thin_recall(truth.labels, truth, 2) == thick_recall(truth.labels, truth, 2) == 1


@pytest.mark.parametrize(("width", "thin"), [(1, True), (3, True), (4, True), (5, False), (8, False)])
def test_three_pixels_are_thin(width: int, thin: bool):
    truth = Truth(_line(width))
    cut = truth.labels.copy()
    cut[:, 25:55] = 0
    own, other = (thin_recall, thick_recall) if thin else (thick_recall, thin_recall)
    assert own(cut, truth, 2) < 0.55
    # At the very ends of a thick vessel its skeleton forks into the corners and is thin there.
    assert np.isnan(other(cut, truth, 2)) or other(cut, truth, 2) == 1


def test_false_positives_do_not_change_recall():
    truth = Truth(_line(3))
    assert thin_recall(np.ones((80, 80), np.uint8), truth, 2) == 1


def test_recall_is_averaged_over_the_classes_that_have_such_vessels():
    labels = _line(2) + 2 * box(80, 50, 10, 2, 60)
    assert thin_recall(_line(2), Truth(labels), 3) == 0.5
    assert thin_recall((labels > 0).astype(np.uint8), Truth(labels), 3) == 0.5
    assert thin_recall(_line(2), Truth(_line(2)), 3) == 1
    assert np.isnan(thin_recall(labels, Truth(np.zeros_like(labels)), 3))


def test_a_full_image_is_thick():
    full = np.ones((9, 12), np.uint8)
    assert np.isinf(widths(full > 0)).all()
    assert thick_recall(full, Truth(full), 2) == 1
    assert np.isnan(thin_recall(full, Truth(full), 2))


def test_cldice_counts_the_centre_line():
    # A gap of 6 in one of two lines of 60 pixels; the prediction's skeletons lie wholly in the truth.
    truth = Truth(box(80, 20, 10, 1, 60) | box(80, 40, 10, 1, 60))
    gap = truth.labels.copy()
    gap[20, 30:36] = 0
    sensitivity = 114 / 120
    assert cldice(gap, truth, 2) == pytest.approx(2 * sensitivity / (1 + sensitivity))


def test_cldice_does_not_mind_width():
    wide, narrow = _line(7), box(80, 23, 14, 1, 52)
    assert cldice(narrow, Truth(wide), 2) > 0.95


def test_cldice_is_averaged_over_classes():
    labels = box(80, 20, 10, 1, 60) + 2 * box(80, 40, 10, 1, 60)
    assert cldice(box(80, 20, 10, 1, 60), Truth(labels), 3) == 0.5


def test_no_mask_is_without_skeleton():
    for bits in itertools.product((False, True), repeat=12):
        region = np.array(bits).reshape(3, 4)
        for padding in (0, 2):
            padded = np.pad(region, padding)
            assert skeletonize(padded).any() == padded.any()
    for mask in THIN_IMAGES.values():
        assert skeletonize(mask > 0).any() == mask.any()
