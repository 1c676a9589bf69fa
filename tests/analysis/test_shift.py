"""What follows a shift and what does not."""

import numpy as np
import pytest
import torch

from tests.analysis.models import Known, loaded
from unet_playground import Design, UNet
from unet_playground.analysis import Target
from unet_playground.analysis.shift import shift_equivariance
from unet_playground.receptive_field import receptive_field


def _image(*size: int) -> torch.Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(3))


def _divided(design: Design) -> UNet:
    """A network whose mask has pixels of both classes."""
    model = loaded(design)
    with torch.no_grad():
        logits = model(_image(40, 38))
        model.head.bias[1] -= (logits[:, 1] - logits[:, 0]).median()  # type: ignore[index, operator]
    return model


def test_convolutions_alone_follow_exactly_beyond_their_reach():
    design = Design(depth=1, width=3, down="none", skip="concat")
    model = _divided(design)
    reach = max(receptive_field(design, (101, 101), (50, 50)).sides) // 2
    result = shift_equivariance(model, _image(40, 38), Target(), pixels=3, border=reach)
    assert result.border == reach
    assert result.changed.tolist() == [0, 0]
    assert result.dice.tolist() == [1, 1]
    assert result.change.max() < 1e-5
    assert result.compared.tolist() == [
        (40 - 3 - 2 * reach) * (38 - 2 * reach),
        (40 - 2 * reach) * (38 - 3 - 2 * reach),
    ]


def test_pooling_does_not_follow_a_pixel_and_follows_its_whole_period():
    design = Design(depth=1, width=3)
    reach = max(receptive_field(design, (101, 101), (50, 50)).sides) // 2 + 1
    result = shift_equivariance(_divided(design), _image(60, 58), Target(), border=reach)
    assert result.changed.min() > 0
    assert result.period == 2
    assert result.changed_by_period == 0
    assert "0.000%" in result.check.en


def test_the_numbers_are_those_of_a_network_that_knows_its_rows():
    # The class is where the row is even: a shift down flips every pixel, a shift right none.
    def rows(image: torch.Tensor) -> torch.Tensor:
        sign = 1 - 2.0 * (torch.arange(image.shape[2]) % 2)
        return 4 * sign[:, None].expand(image.shape[2:])[None]

    result = shift_equivariance(Known(rows), _image(20, 18), Target(), border=2)
    assert result.changed.tolist() == [1, 0]
    assert result.dice.tolist() == [0, 1]
    high = 1 / (1 + np.exp(-4))
    np.testing.assert_allclose(result.moved, [2 * high - 1, 0], rtol=1e-5)
    assert result.change[:2].max() == 0
    np.testing.assert_allclose(result.change[2:-3, 2:-2], 2 * high - 1, rtol=1e-5)


def test_two_pixels_are_no_shift_for_it_and_the_control_says_so():
    def rows(image: torch.Tensor) -> torch.Tensor:
        sign = 1 - 2.0 * (torch.arange(image.shape[2]) % 2)
        return sign[:, None].expand(image.shape[2:])[None]

    result = shift_equivariance(Known(rows), _image(20, 18), Target(), pixels=2, border=2)
    assert result.changed.tolist() == [0, 0]
    assert result.changed_by_period == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (4, 4)])
def test_tiny_images_are_compared_as_far_as_they_go(size: tuple[int, int]):
    result = shift_equivariance(loaded(Design(depth=3, width=2)), _image(*size), Target(), pixels=8)
    for array in result.arrays().values():
        assert np.isfinite(array).all()
    assert result.change.shape == size
    assert result.facts.en.endswith(".") and result.check.zh.endswith("。")
    if max(size) < 9:
        assert result.compared.sum() == 0
        assert "too small" in result.facts.en
        assert "too small" in result.check.en
