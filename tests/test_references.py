"""Layers and parts against torch's own operations and straightforward formulas."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground import Design, UNet, catalogues
from unet_playground.parts import Passage, Place
from unet_playground.parts.layers import (
    Centred,
    JoinedConvolution,
    Norm,
    center,
    crop,
    depth_to_space,
    double,
    pool_down,
    transposed_convolution,
)

both = pytest.mark.parametrize("dims", [2, 3])
PLACE = {dims: Place(0, 1, dims) for dims in (2, 3)}


def _features(channels: int, dims: int = 2, *, side: int = 6) -> Tensor:
    return torch.randn(2, channels, *[side] * dims, dtype=torch.float64)


def _part(slot: str, id: str, *numbers: object, **options: object) -> Any:
    part = catalogues[slot][id].make(*numbers, **options).double()
    return part.requires_grad_(False)


def _close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def _shake(part: nn.Module) -> None:
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.normal_(0, 0.5)


@both
@pytest.mark.parametrize("kernel", [1, 3])
def test_pixel_shuffle_starts_as_nearest_enlargement_of_its_convolution(dims: int, kernel: int):
    up, x = _part("up", "pixel-shuffle", 4, 3, PLACE[dims], kernel=kernel), _features(4, dims)
    weight = up.convolution.weight[:: 2**dims]
    small = {2: F.conv2d, 3: F.conv3d}[dims](x, weight, padding=kernel // 2)
    _close(up(x, [12] * dims), F.interpolate(small, scale_factor=2.0, mode="nearest"))
    assert not up.convolution.bias.any()


def test_depth_to_space_is_pixel_shuffle():
    x = torch.randn(2, 12, 3, 5)
    assert torch.equal(depth_to_space(x), F.pixel_shuffle(x, 2))


def test_depth_to_space_deals_row_major_in_three_dimensions():
    x = torch.arange(16.0).reshape(1, 16, 1, 1, 1)
    assert torch.equal(depth_to_space(x), torch.arange(16.0).reshape(1, 2, 2, 2, 2))


@both
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_transposed_convolutions_double_the_side_exactly(dims: int, kernel: int):
    layer = transposed_convolution(3, 2, kernel, dims)
    for side in (1, 2, 5):
        assert layer(torch.randn(1, 3, *[side] * dims)).shape == (1, 2, *[2 * side] * dims)


@pytest.mark.parametrize(("kernel", "counts"), [(2, {1}), (4, {4}), (3, {1, 2, 4})])
def test_transposed_kernels_overlap_as_often_as_the_lesson_says(kernel: int, counts: set[int]):
    layer = transposed_convolution(1, 1, kernel, 2)
    nn.init.ones_(layer.weight)  # type: ignore[arg-type]
    stamped = layer(torch.ones(1, 1, 8, 8))[0, 0, 4:12, 4:12]
    assert set(stamped.detach().flatten().tolist()) == counts


@both
def test_the_attention_gate_follows_its_formula(dims: int):
    gate, (e, d) = _part("skip", "attention-gate", [4, 8], PLACE[dims]), (_features(4, dims), _features(4, dims))
    _shake(gate)

    def linear(layer: Any, x: Tensor) -> Tensor:
        mixed = torch.einsum("oc,nc...->no...", layer.weight.flatten(1), x)
        return mixed if layer.bias is None else mixed + layer.bias.view(-1, *[1] * dims)

    inner = (linear(gate.of_encoded, e) + linear(gate.of_decoded, d)).clamp_min(0)
    alpha = 1 / (1 + torch.exp(-linear(gate.psi, inner)))
    crossed = gate.cross(Passage([e], []), d)
    _close(crossed, alpha * e)
    _close(gate.join(d, crossed), torch.cat([d, alpha * e], 1))
    assert gate.of_encoded.bias is None


def test_addition_with_a_scale_of_zero_contributes_nothing():
    skip, (e, d) = _part("skip", "add", [4, 8], PLACE[2], scalar=True), (_features(4), _features(4))
    projected = F.conv2d(e, skip.projection.weight, skip.projection.bias)
    _close(skip.join(d, skip.cross(Passage([e], []), d)), d + projected)
    skip.scale.fill_(-0.5)
    _close(skip.join(d, skip.cross(Passage([e], []), d)), d + 0.5 * projected)
    skip.scale.zero_()
    assert torch.equal(skip.join(d, skip.cross(Passage([e], []), d)), d)


@both
def test_dense_skips_bring_every_finer_level_pooled_to_size(dims: int):
    widths = [3, 6, 12]
    skip = _part("skip", "dense", widths, Place(2, 3, dims))
    encoded = [_features(width, dims, side=side) for width, side in zip(widths, (11, 6, 3), strict=True)]
    pool, convolve = ({2: F.max_pool2d, 3: F.max_pool3d}[dims], {2: F.conv2d, 3: F.conv3d}[dims])
    pooled = [pool(encoded[0], 4, ceil_mode=True), pool(encoded[1], 2, ceil_mode=True), encoded[2]]
    parts = [convolve(x, one.weight, one.bias) for x, one in zip(pooled, skip.compressions, strict=True)]
    _close(skip.cross(Passage(encoded, []), encoded[2]), torch.cat(parts, 1))
    assert sum(part.shape[1] for part in parts) == widths[2]


def _squeeze(x: Tensor) -> Tensor:
    return x.flatten(2).mean(2)


def _excite(gate: Any, pooled: Tensor) -> Tensor:
    hidden = F.linear(pooled, gate.squeeze.weight.flatten(1), gate.squeeze.bias).clamp_min(0)
    return F.linear(hidden, gate.excite.weight.flatten(1), gate.excite.bias)


@both
def test_squeeze_and_excitation_follows_its_formula(dims: int):
    part, x = _part("attention", "se", 6, PLACE[dims], reduction=2), _features(6, dims)
    _shake(part)
    factors = torch.sigmoid(_excite(part.gate, _squeeze(x)))
    _close(part(x), x * factors.view(2, 6, *[1] * dims))


@pytest.mark.parametrize(("channels", "reduction", "hidden"), [(1, 16, 4), (64, 16, 4), (128, 16, 8), (8, 1, 8)])
def test_the_hidden_width_of_a_channel_gate_has_a_floor(channels: int, reduction: int, hidden: int):
    part = _part("attention", "se", channels, PLACE[2], reduction=reduction)
    assert part.gate.squeeze.out_channels == hidden


@pytest.mark.parametrize("order", ["sequential", "parallel"])
@both
def test_cbam_follows_its_formula(dims: int, order: str):
    part, x = _part("attention", "cbam", 6, PLACE[dims], order=order, kernel=3), _features(6, dims)
    _shake(part)
    score = _excite(part.channel, _squeeze(x)) + _excite(part.channel, x.flatten(2).amax(2))
    weighed = x * torch.sigmoid(score).view(2, 6, *[1] * dims)
    seen = weighed if order == "sequential" else x
    summary = torch.stack([seen.amax(1), seen.mean(1)], 1)
    spatial = {2: F.conv2d, 3: F.conv3d}[dims](summary, part.spatial.weight, part.spatial.bias, padding=1)
    _close(part(x), weighed * torch.sigmoid(spatial))


def test_cbam_of_zeros_halves_twice():
    part, x = _part("attention", "cbam", 6, PLACE[2]), _features(6)
    for parameter in part.parameters():
        parameter.zero_()
    _close(part(x), x / 4)


def test_spatial_attention_starts_as_the_identity_and_follows_its_formula():
    part, x = _part("attention", "spatial", 6, PLACE[2], kernel=5), _features(6)
    assert torch.equal(part(x), x)
    _shake(part)
    score = F.conv2d(x, part.score.weight, part.score.bias, padding=2)
    _close(part(x), 2 * torch.sigmoid(score) * x)


@both
def test_a_joined_convolution_is_a_convolution_over_the_concatenation_and_a_sum_over_sources(dims: int):
    layer = JoinedConvolution({"one": 3, "two": 4}, 5, 3, dims).double().requires_grad_(False)
    one, two = _features(3, dims), _features(4, dims)
    convolve, weights = {2: F.conv2d, 3: F.conv3d}[dims], layer.weight
    joined = layer(torch.cat([one, two], 1))
    _close(joined, convolve(torch.cat([one, two], 1), torch.cat([weights["one"], weights["two"]], 1), padding=1))
    _close(joined, convolve(one, weights["one"], padding=1) + convolve(two, weights["two"], padding=1))


def test_norm_divides_each_pixel_by_the_size_of_its_channel_vector():
    norm, x = Norm(3, 2).double().requires_grad_(False), _features(3)
    norm.bias.normal_()
    slow = np.empty(x.shape)
    for n, r, c in itertools.product(range(2), range(6), range(6)):
        vector = x[n, :, r, c].numpy()
        slow[n, :, r, c] = vector / np.sqrt((vector**2).mean() + 0.1) + norm.bias[:, 0, 0].numpy()
    _close(norm(x), torch.from_numpy(slow))


def _worst_mean(network: nn.Module) -> float:
    """Largest mean of a filter over features; the image's own filters keep their mean."""
    means = []
    for module in network.modules():
        if isinstance(module, Centred):
            axes = [axis for axis in range(module.weight.dim()) if axis not in module.filter_axes]
            means.append(module.weight.mean(axes))
        elif isinstance(module, JoinedConvolution):
            means += [weight.flatten(1).mean(1) for name, weight in module.weight.items() if name != "image"]
    return max(float(mean.detach().abs().max()) for mean in means)


@pytest.mark.parametrize("up", catalogues["up"])
def test_filters_over_features_are_mean_free_before_and_after_a_step_of_training(up: str):
    network = UNet(Design(depth=2, width=4, up=up, skip="add", down="strided-conv"))
    assert _worst_mean(network) < 1e-7
    network.double()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    network(torch.rand(1, 3, 16, 16, dtype=torch.float64)).square().mean().backward()
    optimizer.step()
    assert _worst_mean(network) > 1e-4
    center(network)
    assert _worst_mean(network) < 1e-12


@both
def test_pooling_down_gives_the_rounded_up_side_and_keeps_the_strongest(dims: int):
    x = _features(2, dims, side=5)
    assert torch.equal(pool_down(x, 0), x)
    once, twice = pool_down(x, 1), pool_down(x, 2)
    assert once.shape[2:] == (3,) * dims
    assert torch.equal(twice, pool_down(once, 1))
    last = (..., *[slice(4, None)] * dims)
    assert torch.equal(once[(..., *[-1] * dims)], x[last].flatten(2)[..., 0])


def test_doubling_interpolates_between_pixel_centres():
    assert double(torch.tensor([[[[0.0, 4.0]]]]))[0, 0, 0].tolist() == [0, 1, 3, 4]


def test_doubling_moves_with_its_input():
    x = _features(1, side=8)
    _close(double(x.roll(1, 2))[:, :, 4:12], double(x).roll(2, 2)[:, :, 4:12])


def test_cropping_keeps_the_first_pixels():
    x = _features(2, side=6)
    assert torch.equal(crop(x, [6, 6]), x)
    assert torch.equal(crop(x, [5, 3]), x[:, :, :5, :3])
