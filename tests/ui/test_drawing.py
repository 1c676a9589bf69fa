"""The diagram's model against the network itself: a real pass, a count of its own, and what a mark reaches."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from unet_playground import Design, UNet, catalogues
from unet_playground.analysis.base import Target
from unet_playground.analysis.effective_field import effective_field
from unet_playground.analysis.gradient_flow import gradient_flow
from unet_playground.cost import cost
from unet_playground.errors import IllegalDesign
from unet_playground.parts.layers import convolution
from unet_playground.parts.skip import Passage, Skip, skips
from unet_playground.receptive_field import places
from unet_playground.registry import Chinese
from unet_playground.space import cover, neighbours
from unet_playground.taps import IGNORE, Below, Tap, Tape
from unet_playground.ui.drawing import dependence_of, drawing, weights_of
from unet_playground.ui.wiring import Wiring, wiring

TASK = "nuclei"
CHANNELS, CLASSES = 3, 2
STYLES = [*catalogues["skip"], "nested(columns=2)", "nested(supervision=true)", "add(scalar=true)"]
SMALL = [
    *(Design(skip=skip, depth=depth, width=4) for skip in STYLES for depth in (1, 3)),
    *(Design(skip=skip, depth=3, width=4, down="none", attention="cbam", site="fused") for skip in STYLES),
    Design(skip="pyramid", depth=3, width=4, attention="se", up="bilinear/learned/deformable"),
    Design(skip="cross-stage", depth=4, width=2, attention="eca/none/scse/cbam", site="decoder"),
    Design(skip="attention-gate", depth=2, width=4, attention="spatial", site="bottleneck", block="multi-scale"),
]
each_design = pytest.mark.parametrize("design", SMALL, ids=Design.to_link)


@pytest.fixture
def foreign() -> Iterator[str]:
    """A skip from somebody else: the next deeper level through an inner feature map, beside the level itself."""

    @skips.register("deeper", title="Deeper", zh=Chinese("更深", "更深一级也跨越。"))
    class Deeper(Skip):
        """The next deeper level crosses as well."""

        def __init__(self, widths: Any, place: Any):
            super().__init__(widths, place)
            self.line = convolution(widths[place.level + 1], self.own, 1, place.dims)

        def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
            deeper = self.place.align(passage.encoded[self.level + 1], self.level + 1, decoded.shape[2:])
            return passage.encoded[self.level] + tap(f"deeper.{self.level}.projected", self.line(deeper))

    yield "deeper"
    skips.unregister("deeper")


def _read(design: Design, sides: tuple[int, ...] = (16, 16)) -> Wiring:
    return wiring(design, sides, CHANNELS, CLASSES)


class _Marked(Tap):
    """Holds every drawn feature map at what it was, but one, which is filled with noise."""

    def __init__(self, held: dict[str, Tensor], marked: str):
        self.held, self.marked = held, marked
        self.told: dict[str, Tensor] = {}

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        self.told[name] = tensor
        held = self.held.get(name, tensor)
        return 3 * torch.rand_like(held) if name == self.marked else held

    def within(self, place: str) -> Tap:
        return Below(self, place)


def _reached(design: Design) -> dict[str, set[str]]:
    """Drawn feature map -> those whose input changes when it alone is another, by running the network."""
    torch.manual_seed(0)
    network, image, tape = UNet(design).eval(), torch.rand(1, 3, 16, 16), Tape()
    drawn = [node.id for node in _read(design).nodes if node.kind != "joint"]
    with torch.no_grad():
        network(image, tape)
        held = {name: tape.features[name] for name in drawn}
        found: dict[str, set[str]] = {}
        for marked in drawn:
            tap = _Marked(held, marked)
            network(image, tap)
            inputs = {name: name.replace("decoder", "fused") for name in (*drawn, "logits")}
            found[marked] = {
                name
                for name, told in inputs.items()
                if name != marked and not torch.equal(tap.told[told], tape.features[told])
            }
    return found


def _joined(read: Wiring) -> dict[str, set[str]]:
    """The same by the lines; what is handed on counts for those who draw on it."""
    ends: dict[str, set[str]] = {}
    for line in read.lines:
        ends.setdefault(line.source, set()).add(line.target)

    def onward(name: str) -> set[str]:
        found = ends.get(name, set())
        return {end for one in found for end in (onward(one) if one.startswith("joint.") else {one})}

    return {node.id: onward(node.id) for node in read.nodes if node.kind != "joint"}


@each_design
def test_a_line_joins_two_feature_maps_iff_one_changes_the_other(design: Design):
    assert _joined(_read(design)) == _reached(design)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_part_from_somebody_else_is_read_like_any_other(depth: int, foreign: str):
    design = Design(skip=foreign, depth=depth, width=2)
    read = _read(design)
    assert _joined(read) == _reached(design)
    assert [node.id for node in read.nodes if node.kind == "inner"] == [
        f"deeper.{level}.projected" for level in reversed(range(depth))
    ]
    assert drawing(design, (16, 16), TASK, "zh")["nodes"]


@each_design
def test_shapes_are_those_of_a_real_pass(design: Design):
    sides, tape = (13, 18), Tape()
    with torch.no_grad():
        logits = UNet(design)(torch.rand(1, 3, *sides), tape)
    read = _read(design, sides)
    assert read.logits == logits.shape[1:]
    for node in read.nodes:
        assert node.place in places(design)
        real = tape.features[node.place].shape[1:]
        assert (node.shape[1:] if node.kind == "joint" else node.shape) == (real[1:] if node.kind == "joint" else real)


@each_design
def test_macs_and_parameters_add_up_to_the_cost(design: Design):
    drawn, counted = drawing(design, (32, 32), TASK, "en"), cost(design, 32, CHANNELS, CLASSES)
    assert drawn["totals"] == {"parameters": counted.parameters, "macs": counted.macs}
    stages = {stage.stage: stage.macs for stage in counted.stages}
    within = {node["id"]: node["macs"] for node in drawn["nodes"]}
    assert within["encoder.0"] == stages["encoder.0"]
    assert sum(line["macs"] for line in drawn["lines"]) <= counted.macs + len(drawn["lines"])


def test_lines_bring_the_channels_and_cost_what_their_layers_cost():
    lines = {line.id: line for line in _read(Design(skip="dense"), (256, 256)).lines}
    assert [lines[f"encoder.{level}>decoder.2"].channels for level in range(3)] == [21, 21, 22]
    # A 1x1 compression after pooling, and the part of the first 3x3 convolution that reads its output.
    assert lines["encoder.0>decoder.2"].macs == (16 * 21 + 9 * 21 * 64) * 64 * 64
    assert lines["image>encoder.0"].macs == 9 * 3 * 16 * 256 * 256
    assert lines["encoder.0>encoder.1"].macs == 9 * 16 * 32 * 128 * 128
    assert lines["decoder.1>decoder.0"].macs == 4 * 32 * 16 * 128 * 128 + 9 * 16 * 16 * 256 * 256


def test_what_a_skip_hands_on_and_what_steers_it_are_drawn():
    kinds = {line.id: line.kind for line in _read(Design(skip="pyramid")).lines}
    assert {"joint.3>joint.2", "joint.2>joint.1", "joint.1>joint.0", "bottleneck>joint.3"} <= kinds.keys()
    assert "encoder.3>decoder.0" not in kinds
    gates = {line.id for line in _read(Design(skip="attention-gate")).lines if line.kind == "gate"}
    assert gates == {"bottleneck~decoder.3", *(f"decoder.{level + 1}~decoder.{level}" for level in range(3))}
    direct = {line.id for line in _read(Design(skip="cross-stage")).lines if line.kind == "direct"}
    assert direct == {"bottleneck>decoder.0", "encoder.3>decoder.1"}
    assert not any(line.kind == "gate" for skip in ("concat", "pyramid") for line in _read(Design(skip=skip)).lines)


def test_features_beside_each_other_are_told_from_sums():
    assert not any(_read(Design(skip="add")).beside.values())
    for skip in ("concat", "full-scale", "pyramid"):
        assert all(_read(Design(skip=skip)).beside.values())


def test_chips_stand_where_the_parts_are():
    design = Design(depth=2, attention="se/none", site="fused", up="bilinear/carafe", down="strided-conv")
    chips = {chip["id"]: chip for chip in drawing(design, (32, 32), TASK, "en")["chips"]}
    assert set(chips) == {"down.1", "down.2", "up.0", "up.1", "attention.fused.0"}
    assert chips["up.1"]["part"] == "up:carafe"
    assert chips["down.1"]["parameters"] == 9 * 16 * 16 + 16
    unfolded = drawing(design.replace(down="none"), (32, 32), TASK, "en")
    assert [chip["id"] for chip in unfolded["chips"]] == ["attention.fused.0"]
    assert not unfolded["halves"]
    assert len({tuple(node["sides"]) for node in unfolded["nodes"]}) == 1


def test_every_design_of_a_covering_is_drawn():
    for at, design in enumerate(cover(Design())):
        drawn = drawing(design, (256, 256), TASK, ("en", "zh")[at % 2], Design())
        assert json.loads(json.dumps(drawn))["nodes"]
        assert all(thing["part"] in drawn["parts"] for kind in ("nodes", "chips") for thing in drawn[kind])
        assert all(part["title"] and part["glyph"] for part in drawn["parts"].values())


@pytest.mark.parametrize("depth", range(1, 7))
def test_every_depth_is_drawn_on_an_image_of_odd_sides(depth: int):
    drawn = drawing(Design(depth=depth, skip="nested", width=2), (37, 50), TASK, "en")
    assert len(drawn["nodes"]) == 2 * depth + 1 + depth * (depth - 1) // 2
    assert drawn["ends"] == {"image": "3×37×50", "logits": "2×37×50"}


BASE = Design(attention="se", depth=3)


@pytest.mark.parametrize(
    "design", [one for one in neighbours(BASE) if one.halves and one.attention != "none"], ids=Design.to_link
)
def test_only_things_of_the_changed_slot_are_changed(design: Design):
    drawn = drawing(design, (32, 32), TASK, "en", BASE)
    (slot,) = [slot for slot in catalogues if hasattr(BASE, slot) and getattr(BASE, slot) != getattr(design, slot)]
    things = {thing["id"]: thing for kind in ("nodes", "lines", "chips") for thing in drawn[kind]}
    owners = {things[id]["part"].partition(":")[0] for id in drawn["changed"]}
    assert owners <= {"attention" if slot == "site" else slot}
    assert owners or design.skip == "none"


def test_a_change_at_one_level_is_a_change_there_alone():
    design = Design(depth=3, up="transposed/bilinear/transposed")
    assert drawing(design, (32, 32), TASK, "en", Design(depth=3))["changed"] == ["up.1"]
    assert drawing(design, (32, 32), TASK, "en", design)["changed"] == []
    assert drawing(design, (32, 32), TASK, "en")["changed"] == []


def test_a_design_that_does_not_fit_the_task_is_refused():
    for task in (TASK, "hippocampus"):  # whose networks for volumes take no picture
        with pytest.raises(IllegalDesign, match="dims=3"):
            drawing(Design(dims=3, depth=1), (8, 8), task, "en")


def test_texts_are_those_of_the_language():
    english, chinese = (drawing(Design(), (32, 32), TASK, language) for language in ("en", "zh"))
    assert english["nodes"][0]["title"] == "Encoder, level 0"
    assert chinese["nodes"][0]["label"] == ["16 通道", "32×32"]
    assert english["words"].keys() == chinese["words"].keys()
    assert english["nodes"][0]["field"] == "5×5"


def _model(skip: str) -> tuple[UNet, Tensor]:
    torch.manual_seed(0)
    return UNet(Design(skip=skip, depth=2, width=4)).requires_grad_(False), torch.rand(1, 3, 24, 24)


@pytest.mark.parametrize("skip", ["none", "concat", "nested", "full-scale"])
def test_gradients_along_lines_are_shares_of_the_largest(skip: str):
    model, image = _model(skip)
    drawn = drawing(model.design, (24, 24), TASK, "en")
    flow = gradient_flow(model, image, Target(1), deepest=0)
    weights = weights_of(drawn, flow)
    assert weights.keys() == {line["id"] for line in drawn["lines"]} - {"image>encoder.0"}
    assert max(weights.values()) == 1 and min(weights.values()) >= 0
    norms = dict(zip(flow.now.stages, flow.now.features, strict=True))
    assert weights["decoder.1>decoder.0"] / weights["decoder.0>logits"] == pytest.approx(
        norms["decoder.1"] / norms["decoder.0"], rel=1e-4
    )


def test_dependence_follows_the_ways_through_the_network():
    model, image = _model("concat")
    drawn = drawing(model.design, (24, 24), TASK, "en")
    field = effective_field(model, image, Target(1, (12, 12)))
    weights, share = dependence_of(drawn, field), {way: one.share for way, one in field.ways.items()}
    assert weights["encoder.0>decoder.0"] == pytest.approx(min(1, abs(share["skip-0"])))
    assert weights["bottleneck>decoder.1"] == pytest.approx(min(1, abs(share["bottleneck"])))
    deep = min(1, abs(share["skip-1"] + share["bottleneck"]))
    assert weights["decoder.1>decoder.0"] == weights["encoder.0>encoder.1"] == pytest.approx(deep)
    assert weights["image>encoder.0"] == pytest.approx(1)
    assert weights.keys() == {line["id"] for line in drawn["lines"]}
