"""The theoretical receptive field against the truth: what a spoiled row of the image spoils in the real network.

An image in which one row (column, plane) is NaN goes through the network with its own random weights; an output pixel
depends on that row if, and only if, it becomes NaN. Gradients are no truth: a maximum passes them to the winner alone,
and what comes from afar can vanish. NaN survives convolutions, maxima, ReLU, the norm of a pixel, padding and means.

Only where torch reads a neighbour with weight zero is NaN too strong, since zero times NaN is NaN. Two of its
operators do: linear interpolation at the first pixels of a side, and `grid_sample` wherever a place is a pixel's
centre. `Exactly` computes these two without reading what has no weight, by indexing alone; everything else, borders
included, is the network as it is.
"""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.test_sweeps import with_options
from unet_playground import Design, UNet
from unet_playground.errors import UnknownChoice
from unet_playground.receptive_field import gates, places, receptive_field
from unet_playground.space import draw
from unet_playground.taps import Freeze, Tape

ROUNDING = 1e-9
"""A smaller weight is a rounding error of a place that is meant to be a pixel's centre."""


class Exactly(TorchFunctionMode):
    """Interpolates and samples without reading what has weight zero."""

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.interpolate and kwargs["mode"] != "nearest":
            return _interpolate(args[0], int(kwargs["scale_factor"]))
        if function is F.grid_sample:
            return _sample(args[0], args[1], kwargs["padding_mode"])
        return function(*args, **kwargs)


def _interpolate(x: Tensor, times: int) -> Tensor:
    """Linear interpolation between pixel centres, one axis after the other."""
    for axis in range(2, x.dim()):
        side = x.shape[axis]
        place = ((torch.arange(side * times, dtype=x.dtype) + 0.5) / times - 0.5).clamp(0, side - 1)
        below = place.floor().long()
        part = (place - below).view(-1, *[1] * (x.dim() - 1 - axis))
        low, high = x.index_select(axis, below), x.index_select(axis, (below + 1).clamp(max=side - 1))
        x = torch.where(part == 0, low, low + part * (high - low))
    return x


def _sample(x: Tensor, grid: Tensor, padding: str) -> Tensor:
    """`grid_sample` as a sum over the corners that have weight; a place that is NaN reads NaN."""
    sides = x.shape[2:]
    places = [((grid[..., -1 - axis] + 1) * side - 1) / 2 for axis, side in enumerate(sides)]
    if padding == "border":
        places = [place.clamp(0, side - 1) for place, side in zip(places, sides, strict=True)]
    total = x.new_zeros(*x.shape[:2], *grid.shape[1:-1])
    for corner in itertools.product((0, 1), repeat=len(sides)):
        weight, index = torch.ones_like(places[0]), torch.zeros_like(places[0], dtype=torch.long)
        for place, side, end in zip(places, sides, corner, strict=True):
            at = place.floor() + end
            weight = weight * torch.where((at < 0) | (at > side - 1), 0, 1 - (place - at).abs())
            index = index * side + at.long().clamp(0, side - 1)
        read = x.flatten(2).gather(2, index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1)).view_as(total)
        weight = weight.unsqueeze(1)
        total = total + torch.where(weight < ROUNDING, 0, weight * read)
    return total


class Watch(Freeze):
    """Freezes and keeps every feature map; on request it spoils what it freezes under one name.

    Attributes:
        features: Name -> feature map.
        raw: Name -> gate or sampling values as the network computed them.
    """

    def __init__(self, spoiled: str = ""):
        super().__init__()
        self.spoiled = spoiled
        self.features: dict[str, Tensor] = {}
        self.raw: dict[str, Tensor] = {}

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        self.features[name] = tensor
        return tensor

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        self.raw[name] = gate
        return self._spoil(name, super().gate(name, gate, top))

    def sampling(self, name: str, values: Tensor, rest: float) -> Tensor:
        self.raw[name] = values
        return self._spoil(name, super().sampling(name, values, rest))

    def _spoil(self, name: str, held: Tensor) -> Tensor:
        return held * torch.nan if name == self.spoiled else held


def _watched(network: UNet, images: Tensor, spoiled: str = "") -> Watch:
    watch = Watch(spoiled)
    with torch.no_grad(), Exactly():
        network(images, watch)
    return watch


def _truth(network: UNet, sides: tuple[int, ...], axis: int) -> dict[str, Tensor]:
    """Place -> (slices of the image, *own sides): which pixels each spoiled row (column, plane) makes NaN."""
    images = torch.randn(sides[axis], 3, *sides, dtype=torch.float64)
    for at in range(sides[axis]):
        images[at].select(axis + 1, at).fill_(torch.nan)
    # Few images at a time, so that they stay in the processor's cache.
    parts = [_watched(network, some).features for some in images.split(16)]
    return {place: torch.cat([part[place].isnan().any(1) for part in parts]) for place in parts[0]}


def _assert_boxes(design: Design, sides: tuple[int, ...], axis: int, place: str, truth: Tensor) -> None:
    """Along one axis: both borders, and one pixel of every phase from the middle on."""
    own = truth.shape[1:]
    last = own[axis] - 1
    for at in sorted({0, last, *(min(own[axis] // 2 + phase, last) for phase in range(2**design.depth))}):
        point = tuple(at if one == axis else side // 2 for one, side in enumerate(own))
        reached = truth[(slice(None), *point)].nonzero().flatten()
        field = receptive_field(design, sides, point, place)
        claimed = field.low[axis], field.high[axis]
        assert claimed == (reached.min(), reached.max()), f"{place} {point} of {sides}, axis {axis}: {design.to_link()}"


def _random_design(seed: int, dims: int = 2, depth: int = 3) -> Design:
    rng = random.Random(seed)
    return with_options(rng, draw(rng, base=Design(depth=rng.randint(1, depth), width=rng.randint(2, 4), dims=dims)))


def _sides(seed: int, design: Design, most: int) -> tuple[int, ...]:
    """A side of at most `most` within which the box of its middle ends, if there is one; thin along the others."""
    rng, ones = random.Random(seed), [1] * (design.dims - 1)
    box = receptive_field(design, (2 * most, *ones), (most, *(0 for _ in ones)))
    return min(most, box.sides[0] + rng.randint(10, 25)), *(rng.randint(3, 6) for _ in ones)


def _seeds(count: int, quick: int) -> pytest.MarkDecorator:
    """The first few seeds always, the others where there is time."""
    marks = [() if seed < quick else pytest.mark.long for seed in range(count)]
    return pytest.mark.parametrize("seed", [pytest.param(seed, marks=mark) for seed, mark in enumerate(marks)])


@_seeds(300, quick=25)
def test_boxes_are_exactly_the_rows_and_columns_that_spoil_the_output(seed: int):
    design = _random_design(seed)
    network, (long, thin) = UNet(design).double(), _sides(seed, design, 200)
    for sides, axis in itertools.product([(long, thin), (thin, long)], (0, 1)):
        _assert_boxes(design, sides, axis, "logits", _truth(network, sides, axis)["logits"])


@_seeds(20, quick=3)
def test_boxes_in_volumes_are_exactly_the_planes_that_spoil_the_output(seed: int):
    design = _random_design(seed, dims=3, depth=2)
    network, (long, *thin) = UNet(design).double(), _sides(seed, design, 60)
    for axis in range(3):
        sides = (*thin[:axis], long, *thin[axis:])
        _assert_boxes(design, sides, axis, "logits", _truth(network, sides, axis)["logits"])


@_seeds(60, quick=8)
def test_boxes_of_every_feature_map_are_exactly_what_spoils_it(seed: int):
    design = _random_design(1000 + seed)
    network, sides = UNet(design).double(), (20 * design.depth + seed % 8, 5)
    truths = _truth(network, sides, 0)
    assert tuple(truths) == places(design)
    for place, truth in truths.items():
        _assert_boxes(design, sides, 0, place, truth)


def test_most_of_the_random_boxes_end_within_their_image():
    inside = 0
    for seed in range(25):
        design = _random_design(seed)
        long, thin = _sides(seed, design, 200)
        field = receptive_field(design, (long, thin), (long // 2, 0))
        inside += field.low[0] > 0 and field.high[0] < long - 1
    assert inside >= 20


@_seeds(60, quick=8)
def test_what_is_held_still_is_named_by_what_it_spoils_and_what_spoils_it(seed: int):
    design = _random_design(2000 + seed)
    network = UNet(design).double()
    clean = torch.randn(1, 3, *[2 ** (design.depth + 1)] * 2, dtype=torch.float64)
    # With its first row spoiled, an image longer than any gate can see: only what pools it feels that at its end.
    far = torch.randn(1, 3, 512, 3, dtype=torch.float64)
    far[:, :, 0] = torch.nan
    raw = _watched(network, far).raw
    pooled = {name for name, values in raw.items() if values[:, :, -1].isnan().any()}
    after = {name: _spoiled_places(network, clean, name) for name in raw}
    for place in places(design):
        field = receptive_field(design, (64, 64), (0, 0), place)
        upstream = {name for name in raw if place in after[name]}
        assert set(field.through) == upstream & pooled, f"{place} of {design.to_link()}"
        assert set(field.held) == upstream - pooled, f"{place} of {design.to_link()}"


def _spoiled_places(network: UNet, image: Tensor, name: str) -> set[str]:
    """Places that a spoiled gate or sampling position spoils."""
    features = _watched(network, image, spoiled=name).features
    return {place for place, feature in features.items() if feature.isnan().any()}


@pytest.mark.parametrize("dims", [2, 3])
def test_without_spoiled_pixels_exact_reading_is_what_torch_reads(dims: int):
    sides = (5, 4, 3)[:dims]
    x = torch.randn(2, 3, *sides, dtype=torch.float64)
    grid = 3 * torch.rand(2, *[6] * dims, dims, dtype=torch.float64) - 1.5
    read = [
        lambda: F.interpolate(x, scale_factor=4.0, mode="bilinear" if dims == 2 else "trilinear", align_corners=False),
        lambda: F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False),
        lambda: F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False),
    ]
    for one in read:
        with Exactly():
            exact = one()
        torch.testing.assert_close(exact, one())


@pytest.mark.parametrize(
    ("design", "place", "through"),
    [
        (Design(), "logits", ()),
        (Design(attention="spatial"), "logits", ()),
        (Design(skip="attention-gate"), "logits", ()),
        (Design(up="deformable"), "logits", ()),
        (Design(attention="se"), "logits", tuple(f"skip.{level}.channel" for level in (3, 2, 1, 0))),
        (Design(attention="se"), "decoder.2", ("skip.3.channel", "skip.2.channel")),
        (Design(attention="se"), "up.2", ("skip.3.channel",)),
        (Design(attention="se"), "encoder.2", ()),
        (Design(attention="se"), "bottleneck", ()),
        (Design(attention="se", site="bottleneck"), "logits", ("bottleneck.4.channel",)),
        (Design(attention="se", site="bottleneck"), "bottleneck", ("bottleneck.4.channel",)),
        (Design(attention="se", site="bottleneck"), "encoder.4", ()),
        (Design(attention="se", site="bottleneck"), "skip.0", ()),
        (Design(attention="cbam", site="fused"), "logits", tuple(f"fused.{level}.channel" for level in (3, 2, 1, 0))),
        (Design(attention="none/se/none/spatial"), "logits", ("skip.1.channel",)),
        (Design(depth=1, width=4, attention="cbam", up="deformable"), "logits", ("skip.0.channel",)),
    ],
    ids=str,
)
def test_gates_that_see_the_whole_image_are_named(design: Design, place: str, through: tuple[str, ...]):
    assert sorted(receptive_field(design, (64, 64), (2, 2), place).through) == sorted(through)


@pytest.mark.parametrize("seed", range(20))
def test_the_gates_of_a_design_are_those_that_its_network_computes(seed: int):
    design = draw(random.Random(seed), base=Design(depth=2, width=2))
    tape = Tape()
    with torch.no_grad():
        UNet(design)(torch.rand(1, 3, 16, 16), tape)
    assert gates(design) == tuple(tape.gates)


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


@pytest.mark.parametrize(("at", "low", "high", "side"), [(256, 162, 349, 188), (260, 162, 365, 204)])
def test_the_box_of_the_classic_is_what_its_convolutions_add_up_to(at: int, low: int, high: int, side: int):
    # Two convolutions add 2 pixels at either end, a parent is half a pixel's number rounded down, and the children of
    # a..b are 2a..2b+1. The skips need less at every level. Back from pixel 256:
    #   up 254..258 -> 127..129, 125..131 -> 62..65, 60..67 -> 30..33, 28..35 -> 14..17, and at the bottleneck 12..19;
    #   down 24..39, 22..41 -> 44..83, 42..85 -> 84..171, 82..173 -> 164..347, 162..349.
    # Back from pixel 260:
    #   up 258..262 -> 129..131, 127..133 -> 63..66, 61..68 -> 30..34, 28..36 -> 14..18, and at the bottleneck 12..20;
    #   down 24..41, 22..43 -> 44..87, 42..89 -> 84..179, 82..181 -> 164..363, 162..365.
    field = receptive_field(Design(), (512, 512), (at, 256))
    assert (field.low[0], field.high[0], field.sides[0]) == (low, high, side)
    assert (field.low[1], field.high[1]) == (162, 349)


def test_a_field_is_clipped_to_the_image():
    field = receptive_field(Design(), (20, 30), (0, 29))
    assert (field.low, field.high, field.sides) == ((0, 0), (19, 29), (20, 30))


def test_an_unknown_place_is_refused_with_the_places_there_are():
    design = Design(depth=2, attention="se")
    with pytest.raises(UnknownChoice) as refused:
        receptive_field(design, (32, 32), (0, 0), "encoder.3")
    for text in (refused.value.text.en, refused.value.text.zh):
        assert all(place in text for place in ("encoder.3", *places(design)))
    assert _is_one_sentence(refused.value.text.en)


@pytest.mark.parametrize(
    ("point", "place", "allowed"),
    [
        ((33, 0), "logits", "33 x 47"),
        ((0, 47), "logits", "33 x 47"),
        ((-1, 0), "logits", "33 x 47"),
        ((0,), "logits", "33 x 47"),
        ((0, 0, 0), "logits", "33 x 47"),
        ((9, 0), "encoder.2", "9 x 12"),
        ((0, 12), "bottleneck", "9 x 12"),
        ((17, 0), "decoder.1", "17 x 24"),
    ],
)
def test_a_pixel_that_is_not_there_is_refused_with_the_sides_there_are(
    point: tuple[int, ...], place: str, allowed: str
):
    with pytest.raises(UnknownChoice) as refused:
        receptive_field(Design(depth=2), (33, 47), point, place)
    assert place in refused.value.text.en
    assert allowed in refused.value.text.en
    assert allowed.replace("x", "×") in refused.value.text.zh
    assert _is_one_sentence(refused.value.text.en)


def _is_one_sentence(text: str) -> bool:
    return text.endswith(".") and ". " not in text and "\n" not in text


def test_memory_grows_no_faster_than_the_side_of_the_image():
    # Were every sampling position held against every pixel, this would need 29 GB.
    design = Design(depth=2, width=4, up="deformable(offsets=target)")
    assert receptive_field(design, (20_000, 20_000), (10_000, 10_000)).sides == (56, 56)
