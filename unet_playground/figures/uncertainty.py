"""Views of uncertainty: maps with the range of the area below them, and the reliability curve."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unet_playground.analysis.uncertainty import Augmented, Calibration, Disagreement, Entropy
from unet_playground.figures.base import BLUE, DPI, ORANGE, PLUM, SIDE, SMALL, color_bar, new_figure, say, view
from unet_playground.images import Picture


@view.register
def draw_entropy(result: Entropy, picture: Picture) -> Figure:
    """Entropy in viridis, from 0 to 1."""
    figure, axes = new_figure()
    panel = axes[0, 0]
    shown = panel.imshow(result.entropy, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    mean, label, inside = f"{result.entropy.mean():.3f}", result.target.label, f"{result.inside:.3f}"
    title = say(
        f"Mean {mean}; class {label} {inside}, elsewhere {result.outside:.3f},\nalong outlines {result.outline:.3f}",
        f"平均 {mean}；类别 {label} 内 {inside}，其他处 {result.outside:.3f}，\n轮廓处 {result.outline:.3f}",
    )
    panel.set_title(title, fontsize=SMALL, loc="left")
    color_bar(figure, shown, panel, say("entropy, 0 (certain) to 1 (undecided)", "熵，0（确定）至 1（无法决定）"))
    return figure


@view.register
def draw_augmented(result: Augmented, picture: Picture) -> Figure:
    """The spread over the variants, from 0 to 0.5 on a square-root scale; below it the area in every variant."""
    figure, panel, below = _with_areas()
    shown = panel.imshow(result.spread, cmap="viridis", norm=PowerNorm(0.5, 0, 0.5), interpolation="nearest")
    count, spread, score = len(result.areas), f"{result.spread.mean():.3f}", f"{result.dice:.4f}"
    title = say(
        f"{count} variants: mean spread {spread};\nmask of the mean against the image alone: Dice {score}",
        f"{count} 个变体：平均离散 {spread}；\n平均的掩膜与单独此图：Dice {score}",
    )
    panel.set_title(title, fontsize=SMALL, loc="left")
    unit = say("std of the probability, 0 to 0.5 (square-root scale)", "概率的标准差，0 至 0.5（平方根刻度）")
    color_bar(figure, shown, panel, unit)
    alone = say("image alone", "单独此图")
    _areas(below, result.areas, float(result.areas[0]), result.spread.size, result.target.label, alone)
    return figure


@view.register
def draw_disagreement(result: Disagreement, picture: Picture) -> Figure:
    """Share of the designs against the majority, from 0 to 0.5; below it the area that every design sees."""
    figure, panel, below = _with_areas()
    shown = panel.imshow(result.differ, cmap="viridis", vmin=0, vmax=0.5, interpolation="nearest")
    count, share = len(result.designs), f"{100 * (result.differ > 0).mean():.1f}%"
    low, high = f"{result.agreements.min():.3f}", f"{result.agreements.max():.3f}"
    title = say(
        f"{count} designs differ at {share} of the pixels;\nDice with the majority {low} to {high}",
        f"{count} 个设计在 {share} 的像素上不一致；\n与多数的 Dice 为 {low} 至 {high}",
    )
    panel.set_title(title, fontsize=SMALL, loc="left")
    unit = say("share of designs against the majority, 0 to 0.5", "与多数不同的设计所占比例，0 至 0.5")
    color_bar(figure, shown, panel, unit)
    network = say("this network", "此网络")
    _areas(below, result.areas, result.own, result.differ.size, result.target.label, network)
    return figure


@view.register
def draw_calibration(result: Calibration, picture: Picture) -> Figure:
    """Accuracy over confidence with the diagonal; below it the share of the pixels in every bin."""
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI, layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    one, bins = result.measured, len(result.measured.counts)
    filled = one.counts > 0
    panel.plot([0, 1], [0, 1], color="#777777", lw=1, ls=":", label=say("calibrated", "已校准"))
    measured = say("measured", "实测")
    panel.plot(one.confidence[filled], one.accuracy[filled], "-o", color=BLUE, ms=4, label=measured)
    panel.vlines(one.confidence[filled], one.confidence[filled], one.accuracy[filled], color=ORANGE, lw=2, alpha=0.7)
    panel.set(xlim=(1 / result.classes - 0.02, 1.005), ylim=(0, 1.01))
    panel.set_ylabel(say("share of right pixels", "正确像素的比例"), fontsize=SMALL)
    too, error, by = one.excess >= 0, f"{one.error:.4f}", f"{abs(one.excess):.4f}"
    title = say(
        f"Expected calibration error {error}\non {result.on.en}; on the whole "
        f"{'over' if too else 'under'}confident by {by}",
        f"期望校准误差 {error}\n（{result.on.zh}）；总体{'过于自信' if too else '信心不足'} {by}",
    )
    panel.set_title(title, fontsize=SMALL, loc="left")
    panel.legend(fontsize=SMALL - 1, loc="upper left", frameon=False)
    middles = (np.arange(bins) + 0.5) / bins
    below.bar(middles, one.share, 0.9 / bins, color=BLUE)
    here, own = result.here > 0, say("this image", "此图")
    below.plot(middles[here], result.here[here], "_", color=PLUM, ms=9, mew=2, label=own)
    below.set_yscale("log")
    below.set(ylim=(1e-4, 2))
    below.set_xlabel(say("confidence in the chosen class", "对所选类别的信心"), fontsize=SMALL)
    below.set_ylabel(say("share of pixels", "像素比例"), fontsize=SMALL)
    below.legend(fontsize=SMALL - 1, loc="upper left", frameon=False)
    for one_panel in (panel, below):
        one_panel.tick_params(labelsize=SMALL - 1)
        one_panel.spines[["top", "right"]].set_visible(False)
    return figure


def _with_areas() -> tuple[Figure, Axes, Axes]:
    """A figure with a map without ticks and a strip below it."""
    figure = Figure(figsize=(SIDE, SIDE + 0.9), dpi=DPI, layout="constrained")
    panel, below = figure.subplots(2, 1, height_ratios=(7, 1))
    panel.set_axis_off()
    return figure, panel, below


def _areas(panel: Axes, areas: NDArray[np.float32], marked: float, pixels: int, label: int, name: str) -> None:
    """Every area as a point on a line, in percent of the image; the middle as a bar, one marked."""
    shares, share = 100 * areas / pixels, 100 * marked / pixels
    every = [*shares, share]
    low, high = min(every), max(every)
    room = max(0.08 * (high - low), 0.02)
    panel.plot(shares, np.zeros(len(shares)), "o", color=BLUE, ms=7, alpha=0.5, clip_on=False)
    panel.plot(np.median(shares), 0, "|", color="black", ms=20, mew=2, label=say("middle", "中位"))
    panel.plot(share, 0, "D", color=PLUM, ms=5, label=name)
    panel.set(xlim=(low - room, high + room), ylim=(-1, 1), yticks=[])
    lowest, highest, middle = (f"{one:.0f} px" for one in (areas.min(), areas.max(), np.median(areas)))
    extent = say(
        f"class {label}, % of the image: {lowest.removesuffix(' px')} to {highest}, middle {middle}",
        f"类别 {label}，占图像的 %：{lowest.removesuffix(' px')} 至 {highest}，中位 {middle}",
    )
    panel.set_xlabel(extent, fontsize=SMALL - 0.5)
    panel.tick_params(labelsize=SMALL - 1)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.legend(fontsize=SMALL - 1, loc="lower right", bbox_to_anchor=(1, 0.75), frameon=False, ncols=2)
