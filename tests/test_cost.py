"""The cost meter against the built network and an independent count of a real call."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unet_playground import Design, UNet
from unet_playground.cost import Cost, cost
from unet_playground.space import draw

SIDE = 24
DRAWN = [draw(random.Random(seed), base=Design(depth=1 + seed % 3, width=4)) for seed in range(20)]
VOLUMES = [draw(random.Random(seed), base=Design(depth=2, width=3, dims=3)) for seed in range(3)]


class _Convolutions(TorchFunctionMode):
    """Multiply-adds of a real call: every weight meets every position of the output (of the input if transposed)."""

    macs = 0

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function.__name__
        if name.startswith("conv"):
            positions = math.prod((args[0] if "transpose" in name else result).shape[2:])
            self.macs += positions * args[1].numel()
        return result


def _counted(design: Design, side: int) -> int:
    with torch.no_grad(), _Convolutions() as counter:
        UNet(design)(torch.rand(1, 3, *[side] * design.dims))
    return counter.macs


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


@pytest.mark.parametrize("design", DRAWN[:6], ids=lambda design: design.to_link())
def test_stages_add_up_and_hold_their_own_parameters(design: Design):
    counted, network = cost(design, SIDE), UNet(design)
    own = {"head": network.head, "bottleneck": network.bottleneck}
    own |= {f"encoder.{level}": stage for level, stage in enumerate(network.encoder.values())}
    own |= {f"decoder.{level}": stage for level, stage in enumerate(network.decoder.values())}
    assert len(counted.stages) in (2 * design.depth + 2, 2 * design.depth + 3)
    for stage in counted.stages:
        assert stage.parameters == sum(parameter.numel() for parameter in own[stage.stage].parameters())
    assert counted.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert counted.macs == sum(stage.macs for stage in counted.stages)
    assert counted.activation_bytes == max(stage.activation_bytes for stage in counted.stages)


def test_stages_of_the_classic_cost_what_their_layers_cost():
    stages = {stage.stage: stage for stage in cost(Design(), 256).stages}
    assert list(stages) == [*(f"encoder.{n}" for n in range(5)), *(f"decoder.{n}" for n in (3, 2, 1, 0)), "head"]
    assert stages["encoder.0"].macs == 9 * (3 * 16 + 16 * 16) * 256 * 256
    assert stages["encoder.4"].macs == 9 * (128 * 256 + 256 * 256) * 16 * 16
    assert stages["decoder.0"].macs == (32 * 16 * 4 * 128 * 128) + 9 * (32 * 16 + 16 * 16) * 256 * 256
    assert stages["head"].macs == 16 * 2 * 256 * 256


def test_attention_on_the_bottleneck_is_a_stage_of_its_own():
    stages = [stage.stage for stage in cost(Design(attention="se", site="bottleneck"), 64).stages]
    assert stages[5] == "bottleneck"
    assert "bottleneck" not in [stage.stage for stage in cost(Design(attention="se"), 64).stages]


def test_full_resolution_at_one_width_costs_little_more_and_holds_far_less():
    pooled, full = cost(Design(), 256), cost(Design(down="none"), 256)
    assert full.macs / pooled.macs == pytest.approx(1.05, abs=0.01)
    assert full.parameters / pooled.parameters == pytest.approx(0.03, abs=0.005)


def test_kernels_of_three_scales_hold_9_2_times_the_weights_and_merge_into_one_kernel_of_seven():
    plain, wide = cost(Design(skip="none"), 64), cost(Design(skip="none", block="multi-scale"), 64)
    stage, other = plain.stages[2], wide.stages[2]
    assert (other.parameters - 128) * 9 == (stage.parameters - 128) * 83  # 128: two norms of 64 channels
    assert other.macs * 9 == stage.macs * 49


def test_sampling_is_counted_apart():
    small = Design(depth=1, width=4)
    bilinear = cost(small.replace(up="bilinear"), 16)
    assert bilinear.sampling == 8 * 16 * 16  # the 8 channels of level 1, enlarged to 16 x 16
    deformable = cost(small.replace(up="deformable"), 16)
    assert deformable.sampling == 8 * 9 * 8 * 8 + 4 * 16 * 16  # nine taps at 8 x 8, then 4 channels enlarged
    assert cost(small.replace(up="transposed"), 16).sampling == 0


def test_every_tap_of_a_reassembly_is_sampled_and_timed_by_the_bytes_it_writes_alone():
    counted = cost(Design(depth=1, width=4, up="carafe", skip="attention-gate", attention="cbam"), 16)
    repeated = 4 * 16 * 16
    assert counted.sampling == repeated + 25 * repeated
    assert counted.work[2] == repeated


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


@pytest.mark.parametrize(("switched_off", "width"), [(torch.no_grad, 5), (torch.inference_mode, 7)])
def test_a_design_is_counted_alike_where_gradients_are_switched_off(switched_off: Callable[[], Any], width: int):
    design = Design(depth=2, width=width, attention="scse", up="dysample")
    with switched_off():
        counted = cost(design, SIDE)
    cost.cache_clear()  # type: ignore[attr-defined]
    assert counted == cost(design, SIDE)


def test_a_design_is_counted_in_single_precision_whatever_the_default():
    counted = cost(Design(depth=2, width=9, attention="cbam"), SIDE)
    cost.cache_clear()  # type: ignore[attr-defined]
    torch.set_default_dtype(torch.float64)
    try:
        assert cost(Design(depth=2, width=9, attention="cbam"), SIDE) == counted
    finally:
        torch.set_default_dtype(torch.float32)
