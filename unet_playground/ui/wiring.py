"""A network as it is drawn, read from the network itself: what computes what, and which lines bring it there.

The network runs once without storage. Its tap hands on a leaf of a new graph wherever something is drawn, so autograd's
own graph between two leaves says which sources reach a place, by which convolutions and with which parameters. Nothing
here knows any part by name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor

from unet_playground.analysis.paths import BOTTLENECK
from unet_playground.cost import Sketching
from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.receptive_field import LOGITS
from unet_playground.registry import remembered
from unet_playground.taps import Below, Tap

IMAGE = "image"
_BOUNDARY = re.compile(r"encoder\.\d+(\.down)?|bottleneck|(up|fused|decoder)\.\d+|image|logits")
_CONVOLUTION = "ConvolutionBackward0"


@dataclass(frozen=True)
class Node:
    """A feature map that is drawn.

    Attributes:
        id: `encoder.0`, `bottleneck`, `decoder.0`; an inner node has the name that its skip told; `joint.2` is what the
            skip of level 2 hands on to finer ones.
        place: Its name among `receptive_field.places`.
        kind: `encoder`, `bottleneck`, `decoder`, `inner` or `joint`.
        level: 0 is the finest.
        order: Counted from 1 among the inner nodes of its level.
        shape: (channels, *sides).
        parameters: Of everything from the drawn feature maps before it to it.
        macs: Likewise.
    """

    id: str
    place: str
    kind: str
    level: int
    order: int
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Line:
    """What one drawn feature map brings to another.

    Attributes:
        source: Id of a node, or `image`.
        target: Id of a node, or `logits`.
        kind: `trunk`; `skip`; `direct` to a decoder stage from at least two levels deeper; `gate`, by which the decoder
            steers its own skip.
        skip: Level of the skip it belongs to; None for the trunk.
        channels: That it brings.
        macs: Multiply-adds on the way, and those that the first convolution at the target spends on these channels.
    """

    source: str
    target: str
    kind: str
    skip: int | None
    channels: int
    macs: int

    @property
    def id(self) -> str:
        return f"{self.source}{'~' if self.kind == 'gate' else '>'}{self.target}"


@dataclass(frozen=True)
class Wiring:
    """A network as it is drawn.

    Attributes:
        nodes: Stages in the order of computation, then what lies between them.
        lines: Target by target.
        logits: (classes, *sides).
        head: Parameters and multiply-adds of the last convolution.
        beside: Decoder level -> whether what crosses is put beside the upsampled features.
        operators: Chip -> its parameters: `down.1` on the way to level 1, `up.0`, `gate.0` inside the skip of level 0,
            `attention.skip.0` (site and level).
    """

    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    logits: tuple[int, ...]
    head: tuple[int, int]
    beside: Mapping[int, bool]
    operators: Mapping[str, int]


class _Cuts(Tap):
    """Hands on a leaf of a new graph wherever a feature map is drawn, or where one ends and the next begins."""

    def __init__(self) -> None:
        self.told: dict[str, Tensor] = {}
        self.names: dict[Tensor, str] = {}
        self.inner: dict[str, int] = {}
        self.gates: set[int] = set()
        self._crossing: int | None = None

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        self.told[name] = tensor
        known = _BOUNDARY.fullmatch(name)
        if known:
            self._crossing = int(name.removeprefix("up.")) if name.startswith("up.") else None
        elif self._crossing is None or name.startswith("skip."):
            return tensor
        else:
            self.inner[name] = self._crossing
        cut = tensor.detach().requires_grad_()
        self.names[cut] = name
        return cut

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        if self._crossing is not None and name.startswith(f"gate.{self._crossing}"):
            self.gates.add(self._crossing)
        return gate

    def within(self, place: str) -> Tap:
        return Below(self, place)


@dataclass
class _Region:
    """The operations between the leaves before a place and the place.

    Attributes:
        sources: Names of the leaves.
        work: Operation -> the leaves it depends on, inputs before users.
        carried: Leaf -> channels of what is made of it alone.
        parameters: That the operations use.
    """

    name: str
    sources: frozenset[str] = frozenset()
    work: dict[Any, frozenset[str]] = field(default_factory=dict)
    carried: dict[str, int] = field(default_factory=dict)
    parameters: set[Tensor] = field(default_factory=set)

    def macs(self, source: str | None = None) -> int:
        """Multiply-adds of all operations, or of those that depend on one leaf alone."""
        wanted = [node for node, leaves in self.work.items() if source is None or leaves == {source}]
        return sum(_macs(node) for node in wanted)

    @property
    def reading(self) -> int:
        """Multiply-adds of the first convolutions over everything that arrives."""
        total, done = 0, set()
        for node, leaves in self.work.items():
            before = any(child in done for child, _ in node.next_functions)
            reads = leaves == self.sources and node.name() == _CONVOLUTION
            total += _macs(node) if reads and not before else 0
            if before or reads:
                done.add(node)
        return total


class _Graph:
    """Autograd's graph between the leaves of one call."""

    def __init__(self, cuts: _Cuts):
        self.cuts, self.owner = cuts, {}
        self._share_out()
        cut = [name for name in cuts.told if name in cuts.names.values()]
        self.regions = {name: self.region(name, cuts.told[name]) for name in cut}
        for name in dict.fromkeys(self.owner.values()):
            whole = self.region(name, *(node for node, owner in self.owner.items() if owner == name))
            self.regions[name] = whole

    def region(self, name: str, *roots: Any) -> _Region:
        """What lies between the leaves and a tensor, or some operations."""
        region = _Region(name)
        for root in roots:
            leaf = self.cuts.names.get(root) if isinstance(root, Tensor) else None
            node = root.grad_fn if isinstance(root, Tensor) else root
            region.sources |= {leaf} if leaf else self._visit(region, node) if node is not None else set()
        if len(region.sources) == 1:
            told = self.cuts.told
            region.carried = {source: told[source].shape[1] for source in region.sources if source in told}
        return region

    def _visit(self, region: _Region, node: Any) -> frozenset[str]:
        if node not in region.work:
            ends = [(self._sources(region, child), child, at) for child, at in node.next_functions if child is not None]
            whole = frozenset[str]().union(*(sources for sources, _, _ in ends))
            for sources, child, at in ends:
                if len(sources) == 1 < len(whole):
                    (source,) = sources
                    region.carried[source] = max(region.carried.get(source, 0), _shape(child, at)[1])
            region.work[node] = whole
        return region.work[node]

    def _sources(self, region: _Region, node: Any) -> frozenset[str]:
        if hasattr(node, "variable"):
            name = self.cuts.names.get(node.variable)
            if name is None:
                region.parameters.add(node.variable)
            return frozenset([name] if name else [])
        owner = self.owner.get(node, region.name)
        return frozenset([owner]) if owner != region.name else self._visit(region, node)

    def _share_out(self) -> None:
        """Operations that the skips of several levels draw on belong to `joint.k` of the coarsest of them."""
        told = self.cuts.told
        skips = {int(name.removeprefix("skip.")): told[name] for name in told if re.fullmatch(r"skip\.\d+", name)}
        reach = {level: {*self.region("", tensor).work} for level, tensor in skips.items()}
        for level in sorted(reach, reverse=True):
            finer = set().union(*(reach[other] for other in reach if other < level))
            free = reach[level] - self.owner.keys()
            shared = free & finer or (free if len(free) < len(reach[level]) else set())
            self.owner |= dict.fromkeys(shared, f"joint.{level}")

    def shape_of(self, joint: str, level: int) -> tuple[int, ...]:
        """(channels, *sides) of what a joint hands on."""
        skip = self.cuts.told[f"skip.{level}"]
        for node in self.region("", skip).work:
            for child, at in node.next_functions:
                if self.owner.get(child) == joint != self.owner.get(node):
                    return _shape(child, at)[1:]
        return tuple(skip.shape[1:])


def _shape(node: Any, at: int) -> tuple[int, ...]:
    return tuple(node.variable.shape if hasattr(node, "variable") else node._input_metadata[at].shape)


def _macs(node: Any) -> int:
    """Every weight of a convolution meets every position: of the output, or of the input if transposed."""
    if node.name() != _CONVOLUTION:
        return 0
    shape = node._saved_input.shape if node._saved_transposed else _shape(node, 0)
    return shape[0] * prod(shape[2:]) * node._saved_weight.numel()


@remembered(maxsize=256)
def wiring(design: Design, sides: tuple[int, ...], channels: int = 3, classes: int = 2) -> Wiring:
    """What a design's network computes on an image of these sides; no weight is made and no pixel computed."""
    with torch.device("meta"):
        network, image = UNet(design, channels, classes), torch.empty(1, channels, *sides)
    cuts = _Cuts()
    with torch.enable_grad(), Sketching():
        network(cuts(IMAGE, image), cuts)
    graph = _Graph(cuts)
    nodes = (*_nodes(graph, design.depth), *_between(graph))
    level_of = {node.id: node.level for node in nodes}
    told, head = cuts.told, graph.regions[LOGITS]
    return Wiring(
        nodes,
        tuple(_lines(graph, design.depth, level_of)),
        tuple(told[LOGITS].shape[1:]),
        (sum(one.numel() for one in head.parameters), head.macs()),
        {k: told[f"fused.{k}"].shape[1] > told.get(f"skip.{k}", told[f"up.{k}"]).shape[1] for k in range(design.depth)},
        dict(_operators(network, cuts.gates)),
    )


def _nodes(graph: _Graph, depth: int) -> Iterator[Node]:
    """The stages, in the order of computation."""
    ends = [f"encoder.{k}" for k in range(depth)] + [BOTTLENECK] + [f"decoder.{k}" for k in reversed(range(depth))]
    for name in ends:
        kind, _, rest = name.partition(".")
        level = int(rest or depth)
        own = [f"encoder.{level}.down", f"encoder.{level}", name]
        yield _node(graph, name, kind, level, own if not name.startswith("decoder") else _stage(level))


def _between(graph: _Graph) -> Iterator[Node]:
    """Inner nodes, and what skips hand on."""
    counts: dict[int, int] = {}
    for name, level in graph.cuts.inner.items():
        counts[level] = counts.get(level, 0) + 1
        yield _node(graph, name, "inner", level, [name], counts[level])
    for name in dict.fromkeys(graph.owner.values()):
        yield _node(graph, name, "joint", int(name.removeprefix("joint.")), [name])


def _stage(level: int) -> list[str]:
    return [f"up.{level}", f"fused.{level}", f"decoder.{level}"]


def _node(graph: _Graph, name: str, kind: str, level: int, parts: Sequence[str], order: int = 0) -> Node:
    regions = [graph.regions[part] for part in dict.fromkeys(parts) if part in graph.regions]
    parameters = sum(one.numel() for one in set[Tensor]().union(*(region.parameters for region in regions)))
    told = graph.cuts.told.get(name)
    shape = graph.shape_of(name, level) if told is None else tuple(told.shape[1:])
    place = f"skip.{level}" if told is None else name
    return Node(name, place, kind, level, order, shape, parameters, sum(region.macs() for region in regions))


def _lines(graph: _Graph, depth: int, level_of: Mapping[str, int]) -> Iterator[Line]:
    """Every line, target by target in the order of computation."""
    regions = graph.regions
    yield Line(IMAGE, "encoder.0", "trunk", None, regions["encoder.0"].carried[IMAGE], regions["encoder.0"].reading)
    for level in range(1, depth + 1):
        down, block = regions[f"encoder.{level}.down"], regions[f"encoder.{level}"]
        target = f"encoder.{level}" if level < depth else BOTTLENECK
        brought = graph.cuts.told[f"encoder.{level}.down"].shape[1]
        yield Line(f"encoder.{level - 1}", target, "trunk", None, brought, down.macs() + block.reading)
    for name, level in level_of.items():
        if name.startswith("decoder."):
            yield from _into_decoder(graph, level, level_of)
        elif name.startswith("joint.") or name in graph.cuts.inner:
            yield from _into(regions[name], name, level, level_of, regions[name].reading)
    yield from _into(regions[LOGITS], LOGITS, 0, level_of, regions[LOGITS].reading)


def _into(region: _Region, target: str, level: int, level_of: Mapping[str, int], reading: int) -> Iterator[Line]:
    """Lines to a node from every source of its region; what reads them is shared out by their channels."""
    whole = sum(region.carried.values())
    for source in sorted(region.sources, key=lambda name: (level_of.get(name, -1), name)):
        brought = region.carried.get(source, 0)
        macs = region.macs(source) if len(region.sources) > 1 or target != LOGITS else 0
        deep = target.startswith("decoder.") and level_of.get(source, level) - level > 1
        kind = "trunk" if target == LOGITS and source.startswith("decoder.") else "direct" if deep else "skip"
        skip = None if target == LOGITS else level
        yield Line(source, target, kind, skip, brought, macs + round(reading * brought / max(whole, 1)))


def _into_decoder(graph: _Graph, level: int, level_of: Mapping[str, int]) -> Iterator[Line]:
    up, fused, target = f"up.{level}", graph.regions[f"fused.{level}"], f"decoder.{level}"
    told = graph.cuts.told.get(f"skip.{level}")
    crossing = _Region("") if told is None else graph.region("", told)
    (below,) = graph.regions[up].sources
    for line in _into(fused, target, level, level_of, graph.regions[target].reading):
        if line.source != up:
            yield line
            continue
        steering = crossing.macs(up)
        macs = line.macs + graph.regions[up].macs() - steering
        yield Line(below, target, "trunk", None, line.channels, macs)
        if up in crossing.sources:
            yield Line(below, target, "gate", level, line.channels, steering)


def _operators(network: UNet, gates: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Every chip with its parameters."""
    encoder, decoder = ([*half.children()] for half in (network.encoder, network.decoder))
    held: dict[str, Any] = {f"down.{level}": stage.down for level, stage in enumerate(encoder) if level}
    held |= {f"up.{level}": stage.up for level, stage in enumerate(decoder)}
    held |= {f"gate.{level}": decoder[level].skip for level in sorted(gates)}
    sites: list[Any] = [*(stage.attention for stage in decoder), network.bottleneck]
    for level, attention in enumerate(sites):
        held |= {f"attention.{site.rpartition('-')[0]}.{level}": part for site, part in attention.items()}
    for id, part in held.items():
        if part is not None and getattr(part.part, "weighs", True) and getattr(part.part, "halves", True):
            yield id, sum(parameter.numel() for parameter in part.parameters())
