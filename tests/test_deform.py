"""Deformable convolution against plain convolution, and against a slow loop that follows the definition."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground import catalogues
from unet_playground.parts import Place
from unet_playground.parts.deform import DeformableConvolution
from unet_playground.taps import Tape

CONVOLVE = {2: F.conv2d, 3: F.conv3d}
SIDES = {2: (7, 5), 3: (4, 5, 3)}
both = pytest.mark.parametrize("dims", [2, 3])


def _layer(dims: int, channels: int = 3, filters: int = 2) -> DeformableConvolution:
    layer = DeformableConvolution(channels, filters, dims).double()
    with torch.no_grad():
        layer.convolution.bias.normal_()  # type: ignore[operator]
    return layer


def _plain(layer: DeformableConvolution, x: Tensor) -> Tensor:
    """Convolution with the same weights: tap k of channel c becomes the k-th cell of the kernel, row-major."""
    weight: Tensor = layer.convolution.weight  # type: ignore[assignment]
    kernel = weight.flatten(1).unflatten(1, (-1, *[3] * layer.dims))
    return CONVOLVE[layer.dims](x, kernel, layer.convolution.bias, padding=1)  # type: ignore[arg-type]


def _read(x: np.ndarray, position: tuple[float, ...]) -> float:
    """Linear interpolation with zeros outside, one corner after the other."""
    total = 0.0
    lows = [math.floor(p) for p in position]
    for corner in itertools.product((0, 1), repeat=len(position)):
        cell = [low + step for low, step in zip(lows, corner, strict=True)]
        if all(0 <= at < side for at, side in zip(cell, x.shape, strict=True)):
            total += x[tuple(cell)] * math.prod(1 - abs(p - at) for p, at in zip(position, cell, strict=True))
    return total


def _slow(x: np.ndarray, offsets: np.ndarray, modulation: np.ndarray, weight: np.ndarray, bias: np.ndarray):
    """y(p) = b + sum over channels and taps of w m x(p + tap + offset); x (c, *sides), offsets (taps, dims, *sides)."""
    sides, dims = x.shape[1:], x.ndim - 1
    taps = list(itertools.product((-1, 0, 1), repeat=dims))
    result = np.zeros((len(bias), *sides))
    for pixel in itertools.product(*map(range, sides)):
        for k, tap in enumerate(taps):
            moved = [offsets[(k, axis, *pixel)] for axis in range(dims)]
            position = tuple(p + t + m for p, t, m in zip(pixel, tap, moved, strict=True))
            for c in range(len(x)):
                value = modulation[(k, *pixel)] * _read(x[c], position)
                result[(slice(None), *pixel)] += weight[:, c * len(taps) + k] * value
    return result + bias.reshape(-1, *[1] * dims)


@both
def test_it_starts_as_a_plain_convolution(dims: int):
    layer, x = _layer(dims), torch.randn(2, 3, *SIDES[dims], dtype=torch.float64)
    torch.testing.assert_close(layer(x), _plain(layer, x), rtol=0, atol=1e-12)


@both
def test_modulation_starts_at_one_and_offsets_at_zero(dims: int):
    tape = Tape()
    _layer(dims)(torch.randn(1, 3, *SIDES[dims], dtype=torch.float64), tape)
    modulation = tape.features["modulation"]
    assert modulation.shape == (1, 3**dims, *SIDES[dims])
    assert (modulation == 1).all()
    assert not _layer(dims).predictor(torch.randn(1, 3, *SIDES[dims], dtype=torch.float64)).any()


@both
def test_it_predicts_one_offset_per_axis_and_one_factor_per_tap(dims: int):
    assert _layer(dims).predictor.out_channels == {2: 27, 3: 108}[dims]


@both
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_follows_the_definition_for_random_offsets_and_factors(dims: int, dtype: torch.dtype):
    layer, taps = _layer(dims, channels=2).to(dtype), 3**dims
    x = torch.randn(1, 2, *SIDES[dims], dtype=dtype)
    offsets = 2 * torch.randn(1, dims * taps, *SIDES[dims], dtype=dtype)
    modulation = 2 * torch.rand(1, taps, *SIDES[dims], dtype=dtype)
    with torch.no_grad():
        fast = layer.convolution(layer.sample(x, offsets, modulation))[0].double().numpy()
    weight = layer.convolution.weight.detach().flatten(1).double().numpy()  # type: ignore[operator]
    moved = offsets[0].unflatten(0, (taps, dims)).double().numpy()
    bias = layer.convolution.bias.detach().double().numpy()  # type: ignore[operator]
    slow = _slow(x[0].double().numpy(), moved, modulation[0].double().numpy(), weight, bias)
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-10)


@pytest.mark.parametrize(("dims", "axis"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
def test_offsets_are_interleaved_by_axis_rows_first(dims: int, axis: int):
    layer, taps, sides = _layer(dims, channels=1), 3**dims, (6, 5, 4)[:dims]
    x = torch.randn(1, 1, *sides, dtype=torch.float64)
    offsets = torch.zeros(1, dims * taps, *sides, dtype=torch.float64)
    offsets[:, axis::dims] = 1
    read = layer.sample(x, offsets, torch.ones(1, taps, *sides, dtype=torch.float64))
    centre = read[0, taps // 2]
    shifted = torch.zeros_like(x[0, 0])
    shifted.narrow(axis, 0, sides[axis] - 1).copy_(x[0, 0].narrow(axis, 1, sides[axis] - 1))
    torch.testing.assert_close(centre, shifted, rtol=0, atol=1e-12)


def test_one_tap_moves_alone():
    layer = _layer(2, channels=1)
    x = torch.arange(35, dtype=torch.float64).reshape(1, 1, 5, 7)
    offsets = torch.zeros(1, 18, 5, 7, dtype=torch.float64)
    offsets[:, 2 * 3], offsets[:, 2 * 3 + 1] = 1, 3  # tap 3 stands at row 0, column -1
    read = layer.sample(x, offsets, torch.ones(1, 9, 5, 7, dtype=torch.float64))[0, :, 2, 2]
    expected = [8.0, 9, 10, 25, 16, 17, 22, 23, 24]  # x(r, c) = 7 r + c around (2, 2); tap 3 reads (3, 4)
    torch.testing.assert_close(read, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


@both
@pytest.mark.parametrize("offsets", ["source", "target"])
def test_the_deformable_up_starts_as_convolution_and_interpolation(dims: int, offsets: str):
    up = catalogues["up"]["deformable"].make(3, 2, Place(0, 2, dims), offsets=offsets).double()
    x = torch.randn(1, 3, *SIDES[dims], dtype=torch.float64)
    mode = {2: "bilinear", 3: "trilinear"}[dims]

    def enlarge(y: Tensor) -> Tensor:
        return F.interpolate(y, scale_factor=2.0, mode=mode, align_corners=False)

    expected = enlarge(_plain(up.convolution, x)) if offsets == "source" else _plain(up.convolution, enlarge(x))
    asked = [2 * side - 1 for side in SIDES[dims]]
    crop = (..., *(slice(side) for side in asked))
    torch.testing.assert_close(up(x, asked), expected[crop], rtol=0, atol=1e-12)


def test_in_half_precision_every_place_is_still_told_apart():
    layer, side = DeformableConvolution(1, 1, 2), 200
    x = torch.arange(side).expand(1, 1, side, side).to(torch.bfloat16)  # exact up to 256
    offsets = torch.zeros(1, 18, side, side, dtype=torch.bfloat16)
    read = layer.sample(x, offsets, torch.ones(1, 9, side, side, dtype=torch.bfloat16))
    assert read.dtype == torch.bfloat16
    assert torch.equal(read[:, 4:5], x)  # the middle tap
