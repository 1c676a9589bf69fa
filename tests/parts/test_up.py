"""Upsamplers against slow loops that follow their definitions, and against the identities that their lessons claim."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground import catalogues
from unet_playground.parts import Place
from unet_playground.parts.up.carafe import reassemble
from unet_playground.parts.up.dysample import sample_displaced
from unet_playground.taps import IGNORE, Freeze, Tape

UPS = catalogues["up"]
SIDES = {2: (3, 5), 3: (2, 3, 4)}
OPEN = 1 / (1 + math.exp(-2))
both = pytest.mark.parametrize("dims", [2, 3])
kernels = pytest.mark.parametrize("kernel", [1, 3])
ways = pytest.mark.parametrize("by", ["transposed", "shuffle"])


def _up(id: str, channels: int, filters: int, dims: int = 2, *, shaken: bool = False, **options: object) -> Any:
    part = UPS[id].make(channels, filters, Place(0, 1, dims), **options).double().requires_grad_(False)
    if shaken:
        for parameter in part.parameters():
            parameter.normal_(0, 0.5)
    return part


def _features(channels: int, *sides: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, channels, *sides, dtype=torch.float64)


def _twice(sides: tuple[int, ...]) -> list[int]:
    return [2 * side for side in sides]


def _close(actual: Tensor, expected: Tensor | np.ndarray) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected), rtol=0, atol=1e-10)


def _slow_convolution(x: np.ndarray, layer: Any) -> np.ndarray:
    """One product after the other, zeros outside; x (c, *sides)."""
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    reach, sides = weight.shape[-1] // 2, x.shape[1:]
    result = np.zeros((len(weight), *sides))
    for pixel in itertools.product(*map(range, sides)):
        result[(slice(None), *pixel)] = bias
        for step in itertools.product(range(-reach, reach + 1), repeat=len(sides)):
            at = tuple(p + s for p, s in zip(pixel, step, strict=True))
            if all(0 <= a < side for a, side in zip(at, sides, strict=True)):
                cell = tuple(s + reach for s in step)
                result[(slice(None), *pixel)] += weight[(..., *cell)] @ x[(slice(None), *at)]
    return result


def _read(x: np.ndarray, position: tuple[float, ...]) -> float:
    """Linear interpolation at a position that is first moved inside the image."""
    inside = [min(max(p, 0), side - 1) for p, side in zip(position, x.shape, strict=True)]
    total = 0.0
    for cell in itertools.product(*map(range, x.shape)):
        total += x[cell] * math.prod(max(0.0, 1 - abs(p - at)) for p, at in zip(inside, cell, strict=True))
    return total


def _slow_enlargement(x: np.ndarray, mode: str) -> np.ndarray:
    """Twice the sides, one pixel after the other; x (c, *sides)."""
    result = np.zeros((len(x), *_twice(x.shape[1:])))
    for c, *pixel in itertools.product(range(len(x)), *map(range, result.shape[1:])):
        if mode == "nearest":
            result[(c, *pixel)] = x[(c, *(p // 2 for p in pixel))]
        else:
            result[(c, *pixel)] = _read(x[c], tuple((p + 0.5) / 2 - 0.5 for p in pixel))
    return result


def test_the_menu_goes_from_fixed_to_learned_to_content():
    expected = "nearest bilinear transposed pixel-shuffle learned deformable carafe dysample"
    assert [entry.id for entry in UPS.entries()] == expected.split()


def test_each_says_for_how_many_dimensions_it_is_defined():
    flat = {entry.id for entry in UPS.entries() if entry.make.dims == (2,)}
    assert flat == {"carafe", "dysample"}
    assert all(entry.make.dims == (2, 3) for entry in UPS.entries() if entry.id not in flat)


@pytest.mark.parametrize("id", UPS)
@pytest.mark.parametrize("sides", [(1, 1), (1, 5), (3, 7)])
def test_it_gives_exactly_the_sides_that_are_asked_for(id: str, sides: tuple[int, int]):
    up, x = _up(id, 6, 3, shaken=True), _features(6, *sides)
    whole = up.enlarge(x, IGNORE)
    assert whole.shape == (2, 3, *_twice(sides))
    for asked in itertools.product(*((2 * side - 1, 2 * side) for side in sides)):
        assert torch.equal(up(x, asked), whole[:, :, : asked[0], : asked[1]])


@pytest.mark.parametrize("id", UPS)
def test_memory_format_and_batch_change_nothing(id: str):
    up, x = _up(id, 6, 3, shaken=True), _features(6, 5, 4)
    expected = up(x, [9, 8])
    _close(up(x.to(memory_format=torch.channels_last), [9, 8]), expected)
    _close(up(x[1:], [9, 8]), expected[1:])


@both
@kernels
@pytest.mark.parametrize("id", ["nearest", "bilinear"])
def test_interpolation_follows_its_definition(id: str, kernel: int, dims: int):
    up, x = _up(id, 2, 3, dims, shaken=True, kernel=kernel), _features(2, *SIDES[dims], batch=1)
    expected = _slow_convolution(_slow_enlargement(x[0].numpy(), id), up.convolution)
    _close(up(x, _twice(SIDES[dims]))[0], expected)


@both
def test_pixel_shuffle_starts_as_nearest_only_where_both_see_one_pixel(dims: int):
    """A 1x1 convolution can be exchanged with repeating pixels; a 3x3 one sees other neighbours after it."""
    x, asked = _features(4, *SIDES[dims]), _twice(SIDES[dims])
    for kernel in (1, 3):
        shuffle, nearest = _up("pixel-shuffle", 4, 3, dims, kernel=kernel), _up("nearest", 4, 3, dims, kernel=kernel)
        nearest.convolution.weight.copy_(shuffle.convolution.weight[:: 2**dims])
        error = float((shuffle(x, asked) - nearest(x, asked)).abs().max())
        assert error < 1e-12 if kernel == 1 else error > 0.1


def test_pixel_shuffle_with_a_bias_draws_a_checkerboard_on_nothing():
    shuffle = _up("pixel-shuffle", 4, 1)
    shuffle.convolution.bias.copy_(torch.arange(4.0))
    drawn = shuffle(torch.zeros(1, 4, 2, 2, dtype=torch.float64), [4, 4])[0, 0]
    assert drawn.tolist() == [[0, 1, 0, 1], [2, 3, 2, 3]] * 2


@pytest.mark.parametrize(("kernel", "stamps"), [(2, (1, 1)), (3, (1, 2)), (4, (2, 2))])
def test_stamps_overlap_unevenly_only_with_kernel_three(kernel: int, stamps: tuple[int, int]):
    """Along each side even and odd output pixels get so many stamps; over both sides the numbers multiply."""
    up = _up("transposed", 1, 1, kernel=kernel)
    nn.init.ones_(up.convolution.weight)
    drawn = up(torch.ones(1, 1, 6, 6, dtype=torch.float64), [12, 12])[0, 0, 2:10, 2:10]
    assert drawn.tolist() == np.outer(stamps * 4, stamps * 4).tolist()


@both
@ways
def test_the_learned_enlargement_starts_with_an_open_gate(by: str, dims: int):
    up, x, tape = _up("learned", 4, 3, dims, by=by), _features(4, *SIDES[dims]), Tape()
    asked = _twice(SIDES[dims])
    _close(up(x, asked, tape), OPEN * up.enlargement(x, asked))
    _close(up(x, asked, Freeze()), up.enlargement(x, asked))
    alpha = tape.gates["alpha"]
    assert alpha.values.shape == (2, 1, *asked)
    assert alpha.top == 1
    assert abs(OPEN - 0.88) < 1e-3


@both
@ways
def test_the_learned_enlargement_follows_its_formula(by: str, dims: int):
    up, x = _up("learned", 4, 5, dims, shaken=True, by=by), _features(4, *SIDES[dims])
    asked = _twice(SIDES[dims])
    enlarged = up.enlargement(x, asked)

    def linear(layer: Any, y: Tensor) -> Tensor:
        return torch.einsum("oc,nc...->no...", layer.weight.flatten(1), y) + layer.bias.view(-1, *[1] * dims)

    inner = linear(up.of_enlarged, enlarged).clamp_min(0)
    assert inner.shape[1] == 2
    _close(up(x, asked), enlarged / (1 + torch.exp(-linear(up.psi, inner))))


def test_the_learned_enlargement_is_a_4x4_stamp_or_a_3x3_shuffle():
    assert _up("learned", 4, 3).enlargement.convolution.weight.shape == (4, 3, 4, 4)
    shuffle = _up("learned", 4, 3, by="shuffle").enlargement.convolution.weight
    assert shuffle.shape == (12, 4, 3, 3)
    assert torch.equal(shuffle[::4], shuffle[3::4])


@pytest.mark.parametrize("sides", [(1, 1), (1, 5), (6, 7)])
def test_carafe_with_equal_weights_is_a_box_blur_repeated(sides: tuple[int, int]):
    up, x = _up("carafe", 8, 3, shaken=True), _features(8, *sides)
    up.encoder.weight.zero_()
    up.encoder.bias.zero_()
    projected = F.conv2d(x, up.projection.weight, up.projection.bias)
    padded = F.pad(projected, [2] * 4)
    box = sum(padded[:, :, i : i + sides[0], j : j + sides[1]] for i in range(5) for j in range(5)) / 25
    expected = torch.as_tensor(box).repeat_interleave(2, 2).repeat_interleave(2, 3)
    _close(up(x, _twice(sides)), expected)
    nn.init.normal_(up.encoder.weight)
    _close(up(x, _twice(sides), Freeze()), expected)


def _slow_carafe(up: Any, x: np.ndarray) -> np.ndarray:
    """Every output pixel alone: its 25 numbers, their softmax, its neighbourhood."""
    projected = _slow_convolution(x, up.projection)
    scores = _slow_convolution(_slow_convolution(x, up.compression), up.encoder)
    height, width = x.shape[1:]
    result = np.zeros((len(projected), 2 * height, 2 * width))
    for row, column in itertools.product(range(2 * height), range(2 * width)):
        sub = 2 * (row % 2) + column % 2
        weights = np.exp(scores[sub::4, row // 2, column // 2])
        weights /= weights.sum()
        for k, (i, j) in enumerate(itertools.product(range(-2, 3), repeat=2)):
            r, c = row // 2 + i, column // 2 + j
            if 0 <= r < height and 0 <= c < width:
                result[:, row, column] += weights[k] * projected[:, r, c]
    return result


@pytest.mark.parametrize("sides", [(1, 1), (1, 5), (4, 7)])
def test_carafe_follows_its_definition(sides: tuple[int, int]):
    up, x = _up("carafe", 8, 3, shaken=True), _features(8, *sides, batch=1)
    _close(up(x, _twice(sides))[0], _slow_carafe(up, x[0].numpy()))


def test_carafe_tells_its_kernels_and_starts_with_nearly_equal_ones():
    tape = Tape()
    up = _up("carafe", 16, 3)
    assert not up.encoder.bias.any()
    up(_features(16, 6, 7), [12, 14], tape)
    weights = tape.features["kernel"]
    assert weights.shape == (2, 25, 12, 14)
    _close(weights.sum(1), torch.ones(2, 12, 14, dtype=torch.float64))
    assert 0 < float((25 * weights - 1).abs().max()) < 0.1


def test_carafe_can_copy_one_neighbour():
    x, weights = _features(2, 4, 5), torch.zeros(2, 25, 8, 10, dtype=torch.float64)
    weights[:, 5 * 1 + 4] = 1  # one row up, two columns to the right
    shifted = torch.zeros_like(x)
    shifted[:, :, 1:, :-2] = x[:, :, :-1, 2:]
    _close(reassemble(x, weights), shifted.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize(("channels", "inner"), [(1, 4), (16, 4), (64, 16), (256, 64), (512, 64)])
def test_carafe_compresses_to_a_quarter_between_4_and_64(channels: int, inner: int):
    assert _up("carafe", channels, 2).compression.out_channels == inner


@kernels
@pytest.mark.parametrize("sides", [(1, 1), (1, 5), (3, 7), (33, 20)])
def test_dysample_without_displacements_is_bilinear(sides: tuple[int, int], kernel: int):
    up, bilinear = _up("dysample", 6, 3, shaken=True, kernel=kernel), _up("bilinear", 6, 3, kernel=kernel)
    bilinear.convolution.load_state_dict(up.convolution.state_dict())
    x = _features(6, *sides)
    expected = bilinear(x, _twice(sides))
    _close(up(x, _twice(sides), Freeze()), expected)
    nn.init.zeros_(up.predictor.weight)
    nn.init.zeros_(up.predictor.bias)
    _close(up(x, _twice(sides)), expected)


@pytest.mark.parametrize("side", [1, 6, 33, 250])
def test_dysample_without_displacements_is_bilinear_up_to_the_rounding_of_places(side: int):
    """The sampler holds a place as a number from -1 to 1, which single precision rounds by side / 2**24 pixels."""
    x = torch.rand(1, 1, side, side)
    actual = sample_displaced(x, torch.zeros(1, 2, 2 * side, 2 * side), 1)
    expected = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6 + 2 * side / 2**24)


def test_dysample_finds_its_places_in_wide_images_under_autocast():
    """Half precision has 8 bits: places computed in it would be whole pixels off beyond pixel 256."""
    up = _up("dysample", 4, 4, kernel=1).float()
    nn.init.zeros_(up.predictor.weight)
    up.convolution.weight.copy_(torch.eye(4)[:, :, None, None])
    x = torch.arange(600.0).remainder(7).expand(1, 4, 1, 600)
    expected = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    with torch.autocast("cpu", torch.bfloat16):
        actual = up(x.bfloat16(), [2, 1200])
    torch.testing.assert_close(actual.float(), expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize(("channels", "groups"), [(8, 4), (6, 2), (5, 1)])
def test_dysample_follows_its_definition(channels: int, groups: int):
    up, x, tape = _up("dysample", channels, 3, shaken=True), _features(channels, 3, 5, batch=1), Tape()
    up.predictor.weight.mul_(8)
    actual = up(x, [6, 10], tape)[0]
    moves = tape.features["offsets"][0].numpy()
    assert moves.shape == (2 * groups, 6, 10)
    assert np.abs(moves).max() > 3  # so that some places are beyond the border
    predicted = _slow_convolution(x[0].numpy(), up.predictor)
    read = np.zeros((channels, 6, 10))
    for c, row, column in itertools.product(range(channels), range(6), range(10)):
        group, sub = c // (channels // groups), 2 * (row % 2) + column % 2
        dy, dx = (predicted[4 * (2 * group + axis) + sub, row // 2, column // 2] / 4 for axis in (0, 1))
        assert abs(moves[2 * group, row, column] - dy) + abs(moves[2 * group + 1, row, column] - dx) < 1e-10
        read[c, row, column] = _read(x[0, c].numpy(), ((row + 0.5) / 2 - 0.5 + dy, (column + 0.5) / 2 - 0.5 + dx))
    _close(actual, _slow_convolution(read, up.convolution))


def test_dysample_moves_each_group_alone_rows_first():
    x, offsets = _features(4, 6, 5, batch=1), torch.zeros(1, 4, 12, 10, dtype=torch.float64)
    offsets[:, 2] = 1  # second group, one row down
    still, moved = sample_displaced(x, torch.zeros_like(offsets), 2), sample_displaced(x, offsets, 2)
    _close(moved[:, :2], still[:, :2])
    _close(moved[:, 2:, :9], still[:, 2:, 2:11])


def test_dysample_starts_close_to_bilinear():
    up, tape = _up("dysample", 64, 16), Tape()
    up(_features(64, 8, 8), [16, 16], tape)
    assert 0 < float(tape.features["offsets"].abs().max()) < 0.05
    assert not up.predictor.bias.any()


@pytest.mark.parametrize("id", UPS)
def test_it_can_be_measured_without_storage(id: str):
    with torch.device("meta"):
        up = UPS[id].make(6, 3, Place(0, 1, 2))
        x = torch.empty(2, 6, 5, 4)
    assert up(x, [9, 7]).shape == (2, 3, 9, 7)
    assert up(x, [9, 7]).is_meta


@pytest.mark.parametrize("id", UPS)
def test_a_gradient_reaches_every_parameter_and_the_input(id: str):
    up, x = _up(id, 6, 4, shaken=True).requires_grad_(), _features(6, 4, 5).requires_grad_()
    up(x, [7, 10]).square().sum().backward()
    for tensor in (x, *up.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.any()
