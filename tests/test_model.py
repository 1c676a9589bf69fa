"""The network that a design makes: its names, its shapes, and that a call leaves nothing behind."""

import subprocess
import sys
import threading

import pytest
import torch
from torch import Tensor

from unet_playground import Design, UNet
from unet_playground.space import neighbours

BASE = Design(depth=2, width=4)


def test_a_trace_names_every_feature_map_with_its_shape():
    trace = UNet(BASE.replace(attention="se")).trace(torch.rand(1, 3, 13, 10))
    shapes = {name: tuple(feature.shape[1:]) for name, feature in trace.features.items()}
    sides = {0: (13, 10), 1: (7, 5), 2: (4, 3)}
    expected = {f"encoder.{level}": (4 * 2**level, *sides[level]) for level in range(3)}
    expected |= {f"encoder.{level}.down": (2 * 2**level, *sides[level]) for level in (1, 2)}
    for level in (0, 1):
        channels = 4 * 2**level
        expected |= {f"{name}.{level}": (channels, *sides[level]) for name in ("up", "skip", "decoder")}
        expected[f"fused.{level}"] = (2 * channels, *sides[level])
    assert shapes == expected | {"bottleneck": (16, 4, 3), "logits": (2, 13, 10)}
    assert set(trace.gates) == {"skip.0.channel", "skip.1.channel"}


def test_without_a_skip_nothing_crosses():
    trace = UNet(BASE.replace(skip="none")).trace(torch.rand(1, 3, 8, 8))
    assert not [name for name in trace.features if name.startswith("skip.")]


@pytest.mark.parametrize(("channels", "classes", "dims"), [(1, 2, 2), (4, 7, 2), (2, 3, 3)])
def test_channels_and_classes_are_free(channels: int, classes: int, dims: int):
    network = UNet(BASE.replace(dims=dims), in_channels=channels, classes=classes)
    assert network(torch.rand(2, channels, *[9] * dims)).shape == (2, classes, *[9] * dims)


def test_forward_stores_nothing():
    network = UNet(BASE.replace(attention="cbam", up="deformable", skip="attention-gate"))
    before = [dict(vars(module)) for module in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        network(torch.rand(1, 3, 9, 9))
    network.trace(torch.rand(1, 3, 9, 9))
    assert [dict(vars(module)) for module in network.modules()] == before
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_threads_that_share_a_network_do_not_meet():
    network = UNet(BASE.replace(attention="cbam", up="deformable")).requires_grad_(False)
    images = [torch.rand(1, 3, 16, 16) for _ in range(8)]
    serial = [network.trace(image) for image in images]
    found: dict[int, bool] = {}

    def work(number: int) -> None:
        equal = True
        for _ in range(5):
            trace, expected = network.trace(images[number]), serial[number]
            equal &= torch.equal(trace.logits, expected.logits)
            equal &= all(torch.equal(trace.gates[name].values, gate.values) for name, gate in expected.gates.items())
        found[number] = equal

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(8), True)


def test_a_network_without_storage_is_built_without_pytorchs_compiler():
    # It takes seconds to load, and a bank's network is always built so.
    code = """
import sys, torch
from unet_playground import Design, UNet
from unet_playground.space import neighbours
with torch.device("meta"):
    for design in neighbours(Design(depth=2, width=4)):
        UNet(design)
print("sympy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def _shapes(design: Design) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(parameter.shape) for name, parameter in UNet(design).named_parameters()}


def test_designs_that_share_a_name_share_its_shape():
    # The bank keeps one tensor per name, for every part with its default options.
    shapes: dict[str, tuple[int, ...]] = {}
    bases = [BASE, BASE.replace(attention="se"), BASE.replace(attention="se", site="fused")]
    for design in {one for base in bases for one in neighbours(base)}:
        for name, shape in _shapes(design).items():
            assert shapes.setdefault(name, shape) == shape, name


def test_every_name_says_which_part_it_belongs_to():
    design = BASE.replace(down="strided-conv", attention="cbam", skip="add", up="bilinear")
    names = "\n".join(_shapes(design))
    for part in ("strided-conv", "plain", "add", "cbam", "bilinear"):
        assert f".{part}." in names


def test_the_head_sees_the_finest_decoder_stage():
    network, image = UNet(BASE), torch.rand(1, 3, 8, 8)
    trace = network.trace(image)
    finest: Tensor = trace.features["decoder.0"]
    assert torch.equal(network.head(finest), trace.logits)
