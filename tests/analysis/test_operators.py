"""Every way down and up on numbers, edges, dots and odd sides, against formulas of textbooks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.analysis.models import loaded
from unet_playground import Design, PlaygroundError
from unet_playground.analysis import Target
from unet_playground.analysis.operators import (
    NoOperators,
    Operator,
    Operators,
    WorkedExample,
    alignments,
    checkerboard,
    dots,
    edges,
    fresh_checkerboard,
    operators_at,
    plain,
    worked_example,
)
from unet_playground.analysis.operators.response import crossing
from unet_playground.parts import downs, ups
from unet_playground.registry import Catalogue

IMAGE = torch.rand(1, 3, 14, 11, generator=torch.Generator().manual_seed(1))


def _choices(catalogue: Catalogue) -> list[str]:
    written = []
    for entry in catalogue.entries():
        written.append(entry.id)
        written += [f"{entry.id}({one.id}={value})" for one in entry.options for value in one.choices]
    return written


PARTS = [(slot.id, choice) for slot in (downs, ups) for choice in _choices(slot)]


@pytest.mark.parametrize(("slot", "choice"), PARTS)
def test_every_part_is_its_weights_times_its_inputs(slot: str, choice: str):
    example = worked_example(slot, choice)
    assert example.given.shape == (4, 4)
    summed = np.einsum("hwij,ij->hw", example.weights, example.given)
    np.testing.assert_allclose(summed, example.made, rtol=1e-4, atol=1e-4)
    assert len(example.steps) == example.made.size
    for array in example.arrays().values():
        assert array.dtype == np.float32 and np.isfinite(array).all()
    assert example.check.en.endswith(".") and example.facts.zh.endswith("。")


def test_the_maximum_is_the_winner_and_nothing_else():
    example = worked_example("down", "max-pool")
    numbers = example.given.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(2, 2, 4)
    np.testing.assert_array_equal(example.made, numbers.max(2))
    assert set(np.unique(example.weights)) == {0.0, 1.0}
    np.testing.assert_array_equal(example.weights.sum((2, 3)), np.ones((2, 2)))
    assert example.steps[0] == "y(0, 0) = 1·9 = 9"


def test_average_blur_and_transposed_have_the_weights_of_their_definitions():
    average = worked_example("down", "avg-pool")
    expected = np.zeros((4, 4))
    expected[:2, 2:] = 0.25
    np.testing.assert_allclose(average.weights[0, 1], expected)
    # Kernel 3 overlaps once, twice or four times; an equal tap of 4/9 keeps the mean of a constant.
    overlaps = worked_example("up", "transposed(kernel=3)").weights.sum((2, 3))[2:4, 2:4] * 9 / 4
    np.testing.assert_allclose(np.sort(overlaps.ravel()), [1, 2, 2, 4], rtol=1e-6)
    bilinear = worked_example("up", "bilinear")
    given = torch.tensor(bilinear.given)[None, None]
    expected = F.interpolate(given, scale_factor=2.0, mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(bilinear.made, expected.numpy(), rtol=1e-5)


def test_the_same_example_comes_out_whatever_chance_is():
    torch.manual_seed(5)
    one = worked_example("up", "carafe")
    state = torch.get_rng_state()
    torch.manual_seed(6)
    np.testing.assert_array_equal(one.weights, worked_example("up", "carafe").weights)
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unknown_way_or_part_is_refused():
    with pytest.raises(PlaygroundError, match="no way"):
        worked_example("skip", "concat")
    with pytest.raises(PlaygroundError, match="Unknown up"):
        worked_example("up", "max-pool")
    with pytest.raises(PlaygroundError, match="gives up no resolution"):
        edges("none", "bilinear")


def test_a_kernel_that_the_stride_does_not_divide_draws_a_checkerboard():
    phases = np.array([1, 2, 2, 4]) / 2.25
    expected = phases.std() / np.sqrt((phases**2).mean())
    uneven = checkerboard(plain("up", "transposed(kernel=3)"))
    assert uneven.constant == pytest.approx(expected, rel=1e-6)
    assert uneven.impulse == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(np.sort(uneven.phases.ravel()), phases, rtol=1e-5)
    for choice in ("transposed", "transposed(kernel=4)", "nearest", "bilinear", "pixel-shuffle"):
        assert checkerboard(plain("up", choice)).constant == pytest.approx(0, abs=1e-6)


def test_fresh_weights_draw_it_where_every_tap_is_free_and_not_where_they_start_alike():
    assert fresh_checkerboard("up", "transposed").constant > 0.5
    assert fresh_checkerboard("up", "pixel-shuffle").constant < 1e-5
    assert fresh_checkerboard("up", "bilinear").constant < 1e-5


def test_a_strided_convolution_uses_its_inputs_unevenly_and_pooling_does_not():
    assert checkerboard(plain("down", "strided-conv")).impulse == pytest.approx(0.436, abs=1e-3)
    for choice in ("max-pool", "avg-pool", "blur-pool"):
        assert checkerboard(plain("down", choice)).impulse == pytest.approx(0, abs=1e-6)


def test_a_bias_is_no_pattern():
    operator = plain("up", "transposed(kernel=3)")
    before = checkerboard(operator).impulse
    operator.part.convolution.bias.add_(7)  # type: ignore[union-attr]
    assert checkerboard(operator).impulse == pytest.approx(before, rel=1e-6)


def test_edges_rise_as_far_as_linear_filters_say():
    sharp = edges("max-pool", "nearest")
    np.testing.assert_allclose(sharp.rise, [0.8, 0.8], rtol=1e-6)
    # The brighter side grows by a pixel where the edge lies inside a window.
    np.testing.assert_allclose(sharp.shift, [0, -1], atol=1e-6)
    # Averages by two, then weights 3/4 and 1/4: 0, 1/4, 3/4, 1 for an edge on the grid.
    soft = edges("avg-pool", "bilinear")
    profile = np.array([0, 0.25, 0.75, 1])
    assert soft.rise[0] == pytest.approx(crossing(profile, 0.9) - crossing(profile, 0.1))
    assert soft.rise[0] == pytest.approx(2.2)
    np.testing.assert_allclose(soft.shift, [0, 0], atol=1e-6)


def test_small_dots_keep_what_pooling_leaves_them():
    pooled = dots("max-pool", "nearest")
    np.testing.assert_array_equal(pooled.bright, np.ones((3, 4)))
    assert pooled.dark[0].max() == 0
    np.testing.assert_array_equal(np.sort(pooled.dark[1]), [0, 0, 0, 1])
    averaged = dots("avg-pool", "nearest")
    np.testing.assert_allclose(averaged.bright[0], 0.25)
    np.testing.assert_allclose(np.sort(averaged.bright[1]), [0.25, 0.5, 0.5, 1])
    np.testing.assert_allclose(averaged.dark, averaged.bright, atol=1e-12)


def test_65_against_32_moves_things_as_the_formulas_say():
    ours, end, start, resized, corners = alignments()
    pixels = np.arange(65)
    assert [one.coarse for one in alignments()] == [33, 32, 32, 32, 32]
    np.testing.assert_allclose(ours.shift[1:63], 0, atol=1e-6)
    np.testing.assert_allclose(end.shift[1:63], 0, atol=1e-6)
    np.testing.assert_allclose(start.shift[2:64], -1, atol=1e-6)
    np.testing.assert_allclose(resized.shift[1:64], (-(pixels + 0.5) / 65)[1:64], atol=1e-5)
    np.testing.assert_allclose(corners.shift, 0.5 - pixels / 32, atol=1e-5)
    assert ours.mean < end.mean < resized.mean < corners.mean < start.mean


def test_an_even_side_loses_nothing_and_one_pixel_is_refused():
    ours, end, start, resized, _ = alignments(64)
    for other in (end, start, resized):
        np.testing.assert_array_equal(other.shift, ours.shift)
    with pytest.raises(PlaygroundError, match="cannot be halved"):
        alignments(1)


@pytest.mark.parametrize(
    "design",
    [
        Design(depth=1, width=2),
        Design(depth=2, width=2, down="blur-pool(kernel=5)", up="learned/dysample"),
        Design(depth=2, width=4, skip="nested", up="carafe", attention="cbam", site="bottleneck"),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (14, 11)])
def test_a_network_is_looked_at_whatever_its_parts(design: Design, size: tuple[int, int]):
    image = torch.rand(1, 3, *size)
    for level in range(design.depth):
        result = operators_at(loaded(design), image, Target(), level=level)
        assert isinstance(result, Operators)
        assert result.up == str(design.levels("up")[level])
        for array in result.arrays().values():
            assert array.dtype == np.float32 and np.isfinite(array).all()
        for show in ("down", "up", "own-down", "own-up"):
            assert isinstance(operators_at(loaded(design), image, Target(), level=level, show=show), WorkedExample)


def test_the_own_weights_are_the_networks():
    model = loaded(Design(depth=1, width=2))
    part = model.decoder["0"].up.part  # type: ignore[union-attr]
    part.convolution.weight.zero_()  # type: ignore[union-attr]
    part.convolution.weight[:, :, 0, 0] = 1  # type: ignore[union-attr, index]
    result = operators_at(model, IMAGE, Target())
    assert isinstance(result, Operators)
    assert result.own.impulse == pytest.approx(np.sqrt(3) / 2, rel=1e-5)
    example = operators_at(model, IMAGE, Target(), show="own-up")
    assert isinstance(example, WorkedExample)
    np.testing.assert_allclose(example.weights.sum((2, 3))[2:4, 2:4], [[1, 0], [0, 0]], atol=1e-6)


def test_full_resolution_has_nothing_to_look_at():
    result = operators_at(loaded(Design(depth=1, width=2, down="none")), IMAGE, Target())
    assert isinstance(result, NoOperators)
    assert dict(result.arrays()) == {}
    assert result.check.en.endswith(".") and result.facts.zh.endswith("。")


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(PlaygroundError) as refusal:
        operators_at(loaded(Design(depth=1, width=2)), IMAGE, Target(), level=1)
    assert refusal.value.text.en == "Level 1 does not exist; this network goes down from levels 0 to 0."


def test_a_new_part_needs_no_rule_of_its_own():
    class Doubled(torch.nn.Module):
        def forward(self, x, sides, tap=None):
            return 3 * x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    assert checkerboard(Operator(Doubled(), True, 1)).constant == 0
