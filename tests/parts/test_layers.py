"""Normalisation in training and in evaluation is one function, and so is its gradient."""

import pytest
import torch

from unet_playground.parts.layers import Norm


@pytest.mark.parametrize("dims", [2, 3])
def test_the_norm_of_training_is_that_of_evaluation(dims: int):
    norm = Norm(5, dims).double()
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(2, 5, *[4] * dims, dtype=torch.double, requires_grad=True)
    found = []
    for mode in (True, False):
        y = norm.train(mode)(x)
        found.append((y, *torch.autograd.grad(y, (x, norm.bias), torch.ones_like(y).cumsum(1).sin())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_the_gradient_of_the_norm_is_right_and_so_is_its_own():
    norm = Norm(3, 2).double()
    x = torch.randn(2, 3, 2, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(norm.train(), (x,))
    assert torch.autograd.gradgradcheck(norm, (x,))


def test_half_precision_stays_half_and_near():
    norm = Norm(16, 2).train()
    x = torch.randn(1, 16, 8, 8)
    half = norm(x.bfloat16().requires_grad_())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), norm(x), rtol=0, atol=0.05)
    half.float().sum().backward()
    assert norm.bias.grad is not None and norm.bias.grad.dtype == torch.float32
