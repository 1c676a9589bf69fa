"""Skips against slow, explicit code: what crosses, from where, and how it is joined."""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.parts.explicit import (
    align,
    assert_equal,
    both,
    build,
    convolve,
    copy_weights,
    normalise,
    pool,
    random_image,
    repeat,
)
from unet_playground import Design, UNet
from unet_playground.parts import Passage, Place, skips


@pytest.mark.parametrize("sides", [(1, 1), (13, 10), (3, 1), (17, 32), (9, 1, 6)])
def test_a_place_pools_what_is_finer_and_enlarges_what_is_coarser(sides: tuple[int, ...]):
    of_level = [[math.ceil(side / 2**level) for side in sides] for level in range(5)]
    features = [torch.randn(2, 3, *one, dtype=torch.float64) for one in of_level]
    for to, asked in enumerate(of_level):
        place = Place(to, 4, len(sides))
        for level, x in enumerate(features):
            aligned = place.align(x, level, asked)
            assert list(aligned.shape[2:]) == asked
            assert_equal(aligned, align(x, level, to, asked))
            assert level != to or torch.equal(aligned, x)


@pytest.mark.parametrize("level", range(4))
def test_at_full_resolution_nothing_is_to_be_aligned(level: int):
    x = torch.randn(2, 3, 5, 7)
    assert torch.equal(Place(1, 3, 2, halves=False).align(x, level, x.shape[2:]), x)


class Count(TorchFunctionMode):
    """Counts the calls of torch's functions by name."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[func.__name__] += 1
        return func(*args, **(kwargs or {}))


@both
@pytest.mark.parametrize("skip", skips)
def test_at_full_resolution_no_style_pools_or_interpolates(skip: str, dims: int):
    resampling = ("interpolate", f"max_pool{dims}d")
    for choices in ({"down": "none"}, {"up": "bilinear"}):
        network, image = build(skip, 3, dims, **choices), random_image(dims)
        with Count() as count:
            network(image)
        assert [count.calls[name] > 0 for name in resampling] == [network.design.halves] * 2
        assert count.calls[f"conv{dims}d"] > 14
        if not network.design.halves:
            assert {one.shape[2:] for one in network.trace(image).features.values()} == {image.shape[2:]}


# Every style in whole networks: what each stage works on, computed from the features that the network tells.

Crossed = Callable[[Any, int, Sequence[Tensor], Sequence[Tensor]], Tensor]


def _check_stages(network: UNet, crossed: Crossed) -> None:
    """Compare the joined features of every stage with the decoded ones beside what should cross.

    Args:
        network: Its bottleneck may have attention.
        crossed: Of a skip, its level, the encoder's features and the decoder's, each indexed by level.
    """
    features, depth = network.trace(random_image(network.design.dims)).features, network.design.depth
    encoder = [*(features[f"encoder.{level}"] for level in range(depth)), features["bottleneck"]]
    decoder = [*(features[f"decoder.{level}"] for level in range(depth)), features["bottleneck"]]
    assert not torch.equal(features["bottleneck"], features[f"encoder.{depth}"])
    stages: list[Any] = [*network.decoder.values()]
    for level in range(depth):
        expected = crossed(stages[level].skip.part, level, encoder, decoder)
        assert_equal(features[f"skip.{level}"], expected)
        assert_equal(features[f"fused.{level}"][:, -expected.shape[1] :], expected)


def _emphasised(skip: str, depth: int, dims: int, **choices: Any) -> UNet:
    return build(skip, depth, dims, attention="se", site="bottleneck", **choices)


def _stages(network: UNet) -> list[Any]:
    return [*network.decoder.values()]


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_dense_brings_every_level_of_equal_or_higher_resolution(down: str, dims: int):
    network = _emphasised("dense", 3, dims, down=down)

    def crossed(skip: Any, level: int, encoder: Sequence[Tensor], decoder: Sequence[Tensor]) -> Tensor:
        apart = level if network.design.halves else 0
        assert len(skip.compressions) == level + 1
        assert {one.weight.shape[2:] for one in skip.compressions} == {(1,) * dims}
        # Compressed to an equal share each; the level itself takes the rest.
        states = [one.state_dict() for one in skip.compressions]
        shares = [len(one["weight"]) for one in states]
        assert sum(shares) == network.design.widths[level]
        assert set(shares[:-1]) <= {sum(shares) // (level + 1)}
        pooled = [pool(encoder[source], max(0, apart - source)) for source in range(level + 1)]
        return torch.cat([convolve(x, one) for x, one in zip(pooled, states, strict=True)], 1)

    _check_stages(network, crossed)


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
@pytest.mark.parametrize("depth", [3, 4])
def test_cross_stage_adds_the_mirrored_level_through_1x1(depth: int, down: str, dims: int):
    """Interpolated first and convolved then; the part does it the other way round."""
    network = _emphasised("cross-stage", depth, dims, down=down)

    def crossed(skip: Any, level: int, encoder: Sequence[Tensor], decoder: Sequence[Tensor]) -> Tensor:
        mirror, own = depth - level, encoder[level]
        mirrored = encoder[mirror]
        if network.design.halves:
            mirrored = align(mirrored, mirror, level, own.shape[2:])
        assert skip.line.weight.shape[2:] == (1,) * dims
        return own + convolve(mirrored, skip.line.state_dict())

    _check_stages(network, crossed)


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_a_pyramid_adds_from_the_top_down_and_smooths(down: str, dims: int):
    depth = 3
    network = _emphasised("pyramid", depth, dims, down=down)
    parts = [stage.skip.part for stage in _stages(network)]

    def crossed(skip: Any, level: int, encoder: Sequence[Tensor], decoder: Sequence[Tensor]) -> Tensor:
        summed = convolve(encoder[depth], parts[-1].top.state_dict())
        for finer in reversed(range(level, depth)):
            sides = encoder[finer].shape[2:]
            above = repeat(summed, sides) if network.design.halves else summed
            summed = above + convolve(encoder[finer], parts[finer].lateral.state_dict())
        assert summed.shape[1] == network.design.width
        return convolve(summed, skip.smooth.state_dict())

    _check_stages(network, crossed)
    assert [part.top is None for part in parts] == [True] * (depth - 1) + [False]


def _branch(skip: Any, name: str, x: Tensor) -> Tensor:
    """One branch of UNet 3+: a convolution without bias, normalised, and ReLU."""
    state = skip.branches[name].state_dict()
    assert set(state) == {"convolution.weight", "norm.bias"}
    assert state["convolution.weight"].shape[2:] == (3,) * (x.dim() - 2)
    return normalise(convolve(x, state, "convolution."), state["norm.bias"])


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
@pytest.mark.parametrize("depth", [3, 4])
def test_full_scale_brings_the_finer_encoder_levels_and_the_coarser_decoder_stages(depth: int, down: str, dims: int):
    network = _emphasised("full-scale", depth, dims, down=down)

    def crossed(skip: Any, level: int, encoder: Sequence[Tensor], decoder: Sequence[Tensor]) -> Tensor:
        sides, halves = encoder[level].shape[2:], network.design.halves
        finer = [(f"encoder-{k}", k, encoder[k]) for k in range(level + 1)]
        coarser = [(f"decoder-{k}", k, decoder[k]) for k in range(level + 2, depth + 1)]
        aligned = [(name, align(x, k, level, sides) if halves else x) for name, k, x in [*finer, *coarser]]
        return torch.cat([_branch(skip, name, x) for name, x in aligned], 1)

    _check_stages(network, crossed)
    trace = network.trace(random_image(dims)).features
    for level, stage in enumerate(_stages(network)):
        own = _branch(stage.skip.part, "decoded", trace[f"up.{level}"])
        assert_equal(trace[f"fused.{level}"], torch.cat([own, trace[f"skip.{level}"]], 1))


def test_a_fresh_attention_gate_is_equally_open_everywhere_and_learns_at_once():
    network = UNet(Design(skip="attention-gate", depth=2, width=4))
    image = torch.rand(1, 3, 13, 10)
    gates = network.trace(image).gates
    assert len(gates) == 2
    for gate in gates.values():
        assert torch.equal(gate.values, torch.full_like(gate.values, 2.0).sigmoid())
    step = torch.optim.SGD(network.parameters(), 0.1)
    for behind in ("psi", "of_encoded", "of_decoded"):
        step.zero_grad()
        network(image)[:, 1].square().mean().backward()
        for stage in _stages(network):
            assert getattr(stage.skip.part, behind).weight.grad.any()
        step.step()


def test_every_full_scale_stage_has_five_equal_branches_at_depth_four():
    network = build("full-scale", depth=4)
    features = network.trace(random_image()).features
    for level, stage in enumerate(_stages(network)):
        branches = [*stage.skip.part.branches.values()]
        assert [branch.convolution.out_channels for branch in branches] == [4] * 5
        assert features[f"fused.{level}"].shape[1] == 20
        assert features[f"decoder.{level}"].shape[1] == network.design.widths[level]


@both
def test_a_pyramid_of_equal_widths_is_the_one_of_monai(dims: int):
    depth, width = 4, 8
    encoded = [torch.randn(2, width, *[2 ** (5 - level)] * dims, dtype=torch.float64) for level in range(depth + 1)]
    parts: list[Any] = [skips["pyramid"].make([width] * (depth + 1), Place(i, depth, dims)) for i in range(depth)]
    theirs: Any = FeaturePyramidNetwork(dims, [width] * (depth + 1), width).double().requires_grad_(False)
    inner: dict[int, Tensor] = {}
    for level, part in enumerate(parts):
        part.double().requires_grad_(False)
        for parameter in part.parameters():
            parameter.normal_(0, 0.3)
        theirs.inner_blocks[level].load_state_dict(part.lateral.state_dict())
        theirs.layer_blocks[level].load_state_dict(part.smooth.state_dict())
        theirs.layer_blocks[level].register_forward_pre_hook(
            lambda block, inputs, level=level: inner.update({level: inputs[0]})
        )
    theirs.inner_blocks[depth].load_state_dict(parts[-1].top.state_dict())
    smoothed = theirs(OrderedDict((f"{level}", x) for level, x in enumerate(encoded)))
    passage = Passage(encoded, [])
    for level in reversed(range(depth)):
        assert_equal(parts[level].cross(passage, encoded[level]), smoothed[f"{level}"])
        assert_equal(passage.handed[0], inner[level])


# Addition and gates, which can close or open.


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_addition_with_factors_of_zero_is_no_skip(down: str, dims: int):
    added, without = build("add(scalar=true)", dims=dims, down=down), build("none", dims=dims, down=down)
    copy_weights(without, added)
    image = random_image(dims)
    assert not torch.allclose(added(image), without(image), atol=1e-3)
    for stage in _stages(added):
        stage.skip.part.scale.zero_()
    assert torch.equal(added(image), without(image))


@both
@pytest.mark.parametrize(
    "skip", [entry.id for entry in skips.entries() if entry.make.beside and entry.id != "full-scale"]
)
def test_a_decoder_that_is_blind_to_what_crosses_has_no_skip(skip: str, dims: int):
    """The weights over the decoded features mean the same in every style, wherever the others stand beside them."""
    blind, without = build(skip, dims=dims), build("none", dims=dims)
    copy_weights(without, blind)
    for stage in _stages(blind):
        weights = stage.block.part.first.weight
        assert len(weights) > 1
        for name, weight in weights.items():
            if name != "decoded":
                weight.zero_()
    image = random_image(dims)
    assert_equal(blind(image), without(image))


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_an_open_attention_gate_is_concatenation(down: str, dims: int):
    gated, joined = build("attention-gate", dims=dims, down=down), build("concat", dims=dims, down=down)
    copy_weights(joined, gated, "weight.attention-gate", "weight.concat")
    image = random_image(dims)
    assert not torch.allclose(gated(image), joined(image), atol=1e-3)
    for stage in _stages(gated):
        stage.skip.part.psi.weight.zero_()
        stage.skip.part.psi.bias.fill_(50)
    assert torch.equal(gated(image), joined(image))


# Nested.
