"""Attention maps: every gate is there, with its shape and range, and the check tells whether it matters."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.analysis.models import loaded
from unet_playground import Design, PlaygroundError, UNet
from unet_playground.analysis import AttentionMaps, Target, attention_maps
from unet_playground.analysis.attention import AttentionMap, Replace, Replaced
from unet_playground.analysis.grad_cam import class_activation
from unet_playground.analysis.watch import Watch
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


def test_values_lie_within_the_range_of_their_gate():
    for one in _maps(Design(depth=2, width=4, attention="cbam/spatial", skip="attention-gate")).maps:
        assert one.top == (2 if one.name == "skip.1.spatial" else 1)
        assert one.values.min() >= 0
        assert one.values.max() <= one.top
        assert np.ptp(one.values) > 0
        assert list(one.replaced) == ["mean", "ones", "shuffle"]
        assert all(0 <= other.agreement <= 1 and other.change is None for other in one.replaced.values())


def test_values_are_those_of_the_network():
    network, image = loaded(Design(depth=1, width=WIDTH, attention="cbam")), torch.rand(1, 3, 9, 9)
    trace, maps = network.trace(image), attention_maps(network, image, Target()).maps
    for one in maps:
        np.testing.assert_array_equal(one.values.ravel(), trace.gates[one.name].values.flatten().numpy())


def test_a_gate_that_is_one_everywhere_changes_nothing_and_is_said_to():
    fresh = UNet(Design(depth=2, width=WIDTH, attention="spatial")).requires_grad_(False).eval()
    result = attention_maps(fresh, torch.rand(1, 3, 13, 10), Target())
    assert [one.changes for one in result.maps] == [False, False]
    assert [other.agreement for one in result.maps for other in one.replaced.values()] == [1] * 6
    assert "No gate changes the mask" in result.check.en


class _Instead(Tape):
    """Puts something else in the place of one gate."""

    def __init__(self, name: str, values: Tensor):
        super().__init__()
        self.name, self.values = name, values

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        return self.values.expand_as(gate) if name == self.name else gate


def _sensitive() -> tuple[UNet, Tensor]:
    """A network whose mask hangs on its gates, and an image that it calls half a nucleus."""
    network, image = loaded(Design(depth=1, width=WIDTH, attention="cbam")), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "spatial.weight" in name or "excite.weight" in name:
                parameter.mul_(20)
        logits = network(image)[0]
        network.head.bias[1] -= (logits[1] - logits[0]).median() + 1e-4  # type: ignore[index]
    return network, image


def _mask(network: UNet, image: Tensor, tap: Tape) -> np.ndarray:
    with torch.no_grad():
        return network(image, tap).argmax(1)[0].numpy() == 1


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_each_gate_is_replaced_by_its_mean_by_ones_and_by_its_own_values_in_another_order():
    network, image = _sensitive()
    truth = (torch.rand(16, 16) > 0.5).numpy().astype(np.uint8)
    tape = Tape()
    mask = _mask(network, image, tape)
    maps = attention_maps(network, image, Target(), truth=truth).maps
    assert len(maps) == 2
    for one in maps:
        gate = tape.gates[one.name].values
        order = torch.randperm(gate.numel(), generator=torch.Generator().manual_seed(0))
        shuffled = gate.flatten()[order].view_as(gate)
        assert not torch.equal(shuffled, gate)
        replacements = {"mean": gate.mean(), "ones": torch.ones(()), "shuffle": shuffled}
        for by, values in replacements.items():
            other = _mask(network, image, _Instead(one.name, values))
            found = one.replaced[by]
            assert found.agreement == pytest.approx(_dice(mask, other), abs=1e-12)
            assert found.change == pytest.approx(_dice(other, truth == 1) - _dice(mask, truth == 1), abs=1e-12)
        assert one.changes
        assert one.kept == min(other.agreement for other in one.replaced.values())


def test_a_spatial_shuffle_keeps_the_values_and_moves_the_pixels_a_channel_shuffle_the_channels():
    pixels, channels = torch.rand(1, 1, 5, 4), torch.rand(1, 7, 1, 1)
    for gate in (pixels, channels):
        shuffled = Replace("a", "shuffle").gate("a", gate)
        assert shuffled.shape == gate.shape
        assert not torch.equal(shuffled, gate)
        assert torch.equal(shuffled.flatten().sort().values, gate.flatten().sort().values)
        assert Replace("b", "shuffle").gate("a", gate) is gate


def test_maps_are_shown_before_the_check_which_takes_three_passes_a_gate():
    shown: list[AttentionMaps] = []
    pauses: list[None] = []

    class Seen(Watch):
        def between(self) -> None:
            pauses.append(None)

        def show(self, result: AttentionMaps) -> None:
            shown.append(result)

    network, image = loaded(Design(depth=2, width=WIDTH, attention="cbam")), torch.rand(1, 3, 13, 10)
    result = attention_maps(network, image, Target(), watch=Seen())
    assert len(shown) == 1
    assert "No gate has been replaced yet" in shown[0].check.en
    assert [one.name for one in shown[0].maps] == [one.name for one in result.maps]
    assert len(pauses) == 3 * len(result.maps) == 12


@pytest.mark.parametrize("side", [3, 16])
def test_the_modulation_of_sampling_points_is_no_attention(side: int):
    design = Design(depth=3, width=WIDTH, up="deformable")
    assert attention_maps(loaded(design), torch.rand(1, 3, side, side), Target()).maps == ()


def test_a_design_without_attention_shows_grad_cam_and_calls_it_so():
    network, image = loaded(Design(depth=2, width=WIDTH)), torch.rand(1, 3, 13, 10)
    result = attention_maps(network, image, Target(1, (6, 5)))
    assert result.maps == ()
    assert result.activation is not None
    assert result.activation.place == "bottleneck"
    assert result.activation.values.shape == (4, 3)
    expected = class_activation(network, image, Target(1, (6, 5)), "bottleneck")
    np.testing.assert_allclose(result.activation.values * result.activation.largest, expected, rtol=0, atol=1e-6)
    assert list(result.arrays()) == ["grad-cam.bottleneck"]
    assert "No attention in this design. Seg-Grad-CAM of bottleneck" in result.facts.en
    assert "no attention" in result.check.en


def test_grad_cam_is_the_rectified_sum_of_features_weighed_by_their_mean_gradient():
    network, image = loaded(Design(depth=2, width=WIDTH)).double(), torch.rand(1, 3, 13, 10, dtype=torch.float64)
    tape = Tape(lambda name: name == "decoder.1")
    logits = network(image.clone().requires_grad_(), tape)
    mask = logits[0].argmax(0) == 1
    feature = tape.features["decoder.1"]
    (gradient,) = torch.autograd.grad(logits[0, 1][mask].sum(), feature)
    expected = np.zeros((7, 5))
    for channel in range(feature.shape[1]):
        expected += float(gradient[0, channel].mean()) * feature[0, channel].detach().numpy()
    found = class_activation(network, image, Target(1), "decoder.1")
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-5, atol=1e-6)
    assert found.any()


def test_grad_cam_of_a_class_that_is_nowhere_is_nothing():
    network = loaded(Design(depth=1, width=WIDTH))
    with torch.no_grad():
        network.head.bias[0] += 100  # type: ignore[index]
    result = attention_maps(network, torch.rand(1, 3, 9, 9), Target(1))
    assert result.activation is not None
    assert not result.activation.values.any()


def test_grad_cam_of_a_place_that_does_not_exist_is_refused():
    with pytest.raises(PlaygroundError, match=r'no place "encoder.5"'):
        attention_maps(loaded(Design(depth=1, width=4)), torch.rand(1, 3, 9, 9), Target(), stage="encoder", level=5)


def test_the_check_names_the_gate_that_matters_most_and_counts_those_that_do_not():
    values, same = np.ones((2, 2), np.float32), Replaced(1.0, 0.0)
    idle = AttentionMap("skip.0.spatial", values, 1.0, {"mean": same, "ones": same, "shuffle": same})
    busy = AttentionMap("gate.1.alpha", values, 1.0, {"mean": same, "ones": Replaced(0.625, -0.12), "shuffle": same})
    result = AttentionMaps(Target(), (idle, busy))
    for words in ("gate.1.alpha by ones", "0.625", "-0.120", "1 of 2 gates change nothing"):
        assert words in result.check.en
    assert "gate.1.alpha" in result.check.zh
    assert {"skip.0.spatial", "gate.1.alpha"} < set(result.arrays())
    assert "skip.0.spatial 1.00-1.00" in result.facts.en
