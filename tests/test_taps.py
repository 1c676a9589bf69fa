"""Taps see everything by name, change nothing unless asked, and belong to one call."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from unet_playground import Design, UNet
from unet_playground.parts import skips
from unet_playground.taps import IGNORE, Freeze, Tape

DESIGN = Design(depth=2, width=4, attention="cbam/spatial", skip="attention-gate", up="deformable")


class _Closed(Tape):
    """Keeps what it hears and closes every gate."""

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        return torch.zeros_like(super().gate(name, gate, top))


def _moved(design: Design) -> UNet:
    """A network off its start, in double precision, whose gates and offsets therefore differ from pixel to pixel."""
    network = UNet(design).double().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def _image(side: int = 12) -> Tensor:
    return torch.rand(1, 3, side, side, dtype=torch.float64)


def test_a_tape_changes_no_bit_of_the_logits():
    network, image = _moved(DESIGN), _image()
    assert torch.equal(network(image, Tape()), network(image, IGNORE))
    assert torch.equal(network.trace(image).logits, network(image))


def test_a_tape_keeps_only_what_is_wanted():
    tape = Tape(lambda name: name in ("decoder.1", "skip.0.spatial"))
    _moved(DESIGN)(_image(), tape)
    assert set(tape.features) == {"decoder.1"}
    assert set(tape.gates) == {"skip.0.spatial"}


def test_features_stay_in_the_graph_and_gates_do_not():
    network = UNet(DESIGN)
    trace = network.trace(torch.rand(1, 3, 12, 12))
    assert all(feature.requires_grad for feature in trace.features.values())
    assert not any(gate.values.requires_grad for gate in trace.gates.values())


def test_names_are_prefixed_by_the_place():
    tape = Tape()
    inner = tape.within("skip.0").within("head")
    inner("", torch.zeros(1))
    inner("map", torch.ones(1))
    inner.gate("spatial", torch.ones(1), top=2.0)
    assert set(tape.features) == {"skip.0.head", "skip.0.head.map"}
    assert tape.gates["skip.0.head.spatial"].top == 2.0


def test_a_tap_can_replace_what_the_network_goes_on_with():
    gated, image = _moved(Design(depth=1, width=4, skip="attention-gate")), _image()
    closed = gated.trace(image)
    tape = _Closed()
    logits = gated(image, tape)
    assert not tape.features["skip.0"].any()
    assert closed.features["skip.0"].any()
    assert not torch.equal(logits, closed.logits)


def test_freezing_holds_gates_and_offsets_and_says_which():
    network, freeze = _moved(DESIGN), Freeze()
    frozen = network(_image(), freeze)
    assert not torch.equal(frozen, network(_image()))
    assert set(freeze.frozen) == {
        "up.1.offsets",
        "up.1.modulation",
        "gate.1.alpha",
        "skip.1.spatial",
        "up.0.offsets",
        "up.0.modulation",
        "gate.0.alpha",
        "skip.0.channel",
        "skip.0.spatial",
    }
    assert freeze.frozen["skip.0.channel"] == (1, 4, 1, 1)
    assert freeze.frozen["up.1.offsets"] == (1, 18, 3, 3)


def test_a_frozen_network_is_one_whose_gates_are_open_and_offsets_zero():
    network, image = _moved(Design(depth=1, width=4, attention="spatial", up="deformable")), _image()
    frozen = network(image, Freeze())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "predictor" in name or "score" in name:
                parameter.zero_()
    torch.testing.assert_close(network(image), frozen, rtol=0, atol=1e-12)


class _Crossing(Tape):
    """Keeps what leaves the encoder and hands on nothing of it."""

    def crossing(self, encoded: Sequence[Tensor]) -> Sequence[Tensor]:
        self.shapes = [tuple(one.shape[1:]) for one in encoded]
        return [torch.zeros_like(one) for one in encoded]


@pytest.mark.parametrize("skip", skips)
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_everything_that_the_logits_know_of_the_image_crosses_where_the_tap_is_told(skip: str, down: str):
    network = _moved(Design(depth=2, width=4, skip=skip, down=down))
    tap = _Crossing()
    assert torch.equal(network(_image(), tap), network(_image(), tap))
    if down == "max-pool":
        assert tap.shapes == [(4, 12, 12), (8, 6, 6), (16, 3, 3)]


def test_a_tap_below_a_place_is_told_what_crosses_as_well():
    tap = _Crossing()
    network, image = _moved(DESIGN), _image()
    assert torch.equal(network(image, tap.within("part")), network(image, tap))
