"""The theoretical receptive field against networks that are really run on spoiled and on changed images."""

import random

import pytest
import torch
from torch import Tensor, nn

from unet_playground import Design, UNet
from unet_playground.cost import cost
from unet_playground.parts.layers import Norm
from unet_playground.receptive_field import receptive_field
from unet_playground.space import draw
from unet_playground.taps import Freeze

SIDES = [(37, 22), (64, 19), (21, 48), (33, 33), (16, 27)]
DRAWN = [
    (draw(random.Random(seed), base=Design(depth=2, width=2 + seed % 3)), SIDES[seed % len(SIDES)])
    for seed in range(25)
]
VOLUMES = [
    (Design(dims=3, depth=1, width=2), (11, 8, 9)),
    (Design(dims=3, depth=2, width=2, up="deformable", down="strided-conv", skip="dense"), (14, 9, 10)),
]


def _network(design: Design) -> UNet:
    """Random positive weights, so that no ReLU closes and no two paths cancel; double precision.

    Norm looks at one pixel only, so it is left out: it would shrink what comes from afar below rounding.
    """
    network = UNet(design).double().requires_grad_(False)
    for parameter in network.parameters():
        parameter.abs_().add_(0.01)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, Norm):
                setattr(module, name, nn.Identity())
    return network


def _run(network: UNet, images: Tensor) -> Tensor:
    """One class of the logits, gates and offsets held still."""
    return network(images, Freeze())[:, 0]


def _points(side: int) -> list[int]:
    """Both borders and every phase of two halvings in the middle."""
    return sorted({0, side // 2 - 1, side // 2, side // 2 + 1, side // 2 + 2, side - 1})


def _spoiled(network: UNet, sides: tuple[int, ...], axis: int) -> Tensor:
    """(input slices, *sides): which output pixels become NaN when one row (column, plane) of the image is NaN."""
    images = torch.rand(sides[axis], 3, *sides, dtype=torch.float64)
    for at in range(sides[axis]):
        images[at].select(axis + 1, at).fill_(torch.nan)
    return _run(network, images).isnan()


def _changed(network: UNet, sides: tuple[int, ...], axis: int) -> Tensor:
    """The same, but which output pixels change by more than rounding when that row becomes brighter.

    A bright row wins every maximum. What reaches the end of the field has been divided by some 3^10; what a sampled
    position lets in by rounding is below 1e-13.
    """
    base = torch.rand(1, 3, *sides, dtype=torch.float64)
    reference = _run(network, base)
    images = base.repeat(sides[axis], *[1] * (base.dim() - 1))
    for at in range(sides[axis]):
        images[at].select(axis + 1, at).add_(10)
    return (_run(network, images) - reference).abs() > 1e-12 * reference.abs()


def _assert_boxes(design: Design, sides: tuple[int, ...], truth: Tensor, axis: int) -> None:
    for at in _points(sides[axis]):
        point = tuple(at if one == axis else side // 2 for one, side in enumerate(sides))
        reached = truth[(slice(None), *point)].nonzero().flatten().tolist()
        field = receptive_field(design, sides, point)
        assert (field.low[axis], field.high[axis]) == (reached[0], reached[-1]), f"pixel {at} of axis {axis}"


@pytest.mark.parametrize(("design", "sides"), [*DRAWN, *VOLUMES], ids=str)
def test_the_box_holds_exactly_the_rows_and_columns_whose_change_is_felt(design: Design, sides: tuple[int, ...]):
    network = _network(design)
    for axis in range(design.dims):
        _assert_boxes(design, sides, _changed(network, sides, axis), axis)


# A sampled pixel reads neighbours with weight zero, and zero times NaN is NaN: there this truth would be too wide.
UNSAMPLED = [(design, sides) for design, sides in [*DRAWN, *VOLUMES] if cost(design, 16).sampling == 0]


@pytest.mark.parametrize(("design", "sides"), UNSAMPLED, ids=str)
def test_the_box_holds_exactly_the_rows_and_columns_that_can_spoil_the_output(design: Design, sides: tuple[int, ...]):
    network = UNet(design).double().requires_grad_(False)
    for axis in range(design.dims):
        _assert_boxes(design, sides, _spoiled(network, sides, axis), axis)


def test_enough_designs_are_spoiled():
    assert len(UNSAMPLED) >= 5


@pytest.mark.parametrize(
    ("design", "through"),
    [
        (Design(), ()),
        (Design(attention="spatial"), ()),
        (Design(skip="attention-gate"), ()),
        (Design(up="deformable"), ()),
        (Design(attention="se"), tuple(f"skip.{level}.channel" for level in (3, 2, 1, 0))),
        (Design(attention="cbam", site="fused"), tuple(f"fused.{level}.channel" for level in (3, 2, 1, 0))),
        (Design(attention="none/se/none/spatial"), ("skip.1.channel",)),
        (Design(depth=1, width=4, attention="cbam", up="deformable"), ("skip.0.channel",)),
    ],
    ids=str,
)
def test_gates_that_see_the_whole_image_are_named(design: Design, through: tuple[str, ...]):
    field = receptive_field(design, (64, 64), (32, 32))
    assert sorted(field.through) == sorted(through)


def test_a_channel_gate_does_not_widen_the_box():
    size, pixel = (512, 512), (256, 256)
    assert receptive_field(Design(attention="se"), size, pixel).sides == receptive_field(Design(), size, pixel).sides


@pytest.mark.parametrize("at", [32, 33])
def test_the_box_of_one_level_is_what_its_convolutions_add_up_to(at: int):
    # Back from pixel 32: two convolutions need 30..34, whose parents at half the resolution are 15..17; two there need
    # 13..19, pooled from 26..39, and two before the pooling 24..41. Pixel 33 has the same parents; the skip needs less.
    field = receptive_field(Design(depth=1, width=4), (64, 64), (at, at))
    assert field.low == (24, 24)
    assert field.high == (41, 41)


def test_a_field_is_clipped_to_the_image():
    field = receptive_field(Design(), (20, 30), (0, 29))
    assert (field.low, field.high, field.sides) == ((0, 0), (19, 29), (20, 30))
