"""What the living diagram shows of a design, in one language: a dictionary for its script."""

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from typing import Any

from unet_playground.analysis.effective_field import EffectiveField
from unet_playground.analysis.gradient_flow import GradientFlow
from unet_playground.analysis.paths import BOTTLENECK
from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import Text
from unet_playground.receptive_field import receptive_field
from unet_playground.registry import Choice, catalogues
from unet_playground.tasks import tasks
from unet_playground.ui.glyphs import glyph
from unet_playground.ui.wiring import IMAGE, Line, Node, Wiring, wiring

WORDS = {
    "title": Text("The network", "网络"),
    "subtitle": Text("drawn from the model, for this image", "由模型本身按当前图像绘制"),
    "weight": Text("Line weight", "线宽"),
    "macs": Text("MACs", "计算量"),
    "gradient": Text("gradient", "梯度"),
    "dependence": Text("dependence", "依赖度"),
    "waiting": Text("Known once it has been computed on this image.", "在此图像上计算之后可用。"),
    "trunk": Text("trunk", "主干"),
    "skip": Text("skip", "跳跃"),
    "direct": Text("direct, from far deeper", "直达，来自更深处"),
    "gate": Text("attention", "注意力"),
    "changed": Text("changed from A", "与 A 不同"),
    "image": Text("image", "图像"),
    "logits": Text("mask", "掩膜"),
    "parameters": Text("Parameters", "参数量"),
    "work": Text("MACs", "乘加次数"),
    "channels": Text("Channels", "通道"),
    "memory": Text("Feature map", "特征图"),
    "field": Text("Receptive field", "感受野"),
    "whole": Text("the whole image, through gates", "经由门看到整幅图"),
    "paper": Text("Paper", "论文"),
    "open": Text("Click to look inside", "点击查看内部"),
    "network": Text("Network diagram. Arrow keys move, Enter opens.", "网络图。方向键移动，回车打开。"),
}
_STAGES = {
    "encoder": Text("Encoder, level {level}", "编码器第 {level} 级"),
    "bottleneck": Text("Bottleneck", "瓶颈"),
    "decoder": Text("Decoder, level {level}", "解码器第 {level} 级"),
    "inner": Text("Inner node {level}, {order}", "内部节点 {level}, {order}"),
    "joint": Text("Hand-over at level {level}", "第 {level} 级的传递"),
}
_CHANNELS = Text("{n} ch", "{n} 通道")


_FLOAT = 4
"""Bytes of a number in a feature map."""
_GATE = {"gate": "skip"}
"""Chips that belong to another slot than they are named after."""
_BETWEEN = {"inner": "skip", "joint": "skip"}
"""Kinds of nodes that a skip computes; stages compute the block."""


def drawing(
    design: Design, sides: tuple[int, ...], task: str, language: str, other: Design | None = None
) -> dict[str, Any]:
    """The diagram of a design, read from its network.

    Args:
        design: Any design with the dims of the task.
        sides: (rows, columns) of the image.
        task: Id of the task, which says how many channels image and logits have.
        language: "en" or "zh".
        other: A design to compare with.

    Returns:
        `nodes`, `lines`, `chips` and `ends`, each with its numbers and the key of its texts in `parts`; `slots`, those
        keys by slot; `totals`; `changed`, ids of what `other` has not or has otherwise; `words`. All of it goes through
        JSON. `weights` (weight -> line -> 0..1) and `pictures` (node -> URL) are empty: they come when computed.

    Raises:
        IllegalDesign: The design does not fit the task.
    """
    made = tasks[task].make
    made.check_dims(design, picture=True)
    read = wiring(design, sides, made.channels, len(made.labels))
    theirs = _signatures(other, wiring(other, sides, made.channels, len(made.labels))) if other else {}
    changed = [id for id, one in _signatures(design, read).items() if theirs.get(id) != one] if other else []
    return {
        "design": design.to_link(),
        "halves": design.halves,
        "depth": design.depth,
        "nodes": [_node(design, node, sides, language) for node in read.nodes],
        "lines": [_line(design, line) for line in read.lines],
        "chips": [_chip(design, id, parameters) for id, parameters in read.operators.items()],
        "beside": {str(level): beside for level, beside in read.beside.items()},
        "ends": {"image": _shape((made.channels, *sides)), "logits": _shape(read.logits)},
        "parts": _parts(design, language),
        "slots": {slot: [_key(slot, one) for one in design.levels(slot)] for slot in _slots(design)},
        "totals": {
            "parameters": sum(node.parameters for node in read.nodes) + read.head[0],
            "macs": sum(node.macs for node in read.nodes) + read.head[1],
        },
        "changed": changed,
        "weights": {},
        "pictures": {},
        "words": {key: text.within(language) for key, text in WORDS.items()},
    }


def learned_of(drawing: Mapping[str, Any], result: object) -> dict[str, dict[str, float]]:
    """What a result says of the lines of the drawing: by what they can be weighed -> line -> 0..1; mostly nothing."""
    if isinstance(result, GradientFlow):
        return {"gradient": weights_of(drawing, result)}
    return {"dependence": dependence_of(drawing, result)} if isinstance(result, EffectiveField) else {}


def weights_of(drawing: Mapping[str, Any], flow: GradientFlow) -> dict[str, float]:
    """The gradient that comes back along every line, as a share of the largest: line -> 0..1.

    It is the norm at the line's source, at an encoder stage split into what came across and what came up from below.
    Lines across from one stage have one value, and so have those of inner nodes and that of their level: by which of
    them a gradient came is not measured. The image's line is left out: there is no gradient of a stage at its end.
    """
    norms = dict(zip(flow.now.stages, map(float, flow.now.features), strict=True))
    across = {
        level: abs(float(share[level])) if (share := flow.now.shares.get(f"skip-{level}")) is not None else 0.0
        for level in range(drawing["depth"])
    }
    nodes = {node["id"]: node for node in drawing["nodes"]}
    weights: dict[str, float] = {}
    for line in drawing["lines"]:
        node = nodes.get(line["source"])
        if node is None:
            continue
        level = node["level"]
        share = across.get(level, 1.0)
        if node["id"] in norms:
            early = node["kind"] == "encoder"
            part = (share if line["kind"] != "trunk" else max(0.0, 1 - share)) if early else 1.0
            weights[line["id"]] = norms[node["id"]] * part
        else:
            weights[line["id"]] = norms.get(f"encoder.{level}", 0.0) * share
    top = max(weights.values(), default=0.0)
    return {id: weight / top for id, weight in weights.items()} if top else weights


def dependence_of(drawing: Mapping[str, Any], field: EffectiveField) -> dict[str, float]:
    """How much of an output pixel's gradient takes the ways that lead over every line: line -> 0..1.

    A way is where the gradient leaves the encoder; a line counts every way that can lead over it. Where a skip brings
    one level to several decoder stages the ways are not told apart, and a line's share is at most this.
    """
    depth, feeding = drawing["depth"], dict[str, list[str]]()
    for line in drawing["lines"]:
        feeding.setdefault(line["target"], []).append(line["source"])
    shares = {
        f"encoder.{way.removeprefix('skip-')}" if way.startswith("skip-") else way: one.share
        for way, one in field.ways.items()
    }
    deeper = {f"encoder.{level}": {f"encoder.{one}" for one in range(level + 1, depth)} for level in range(depth)}

    def ways(node: str) -> set[str]:
        if node in deeper or node not in feeding or node.startswith(BOTTLENECK):
            return {node}
        return set[str]().union(*(ways(source) for source in feeding[node]))

    weights: dict[str, float] = {}
    for line in drawing["lines"]:
        source = line["source"]
        if source == IMAGE:
            taken = {*shares}
        elif line["kind"] == "trunk" and source in deeper:
            taken = {*deeper[source], BOTTLENECK}
        else:
            taken = ways(source)
        weights[line["id"]] = min(1.0, abs(sum(shares.get(one, 0.0) for one in taken)))
    return weights


def _node(design: Design, node: Node, sides: tuple[int, ...], language: str) -> dict[str, Any]:
    channels, own = node.shape[0], node.shape[1:]
    seen = receptive_field(design, sides, tuple(side // 2 for side in own), node.place)
    return {
        "id": node.id,
        "place": node.place,
        "kind": node.kind,
        "level": node.level,
        "order": node.order,
        "channels": channels,
        "sides": own,
        "label": [_CHANNELS.within(language).format(n=channels), "×".join(map(str, own))],
        "parameters": node.parameters,
        "macs": node.macs,
        "bytes": _FLOAT * prod(node.shape),
        "field": "×".join(map(str, seen.sides)),
        "whole": bool(seen.through),
        "title": _STAGES[node.kind].within(language).format(level=node.level, order=node.order),
        "part": _part_of(design, node),
    }


def _line(design: Design, line: Line) -> dict[str, Any]:
    part = None if line.skip is None else _key("skip", design.choice("skip"))
    return {"id": line.id, "part": part} | asdict(line)


def _chip(design: Design, id: str, parameters: int) -> dict[str, Any]:
    kind, *site, level = id.split(".")
    return {
        "id": id,
        "kind": kind,
        "level": int(level),
        "site": "".join(site),
        "parameters": parameters,
        "part": _part_at(design, kind, int(level)),
    }


def _part_at(design: Design, kind: str, level: int) -> str:
    """The part that a chip stands for; one way down leads to every level, and attention sits at the bottleneck too."""
    slot = _GATE.get(kind, kind)
    return _key(slot, design.levels(slot)[min(level, design.depth - 1)])


def _part_of(design: Design, node: Node) -> str:
    slot = _BETWEEN.get(node.kind, "block")
    return _key(slot, design.choice(slot))


def _signatures(design: Design, read: Wiring) -> Mapping[str, object]:
    """Id -> what makes a drawn thing what it is: its part and, for a feature map, its channels."""
    nodes = {node.id: (_part_of(design, node), node.shape[0]) for node in read.nodes}
    lines = {line.id: (line.kind, "" if line.skip is None else design.skip) for line in read.lines}
    chips = {id: (_chip(design, id, 0)["part"],) for id in read.operators}
    return nodes | lines | chips


def _slots(design: Design) -> list[str]:
    return [slot for slot in SLOT_IDS if design.applies(slot)]


def _key(slot: str, choice: Choice) -> str:
    return f"{slot}:{choice}"


def _parts(design: Design, language: str) -> dict[str, dict[str, Any]]:
    """Every part of a design with its texts and its glyph."""
    parts: dict[str, dict[str, Any]] = {}
    for slot in _slots(design):
        for choice in design.levels(slot):
            entry = catalogues[slot][choice.id]
            parts[_key(slot, choice)] = {
                "slot": slot,
                "kind": catalogues[slot].title.within(language),
                "title": entry.title.within(language),
                "options": str(choice).removeprefix(choice.id).strip("()"),
                "summary": entry.summary.within(language),
                "formula": entry.formula,
                "paper": str(entry.paper or ""),
                "glyph": glyph(slot, choice.id),
            }
    return parts


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
