"""The ways down against explicit loops over windows."""

import itertools
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground.parts import Place, downs

both = pytest.mark.parametrize("dims", [2, 3])
blurs = pytest.mark.parametrize("kernel", [3, 5])
BINOMIAL = {3: np.array([1, 2, 1]) / 4, 5: np.array([1, 4, 6, 4, 1]) / 16}
POOLS = ["max-pool", "avg-pool", "blur-pool", "blur-pool(kernel=5)"]


def _down(written: str, dims: int = 2, channels: int = 2) -> Any:
    choice = downs.parse(written)
    return downs[choice.id].make(channels, Place(1, 2, dims), **dict(choice.options))


def _blur(kernel: Literal[3, 5], dims: int = 2) -> Any:
    return _down(f"blur-pool(kernel={kernel})", dims)


def _close(actual: Tensor, expected: Tensor | np.ndarray) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected), rtol=0, atol=1e-12)


def _slow_blur_pool(x: np.ndarray, kernel: int) -> np.ndarray:
    """Maximum of 2 pixels a side, weighed by the outer product of the binomial; indices stop at the border."""
    sides = x.shape[2:]
    reach, axes = kernel // 2, len(sides)
    pooled = np.zeros((*x.shape[:2], *((side + 1) // 2 for side in sides)))

    def pixel(at: list[int]) -> np.ndarray:
        inside = (min(max(i, 0), side - 1) for i, side in zip(at, sides, strict=True))
        return x[(slice(None), slice(None), *inside)]

    for p in itertools.product(*map(range, pooled.shape[2:])):
        for k in itertools.product(range(kernel), repeat=axes):
            first = [2 * a + b - reach for a, b in zip(p, k, strict=True)]
            corners = itertools.product((0, 1), repeat=axes)
            strongest = np.max([pixel([a + b for a, b in zip(first, c, strict=True)]) for c in corners], 0)
            pooled[(slice(None), slice(None), *p)] += np.prod(BINOMIAL[kernel][list(k)]) * strongest
    return pooled


def _slow_average(x: np.ndarray) -> np.ndarray:
    sides = tuple((side + 1) // 2 for side in x.shape[2:])
    pooled = np.zeros((*x.shape[:2], *sides))
    for p in itertools.product(*map(range, sides)):
        window = x[(slice(None), slice(None), *(slice(2 * i, 2 * i + 2) for i in p))]
        pooled[(slice(None), slice(None), *p)] = window.mean(tuple(range(2, x.ndim)))
    return pooled


def test_the_menu_is_in_its_order():
    assert list(downs) == ["max-pool", "avg-pool", "strided-conv", "blur-pool", "none"]
    assert [id for id in downs if not downs[id].make.halves] == ["none"]


@both
@pytest.mark.parametrize("side", range(1, 10))
@pytest.mark.parametrize("written", [*POOLS, "strided-conv"])
def test_a_side_becomes_half_of_it_rounded_up(written: str, side: int, dims: int):
    sides = [side, *[4] * (dims - 1)]
    assert _down(written, dims)(torch.randn(1, 2, *sides)).shape == (1, 2, (side + 1) // 2, *[2] * (dims - 1))


@both
@pytest.mark.parametrize("written", POOLS)
@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_pooling_a_constant_gives_the_constant(written: str, side: int, dims: int):
    x = torch.full((1, 2, *[side] * dims), -1.7, dtype=torch.float64)
    y = _down(written, dims)(x)
    _close(y, torch.full_like(y, -1.7))


@blurs
@pytest.mark.parametrize("sides", [(1, 1), (7, 6), (2, 9), (8, 1), (3, 4, 1), (5, 2, 3)])
def test_blur_pooling_is_a_maximum_then_a_binomial_filter_read_at_every_second_pixel(
    sides: tuple[int, ...], kernel: Literal[3, 5]
):
    x = torch.randn(2, 3, *sides, dtype=torch.float64)
    _close(_blur(kernel, len(sides))(x), _slow_blur_pool(x.numpy(), kernel))


@pytest.mark.parametrize("sides", [(1, 1), (6, 4), (5, 7), (1, 8), (3, 1, 4), (5, 2, 7)])
def test_average_pooling_divides_by_the_pixels_that_exist(sides: tuple[int, ...]):
    x = torch.randn(2, 3, *sides, dtype=torch.float64)
    for layout in (x, x.to(memory_format=torch.channels_last if len(sides) == 2 else torch.channels_last_3d)):
        _close(_down("avg-pool", len(sides))(layout), _slow_average(x.numpy()))


@blurs
@pytest.mark.parametrize("side", [16, 17])
def test_a_blur_window_lies_around_the_pixels_of_max_pooling(side: int, kernel: Literal[3, 5]):
    x = torch.zeros(1, 1, side, side, dtype=torch.float64)
    reach, at = kernel // 2, 4
    reached = []
    for column in range(side):
        x.zero_()[..., 2 * at, column] = 1
        if _blur(kernel)(x)[0, 0, at, at] > 0:
            reached.append(column)
    assert reached == list(range(2 * at - reach, 2 * at + 2 + reach))


def _change_by_a_shift(written: str, x: Tensor) -> float:
    """Size of what a shift by one pixel changes, beside the spread of the pooled values."""
    pool = _down(written)
    before, after = pool(x)[..., 4:-4], pool(x.roll(1, 3))[..., 4:-4]
    return float((after - before).norm() / (before - before.mean()).norm())


def test_a_shift_by_one_pixel_changes_blur_pooling_less_than_max_pooling():
    x = torch.randn(4, 2, 64, 64)
    sharp, soft, softer = (_change_by_a_shift(one, x) for one in ("max-pool", *POOLS[2:]))
    assert softer < soft < 0.8 * sharp


@both
@pytest.mark.parametrize("written", [*POOLS, "none"])
def test_what_has_nothing_to_learn_holds_no_tensor(written: str, dims: int):
    assert not _down(written, dims).state_dict()


@both
@pytest.mark.parametrize("written", POOLS)
def test_pooling_does_not_mind_the_layout_nor_autocast(written: str, dims: int):
    layout = {2: torch.channels_last, 3: torch.channels_last_3d}[dims]
    x = torch.randn(2, 3, *[7] * dims)
    last = x.to(memory_format=layout)
    y = _down(written, dims)(last)
    torch.testing.assert_close(y, _down(written, dims)(x), rtol=0, atol=1e-6)
    if dims == 2:
        assert y.is_contiguous(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        half = _down(written, dims)(last.bfloat16())
    torch.testing.assert_close(half.float(), y, rtol=0, atol=0.05)


@blurs
def test_blur_pooling_is_differentiable(kernel: Literal[3, 5]):
    x = torch.randn(1, 1, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_blur(kernel), (x,))


def test_staying_at_full_resolution_passes_everything():
    x = torch.randn(1, 2, 5, 3)
    assert torch.equal(_down("none")(x), x)
    assert torch.equal(_down("max-pool")(x), F.max_pool2d(x, 2, 2, ceil_mode=True))
