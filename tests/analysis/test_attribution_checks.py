"""The checks beside an attribution: they tell a right one from a wrong one."""

import numpy as np
import pytest
import torch

from tests.analysis.models import Known, loaded
from unet_playground import Design
from unet_playground.analysis import Attribution, Target, saliency
from unet_playground.analysis.attribution import deletion_insertion, randomisation, rank_correlation
from unet_playground.analysis.attribution.checks import blurred, shuffled
from unet_playground.analysis.attribution.result import ask, flat
from unet_playground.analysis.watch import UNWATCHED
from unet_playground.errors import Text

IMAGE = torch.rand(1, 3, 14, 11, generator=torch.Generator().manual_seed(5)) + 0.5
BLACK = {Text("black", "黑色"): torch.zeros_like}


def _aims(images: torch.Tensor) -> torch.Tensor:
    """Only the left half counts."""
    return images[..., :5].sum((1, 2, 3))


def test_deletion_falls_as_the_pixels_that_count_go():
    right = np.zeros((14, 11), np.float32)
    right[:, :5] = IMAGE[0, :, :, :5].sum(0)
    curves = deletion_insertion(_aims, IMAGE, right, BLACK)
    assert curves is not None
    assert (curves.deletion[0], curves.deletion[-1], curves.insertion[0], curves.insertion[-1]) == (1, 0, 0, 1)
    # 5 of 11 columns count: from the sixth point on nothing is left.
    np.testing.assert_allclose(curves.deletion[5:], 0, atol=1e-6)
    np.testing.assert_allclose(curves.insertion[5:], 1, atol=1e-6)
    order = np.sort(right.ravel())[::-1]
    kept = 1 - order[: round(2 / 11 * 154)].sum() / order.sum()
    assert curves.deletion[2] == pytest.approx(kept, abs=1e-5)
    assert curves.areas["deletion"] < 0.25 < 0.4 < curves.areas["random"] < 0.6 < curves.areas["insertion"]


def test_a_wrong_attribution_does_worse_than_chance():
    wrong = np.zeros((14, 11), np.float32)
    wrong[:, 5:] = 1
    curves = deletion_insertion(_aims, IMAGE, wrong, BLACK)
    assert curves is not None
    areas = curves.areas
    assert areas["deletion"] > areas["random"] > areas["insertion"]


def test_a_target_that_no_filling_lowers_has_no_curves_and_the_check_says_so():
    ones = np.ones((14, 11), np.float32)
    assert deletion_insertion(lambda images: torch.ones(len(images)), IMAGE, ones) is None
    brightest = divmod(int(IMAGE.mean(1).argmax()), 11)
    result = saliency(Known(lambda x: -x.mean(1)), IMAGE, Target(1, brightest))
    assert result.curves is None and "deletion says nothing here" in result.check.en


def test_where_blurring_raises_the_target_pixels_turn_black():
    # Few details speak for the class and brightness does: blurring raises it, black does not.
    curves = deletion_insertion(
        lambda images: images.sum((1, 2, 3)) - 500 * images.std((1, 2, 3)), IMAGE, IMAGE[0].sum(0).numpy()
    )
    assert curves is not None and curves.filling.en == "black"
    assert (curves.deletion[0], curves.deletion[-1]) == (1, 0)
    said = Attribution(Target(1), IMAGE[0, 0].numpy(), 1.0, 1, curves=curves).check
    assert "by black" in said.en and "换成黑色" in said.zh


def test_blurring_keeps_the_level_and_takes_the_detail():
    soft = blurred(IMAGE)
    assert float(soft.mean()) == pytest.approx(float(IMAGE.mean()), rel=0.02)
    assert float(soft.std()) < 0.6 * float(IMAGE.std())


def test_rank_correlation_is_that_of_sizes():
    values = np.linspace(-3, 2, 30, dtype=np.float32).reshape(5, 6)
    assert rank_correlation(values, -values) == 1
    assert rank_correlation(values, np.abs(values) ** 3) == 1
    assert rank_correlation(values, (1 / (1 + np.abs(values))).astype(np.float32)) == -1
    assert rank_correlation(values, np.ones_like(values)) == 0


def test_shuffled_weights_are_the_same_numbers_elsewhere_and_the_model_keeps_its_own():
    model = loaded(Design(depth=2, width=4))
    before = [parameter.clone() for parameter in model.parameters()]
    other = shuffled(model)
    for own, old, new in zip(model.parameters(), before, other.parameters(), strict=True):
        assert torch.equal(own, old)
        assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)
    assert any(not torch.equal(own, new) for own, new in zip(model.parameters(), other.parameters(), strict=True))


def test_a_method_that_shows_the_image_survives_the_shuffle_and_one_that_shows_the_network_does_not():
    question = ask(loaded(Design(depth=2, width=4)), IMAGE, Target(1, (4, 4)), UNWATCHED)
    assert randomisation(question, lambda other: other.image[0].sum(0).numpy()) == 1
    own = randomisation(question, lambda other: next(other.model.parameters()).flatten()[:30].reshape(5, 6).numpy())
    assert abs(own) < 0.6


def test_shuffled_weights_are_asked_of_the_whole_image_because_maps_of_a_pixel_agree_by_place_alone():
    model = loaded(Design(depth=2, width=4))
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    at = Target(1, (16, 16))
    near = randomisation(ask(model, image, at, UNWATCHED), lambda other: flat(other.slope(other.image)[1].abs()))
    result = saliency(model, image, at)
    assert result.kept is not None and near > 0.5 > abs(result.kept)


def test_the_check_says_the_numbers():
    result = saliency(Known(lambda x: x[:, 0] ** 2), IMAGE, Target(1, (3, 4)))
    assert result.curves is not None
    assert f"leaves {result.curves.areas['deletion']:.2f} of the target" in result.check.en
    assert f"{result.curves.areas['insertion']:.2f}" in result.check.zh
    assert "shuffled weights 1.00" in result.check.en  # the formula has no weights
    assert set(result.arrays()) == {"attribution", "shares", "deletion", "insertion", "deletion.random"}
    assert "strongest pixel is 3, 4." in result.facts.en
    unchecked = saliency(Known(lambda x: x[:, 0] ** 2), IMAGE, Target(1, (3, 4)), checks=False)
    assert "Not checked" in unchecked.check.en


def test_facts_say_how_concentrated_it_is():
    values = np.zeros((10, 10), np.float32)
    values[2, 3], values[5, 5] = -3, 1
    facts = Attribution(Target(1, (2, 3)), values, -2, 8).facts
    assert "pixel 2, 3: half of the attribution lies in 1.0% of the pixels, 25% of it speaks for the class" in facts.en
    assert "25%" in facts.zh
