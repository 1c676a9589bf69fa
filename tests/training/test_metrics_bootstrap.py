"""Intervals against other ways to draw them, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from unet_playground.training.metrics import Counts, dice_interval, mean_interval, pooled_dice

NAN = float("nan")


def _names(count: int) -> list[str]:
    return [f"image-{number:03}" for number in range(count)]


def _values(seed: int, count: int = 40) -> list[float]:
    return np.random.default_rng(seed).normal(0.8, 0.1, count).tolist()


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = _values(0)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert mean_interval(values, _names(40)) == pytest.approx(tuple(expected), abs=0.003)


def test_the_same_numbers_have_the_same_interval():
    assert mean_interval(_values(0), _names(40)) == mean_interval(_values(0), _names(40))
    assert mean_interval(_values(0), _names(40)) != mean_interval(_values(1), _names(40))


def test_nineteen_of_twenty_intervals_hold_the_mean():
    intervals = [mean_interval(_values(seed), _names(40)) for seed in range(400)]
    held = np.mean([low <= 0.8 <= high for low, high in intervals])
    # Percentile intervals of 40 numbers are a little narrow; two standard errors of 400 draws are 0.022.
    assert 0.91 < held < 0.97


def test_copies_in_a_group_make_no_interval_narrower():
    values, names = _values(0), _names(40)
    copied, groups = np.repeat(values, 5).tolist(), np.repeat(names, 5).tolist()
    alone, grouped, loose = (
        mean_interval(values, names),
        mean_interval(copied, groups),
        mean_interval(copied, _names(200)),
    )
    assert grouped == pytest.approx(alone)
    assert loose[1] - loose[0] < 0.6 * (alone[1] - alone[0])


def test_intervals_of_grouped_images_hold_the_mean_as_often():
    held, loose = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = (np.repeat(rng.normal(0.8, 0.1, 30), 4) + rng.normal(0, 0.03, 120)).tolist()
        for groups, found in ((np.repeat(_names(30), 4).tolist(), held), (_names(120), loose)):
            low, high = mean_interval(values, groups)
            found.append(low <= 0.8 <= high)
    assert 0.9 < np.mean(held) < 0.97
    assert np.mean(loose) < 0.8


def test_groups_of_other_sizes_bring_all_their_images():
    # Two groups: a resample holds only a, only b, or both; its mean is that over images, not over groups.
    low, high = mean_interval([0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"])
    assert (low, high) == (0, 1)
    thirds = mean_interval([0.0] + [1.0] * 9, ["a"] + ["b"] * 9)
    assert thirds == (0, 1)


def test_nan_is_left_out_of_the_interval():
    values = _values(0)
    mixed = [number for value in values for number in (value, NAN)]
    assert mean_interval(mixed, np.repeat(_names(40), 2).tolist()) == pytest.approx(mean_interval(values, _names(40)))
    low, high = mean_interval([NAN] * 38 + [0.2, 0.6], _names(40))
    assert (low, high) == (0.2, 0.6)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.7], [NAN, NAN]])
def test_one_group_or_no_number_has_no_interval(values: list[float]):
    groups = _names(2) if np.isnan(values[0]) else ["a"] * len(values)
    assert np.isnan(mean_interval(values, groups)).all()


def test_equal_images_have_an_interval_of_no_width():
    assert mean_interval([0.25] * 9, _names(9)) == (0.25, 0.25)


def test_the_interval_of_the_pooled_dice_is_that_of_resampled_images():
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(50, 500, (2, 30, 2))
    both = (np.minimum(true, predicted) * rng.uniform(0.3, 1, (30, 2))).astype(int)
    pixels = np.stack([both, predicted, true], 2)
    counts = [tuple(Counts(*map(int, one)) for one in image) for image in pixels]
    low, high = dice_interval(pixels, _names(30))
    drawn = [pooled_dice([counts[at] for at in rng.integers(0, 30, 30)]) for _ in range(2000)]
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)
    assert low < pooled_dice(counts) < high


def test_resamples_without_a_class_count_as_empty_on_both_sides():
    pixels = np.array([[[0, 0, 0]], [[5, 10, 10]]])
    assert dice_interval(pixels, ["a", "b"]) == (0.5, 1.0)
