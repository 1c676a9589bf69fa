"""Integrated gradients where the right answer is known."""

import numpy as np
import pytest
import torch

from tests.analysis.models import CENTRE, Known, loaded
from unet_playground import Design
from unet_playground.analysis import Attribution, Target, integrated_gradients

POINT = Target(1, CENTRE)


def test_on_a_linear_network_it_is_weight_times_input():
    weight, image = torch.randn(3, 7, 9), torch.rand(1, 3, 7, 9)
    model = Known(lambda x: (weight * x).sum((1, 2, 3))[:, None, None].expand(-1, 7, 9))
    result = integrated_gradients(model, image, POINT, steps=3)
    np.testing.assert_allclose(result.values, (weight * image[0]).sum(0).numpy(), rtol=0, atol=1e-5)
    assert result.total == pytest.approx(float((weight * image).sum()), abs=1e-4)
    assert result.gap < 1e-4


def test_on_a_quadratic_network_it_is_the_integral():
    # F(x) = x^2 at the pixel: the integral of 2 t x dt times x is x^2, which two Gauss points give exactly.
    image = torch.rand(1, 3, 7, 9)
    result = integrated_gradients(Known(lambda x: x.square().sum(1)), image, POINT, steps=2)
    expected = np.zeros((7, 9), np.float32)
    expected[CENTRE] = image[0, :, *CENTRE].square().sum()
    np.testing.assert_allclose(result.values, expected, rtol=0, atol=1e-6)


def test_on_a_constant_network_it_is_zero():
    result = integrated_gradients(Known(lambda x: 0 * x.sum(1) + 3), torch.rand(1, 3, 7, 9), POINT)
    assert not result.values.any()
    assert result.total == 0
    assert result.gap == 0


def test_on_a_smooth_network_the_gap_closes_with_more_steps():
    weight = torch.randn(3, 7, 9)
    model = Known(lambda x: torch.tanh((weight * x).sum((1, 2, 3)))[:, None, None].expand(-1, 7, 9))
    image = torch.rand(1, 3, 7, 9)
    assert integrated_gradients(model, image, POINT, steps=64).gap < 1e-4


def test_on_a_real_network_it_is_the_weighted_sum_of_gradients_along_the_path():
    model, image, steps = loaded(Design(depth=2, width=4, attention="spatial")), torch.rand(1, 3, 12, 12), 6
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    summed = torch.zeros(12, 12, dtype=torch.float64)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        at = (node * image).float().requires_grad_()
        (gradient,) = torch.autograd.grad(model(at)[0, 1, 6, 5], at)
        summed += weight * (gradient * image)[0].sum(0)
    result = integrated_gradients(model, image, Target(1, (6, 5)), steps=steps)
    np.testing.assert_allclose(result.values, summed.numpy(), rtol=0, atol=2e-5)
    with torch.no_grad():
        expected = model(image)[0, 1, 6, 5] - model(torch.zeros_like(image))[0, 1, 6, 5]
    assert result.total == pytest.approx(float(expected), abs=1e-5)
    assert result.gap == pytest.approx(abs(float(summed.sum() - expected)) / abs(float(expected)), rel=1e-4)
    assert result.steps == steps


def test_the_gap_is_the_missing_share_of_the_total():
    values = np.array([[1.0, 2.0], [0.5, 0.0]], np.float32)
    assert Attribution(POINT, values, 5.0, 8).gap == pytest.approx(0.3)
    assert Attribution(POINT, values, -3.5, 8).gap == pytest.approx(2.0)
    assert Attribution(POINT, values, 0.0, 8).gap == float("inf")
    assert "30.0%" in Attribution(POINT, values, 5.0, 8).check.en
    assert "30.0%" in Attribution(POINT, values, 5.0, 8).check.zh


def test_without_a_point_the_target_is_the_sum_over_the_mask():
    image = torch.rand(1, 3, 7, 9)
    result = integrated_gradients(Known(lambda x: x[:, 0] - 0.5), image, Target(1), steps=2)
    inside = image[0, 0] > 0.5
    assert result.pixels == inside.sum()
    np.testing.assert_allclose(result.values, (image[0, 0] * inside).numpy(), rtol=0, atol=1e-6)
    assert result.total == pytest.approx(float(image[0, 0][inside].sum()), abs=1e-5)


def test_a_class_that_is_nowhere_has_no_attribution():
    result = integrated_gradients(Known(lambda x: x.sum(1) - 9), torch.rand(1, 3, 7, 9), Target(1))
    assert not result.values.any()
    assert (result.pixels, result.gap) == (0, 0)
    assert "no pixel of this class" in result.check.en


def test_its_array_has_the_size_of_the_image():
    arrays = integrated_gradients(loaded(Design(depth=2, width=4)), torch.rand(1, 3, 11, 6), Target(), steps=2).arrays()
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
        "attribution": ((11, 6), "float32")
    }
