"""The probe finds what is linear in the features, and nothing where there is nothing."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.analysis.models import loaded
from tests.analysis.told import Told
from unet_playground import Design, PlaygroundError
from unet_playground.analysis import Target
from unet_playground.analysis.skips import SemanticGap, semantic_gap

IMAGE = torch.rand(1, 3, 32, 24, generator=torch.Generator().manual_seed(1))
TRUTH = (np.random.default_rng(0).random((32, 24)) > 0.6).astype(np.uint8)
NOISE = torch.randn(1, 5, 32, 24, generator=torch.Generator().manual_seed(2))


def _gap(skip: torch.Tensor, up: torch.Tensor, truth: np.ndarray | None = TRUTH) -> SemanticGap:
    model = Told({"up.0": lambda _: up, "skip.0": lambda _: skip, "decoder.0": lambda _: up})
    return semantic_gap(model, IMAGE, Target(), truth=truth)


def test_features_that_hold_the_classes_explain_all_and_noise_explains_nothing():
    telling = NOISE.clone()
    telling[0, 2] = 7 - 3 * torch.from_numpy(TRUTH).float() + NOISE[0, 0]  # linear in channels 0 and 2 together
    result = _gap(NOISE, telling)
    assert result.values["up"] == pytest.approx([1], abs=1e-3)
    assert result.values["skip"][0] < 0.02
    assert result.gap == pytest.approx([1], abs=0.03)
    assert _gap(telling, NOISE).gap == pytest.approx([-1], abs=0.03)
    assert "explain at most" in result.check.en
    assert result.chance < 0.02


def test_a_feature_explains_the_square_of_its_correlation():
    truth = torch.from_numpy(TRUTH).float()
    one = (truth + NOISE[0, 0])[None, None]
    expected = np.corrcoef(one.flatten().numpy(), TRUTH.ravel())[0, 1] ** 2
    assert _gap(one, one).values["skip"][0] == pytest.approx(expected, abs=0.02)
    copies = one.repeat(1, 4, 1, 1)
    assert _gap(copies, one).values["skip"][0] == pytest.approx(_gap(one, one).values["skip"][0], abs=2e-3)


def test_fitted_pixels_are_never_tested():
    # As many channels as pixels fit anything; on fields of the other colour they say nothing.
    many = torch.randn(1, 400, 32, 24)
    assert _gap(many, many).values["skip"][0] < 0.02


def test_at_coarse_levels_a_cell_has_the_class_of_most_of_its_pixels():
    truth = np.zeros((32, 24), np.uint8)
    truth[:, 7:] = 1  # of the cell of columns 6 and 7 a half, of that of columns 4 to 7 a quarter
    coarse = torch.ones(1, 1, 8, 6)
    coarse[..., :2] = 0
    # Without the truth, the model's own mask: the image's mean above 1/2.
    assert _gap(coarse, coarse, truth).values["skip"] == pytest.approx([1], abs=1e-3)


def test_without_truth_the_models_own_mask_is_told_apart():
    own = (IMAGE.mean(1, keepdim=True) > 0.5).float()
    result = _gap(own, NOISE, None)
    assert not result.true
    assert result.values["skip"] == pytest.approx([1], abs=1e-3)
    assert "of the model's own mask" in result.facts.en
    assert "of the truth" in _gap(own, NOISE).facts.en


def test_one_class_alone_cannot_be_told_apart():
    result = _gap(NOISE, NOISE, np.ones((32, 24), np.uint8))
    assert not result.values["skip"].any()
    assert result.facts.en.startswith("Only one class is there")


def test_truth_of_another_image_is_refused():
    with pytest.raises(PlaygroundError, match="The truth is 4 x 5 pixels, but the image is 32 x 24"):
        _gap(NOISE, NOISE, np.zeros((4, 5), np.uint8))


@pytest.mark.parametrize("change", [{"down": "none"}, {"skip": "nested"}, {"skip": "none"}, {"skip": "full-scale"}])
@pytest.mark.parametrize("sides", [(14, 11), (1, 1), (3, 1)])
def test_every_design_and_size_gets_finite_numbers(change: dict[str, Any], sides: tuple[int, int]):
    result = semantic_gap(loaded(Design(depth=2, width=2, **change)), torch.rand(1, 3, *sides), Target())
    for array in result.arrays().values():
        assert np.isfinite(array).all() and (np.abs(array) <= 1).all()
    assert result.levels["up"] == (0, 1)
    assert result.facts.en.endswith(".") and result.facts.zh.endswith("。")
