"""Attention against slow formulae, where it starts, and what it tells the tap."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unet_playground import Design
from unet_playground.parts import Place, attentions, sites
from unet_playground.taps import Tape

both = pytest.mark.parametrize("dims", [2, 3])
combined = pytest.mark.parametrize("combine", ["max", "add"])
VARIANTS = [
    "none",
    "se",
    "eca",
    "eca(smallest=3)",
    "cbam",
    "cbam(order=parallel)",
    "scse",
    "scse(combine=add)",
    "spatial",
]


def _attention(written: str, channels: int, dims: int = 2) -> Any:
    choice = attentions.parse(written)
    part = attentions[choice.id].make(channels, Place(0, 1, dims), **dict(choice.options))
    return part.double().requires_grad_(False)


def _features(channels: int, dims: int = 2, *, batch: int = 2) -> Tensor:
    """Of both signs, with sides that differ."""
    return torch.randn(batch, channels, *(5, 4, 3)[:dims], dtype=torch.float64)


def _shake(part: nn.Module) -> None:
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.normal_(0, 0.5)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _close(actual: Tensor, expected: Tensor | np.ndarray) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected), rtol=0, atol=1e-12)


def test_the_menus_are_in_their_order():
    assert list(attentions) == ["none", "se", "eca", "cbam", "scse", "spatial"]
    assert list(sites) == ["skip", "fused", "decoder", "bottleneck"]


def test_sites_say_where_they_exist():
    assert [id for id in sites if not sites[id].make.levelwise] == ["bottleneck"]
    assert {id: sites[id].make.without_crossing for id in sites if sites[id].make.without_crossing} == {
        "decoder": "fused"
    }
    assert [id for id in sites if sites[id].make.needs_crossing] == ["skip"]


@pytest.mark.parametrize("written", VARIANTS)
@pytest.mark.parametrize("sides", [(1, 1), (1, 6), (7, 4), (1, 1, 1), (3, 1, 2)])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_any_width_and_any_sides_will_do(written: str, sides: tuple[int, ...], channels: int):
    part = _attention(written, channels, len(sides))
    _shake(part)
    x = torch.randn(2, channels, *sides, dtype=torch.float64)
    y = part(x)
    assert y.shape == x.shape and y.isfinite().all()
    assert torch.equal(part(x), y)
    _close(part(x[:1]), y[:1])


@pytest.mark.parametrize(("channels", "kernel"), [(1, 1), (2, 1), (7, 1), (8, 3), (16, 3), (64, 3), (256, 5), (512, 5)])
def test_the_kernel_of_eca_grows_with_the_width(channels: int, kernel: int):
    assert _attention("eca", channels).across.weight.shape == (1, 1, kernel)
    assert _attention("eca(smallest=3)", channels).across.weight.shape == (1, 1, max(3, kernel))


def test_the_smallest_kernel_of_eca_is_only_written_where_it_matters():
    assert Design(attention="eca(smallest=3)", width=8).attention == "eca"
    assert Design(attention="eca(smallest=3)", width=7).attention == "eca(smallest=3)"


@both
@pytest.mark.parametrize("channels", [1, 6, 20])
@pytest.mark.parametrize("written", ["eca", "eca(smallest=3)"])
def test_eca_weighs_a_channel_by_its_neighbours(written: str, channels: int, dims: int):
    part, x = _attention(written, channels, dims), _features(channels, dims)
    _shake(part)
    weight, pooled = part.across.weight.flatten().numpy(), x.numpy().mean(tuple(range(2, dims + 2)))
    slow = x.numpy().copy()
    for n, c in itertools.product(range(2), range(channels)):
        near = [(k, c + k - len(weight) // 2) for k in range(len(weight))]
        score = sum(weight[k] * pooled[n, at] for k, at in near if 0 <= at < channels)
        slow[n, c] *= 2 * _sigmoid(np.asarray(score))
    _close(part(x), slow)


def _factors_of_scse(part: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One factor per channel (n, c) and one per place (n, *sides), before any doubling."""
    squeeze, excite, spatial = (
        (layer.weight.flatten(1).numpy(), layer.bias.numpy())
        for layer in (part.channel.squeeze, part.channel.excite, part.spatial)
    )
    means = x.mean(tuple(range(2, x.ndim)))
    hidden = np.maximum(0, means @ squeeze[0].T + squeeze[1])
    places = np.einsum("oc,nc...->no...", spatial[0], x)[:, 0] + spatial[1]
    return _sigmoid(hidden @ excite[0].T + excite[1]), _sigmoid(places)


@both
@combined
def test_scse_follows_its_formula(combine: str, dims: int):
    part, x = _attention(f"scse(combine={combine})", 10, dims), _features(10, dims)
    _shake(part)
    by_channel, by_place = _factors_of_scse(part, x.numpy())
    slow = np.empty(x.shape)
    for at in np.ndindex(*x.shape):
        n, c, *p = at
        one, two = by_channel[n, c], by_place[(n, *p)]
        value = x[at].item()
        slow[at] = max(2 * one * value, 2 * two * value) if combine == "max" else (one + two) * value
    _close(part(x), slow)


def test_the_maximum_of_scse_is_of_values_not_of_factors():
    part = _attention("scse", 1)
    part.spatial.bias.fill_(3.0)
    x = torch.tensor([1.0, -1.0], dtype=torch.float64).view(1, 1, 1, 2)
    open_ = 2 / (1 + np.exp(-3.0))
    _close(part(x).flatten(), np.array([open_, -1.0]))


@both
@pytest.mark.parametrize("channels", [1, 4, 64])
@pytest.mark.parametrize("written", ["none", "eca", "scse", "scse(combine=add)", "spatial"])
def test_these_start_as_the_identity(written: str, channels: int, dims: int):
    x = _features(channels, dims)
    assert torch.equal(_attention(written, channels, dims)(x), x)


@pytest.mark.parametrize("written", ["eca", "scse", "scse(combine=add)"])
def test_training_leaves_the_start(written: str):
    part, x = _attention(written, 8).requires_grad_(True), _features(8)
    start = {name: value.detach().clone() for name, value in part.named_parameters()}
    optimizer = torch.optim.SGD(part.parameters(), 0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (part(x) * torch.linspace(-1, 1, 8).view(8, 1, 1)).square().mean().backward()
        optimizer.step()
    assert all(not torch.equal(value, start[name]) for name, value in part.named_parameters())


@both
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("se", {"channel": 1.0}),
        ("eca", {"channel": 2.0}),
        ("cbam", {"channel": 1.0, "spatial": 1.0}),
        ("cbam(order=parallel)", {"channel": 1.0, "spatial": 1.0}),
        ("scse", {"channel": 2.0, "spatial": 2.0}),
        ("scse(combine=add)", {"channel": 1.0, "spatial": 1.0}),
        ("spatial", {"spatial": 2.0}),
    ],
)
def test_gates_are_told_with_the_top_of_their_range(written: str, told: dict[str, float], dims: int):
    part, x, tape = _attention(written, 6, dims), _features(6, dims), Tape()
    for parameter in part.parameters():
        parameter.normal_(0, 5)
    part(x, tape)
    shapes = {"channel": (2, 6, *[1] * dims), "spatial": (2, 1, *x.shape[2:])}
    assert {name: gate.top for name, gate in tape.gates.items()} == told
    for name, gate in tape.gates.items():
        assert gate.values.shape == shapes[name]
        assert gate.values.min() >= 0 and gate.values.max() <= gate.top
        assert gate.values.max() > gate.top / 2


@both
@pytest.mark.parametrize("order", ["sequential", "parallel"])
def test_cbam_of_zeros_is_half_of_half(order: str, dims: int):
    part, x = _attention(f"cbam(order={order})", 6, dims), _features(6, dims)
    for parameter in part.parameters():
        parameter.zero_()
    _close(part(x), x / 4)


@both
@pytest.mark.parametrize("channels", [1, 3, 15])
def test_squeeze_and_excitation_takes_fewer_channels_than_its_reduction(channels: int, dims: int):
    part, x = _attention("se", channels, dims), _features(channels, dims)
    _shake(part)
    squeeze, excite = part.gate.squeeze, part.gate.excite
    hidden = np.maximum(0, x.flatten(2).mean(2).numpy() @ squeeze.weight.flatten(1).numpy().T + squeeze.bias.numpy())
    assert hidden.shape == (2, 4)
    factors = _sigmoid(hidden @ excite.weight.flatten(1).numpy().T + excite.bias.numpy())
    _close(part(x), x.numpy() * factors.reshape(2, channels, *[1] * dims))


@both
def test_the_names_that_weights_in_files_depend_on(dims: int):
    names = {written: {name for name, _ in _attention(written, 8, dims).named_parameters()} for written in VARIANTS}
    layer = {"weight", "bias"}
    gate = {f"{one}.{name}" for one in ("squeeze", "excite") for name in layer}
    assert names["se"] == {f"gate.{name}" for name in gate}
    assert names["spatial"] == {f"score.{name}" for name in layer}
    assert names["cbam"] == names["scse"] == {f"channel.{name}" for name in gate} | {f"spatial.{one}" for one in layer}
    assert names["eca"] == {"across.weight"}
    assert names["none"] == set()
