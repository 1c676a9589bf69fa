"""The instrument: a network's own way down and up at one level."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from unet_playground.analysis.base import Target, analyses, in_cells
from unet_playground.analysis.operators.alignment import Alignment, alignments
from unet_playground.analysis.operators.example import WorkedExample, trained_example, worked_example
from unet_playground.analysis.operators.part import Operator
from unet_playground.analysis.operators.response import Dots, Edges, dots, edges
from unet_playground.analysis.operators.unevenness import Checkerboard, checkerboard, fresh_checkerboard
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import PlaygroundError, Text
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper

ODD = 65
"""The side that is halved and got back."""


@dataclass(frozen=True)
class Operators:
    """What the way down and the way up of one level do.

    Attributes:
        level: The finer of the two levels between which they lead.
        down: The choice on the way down.
        up: The choice on the way up.
        edges: A step through both, with plain weights.
        dots: Small dots through both, with plain weights.
        fresh: Unevenness of the way up as it starts, mean over seeds.
        own: Unevenness of the way up with the network's weights, on channels flat at the mean of this image's features.
        own_down: Unevenness of the way down with the network's weights.
        alignments: What each way of matching a side of 65 with 32 does to positions.
    """

    level: int
    down: str
    up: str
    edges: Edges
    dots: Dots
    fresh: Checkerboard
    own: Checkerboard
    own_down: Checkerboard
    alignments: tuple[Alignment, ...]

    @property
    def check(self) -> Text:
        """How far an edge moves that should stay where it is."""
        moved = float(np.abs(self.edges.shift).max())
        return Text(
            f"An untouched step rises within 0.80 px and does not move; through {self.down} and {self.up} it moves by "
            f"up to {moved:.2f} px.",
            f"未处理的台阶在 0.80 像素内升起且不移动；经过 {self.down} 和 {self.up} 后最多移动 {moved:.2f} 像素。",
        )

    @property
    def facts(self) -> Text:
        """The main number of every measure."""
        rise, (own, start) = self.edges.rise, (100 * self.own.constant, 100 * self.fresh.constant)
        bright, dark = 100 * self.dots.bright[0].min(), 100 * self.dots.dark[0].min()
        here, resized = self.alignments[0], self.alignments[-1]
        return Text(
            f"Level {self.level}, {self.down} and {self.up}: an edge rises within {rise.min():.2f} to {rise.max():.2f} "
            f"px; a dot of 1 px keeps at least {bright:.0f}% of its contrast when bright and {dark:.0f}% when dark. "
            f"Checkerboard on flat features {own:.0f}% (fresh weights {start:.0f}%). 65 px against {here.coarse}: mean "
            f"shift {here.mean:.2f} px; resized from {resized.coarse} with aligned corners {resized.mean:.2f} px.",
            f"第 {self.level} 层，{self.down} 与 {self.up}：边缘在 {rise.min():.2f} 至 {rise.max():.2f} 像素内升起；"
            f"1 像素的亮点至少保留 {bright:.0f}% 的对比度，暗点 {dark:.0f}%。平坦特征上的棋盘格 {own:.0f}%"
            f"（初始权重 {start:.0f}%）。65 像素对 {here.coarse}：平均偏移 {here.mean:.2f} 像素；"
            f"由 {resized.coarse} 按角点对齐插值则为 {resized.mean:.2f} 像素。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        boards = (self.fresh, self.own, self.own_down)
        return {
            "edge.rise": self.edges.rise,
            "edge.shift": self.edges.shift,
            "edge.profile": self.edges.profile,
            "edge.places": self.edges.places,
            "dots.bright": self.dots.bright,
            "dots.dark": self.dots.dark,
            "checkerboard.constant": np.array([one.constant for one in boards], np.float32),
            "checkerboard.impulse": np.array([one.impulse for one in boards], np.float32),
            "checkerboard.phases": np.stack([one.phases for one in boards]),
            "alignment.shift": np.stack([one.shift for one in self.alignments]),
        }


@dataclass(frozen=True)
class NoOperators:
    """Of a network that gives up no resolution."""

    @property
    def check(self) -> Text:
        return Text("No part of this design changes the resolution.", "该设计没有任何部件改变分辨率。")

    @property
    def facts(self) -> Text:
        return Text(
            "This design works at full resolution throughout: there is no way down or up to look at.",
            "该设计始终保持全分辨率：没有下采样和上采样可看。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {}


@analyses.register(
    "operators",
    room="operators",
    title="Down and up",
    formula=r"$y = J x + b$",
    paper=Paper("Odena et al.", 2016, "Deconvolution and Checkerboard Artifacts", "doi:10.23915/distill.00003"),
    zh=Chinese(
        "下采样与上采样",
        "这一层的下采样和上采样对数字、边缘和小点做了什么。",
        "边缘和小点先下采样再上采样，用简单权重的单通道部件测量：边缘升起需要多少像素，小点保留多少对比度（在不同格点位置上）。"
        "棋盘格：平坦的特征经网络自身的上采样后，四个子像素位置相差多少；0 为没有，100% 为只剩棋盘格。"
        "最后是 65 像素对 32 像素：各种对齐方式使内容移动多少。"
        "也可以看一个 4×4 的算例：每个输出由哪些输入得来，权重为多少。",
    ),
)
def operators_at(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    level: Annotated[int, Knob("Level", "层级", 0, 5)] = 0,
    show: Annotated[Literal["measures", "down", "up", "own-down", "own-up"], Knob("Show", "显示")] = "measures",
    watch: Watch = UNWATCHED,
) -> Operators | WorkedExample | NoOperators:
    """What this level's way down and up do to numbers, edges and dots.

    Edges and dots go down and up again through parts of one channel with plain weights: how many pixels an edge needs
    to rise, how much of its contrast a dot keeps, wherever it lies against the coarser grid. Checkerboard: how far
    apart the four sub-pixel positions are when flat features pass the network's own way up; 0 is none, 100% is nothing
    but a checkerboard. Even overlap is not enough for 0: a learned stamp may be uneven in itself. Last, 65 pixels
    against 32: by how much each way of matching them moves what is seen. `show` gives a worked example instead:
    4 x 4 numbers, and which of them stand in every output with which weight.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Features are averaged where it lies; everywhere if it lies nowhere.
        level: The finer level of the two, 0 is the image's own.
        show: All measures, or a worked example of the way down or up, with plain or with the network's own weights.
        watch: May end it between measures.
    """
    region = target.pixels(model, image)
    if not model.design.halves:
        return NoOperators()
    if level >= model.design.depth:
        raise PlaygroundError(
            f"Level {level} does not exist; this network goes down from levels 0 to {model.design.depth - 1}.",
            f"没有第 {level} 层；该网络从第 0 至 {model.design.depth - 1} 层下采样。",
        )
    chosen = {"down": str(model.design.choice("down")), "up": str(model.design.levels("up")[level])}
    own = _own(model, level)
    if show != "measures":
        slot = show.removeprefix("own-")
        return worked_example(slot, chosen[slot]) if show == slot else trained_example(own[slot], chosen[slot])
    means = _means(model, image, region, level)
    found: dict[str, Any] = {}
    for name, measure in (
        ("own", lambda: checkerboard(own["up"], means)),
        ("own_down", lambda: checkerboard(own["down"])),
        ("fresh", lambda: fresh_checkerboard("up", chosen["up"])),
        ("edges", lambda: edges(**chosen)),
        ("dots", lambda: dots(**chosen)),
    ):
        watch.between()
        found[name] = measure()
    return Operators(level=level, **chosen, alignments=alignments(ODD), **found)


def _own(model: UNet, level: int) -> dict[str, Operator]:
    """The network's own parts between a level and the next."""
    widths = model.design.widths
    down: Any = [*model.encoder.values()][level + 1].down.part  # type: ignore[union-attr]
    up: Any = [*model.decoder.values()][level].up.part  # type: ignore[union-attr]
    return {"down": Operator(down, False, widths[level]), "up": Operator(up, True, widths[level + 1])}


def _means(model: UNet, image: Tensor, region: Tensor, level: int) -> Tensor:
    """The mean where the target lies (else everywhere) of every channel that the way up receives."""
    coarser = level + 1
    name = f"decoder.{coarser}" if coarser < model.design.depth else "bottleneck"
    with torch.no_grad():
        feature = model.trace(image, lambda one: one == name).features[name][0]
        weight = in_cells(region[None, None], feature.shape[1:], largest=True)[0]
        weight = weight if weight.any() else torch.ones_like(weight)
        return (feature * weight).sum((1, 2)) / weight.sum()
