"""Views of the ways down and up: a worked example, what they do to edges and dots, and a shift by a pixel."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from unet_playground.analysis.operators import NoOperators, Operators, WorkedExample
from unet_playground.analysis.shift import Shift
from unet_playground.figures.base import (
    BLUE,
    BLUE_ORANGE,
    DPI,
    ORANGE,
    PLUM,
    SIDE,
    SMALL,
    TEAL,
    color_bar,
    gray,
    new_figure,
    say,
    view,
)
from unet_playground.images import Picture

GRAY = "#777777"


@view.register
def draw_example(result: WorkedExample, picture: Picture) -> Figure:
    """Input and output as numbers; the inputs that reach one output are tinted with their weight."""
    larger = result.made.shape[0] > result.given.shape[0]
    figure = Figure(figsize=(SIDE, 3.7 if larger else 3.0), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.75) if larger else (1, 1))
    row, column = result.shown
    weights = result.weights[row, column]
    limit = max(float(np.abs(weights).max()), 1e-6)
    norm = TwoSlopeNorm(0, -1.6 * limit, 1.6 * limit)
    left.imshow(weights, cmap=BLUE_ORANGE, norm=norm)
    right.imshow(np.zeros(result.made.shape), cmap=BLUE_ORANGE, norm=norm)
    _numbers(left, result.given, SMALL + 2, below=weights)
    _numbers(right, result.made, SMALL - 1 if larger else SMALL + 1)
    right.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=PLUM, linewidth=2.5, zorder=4))
    left.set_xlabel(say("input; small: weight", "输入；小字：权重"), fontsize=SMALL)
    right.set_xlabel(say("output, ", "输出，") + " x ".join(map(str, result.made.shape)), fontsize=SMALL)
    figure.suptitle(f"{result.part}: {_wrapped(result.step(row, column, most=4))}", fontsize=SMALL + 0.5)
    figure.supxlabel(say(result.weighing.en, result.weighing.zh), fontsize=SMALL - 1)
    return figure


@view.register
def draw_no_operators(result: NoOperators, picture: Picture) -> Figure:
    """The darkened image under a title that says why nothing is shown."""
    figure, axes = new_figure()
    axes[0, 0].imshow(gray(picture) * 0.35, cmap="gray", vmin=0, vmax=1)
    title = say("No way down or up: full resolution throughout", "没有上下采样：全程保持全分辨率")
    axes[0, 0].set_title(title, fontsize=SMALL + 1)
    return figure


@view.register
def draw_operators(result: Operators, picture: Picture) -> Figure:
    """Four panels: an edge and small dots through both parts, the checkerboard of the way up, 65 pixels against 32."""
    figure = Figure(figsize=(SIDE, SIDE + 0.5), dpi=DPI, layout="constrained")
    axes = figure.subplots(2, 2)
    _draw_edges(axes[0, 0], result)
    _draw_dots(axes[0, 1], result)
    _draw_boards(axes[1, 0], result)
    _draw_alignments(axes[1, 1], result)
    for panel in axes.flat:
        panel.tick_params(labelsize=SMALL - 1)
        panel.spines[["top", "right"]].set_visible(False)
    title = say(
        f"{result.down} and {result.up}, level {result.level}", f"{result.down} 与 {result.up}，第 {result.level} 级"
    )
    figure.suptitle(title, fontsize=SMALL + 1)
    return figure


@view.register
def draw_shift(result: Shift, picture: Picture) -> Figure:
    """How much the probability changes at every pixel when the input moves, 0 to 1 on a square-root scale."""
    figure, axes = new_figure()
    panel = axes[0, 0]
    shown = panel.imshow(result.change, cmap="viridis", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    height, width = result.change.shape
    border = result.border
    panel.add_patch(
        Rectangle(
            (border - 0.5, border - 0.5),
            width - 2 * border,
            height - 2 * border,
            fill=False,
            edgecolor="white",
            ls="--",
        )
    )
    down, right = 100 * result.changed
    control = f"{result.period} px: {_percent(result.changed_by_period)}"
    title = say(
        f"Moved by {result.pixels} px: {down:.2f}% (down) and {right:.2f}% (right)\n"
        f"of the pixels change sides; control {control}",
        f"平移 {result.pixels} px：{down:.2f}%（向下）和 {right:.2f}%（向右）\n的像素改变类别；对照 {control}",
    )
    panel.set_title(title, fontsize=SMALL, loc="left")
    unit = say("change of the probability, 0 to 1 (square-root scale)", "概率的变化，0 至 1（平方根刻度）")
    color_bar(figure, shown, panel, unit)
    return figure


def _draw_edges(panel: Axes, result: Operators) -> None:
    edges = result.edges
    panel.plot([-8, -0.5, 0.5, 8], [0, 0, 1, 1], color=GRAY, lw=1, ls=":", label=say("untouched", "原样"))
    lines = ((BLUE, "-o", say("on the grid", "在网格上")), (ORANGE, "--s", say("1 px beside", "偏 1 px")))
    for number, (color, style, name) in enumerate(lines):
        panel.plot(edges.places - number, edges.profile[number], style, color=color, lw=1.3, ms=2.8, label=name)
    panel.set(xlim=(-6, 6), ylim=(-0.15, 1.75), xticks=[-5, 0, 5], yticks=[0, 0.5, 1])
    panel.set_xlabel(say("pixels from the edge", "到边缘的像素数"), fontsize=SMALL - 1)
    panel.set_title(_span(say("edge rises in", "边缘上升用"), edges.rise, "px"), fontsize=SMALL)
    panel.legend(fontsize=SMALL - 1, loc="upper left", frameon=False, handlelength=1.6)


def _draw_dots(panel: Axes, result: Operators) -> None:
    places = np.arange(3)
    for offset, kept, color, name in (
        (-0.2, result.dots.bright, ORANGE, say("bright, worst", "亮，最差")),
        (0.2, result.dots.dark, BLUE, say("dark, worst", "暗，最差")),
    ):
        panel.bar(places + offset, kept.min(1), 0.36, color=color, label=name)
        panel.plot(places + offset, kept.mean(1), "_", color="black", ms=11, mew=1.5)
    panel.set(ylim=(0, 1.35), xticks=places, xticklabels=["1 px", "2 px", "3 px"], yticks=[0, 0.5, 1])
    panel.set_xlabel(say("side of the dot; line: mean", "点的边长；横线：平均"), fontsize=SMALL - 1)
    panel.set_title(say("contrast that a dot keeps", "小点保留的对比度"), fontsize=SMALL)
    panel.legend(fontsize=SMALL - 1, loc="upper left", frameon=False, handlelength=1)


def _draw_boards(panel: Axes, result: Operators) -> None:
    bars = (
        (say("up, flat, own", "上，平，训练后"), result.own.constant, ORANGE),
        (say("up, flat, fresh", "上，平，训练前"), result.fresh.constant, GRAY),
        (say("up, dot, own", "上，点，训练后"), result.own.impulse, ORANGE),
        (say("up, dot, fresh", "上，点，训练前"), result.fresh.impulse, GRAY),
        (say("down, dot, own", "下，点，训练后"), result.own_down.impulse, BLUE),
    )
    for number, (_, value, color) in enumerate(bars):
        panel.barh(number, value, color=color, height=0.7)
        inside = value > 0.3
        place, side = (value - 0.03, "right") if inside else (value + 0.03, "left")
        panel.text(
            place,
            number,
            f"{value:.2f}",
            va="center",
            ha=side,
            fontsize=SMALL - 1,
            color="white" if inside else "black",
        )
    panel.set_yticks(range(len(bars)), [name for name, _, _ in bars], fontsize=SMALL - 1)
    panel.set(xlim=(0, 1), ylim=(len(bars) - 0.4, -0.6))
    panel.set_xlabel(say("unevenness, 0 to 1", "不均匀度，0 至 1"), fontsize=SMALL - 1)
    panel.set_title(say("checkerboard", "棋盘格"), fontsize=SMALL)


def _draw_alignments(panel: Axes, result: Operators) -> None:
    styles = zip((TEAL, BLUE, GRAY, ORANGE, PLUM), ("-", "--", ":", "-.", (0, (6, 1))), strict=True)
    for one, (color, style) in zip(result.alignments, styles, strict=True):
        panel.plot(one.shift, color=color, ls=style, lw=1.5, label=say(one.title.en, one.title.zh))
    side = len(result.alignments[0].shift)
    panel.set(xlim=(0, side - 1), ylim=(-1.6, 2.6), xticks=[0, side // 2, side - 1], yticks=[-1, 0, 1])
    panel.set_xlabel(say("pixel", "像素"), fontsize=SMALL - 1)
    panel.set_ylabel(say("shift in pixels", "偏移（像素）"), fontsize=SMALL - 1)
    panel.set_title(say(f"{side} px halved and got back", f"{side} px 减半再还原"), fontsize=SMALL)
    legend = {"frameon": False, "labelspacing": 0.15, "handlelength": 1.5, "handletextpad": 0.3, "borderpad": 0}
    panel.legend(fontsize=SMALL - 1, loc="upper left", bbox_to_anchor=(-0.04, 1), borderaxespad=0, **legend)


def _numbers(panel: Axes, values: NDArray[np.float32], size: float, below: NDArray[np.float32] | None = None) -> None:
    """Every value in its cell, its weight small below it, row and column numbers along the sides."""
    height, width = values.shape
    for row, column in np.ndindex(height, width):
        weighed = below is not None and abs(below[row, column]) > 1e-9
        text = f"{values[row, column]:.3g}"
        panel.text(column, row - 0.15 * weighed, text, ha="center", va="center", fontsize=size, zorder=5)
        if weighed and below is not None:
            panel.text(
                column, row + 0.3, f"{below[row, column]:.2g}", ha="center", va="center", fontsize=SMALL - 1, zorder=5
            )
    panel.set_xticks(range(width))
    panel.set_yticks(range(height))
    panel.set_xticks(np.arange(width + 1) - 0.5, minor=True)
    panel.set_yticks(np.arange(height + 1) - 0.5, minor=True)
    panel.grid(which="minor", color="#999999", lw=0.6)
    panel.tick_params(which="both", length=0, labelsize=SMALL - 1, labelcolor=GRAY)
    panel.xaxis.tick_top()


def _wrapped(step: str, most: int = 44) -> str:
    """A sum over two lines where it is long."""
    if len(step) <= most:
        return step
    at = step.rfind(" + ", 0, most)
    return f"{step[:at]}\n{step[at + 1 :]}" if at > 0 else step


def _span(name: str, values: NDArray[np.float32], unit: str) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{name} {low:.1f} {unit}" if high - low < 0.05 else f"{name} {low:.1f} {say('to', '至')} {high:.1f} {unit}"


def _percent(share: float | None) -> str:
    return say("image too small", "图像太小") if share is None else f"{100 * share:.2f}%"
