"""The cost meter against the built network and an independent count by hooks."""

import math
import random

import pytest
import torch
from torch import Tensor, nn

from unet_playground import Design, UNet
from unet_playground.cost import Cost, cost
from unet_playground.parts.layers import JoinedConvolution
from unet_playground.space import draw

SIDE = 24
DRAWN = [draw(random.Random(seed), base=Design(depth=1 + seed % 3, width=4)) for seed in range(20)]
VOLUMES = [draw(random.Random(seed), base=Design(depth=2, width=3, dims=3)) for seed in range(3)]


def _counted(design: Design, side: int) -> int:
    """Multiply-adds: every weight of a convolution meets every position of its output (of its input if transposed)."""
    network, total = UNet(design), 0

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal total
        transposed = isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d)
        weights = module.weight.values() if isinstance(module, JoinedConvolution) else [module.weight]
        positions = math.prod((inputs[0] if transposed else output).shape[2:])
        total += positions * sum(weight.numel() for weight in weights)  # type: ignore[operator]

    for module in network.modules():
        if isinstance(module, JoinedConvolution | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.rand(1, 3, *[side] * design.dims))
    return total


@pytest.mark.parametrize("design", [*DRAWN, *VOLUMES], ids=lambda design: design.to_link())
def test_parameters_and_macs_are_those_of_the_built_network(design: Design):
    side = SIDE if design.dims == 2 else 9
    counted = cost(design, side)
    assert counted.parameters == sum(parameter.numel() for parameter in UNet(design).parameters())
    assert counted.macs == _counted(design, side)


def test_the_classic_costs_what_is_promised():
    counted = cost(Design(), 256)
    assert counted.parameters == 1_941_122
    assert counted.macs == 3_033_530_368
    assert counted.sampling == 0
    assert round(cost(Design(width=32), 256).macs / 1e9, 2) == 12.07


def test_sampling_is_counted_apart():
    small = Design(depth=1, width=4)
    bilinear = cost(small.replace(up="bilinear"), 16)
    assert bilinear.sampling == 8 * 16 * 16  # the 8 channels of level 1, enlarged to 16 x 16
    deformable = cost(small.replace(up="deformable"), 16)
    assert deformable.sampling == 8 * 9 * 8 * 8 + 4 * 16 * 16  # nine taps at 8 x 8, then 4 channels enlarged
    assert cost(small.replace(up="transposed"), 16).sampling == 0


def test_offsets_at_the_target_cost_four_times_the_upsampling():
    small = Design(depth=1, width=4)
    rest = cost(small.replace(up="bilinear(kernel=1)"), 16).macs - 8 * 4 * 16 * 16
    source, target = (cost(small.replace(up=f"deformable(offsets={at})"), 16) for at in ("source", "target"))
    assert target.macs - rest == 4 * (source.macs - rest)


def test_macs_grow_with_the_pixels_and_parameters_do_not():
    small, large = cost(Design(), 64), cost(Design(), 128)
    assert large.macs == 4 * small.macs
    assert large.parameters == small.parameters
    assert cost(Design(dims=3), 32).macs == 8 * cost(Design(dims=3), 16).macs


def test_memory_is_at_least_that_of_the_largest_concatenation():
    # At the finest level: decoded and crossing features of 16 channels and their concatenation, float32.
    counted = cost(Design(), 256)
    assert counted.activation_bytes >= 4 * 256 * 256 * (16 + 16 + 32)
    assert counted.training_bytes > counted.activation_bytes


def test_memory_grows_with_the_image():
    small, large = cost(Design(), 64), cost(Design(), 128)
    assert large.activation_bytes == 4 * small.activation_bytes


@pytest.mark.parametrize("design", [Design(), Design(attention="cbam", up="deformable")], ids=str)
def test_training_bytes_are_what_a_real_step_keeps(design: Design):
    network, image, kept = UNet(design), torch.rand(1, 3, 64, 64), {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network(image)
    assert logits.requires_grad
    real = sum(storage.nbytes() for storage in kept.values())
    assert cost(design, 64).training_bytes == pytest.approx(real, rel=0.02)


def test_counting_allocates_no_weights_and_asks_for_the_same_twice():
    # 64 channels at depth 4 and 4096 px would need gigabytes if a pixel were computed.
    counted = cost(Design(width=64), 4096)
    assert isinstance(counted, Cost)
    assert counted.macs == 256 * cost(Design(width=64), 256).macs
    assert cost(Design(width=64), 4096) == counted
