"""The effective receptive field: inside the theoretical one, with radii that mean what they say."""

import random

import numpy as np
import pytest
import torch

from tests.analysis.models import CENTRE, Known, loaded
from unet_playground import Design, UNet
from unet_playground.analysis import Target, effective_field
from unet_playground.space import draw
from unet_playground.taps import Freeze

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
