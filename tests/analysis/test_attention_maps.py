"""Attention maps: every gate is there, with its shape and range, and the check tells whether it matters."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.analysis.models import loaded
from unet_playground import Design, UNet
from unet_playground.analysis import AttentionMaps, Target, attention_maps
from unet_playground.analysis.attention import AttentionMap
from unet_playground.taps import Tape

SHAPES = {0: (13, 10), 1: (7, 5), 2: (4, 3)}
WIDTH = 4


def _maps(design: Design, network: UNet | None = None) -> AttentionMaps:
    return attention_maps(network or loaded(design), torch.rand(1, 3, 13, 10), Target())


@pytest.mark.parametrize("id", ["se", "cbam", "spatial"])
@pytest.mark.parametrize("site", ["skip", "fused"])
def test_every_gate_of_an_attention_is_reported_finest_first(id: str, site: str):
    design = Design(depth=3, width=WIDTH, attention=id, site=site)
    maps = _maps(design).maps
    expected: dict[str, tuple[int, ...]] = {}
    for level in range(3):
        channels = WIDTH * 2**level * (2 if site == "fused" else 1)
        kinds = {"channel": (channels,), "spatial": SHAPES[level]}
        own = {"se": ("channel",), "cbam": ("channel", "spatial"), "spatial": ("spatial",)}[id]
        expected |= {f"{site}.{level}.{kind}": kinds[kind] for kind in own}
    assert {one.name: one.values.shape for one in maps} == expected
    assert [one.level for one in maps] == sorted(one.level for one in maps)
    assert all(one.values.dtype == np.float32 for one in maps)
    assert all(one.spatial == (one.name.endswith("spatial")) for one in maps)


def test_the_gates_of_a_skip_are_reported_beside_those_of_the_attention():
    names = {one.name for one in _maps(Design(depth=2, width=WIDTH, skip="attention-gate", attention="se")).maps}
    assert names == {"gate.0.alpha", "gate.1.alpha", "skip.0.channel", "skip.1.channel"}


@pytest.mark.parametrize("design", [Design(depth=2, width=4, attention="cbam/spatial", skip="attention-gate")], ids=str)
def test_values_lie_within_the_range_of_their_gate(design: Design):
    for one in _maps(design).maps:
        assert one.top == (2 if one.name == "skip.1.spatial" else 1)
        assert one.values.min() >= 0
        assert one.values.max() <= one.top
        assert np.ptp(one.values) > 0
        assert 0 <= one.flattened_dice <= 1


def test_values_are_those_of_the_network():
    network, image = loaded(Design(depth=1, width=WIDTH, attention="cbam")), torch.rand(1, 3, 9, 9)
    trace, maps = network.trace(image), attention_maps(network, image, Target()).maps
    for one in maps:
        np.testing.assert_array_equal(one.values.ravel(), trace.gates[one.name].values.flatten().numpy())


def test_a_constant_gate_changes_nothing_when_flattened():
    design = Design(depth=2, width=WIDTH, attention="spatial")
    fresh = UNet(design).requires_grad_(False).eval()
    fresh.origin = loaded(design).origin
    result = _maps(design, fresh)
    assert [one.flattened_dice for one in result.maps] == [1, 1]
    assert "No gate changes the mask" in result.check.en


class _Mean(Tape):
    """Replaces one gate by its mean."""

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        kept = super().gate(name, gate, top)
        return torch.full_like(kept, float(kept.mean())) if self.wanted(name) else kept


def test_flattening_compares_the_mask_with_and_without_the_pattern_of_each_gate():
    network, image = loaded(Design(depth=1, width=WIDTH, attention="cbam")), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "spatial.weight" in name or "excite.weight" in name:
                parameter.mul_(20)
        logits = network(image)[0]
        network.head.bias[1] -= (logits[1] - logits[0]).median() + 1e-4  # type: ignore[index]
        mask = network(image).argmax(1)[0].numpy() == 1
    maps = attention_maps(network, image, Target()).maps
    assert len(maps) == 2
    for one in maps:
        with torch.no_grad():
            flat = network(image, _Mean(lambda name, own=one.name: name == own)).argmax(1)[0].numpy() == 1
        assert one.flattened_dice == pytest.approx(2 * (mask & flat).sum() / (mask.sum() + flat.sum()), abs=1e-12)
        assert one.flattened_dice < 1


def test_a_design_without_attention_has_no_maps_and_says_so():
    result = _maps(Design(depth=1, width=WIDTH))
    assert result.maps == ()
    assert result.arrays() == {}
    assert result.check.en == "This design has no attention."


@pytest.mark.parametrize("side", [3, 16])
def test_the_modulation_of_sampling_points_is_no_attention(side: int):
    design = Design(depth=3, width=WIDTH, up="deformable")
    assert attention_maps(loaded(design), torch.rand(1, 3, side, side), Target()).maps == ()


def test_the_check_names_the_gate_that_matters_most():
    values = np.ones((2, 2), np.float32)
    result = AttentionMaps(
        (AttentionMap("skip.0.spatial", values, 1.0, 0.9), AttentionMap("gate.1.alpha", values, 1.0, 0.625))
    )
    assert "gate.1.alpha" in result.check.en
    assert "0.625" in result.check.en
    assert "gate.1.alpha" in result.check.zh
    assert set(result.arrays()) == {"skip.0.spatial", "gate.1.alpha"}
