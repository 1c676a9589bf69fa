"""Noise outside an object: it is only there, and what is measured is what it changes."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.analysis.models import loaded
from tests.analysis.told import Told
from unet_playground import Design
from unet_playground.analysis import Target
from unet_playground.analysis.skips import pass_through

BOX = Target(1, box=(4, 3, 8, 6))
IMAGE = torch.rand(1, 3, 14, 11, generator=torch.Generator().manual_seed(1))


def _told(**gates: float) -> Told:
    """Encoder and decoder features are the image; what crosses is the image, weighed by `outside` beyond the box."""
    weight = torch.full((14, 11), gates.get("outside", 1.0))
    weight[4:9, 3:7] = 1
    return Told(
        {"encoder.0": lambda x: x.clone(), "skip.0": lambda x: x * weight, "decoder.0": lambda x: x.mean((2, 3), True)}
    )


def test_noise_lies_outside_the_object_and_its_margin_only():
    result = pass_through(_told(), IMAGE, BOX, margin=2, strength=0.3)
    assert not result.noise[2:11, 1:9].any()
    outer = np.ones((14, 11), bool)
    outer[2:11, 1:9] = False
    assert (result.noise[outer] > 0).all()
    assert result.strength == pytest.approx(0.3 * float(IMAGE.std(correction=0)))
    assert np.sqrt((result.noise[outer] ** 2).mean()) == pytest.approx(result.strength, rel=0.2)
    np.testing.assert_array_equal(result.region, np.pad(np.ones((5, 4), bool), ((4, 5), (3, 4))))


def test_the_change_is_the_root_mean_square_relative_to_the_features():
    result = pass_through(_told(), IMAGE, BOX, margin=0)
    outer = np.ones((14, 11), bool)
    outer[4:9, 3:7] = False
    expected = np.sqrt((result.noise[outer].astype(float) ** 2).mean()) / float(IMAGE.square().mean().sqrt())
    for stage in ("encoder", "skip"):
        [one] = result.of(stage)
        assert one.outside == pytest.approx(expected, rel=1e-5)
        assert one.inside == 0


def test_a_gate_that_closes_outside_stops_it_and_what_sees_everything_brings_it_inside():
    result = pass_through(_told(outside=0.0), IMAGE, BOX)
    assert result.of("skip")[0].outside == 0
    assert result.of("encoder")[0].outside > 0.1
    decoder = result.of("decoder")[0]
    assert decoder.inside == pytest.approx(decoder.outside, rel=1e-5)
    assert decoder.inside > 0.001
    assert "changes what crosses at level 0 by 0.0% there" in result.facts.en
    half = pass_through(_told(outside=0.5), IMAGE, BOX).of("skip")[0].outside
    loud = IMAGE * 0.5
    loud[:, :, 4:9, 3:7] = IMAGE[:, :, 4:9, 3:7]
    scale = float((IMAGE.square().mean() / loud.square().mean()).sqrt())
    assert half == pytest.approx(result.of("encoder")[0].outside / 2 * scale, rel=1e-4)


def test_the_mask_changes_where_its_pixels_do():
    result = pass_through(_told(), IMAGE, BOX, margin=0, strength=2.0)
    assert result.inside == 0
    assert 0.1 < result.outside < 0.9
    assert f"{100 * result.outside:.0f}% of the disturbed pixels" in result.facts.en


def test_a_coarse_cell_belongs_to_the_object_by_its_share():
    # Level 0 has cells of 7 x 5.5 pixels here: the object fills the upper left one, noise reaches the three others.
    pooled = {f"{stage}.0": lambda x: torch.nn.functional.adaptive_avg_pool2d(x, 2) for stage in ("encoder", "decoder")}
    result = pass_through(Told(pooled), IMAGE[..., :10], Target(1, box=(0, 0, 6, 4)), margin=0)
    assert result.of("encoder")[0].inside == 0
    assert result.of("encoder")[0].outside > 0
    assert result.of("skip") == ()
    assert result.facts.en.startswith("Nothing crosses in this design;")


def test_the_seed_decides_and_the_check_holds_another_draw():
    model = loaded(Design(depth=2, width=4))
    one, again, other = (pass_through(model, IMAGE, BOX, seed=seed) for seed in (3, 3, 4))
    assert one.changes == again.changes
    assert one.repeated == other.changes
    apart = max(
        abs(getattr(a, side) - getattr(b, side))
        for a, b in zip(one.changes, other.changes, strict=True)
        for side in ("outside", "inside")
    )
    assert f"within {100 * apart:.1f} percentage points" in one.check.en


def test_without_an_inside_or_an_outside_a_sentence_says_so():
    everywhere = pass_through(_told(), IMAGE, Target(1, box=(0, 0, 13, 10)))
    assert not everywhere.noise.any()
    assert everywhere.facts.en.startswith("Nothing was disturbed:")
    nowhere = pass_through(_told(), 0.1 * IMAGE, Target(1))
    assert not nowhere.region.any()
    assert nowhere.facts.en.startswith("The target has no pixel here")
    constant = pass_through(_told(), 0 * IMAGE + 0.2, BOX)
    assert constant.facts.en.startswith("Nothing was disturbed:")


@pytest.mark.parametrize("change", [{"down": "none"}, {"skip": "nested"}, {"skip": "none"}, {"skip": "full-scale"}])
@pytest.mark.parametrize("sides", [(14, 11), (1, 1)])
def test_every_design_and_size_gets_finite_numbers(change: dict[str, Any], sides: tuple[int, int]):
    result = pass_through(loaded(Design(depth=2, width=2, **change)), torch.rand(1, 3, *sides), Target(0))
    assert all(np.isfinite(array).all() for array in result.arrays().values())
    assert [one.level for one in result.of("encoder")] == [one.level for one in result.of("decoder")] == [0, 1]
