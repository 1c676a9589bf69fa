"""Surgery on skips: what is done is what is said, and doing nothing changes nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.analysis.models import loaded
from unet_playground import Design, PlaygroundError, UNet
from unet_playground.analysis import Target
from unet_playground.analysis.skips import Operation, mean_crossings, operated, skip_surgery
from unet_playground.analysis.skips.operations import Operate, blurred
from unet_playground.analysis.watch import Watch
from unet_playground.inference import read_out
from unet_playground.training.metrics import Truth, boundary_dice, dice, interior_dice

DESIGN = Design(depth=2, width=4, skip="attention-gate", attention="cbam")
TREATMENTS = ("zero", "blur", "mean", "swap")
each_treatment = pytest.mark.parametrize("treatment", TREATMENTS)


def _image(seed: int = 1, sides: tuple[int, int] = (14, 11)) -> torch.Tensor:
    return torch.rand(1, 3, *sides, generator=torch.Generator().manual_seed(seed))


@each_treatment
@pytest.mark.parametrize("skip", ["concat", "add", "nested", "dense", "pyramid", "cross-stage", "full-scale"])
def test_factor_1_changes_nothing_bit_for_bit(treatment: Any, skip: str):
    model, image = loaded(Design(depth=2, width=2, skip=skip)), _image()
    result = skip_surgery(model, image, Target(), treatment=treatment, factor=1.0, other=_image(2))
    untouched = model(image)
    assert torch.equal(model(image, Operate({level: Operation(factor=1) for level in range(2)})), untouched)
    assert [one.level for one in result.levels] == [0, 1]
    for one in result.levels:
        assert (one.agreement, one.strength) == (1, 0)
        np.testing.assert_array_equal(one.mask, read_out(untouched).mask == 1)
    assert result.control == 0


def test_without_what_is_added_it_is_the_network_without_skips():
    model, image = loaded(Design(depth=2, width=4, skip="add")), _image()
    bare = UNet(model.design.replace(skip="none")).eval()
    bare.load_state_dict({name: tensor for name, tensor in model.state_dict().items() if "skip" not in name})
    cut = model(image, Operate({0: Operation(), 1: Operation()}))
    torch.testing.assert_close(cut, bare(image))
    assert not torch.allclose(cut, model(image))
    np.testing.assert_array_equal(operated(model, image, {0: Operation(), 1: Operation()}), read_out(cut).mask)


def test_every_level_has_its_own_operation():
    model, image = loaded(DESIGN), _image()
    seen: dict[str, torch.Tensor] = {}
    half, double = Operation(factor=0.5), Operation(factor=2)

    class Seeing(Operate):
        def __call__(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
            seen[name + "'"] = super().__call__(name, tensor)
            return seen[name + "'"]

    before = model.trace(image).features
    model(image, Seeing({0: half, 1: double}))
    torch.testing.assert_close(seen["skip.1'"], 2 * before["skip.1"])
    assert not torch.allclose(seen["skip.0'"], before["skip.0"])
    model(image, Seeing({0: half}))
    torch.testing.assert_close(seen["skip.0'"], before["skip.0"] / 2)
    torch.testing.assert_close(seen["skip.1'"], before["skip.1"])


def test_blur_is_that_of_scipy():
    features = torch.rand(2, 3, 9, 6)
    expected = gaussian_filter(features.numpy(), (0, 0, 2, 2), mode="nearest", truncate=3)
    np.testing.assert_allclose(blurred(features, 2).numpy(), expected, atol=1e-5)
    torch.testing.assert_close(blurred(torch.full((1, 1, 1, 1), 3.0), 16), torch.full((1, 1, 1, 1), 3.0))


def test_the_mean_is_over_places_or_the_one_that_is_given():
    model, image = loaded(DESIGN), _image()
    crossed = model.trace(image).features["skip.0"]
    means = {0: torch.full((1, 4, 1, 1), 2.0), 1: torch.zeros(1, 8, 1, 1)}
    own = skip_surgery(model, image, Target(), treatment="mean", level=0).levels[0]
    given = skip_surgery(model, image, Target(), treatment="mean", level=0, means=means).levels[0]
    flat = crossed.mean((2, 3), keepdim=True).expand_as(crossed)
    assert own.strength == pytest.approx(float((crossed - flat).norm() / crossed.norm()), rel=1e-5)
    assert given.strength == pytest.approx(float((crossed - 2).norm() / crossed.norm()), rel=1e-5)


def test_the_mean_of_the_data_counts_every_image_once():
    model, images = loaded(DESIGN), [_image(1), _image(2, (6, 20))]
    means = mean_crossings(model, images)
    assert sorted(means) == [0, 1]
    each = [model.trace(image).features["skip.1"].mean((2, 3)) for image in images]
    torch.testing.assert_close(means[1][:, :, 0, 0], (each[0] + each[1]) / 2)


def test_another_images_features_take_the_place():
    model, image, other = loaded(DESIGN), _image(1), _image(2)
    [result] = skip_surgery(model, image, Target(), treatment="swap", level=0, other=other).levels
    own, foreign = (model.trace(one).features["skip.0"] for one in (image, other))
    assert result.strength == pytest.approx(float((foreign - own).norm() / own.norm()), rel=1e-5)
    [same] = skip_surgery(model, image, Target(), treatment="swap", level=0, other=image).levels
    assert (same.agreement, same.strength) == (1, 0)


def test_scores_are_those_of_the_metrics():
    model, image = loaded(DESIGN), _image()
    truth = (torch.rand(14, 11, generator=torch.Generator().manual_seed(3)) > 0.4).numpy().astype(np.uint8)
    result = skip_surgery(model, image, Target(), truth=truth)
    after = (operated(model, image, {1: Operation()}) == 1).astype(np.uint8)
    before = (read_out(model(image)).mask == 1).astype(np.uint8)
    for mask, scores in ((before, result.scores), (after, result.levels[1].scores)):
        assert scores is not None
        expected = [metric(mask, Truth(truth), 2) for metric in (dice, interior_dice, boundary_dice)]
        assert [scores.dice, scores.interior, scores.boundary] == expected
    assert result.arrays()["scores"].shape == (3, 3)
    assert "there Dice goes from" in result.facts.en
    assert "scores" not in skip_surgery(model, image, Target()).arrays()


def test_what_cannot_be_done_is_refused_in_a_sentence():
    model, image = loaded(DESIGN), _image()
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"treatment": "swap"}, "a second image is needed"),
        ({"treatment": "swap", "other": _image(2, (14, 12))}, "is 14 x 12 pixels, but the image is 14 x 11"),
        ({"level": 2}, "Nothing crosses at level 2; levels with a skip: 0, 1."),
        ({"truth": np.zeros((3, 4), np.uint8)}, "The truth is 3 x 4 pixels, but the image is 14 x 11"),
    )
    for options, words in cases:
        with pytest.raises(PlaygroundError) as refusal:
            skip_surgery(model, image, Target(), **options)
        assert words in refusal.value.text.en
        assert refusal.value.text.zh.endswith("。")


def test_where_nothing_crosses_there_is_nothing_to_operate_on():
    model = loaded(Design(depth=2, width=2, skip="none"))
    result = skip_surgery(model, _image(), Target())
    assert result.levels == ()
    assert result.facts.en == "Nothing crosses in this design."
    with pytest.raises(PlaygroundError, match="levels with a skip: none"):
        skip_surgery(model, _image(), Target(), level=0)


def test_it_shows_level_after_level_and_may_be_ended_between():
    class Impatient(Watch):
        def __init__(self) -> None:
            self.shown: list[Any] = []

        def between(self) -> None:
            if self.shown:
                raise InterruptedError

        def show(self, result: Any) -> None:
            self.shown.append(result)

    watch = Impatient()
    with pytest.raises(InterruptedError):
        skip_surgery(loaded(DESIGN), _image(), Target(), watch=watch)
    assert [len(result.levels) for result in watch.shown] == [1]


@pytest.mark.parametrize("sides", [(1, 1), (2, 5)])
@each_treatment
def test_tiny_images_work_at_full_resolution_too(treatment: Any, sides: tuple[int, int]):
    model = loaded(Design(down="none", depth=2, width=2))
    result = skip_surgery(model, _image(1, sides), Target(0), treatment=treatment, other=_image(2, sides))
    assert all(np.isfinite(array).all() for array in result.arrays().values())
    assert result.check.en.startswith("Control: features put back as they are change the logits by 0;")
