"""What crosses, against slow code written from the definitions, and against the identities between the styles."""

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork
from torch import Tensor
from torch.overrides import TorchFunctionMode

from unet_playground import Design, UNet
from unet_playground.parts import Passage, Place, skips

both = pytest.mark.parametrize("dims", [2, 3])
CONVOLVE = {2: F.conv2d, 3: F.conv3d}
STAMP = {2: F.conv_transpose2d, 3: F.conv_transpose3d}
SIDES = {2: (13, 10), 3: (9, 6, 11)}
State = Mapping[str, Tensor]


def _network(skip: str, depth: int = 3, dims: int = 2, **choices: Any) -> UNet:
    """In double precision, with no parameter at a special value such as a bias of zero."""
    network = UNet(Design(skip=skip, depth=depth, width=4, dims=dims, **choices), in_channels=2, classes=3)
    network.double().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return network


def _copy(network: UNet, source: UNet, was: str = "", now: str = "") -> None:
    """Give a network every weight of its names; the source may call a tensor otherwise, but has to have it."""
    state = {name.replace(was, now): weight for name, weight in source.state_dict().items()}
    network.load_state_dict({name: state[name] for name in network.state_dict()})


def _image(dims: int = 2) -> Tensor:
    return torch.randn(2, 2, *SIDES[dims], dtype=torch.float64)


def _close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def _shapes(design: Design) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: parameter.shape for name, parameter in UNet(design).named_parameters()}


# Slow code.


def _pooled(x: Tensor, halvings: int) -> Tensor:
    """Strongest of every window, one axis after the other; the last window may be cut off by the border."""
    for axis in range(2, x.dim()):
        x = torch.cat([window.amax(axis, keepdim=True) for window in x.split(2**halvings, axis)], axis)
    return x


def _raised(x: Tensor, doublings: int, sides: Sequence[int]) -> Tensor:
    """Every axis weighed by how near the pixel centres lie, for as many pixels as are asked for."""
    for axis, side in enumerate(sides, start=2):
        last = x.shape[axis] - 1
        positions = [min(max((pixel + 0.5) / 2**doublings - 0.5, 0), last) for pixel in range(side)]
        near = [[max(0.0, 1 - abs(position - pixel)) for pixel in range(last + 1)] for position in positions]
        x = (x.movedim(axis, -1) @ x.new_tensor(near).T).movedim(-1, axis)
    return x


def _aligned(x: Tensor, level: int, to: int, sides: Sequence[int]) -> Tensor:
    return _pooled(x, to - level) if level <= to else _raised(x, level - to, sides)


def _repeated(x: Tensor, sides: Sequence[int]) -> Tensor:
    for axis, side in enumerate(sides, start=2):
        x = x.index_select(axis, torch.arange(side) // 2)
    return x


def _convolved(x: Tensor, state: State, name: str = "") -> Tensor:
    weight = state[f"{name}weight"]
    return CONVOLVE[x.dim() - 2](x, weight, state.get(f"{name}bias"), padding=weight.shape[-1] // 2)


def _normed(x: Tensor, bias: Tensor) -> Tensor:
    """Normalised by the size of each pixel's channel vector, then ReLU."""
    return (x / torch.sqrt((x**2).mean(1, keepdim=True) + 0.1) + bias).clamp_min(0)


def _plain(state: State, prefix: str, sources: Mapping[str, Tensor]) -> Tensor:
    """H of the papers: two convolutions, the first one as a sum over its sources by their names."""
    first = [CONVOLVE[x.dim() - 2](x, state[f"{prefix}.first.weight.{name}"], padding=1) for name, x in sources.items()]
    inner = _normed(torch.stack(first).sum(0), state[f"{prefix}.first_norm.bias"])
    second = CONVOLVE[inner.dim() - 2](inner, state[f"{prefix}.second.weight.inner"], padding=1)
    return _normed(second, state[f"{prefix}.second_norm.bias"])


def _table(state: State, image: Tensor, depth: int, columns: int) -> dict[tuple[int, int], Tensor]:
    """Every node x(i, j) of UNet++ with max-pooling and stamps of side 2, computed one column after the other."""
    x: dict[tuple[int, int], Tensor] = {}
    for i in range(depth + 1):
        source = {"encoded": _pooled(x[i - 1, 0], 1)} if i else {"image": image}
        x[i, 0] = _plain(state, f"encoder.{i}.block.plain", source)
    for j in range(1, depth + 1):
        for i in range(depth - j + 1):
            sides = x[i, 0].shape[2:]
            row = {k: x[i, k] for k in range(j) if (i, k) in x}
            if i + j == depth:
                up, stamp = f"decoder.{i}.up.transposed.convolution", STAMP[image.dim() - 2]
                whole = stamp(x[i + 1, j - 1], state[f"{up}.weight"], state[f"{up}.bias"], stride=2)
                decoded = whole[(..., *(slice(side) for side in sides))]
                named = {f"nested-{k}" if k else "concat": one for k, one in row.items()}
                x[i, j] = _plain(state, f"decoder.{i}.block.plain", {"decoded": decoded, **named})
            elif j < columns:
                named = {f"column-{k}": one for k, one in row.items()}
                coarser = _raised(x[i + 1, j - 1], 1, sides)
                x[i, j] = _plain(state, f"decoder.{i}.skip.nested.nodes.{j - 1}", {**named, "coarser": coarser})
    return x


# What all styles stand on.


@pytest.mark.parametrize("sides", [(1, 1), (13, 10), (3, 1), (17, 32), (9, 1, 6)])
def test_a_place_pools_what_is_finer_and_enlarges_what_is_coarser(sides: tuple[int, ...]):
    of_level = [[math.ceil(side / 2**level) for side in sides] for level in range(5)]
    features = [torch.randn(2, 3, *one, dtype=torch.float64) for one in of_level]
    for to, asked in enumerate(of_level):
        place = Place(to, 4, len(sides))
        for level, x in enumerate(features):
            aligned = place.align(x, level, asked)
            assert list(aligned.shape[2:]) == asked
            _close(aligned, _aligned(x, level, to, asked))
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
        network, image = _network(skip, 3, dims, **choices), _image(dims)
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
    features, depth = network.trace(_image(network.design.dims)).features, network.design.depth
    encoder = [*(features[f"encoder.{level}"] for level in range(depth)), features["bottleneck"]]
    decoder = [*(features[f"decoder.{level}"] for level in range(depth)), features["bottleneck"]]
    assert not torch.equal(features["bottleneck"], features[f"encoder.{depth}"])
    stages: list[Any] = [*network.decoder.values()]
    for level in range(depth):
        expected = crossed(stages[level].skip.part, level, encoder, decoder)
        _close(features[f"skip.{level}"], expected)
        _close(features[f"fused.{level}"][:, -expected.shape[1] :], expected)


def _emphasised(skip: str, depth: int, dims: int, **choices: Any) -> UNet:
    return _network(skip, depth, dims, attention="se", site="bottleneck", **choices)


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
        pooled = [_pooled(encoder[source], max(0, apart - source)) for source in range(level + 1)]
        return torch.cat([_convolved(x, one) for x, one in zip(pooled, states, strict=True)], 1)

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
            mirrored = _aligned(mirrored, mirror, level, own.shape[2:])
        assert skip.line.weight.shape[2:] == (1,) * dims
        return own + _convolved(mirrored, skip.line.state_dict())

    _check_stages(network, crossed)


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_a_pyramid_adds_from_the_top_down_and_smooths(down: str, dims: int):
    depth = 3
    network = _emphasised("pyramid", depth, dims, down=down)
    parts = [stage.skip.part for stage in _stages(network)]

    def crossed(skip: Any, level: int, encoder: Sequence[Tensor], decoder: Sequence[Tensor]) -> Tensor:
        summed = _convolved(encoder[depth], parts[-1].top.state_dict())
        for finer in reversed(range(level, depth)):
            sides = encoder[finer].shape[2:]
            above = _repeated(summed, sides) if network.design.halves else summed
            summed = above + _convolved(encoder[finer], parts[finer].lateral.state_dict())
        assert summed.shape[1] == network.design.width
        return _convolved(summed, skip.smooth.state_dict())

    _check_stages(network, crossed)
    assert [part.top is None for part in parts] == [True] * (depth - 1) + [False]


def _branch(skip: Any, name: str, x: Tensor) -> Tensor:
    """One branch of UNet 3+: a convolution without bias, normalised, and ReLU."""
    state = skip.branches[name].state_dict()
    assert set(state) == {"convolution.weight", "norm.bias"}
    assert state["convolution.weight"].shape[2:] == (3,) * (x.dim() - 2)
    return _normed(_convolved(x, state, "convolution."), state["norm.bias"])


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
@pytest.mark.parametrize("depth", [3, 4])
def test_full_scale_brings_the_finer_encoder_levels_and_the_coarser_decoder_stages(depth: int, down: str, dims: int):
    network = _emphasised("full-scale", depth, dims, down=down)

    def crossed(skip: Any, level: int, encoder: Sequence[Tensor], decoder: Sequence[Tensor]) -> Tensor:
        sides, halves = encoder[level].shape[2:], network.design.halves
        finer = [(f"encoder-{k}", k, encoder[k]) for k in range(level + 1)]
        coarser = [(f"decoder-{k}", k, decoder[k]) for k in range(level + 2, depth + 1)]
        aligned = [(name, _aligned(x, k, level, sides) if halves else x) for name, k, x in [*finer, *coarser]]
        return torch.cat([_branch(skip, name, x) for name, x in aligned], 1)

    _check_stages(network, crossed)
    trace = network.trace(_image(dims)).features
    for level, stage in enumerate(_stages(network)):
        own = _branch(stage.skip.part, "decoded", trace[f"up.{level}"])
        _close(trace[f"fused.{level}"], torch.cat([own, trace[f"skip.{level}"]], 1))


def test_every_full_scale_stage_has_five_equal_branches_at_depth_four():
    network = _network("full-scale", depth=4)
    features = network.trace(_image()).features
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
        _close(parts[level].cross(passage, encoded[level]), smoothed[f"{level}"])
        _close(passage.handed[0], inner[level])


# Addition and gates, which can close or open.


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_addition_with_factors_of_zero_is_no_skip(down: str, dims: int):
    added, without = _network("add(scalar=true)", dims=dims, down=down), _network("none", dims=dims, down=down)
    _copy(without, added)
    image = _image(dims)
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
    blind, without = _network(skip, dims=dims), _network("none", dims=dims)
    _copy(without, blind)
    for stage in _stages(blind):
        weights = stage.block.part.first.weight
        assert len(weights) > 1
        for name, weight in weights.items():
            if name != "decoded":
                weight.zero_()
    image = _image(dims)
    _close(blind(image), without(image))


@both
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_an_open_attention_gate_is_concatenation(down: str, dims: int):
    gated, joined = _network("attention-gate", dims=dims, down=down), _network("concat", dims=dims, down=down)
    _copy(joined, gated, "weight.attention-gate", "weight.concat")
    image = _image(dims)
    assert not torch.allclose(gated(image), joined(image), atol=1e-3)
    for stage in _stages(gated):
        stage.skip.part.psi.weight.zero_()
        stage.skip.part.psi.bias.fill_(50)
    assert torch.equal(gated(image), joined(image))


# Nested.


@both
@pytest.mark.parametrize(("skip", "depth"), [("nested(columns=1)", 4), ("nested", 1), ("nested(supervision=true)", 1)])
def test_nested_with_one_column_is_the_unet_of_that_depth(skip: str, depth: int, dims: int):
    nested, joined = _network(skip, depth, dims), _network("concat", depth, dims)
    assert set(nested.state_dict()) == set(joined.state_dict())
    _copy(nested, joined)
    image = _image(dims)
    assert torch.equal(nested(image), joined(image))


@both
@pytest.mark.parametrize(("depth", "columns"), [(3, 3), (3, 2), (4, 4), (4, 2), (2, 2)])
def test_nested_follows_the_table_of_its_nodes(depth: int, columns: int, dims: int):
    network, image = _network(f"nested(columns={columns})", depth, dims), _image(dims)
    state, trace = network.state_dict(), network.trace(image)
    x = _table(state, image, depth, columns)
    inner = {(i, j) for i, j in x if 0 < j < depth - i}
    assert {name for name in trace.features if "column" in name} == {f"nested.{i}.column-{j}" for i, j in inner}
    for i, j in inner:
        _close(trace.features[f"nested.{i}.column-{j}"], x[i, j])
    _close(trace.logits, _convolved(x[0, depth], state, "head."))


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_a_limit_on_columns_leaves_exactly_the_nodes_of_the_first_columns(columns: int):
    depth, widths = 4, Design(depth=4).widths
    weights = {
        f"decoder.{i}.skip.nested.nodes.{j - 1}.first.weight.{source}": channels
        for j in range(1, columns)
        for i in range(depth - j)
        for source, channels in {**{f"column-{k}": widths[i] for k in range(j)}, "coarser": widths[i + 1]}.items()
    }
    shapes = _shapes(Design(skip=f"nested(columns={columns})", depth=depth))
    found = {name: shape[1] for name, shape in shapes.items() if ".nodes." in name and ".first.weight." in name}
    assert found == weights
    seen = {
        f"decoder.{i}.block.plain.first.weight.nested-{j}": widths[i]
        for j in range(1, columns)
        for i in range(depth - j)
    }
    assert {name: shape[1] for name, shape in shapes.items() if re.search(r"\.nested-\d+$", name)} == seen


@pytest.mark.parametrize("skip", ["nested", "nested(columns=2)", "nested(columns=1)", "nested(supervision=true)"])
def test_the_last_column_shares_every_tensor_with_concatenation(skip: str):
    nested, joined = _shapes(Design(skip=skip)), _shapes(Design())
    of_decoder = [name for name in joined if re.search(r"^decoder\.\d\.block.*first\.weight\.(decoded|concat)$", name)]
    assert len(of_decoder) == 8
    assert {name: nested[name] for name in joined} == joined


@both
@pytest.mark.parametrize(("options", "columns"), [("supervision=true", 4), ("columns=2,supervision=true", 2)])
def test_deep_supervision_is_the_mean_of_a_head_per_column(options: str, columns: int, dims: int):
    network, image = _network(f"nested({options})", 4, dims), _image(dims)
    state, trace = network.state_dict(), network.trace(image)
    x = _table(state, image, 4, columns)
    heads = [_convolved(x[0, j], state, f"decoder.0.skip.nested.heads.{j - 1}.") for j in range(1, columns)]
    outputs = [*heads, _convolved(x[0, 4], state, "head.")]
    told = {name: one for name, one in trace.features.items() if name.startswith("output.")}
    assert list(told) == [f"output.{j}" for j in range(1, columns + 1)]
    for actual, expected in zip(told.values(), outputs, strict=True):
        _close(actual, expected)
    _close(trace.logits, torch.stack(outputs).mean(0))
    assert len([name for name in state if ".heads." in name]) == 2 * (columns - 1)


@pytest.mark.parametrize(
    ("written", "depth", "canonical"),
    [
        ("nested(columns=4)", 4, "nested"),
        ("nested(columns=5)", 4, "nested"),
        ("nested(columns=3)", 4, "nested(columns=3)"),
        ("nested(columns=4,supervision=true)", 4, "nested(supervision=true)"),
        ("nested(columns=2,supervision=true)", 4, "nested(columns=2,supervision=true)"),
        ("nested(columns=1,supervision=true)", 4, "nested(columns=1)"),
        ("nested(columns=1,supervision=true)", 1, "nested"),
        ("nested(supervision=true)", 1, "nested"),
        ("nested(supervision=true)", 6, "nested(supervision=true)"),
    ],
)
def test_equal_nested_networks_are_equal_designs(written: str, depth: int, canonical: str):
    design = Design(skip=written, depth=depth, width=4)
    assert design.skip == canonical
    assert design == Design(skip=canonical, depth=depth, width=4)
