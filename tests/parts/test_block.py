"""What a stage computes, against sums over taps and against the identities between the blocks."""

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground import Design, UNet
from unet_playground.parts import Place, blocks
from unet_playground.parts.block import dilation_rates

both = pytest.mark.parametrize("dims", [2, 3])
joining = pytest.mark.parametrize("sources", [{"inner": 6}, {"decoded": 2, "concat": 3}, {"image": 3}])
CONVOLVE = {2: F.conv2d, 3: F.conv3d}
SIDES = {2: (9, 7), 3: (5, 6, 4)}
RATES = ["hybrid", "doubling", "1", "2", "4"]
Sources = Mapping[str, int]


def _block(written: str, sources: Sources, channels: int = 6, dims: int = 2, level: int = 0) -> Any:
    """In double precision, with no parameter at a special value such as a bias of zero."""
    choice = blocks.parse(written)
    part = blocks[choice.id].make(sources, channels, Place(level, 5, dims), **dict(choice.options))
    part.double().requires_grad_(False)
    for parameter in part.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return part


def _features(sources: Sources, dims: int) -> Tensor:
    return torch.randn(2, sum(sources.values()), *SIDES[dims], dtype=torch.float64)


def _close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def _slow(x: Tensor, weight: Tensor, rate: int = 1) -> Tensor:
    """A convolution as a sum over its taps, each a shifted copy of the zero-padded input."""
    sides, reach = x.shape[2:], weight.shape[-1] // 2
    padded = F.pad(x, [rate * reach] * 2 * len(sides))
    total = x.new_zeros(len(x), len(weight), *sides)
    for tap in itertools.product(range(weight.shape[-1]), repeat=len(sides)):
        window = (slice(rate * t, rate * t + side) for t, side in zip(tap, sides, strict=True))
        total += torch.einsum("oc,nc...->no...", weight[(..., *tap)], padded[(..., *window)])
    return total


def _joined(state: Mapping[str, Tensor], layer: str) -> Tensor:
    """The weight over all sources of a layer, in the order of the concatenation."""
    names = [f"{layer}.weight.{name}" for name in ("image", "decoded", "concat", "inner")]
    return torch.cat([state[name] for name in names if name in state], 1)


def _normed(x: Tensor, bias: Tensor) -> Tensor:
    return x / torch.sqrt((x**2).mean(1, keepdim=True) + 0.1) + bias


def _twice(part: Any, joined: Tensor) -> Tensor:
    """Two convolutions of side 3 with a ReLU between them."""
    state = part.state_dict()
    inner = _normed(_slow(joined, _joined(state, "first")), state["first_norm.bias"]).clamp_min(0)
    return _normed(_slow(inner, _joined(state, "second")), state["second_norm.bias"])


@both
@joining
def test_plain_follows_its_formula(sources: Sources, dims: int):
    part, x = _block("plain", sources, dims=dims), _features(sources, dims)
    _close(part(x), _twice(part, x).clamp_min(0))


# Residual.


@both
@joining
def test_residual_adds_its_input_before_the_last_relu(sources: Sources, dims: int):
    part, x = _block("residual", sources, dims=dims), _features(sources, dims)
    path = x if sources == {"inner": 6} else _slow(x, _joined(part.state_dict(), "projection"))
    _close(part(x), (_twice(part, x) + path).clamp_min(0))


@both
@joining
def test_residual_with_nothing_to_add_is_the_relu_of_its_path(sources: Sources, dims: int):
    part, x = _block("residual", sources, dims=dims), _features(sources, dims)
    part.second.weight["inner"].zero_()
    part.second_norm.bias.zero_()
    path = x if part.projection is None else _slow(x, _joined(part.state_dict(), "projection"))
    _close(part(x), path.clamp_min(0))


@both
def test_only_a_path_that_fits_has_no_parameters(dims: int):
    def own(sources: Sources, channels: int) -> dict[str, tuple[int, ...]]:
        plain = _block("plain", sources, channels, dims).state_dict()
        residual = _block("residual", sources, channels, dims).state_dict()
        assert set(plain) <= set(residual)
        return {name: tuple(weight.shape) for name, weight in residual.items() if name not in plain}

    ones = (1,) * dims
    assert own({"encoded": 6}, 6) == {}
    assert own({"encoded": 3}, 6) == {"projection.weight.encoded": (6, 3, *ones)}
    assert own({"decoded": 6, "concat": 6}, 6) == {
        "projection.weight.decoded": (6, 6, *ones),
        "projection.weight.concat": (6, 6, *ones),
    }
    # Fitting in sum is not the identity either.
    assert set(own({"decoded": 3, "concat": 3}, 6)) == {"projection.weight.decoded", "projection.weight.concat"}


@pytest.mark.parametrize(
    ("down", "skip", "encoder", "decoder"),
    [("max-pool", "none", False, True), ("max-pool", "concat", False, False), ("none", "add", True, True)],
)
def test_in_a_network_paths_are_identities_where_the_width_stays(down: str, skip: str, encoder: bool, decoder: bool):
    network: Any = UNet(Design(block="residual", down=down, skip=skip, depth=2, width=4))
    found = {
        side: [stage.block.part.projection is None for stage in getattr(network, side).values()]
        for side in ("encoder", "decoder")
    }
    assert found == {"encoder": [False, encoder, encoder], "decoder": [decoder, decoder]}


# Dilated.


@both
@joining
def test_dilation_by_one_is_the_plain_block(sources: Sources, dims: int):
    dilated, plain = (_block(written, sources, dims=dims) for written in ("dilated(rates=1)", "plain"))
    names = {
        "convolutions.0.": "first.",
        "norms.0.": "first_norm.",
        "convolutions.1.": "second.",
        "norms.1.": "second_norm.",
    }
    state = dilated.state_dict()
    for was, now in names.items():
        state = {name.replace(was, now): weight for name, weight in state.items()}
    plain.load_state_dict(state)
    x = _features(sources, dims)
    assert torch.equal(dilated(x), plain(x))


@both
@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize("rates", RATES)
def test_dilated_convolutions_read_taps_that_stand_apart(rates: str, level: int, dims: int):
    sources = {"decoded": 2, "concat": 3}
    part, x = _block(f"dilated(rates={rates})", sources, dims=dims, level=level), _features(sources, dims)
    state, expected = part.state_dict(), x
    written = {"hybrid": {0: (1, 2, 5), 1: (1, 2, 6), 3: (1, 3, 8)}[level], "doubling": (2**level,) * 2}
    for number, rate in enumerate(written.get(rates) or (int(rates),) * 2):
        convolved = _slow(expected, _joined(state, f"convolutions.{number}"), rate)
        expected = _normed(convolved, state[f"norms.{number}.bias"]).clamp_min(0)
    _close(part(x), expected)


@pytest.mark.parametrize(("rates", "level", "grid"), [("2", 0, 2), ("4", 3, 4), ("doubling", 1, 2), ("doubling", 2, 4)])
def test_with_one_rate_a_pixel_is_seen_on_a_grid_only(rates: str, level: int, grid: int):
    part = _block(f"dilated(rates={rates})", {"inner": 4}, 8, level=level)
    x, middle = torch.randn(1, 4, 21, 21, dtype=torch.float64), 10
    before = part(x)
    x[:, :, middle, middle] += 3
    changed = (part(x) != before)[0].any(0).nonzero() - middle
    steps = range(-2 * grid, 2 * grid + 1, grid)
    assert {tuple(offset) for offset in changed.tolist()} == set(itertools.product(steps, repeat=2))


@pytest.mark.parametrize(
    ("down", "rates", "gaps"), [("none", "2", True), ("none", "doubling", False), ("max-pool", "4", False)]
)
def test_a_whole_network_has_gaps_only_with_one_rate_at_full_resolution(down: str, rates: str, gaps: bool):
    network = UNet(Design(down=down, block=f"dilated(rates={rates})", width=8)).requires_grad_(False)
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    network(image)[0, :, 64, 64].sum().backward()
    assert image.grad is not None
    rows, columns = (seen := image.grad[0].abs().sum(0) > 0).nonzero().T
    box = seen[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (float(box.float().mean()) < 0.5) == gaps


def _reached(rates: str, level: int) -> Tensor:
    """Which pixels of its field an impulse reaches through a block's convolutions, made positive."""
    part = _block(f"dilated(rates={rates})", {"inner": 1}, 1, level=level)
    reach = sum(dilation_rates(rates, level))
    x = torch.zeros(1, 1, *[2 * reach + 3] * 2, dtype=torch.float64)
    x[..., reach + 1, reach + 1] = 1
    for convolution in part.convolutions:
        convolution.weight["inner"].fill_(1)
        x = convolution(x)
    assert not x[..., 0].any() and not x[..., 0, :].any()
    return x[0, 0, 1:-1, 1:-1] > 0


@pytest.mark.parametrize("level", range(6))
def test_hybrid_rates_leave_no_gap_and_others_do(level: int):
    assert _reached("hybrid", level).all()
    for rates in ("2", "4", *(["doubling"] if level else [])):
        seen = _reached(rates, level)
        assert seen[0, 0] and not seen.all()


def test_hybrid_rates_grow_with_the_level_and_meet_the_condition_of_their_paper():
    triples = [dilation_rates("hybrid", level) for level in range(7)]
    assert triples[0] == (1, 2, 5)
    assert triples[4:] == [(1, 3, 9)] * 3
    for one, r, s in triples:
        assert one == 1
        # M_2 = max(M_3 - 2 r_2, M_3 - 2 (M_3 - r_2), r_2) with M_3 = r_3, at most the side of the kernel.
        assert max(s - 2 * r, 2 * r - s, r) <= 3
    assert [s for *_, s in triples] == [5, 6, 7, 8, 9, 9, 9]
    assert all(a <= b for one, two in itertools.pairwise(triples) for a, b in zip(one, two, strict=True))


def test_the_stages_of_a_network_dilate_by_their_level():
    network: Any = UNet(Design(block="dilated", depth=5, width=1))

    def rates(stages: Any) -> list[tuple[int, ...]]:
        return [tuple(one.dilation for one in stage.block.part.convolutions) for stage in stages.values()]

    triples = [(1, 2, 5), (1, 2, 6), (1, 2, 7), (1, 3, 8), (1, 3, 9), (1, 3, 9)]
    assert rates(network.encoder) == triples
    assert rates(network.decoder) == triples[:-1]


# Multi-scale.


def _full(x: Tensor, state: Mapping[str, Tensor], layer: str, sides: list[int]) -> Tensor:
    results = [CONVOLVE[x.dim() - 2](x, _joined(state, f"{layer}.scales.{side}"), padding=side // 2) for side in sides]
    return torch.stack(results).sum(0)


def _stacked(x: Tensor, state: Mapping[str, Tensor], layer: str, sides: list[int]) -> Tensor:
    total = torch.zeros(())
    for side in sides:
        x = _slow(x, _joined(state, f"{layer}.scales.{side}"))
        total = total + x
    return total


def _depthwise(x: Tensor, state: Mapping[str, Tensor], layer: str, sides: list[int]) -> Tensor:
    convolve, channels = CONVOLVE[x.dim() - 2], x.shape[1]
    kernels = [state[f"{layer}.scales.{side}"] for side in sides]
    results = [convolve(x, one, padding=side // 2, groups=channels) for one, side in zip(kernels, sides, strict=True)]
    mix = _joined(state, f"{layer}.mix")
    assert mix.shape[2:] == (1,) * (x.dim() - 2)
    return convolve(torch.stack(results).sum(0), mix)


FORMS = {"full": _full, "stacked": _stacked, "depthwise": _depthwise}


@both
@joining
@pytest.mark.parametrize("kernels", ["3", "3-5", "3-5-7"])
@pytest.mark.parametrize("form", FORMS)
def test_multi_scale_is_the_sum_of_its_convolutions_twice(form: str, kernels: str, sources: Sources, dims: int):
    part = _block(f"multi-scale(kernels={kernels},form={form})", sources, dims=dims)
    x, state, slow = _features(sources, dims), part.state_dict(), FORMS[form]
    sides = [int(side) for side in kernels.split("-")]
    inner = _normed(slow(x, state, "first", sides), state["first_norm.bias"]).clamp_min(0)
    _close(part(x), _normed(slow(inner, state, "second", sides), state["second_norm.bias"]).clamp_min(0))


@both
@joining
@pytest.mark.parametrize("form", ["full", "stacked"])
def test_multi_scale_of_one_kernel_is_the_plain_block(form: str, sources: Sources, dims: int):
    multiple, plain = (
        _block(f"multi-scale(kernels=3,form={form})", sources, dims=dims),
        _block("plain", sources, dims=dims),
    )
    plain.load_state_dict({name.replace(".scales.3", ""): weight for name, weight in multiple.state_dict().items()})
    x = _features(sources, dims)
    assert torch.equal(multiple(x), plain(x))


@pytest.mark.parametrize(
    ("form", "kernels", "ratio"),
    [
        ("full", "3-5-7", Fraction(83, 9)),
        ("full", "3-5", Fraction(34, 9)),
        ("stacked", "3-5-7", Fraction(3)),
        ("depthwise", "3-5-7", Fraction(83 + 6, 9 * 6)),
    ],
)
def test_kernels_of_multi_scale_cost_what_the_lesson_says(form: str, kernels: str, ratio: Fraction):
    part, plain = _block(f"multi-scale(kernels={kernels},form={form})", {"inner": 6}), _block("plain", {"inner": 6})
    ours, single = (sum(weight.numel() for weight in one.second.parameters()) for one in (part, plain))
    assert Fraction(ours, single) == ratio


@both
@pytest.mark.parametrize("id", ["residual", "multi-scale"])
@pytest.mark.parametrize("sources", [{"decoded": 2, "concat": 3}, {"image": 3}])
def test_a_block_that_imitates_a_plain_one_computes_the_same(id: str, sources: Sources, dims: int):
    plain, other, x = _block("plain", sources, dims=dims), _block(id, sources, dims=dims), _features(sources, dims)
    assert not torch.allclose(other(x), plain(x), atol=0.1)
    other.imitate(plain)
    _close(other(x), plain(x))


def test_a_dilated_block_that_imitates_a_plain_one_resembles_it():
    """Where neighbours are alike, it does not matter how far apart the taps stand."""
    sources, distance = {"inner": 32}, {}
    x = torch.randn(1, 32, 1, 1, dtype=torch.float64).expand(-1, -1, 24, 24)
    plain, other = (_block(id, sources, 32) for id in ("plain", "dilated"))
    for when in ("before", "after"):
        difference = (other(x) - plain(x))[..., 8:-8, 8:-8]
        distance[when] = float(difference.square().mean() / plain(x).square().mean())
        other.imitate(plain)
    assert distance["after"] < 0.25 * distance["before"]
