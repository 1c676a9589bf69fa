"""The effective receptive field: inside the theoretical one, with radii that mean what they say."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.analysis.models import CENTRE, Known, loaded
from unet_playground import Design, PlaygroundError, UNet
from unet_playground.analysis import Target, effective_field
from unet_playground.analysis.fresh import fresh
from unet_playground.analysis.watch import Watch
from unet_playground.model import Origin
from unet_playground.parts import skips
from unet_playground.space import draw
from unet_playground.taps import IGNORE, Freeze, Tap

SEEDS = range(12)


def _wired(design: Design) -> bool:
    """Whether all that an output sees, it sees through convolutions: no gates, no offsets."""
    freeze = Freeze()
    with torch.no_grad():
        UNet(design)(torch.rand(1, 3, 8, 8), freeze)
    return not freeze.frozen


def _draw(seed: int) -> Design:
    """A random design without gates and offsets."""
    rng = random.Random(seed)
    while True:
        design = draw(rng, base=Design(depth=1 + seed % 2, width=8))
        if _wired(design):
            return design


@pytest.mark.parametrize("seed", SEEDS)
def test_no_energy_lies_outside_the_box(seed: int):
    result = effective_field(loaded(_draw(seed)), torch.rand(1, 3, 48, 40), Target(1, (20, 24)))
    assert result.outside <= 1e-12
    (top, left), (bottom, right) = result.theory.low, result.theory.high
    around = result.energy.copy()
    around[top : bottom + 1, left : right + 1] = 0
    assert not around.any()
    assert result.energy[top : bottom + 1, left : right + 1].any()
    assert "0% is right" in result.check.en


@pytest.mark.parametrize(
    "design",
    [Design(depth=1, width=4, attention="spatial(kernel=15)"), Design(depth=1, width=4, up="deformable")],
    ids=["gate", "offsets"],
)
def test_the_check_does_not_claim_that_nothing_sees_further_when_something_does(design: Design):
    # A spatial gate reads 15 pixels around the one it weighs, and a shifted tap reads elsewhere: the box, for which
    # both are held still, holds less than what moves the output.
    model = loaded(design)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "score" in name or "predictor" in name:
                parameter.mul_(5)
    result = effective_field(model, torch.rand(1, 3, 48, 48), Target(1, (24, 24)))
    assert result.outside > 1e-9
    assert "nothing here sees further" not in result.check.en


def test_a_gate_over_the_whole_image_brings_energy_from_outside_and_is_named():
    model = loaded(Design(depth=1, width=4, attention="se", site="fused"))
    result = effective_field(model, torch.rand(1, 3, 64, 64), Target(1, (5, 5)))
    assert result.outside > 1e-9
    assert result.theory.through == ("fused.0.channel",)
    assert "fused.channel" in result.check.en
    assert "fused.channel" in result.check.zh


def test_radii_hold_half_and_95_percent_of_the_energy():
    # The logit at the pixel reads itself with weight 1 and a pixel 3 to the right with weight 0.9: energies 1, 0.81.
    model = Known(lambda x: x[:, 0] + 0.9 * x[:, 1].roll(-3, 2))
    result = effective_field(model, torch.rand(1, 3, 8, 12), Target(1, CENTRE))
    row, column = CENTRE
    expected = np.zeros((8, 12), np.float32)
    expected[row, column], expected[row, column + 3] = 1, 0.81
    np.testing.assert_allclose(result.energy, expected, rtol=0, atol=1e-6)
    assert result.radius_50 == 0
    assert result.radius_95 == 3
    assert result.point == CENTRE


def test_energy_outside_the_box_is_the_share_it_has():
    # Depth 1 sees 18 pixels; half of the energy comes from the far corner.
    model = Known(lambda x: x[:, 0] + x[:, 0].roll((-40, -40), (1, 2)))
    result = effective_field(model, torch.rand(1, 3, 64, 64), Target(1, CENTRE))
    assert result.outside == pytest.approx(0.5, abs=1e-9)
    assert result.radius_95 == pytest.approx(40 * 2**0.5)


def test_a_logit_without_gradient_has_no_energy():
    result = effective_field(Known(lambda x: 0 * x.sum(1)), torch.rand(1, 3, 8, 8), Target(1, CENTRE))
    assert not result.energy.any()
    assert (result.outside, result.radius_50, result.radius_95) == (0, 0, 0)


def test_without_a_point_the_centre_is_asked():
    result = effective_field(loaded(Design(depth=1, width=4)), torch.rand(1, 3, 9, 14), Target())
    assert result.point == (4, 7)
    assert result.energy.shape == (9, 14)
    assert result.energy.max() == 1


POINT = Target(1, (6, 5))


def _gradient(model: UNet, image: Tensor, tap: Tap = IGNORE) -> np.ndarray:
    asked = image.clone().requires_grad_()
    return torch.autograd.grad(model(asked, tap)[0, 1, 6, 5], asked)[0][0].numpy()


class _NoBottleneck(Tap):
    """Hands the bottleneck on as a constant."""

    def crossing(self, encoded: Sequence[Tensor]) -> Sequence[Tensor]:
        return [*encoded[:-1], encoded[-1].detach()]


@pytest.mark.parametrize("skip", skips)
def test_gradients_and_shares_of_all_ways_add_up(skip: str):
    model, image = loaded(Design(depth=2, width=8, skip=skip)), torch.rand(1, 3, 13, 10)
    result, whole = effective_field(model, image, POINT), _gradient(model, image)
    summed = np.sum([way.gradient for way in result.ways.values()], axis=0)
    np.testing.assert_allclose(summed, whole.sum(0), rtol=0, atol=1e-5 * np.abs(whole).max())
    assert sum(way.share for way in result.ways.values()) == pytest.approx(1, abs=1e-5)
    energy = np.square(whole).sum(0)
    np.testing.assert_allclose(result.energy, energy / energy.max(), rtol=0, atol=1e-5)


def test_a_share_is_what_its_gradient_has_in_common_with_the_whole():
    model, image = loaded(Design(depth=1, width=4)), torch.rand(1, 3, 13, 10)
    whole = _gradient(model, image)

    by_skip = _gradient(model, image, tap=_NoBottleneck())
    result = effective_field(model, image, POINT)
    assert result.ways["skip-0"].share == pytest.approx(float((by_skip * whole).sum() / (whole**2).sum()), abs=1e-5)


def test_the_finest_skip_sees_less_than_the_bottleneck():
    result = effective_field(loaded(Design(depth=2, width=4)), torch.rand(1, 3, 48, 40), Target(1, (20, 24)))
    # Two blocks of two 3 x 3 convolutions lie on the way through the finest skip: 4 pixels to every side at most.
    reached = np.argwhere(result.ways["skip-0"].gradient)
    assert np.abs(reached - (20, 24)).max() == 4
    assert result.ways["skip-0"].radius_95 <= 4 * 2**0.5 < result.ways["bottleneck"].radius_95


@pytest.mark.parametrize(
    ("stage", "level", "ways"),
    [
        ("encoder", 0, {"encoder"}),
        ("encoder", 2, {"encoder"}),
        ("bottleneck", 0, {"encoder"}),
        ("skip", 1, {"skip-1"}),
        ("decoder", 1, {"skip-1", "bottleneck"}),
    ],
)
def test_the_field_of_an_inner_feature_lies_in_its_own_box(stage: str, level: int, ways: set[str]):
    model, image = loaded(Design(depth=2, width=4)), torch.rand(1, 3, 47, 41)
    result = effective_field(model, image, Target(1, (20, 24)), stage=stage, level=level)  # type: ignore[arg-type]
    assert result.outside == 0
    assert result.ways.keys() == ways
    (top, left), (bottom, right) = result.theory.low, result.theory.high
    assert top <= 20 <= bottom
    assert left <= 24 <= right
    assert result.energy[top : bottom + 1, left : right + 1].max() == 1


def test_the_box_grows_with_the_level():
    model, image = loaded(Design(depth=2, width=4)), torch.rand(1, 3, 64, 64)
    sides = [effective_field(model, image, POINT, stage="encoder", level=level).theory.sides[0] for level in (0, 1, 2)]
    assert sides == sorted(set(sides))


def test_a_place_that_does_not_exist_is_refused():
    model = loaded(Design(depth=1, width=4, skip="none"))
    with pytest.raises(PlaygroundError, match=r'no place "skip.0"'):
        effective_field(model, torch.rand(1, 3, 9, 9), Target(), stage="skip")


def test_energies_are_averaged_over_inputs():
    model, image, other = loaded(Design(depth=1, width=4)), torch.rand(1, 3, 13, 10), torch.rand(1, 3, 13, 10)
    result = effective_field(model, image, POINT, inputs=3, other=other)
    images = [image, other, image.flip(2)]
    energy = np.sum([np.square(_gradient(model, one)).sum(0) for one in images], axis=0)
    assert result.inputs == 3
    np.testing.assert_allclose(result.energy, energy / energy.max(), rtol=0, atol=1e-5)
    assert sum(way.share for way in result.ways.values()) == pytest.approx(1, abs=1e-5)


def test_more_inputs_than_mirror_images_are_noisy_and_always_the_same():
    model, image = loaded(Design(depth=1, width=4)), torch.rand(1, 3, 13, 10)
    one, other = (effective_field(model, image, POINT, inputs=7) for _ in range(2))
    np.testing.assert_array_equal(one.energy, other.energy)
    assert not np.array_equal(one.energy, effective_field(model, image, POINT, inputs=6).energy)


def test_an_image_of_another_size_is_left_out():
    model, image = loaded(Design(depth=1, width=4)), torch.rand(1, 3, 13, 10)
    one = effective_field(model, image, POINT, inputs=2, other=torch.rand(1, 3, 9, 10))
    np.testing.assert_array_equal(one.energy, effective_field(model, image, POINT, inputs=2).energy)


def test_fresh_weights_are_those_of_the_same_design_before_training():
    model, image = loaded(Design(depth=1, width=4)), torch.rand(1, 3, 13, 10)
    result = effective_field(model, image, POINT, weights="fresh")
    expected = effective_field(fresh(model), image, POINT)
    np.testing.assert_array_equal(result.energy, expected.energy)
    assert not np.array_equal(result.energy, effective_field(model, image, POINT).energy)
    assert not result.trained
    assert "fresh weights" in result.facts.en
    assert "训练前" in result.facts.zh
    assert "fresh weights" in effective_field(model, image, POINT).facts.en
    model.origin = Origin("nuclei", "solo", "")
    assert "trained weights" in effective_field(model, image, POINT).facts.en


def test_it_is_shown_after_the_first_input_and_asked_between_pieces():
    told: list[object] = []

    class Seen(Watch):
        def between(self) -> None:
            told.append("between")

        def show(self, result: object) -> None:
            told.append(result)

    model, image = loaded(Design(depth=1, width=4)), torch.rand(1, 3, 13, 10)
    effective_field(model, image, POINT, inputs=2, watch=Seen())
    first = next(one for one in told if one != "between")
    np.testing.assert_array_equal(first.energy, effective_field(model, image, POINT).energy)  # type: ignore[attr-defined]
    assert told.count("between") == 2 * 3


def test_the_facts_name_radii_box_and_shares():
    result = effective_field(loaded(Design(depth=1, width=4)), torch.rand(1, 3, 64, 64), Target(1, (30, 30)))
    assert "18 x 18 px" in result.facts.en
    assert f"skip 0 {100 * result.ways['skip-0'].share:.0f}%" in result.facts.en
    assert result.facts.en.endswith(".")
    assert result.facts.zh.endswith("。")


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_images_of_any_size_can_be_asked(size: tuple[int, int], down: str):
    model = loaded(Design(depth=2, width=3, down=down))
    for stage in ("logits", "encoder", "decoder", "bottleneck"):
        result = effective_field(model, torch.rand(1, 3, *size), Target(), stage=stage)  # type: ignore[arg-type]
        assert result.energy.shape == size
        assert result.outside == 0
