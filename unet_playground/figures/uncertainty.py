"""Views of uncertainty: maps with the range of the area below them, and the reliability curve."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unet_playground.analysis.uncertainty import Augmented, Calibration, Disagreement, Entropy
from unet_playground.figures.base import BLUE, DPI, ORANGE, PLUM, SIDE, SMALL, color_bar, draw, new_figure
from unet_playground.images import Picture


@draw.register
def draw_entropy(result: Entropy, picture: Picture) -> Figure:
    """Entropy in viridis, from 0 to 1."""
    figure, axes = new_figure()
    panel = axes[0, 0]
    shown = panel.imshow(result.entropy, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    panel.set_title(
        f"Mean {result.entropy.mean():.3f}; class {result.target.label} {result.inside:.3f}, elsewhere "
        f"{result.outside:.3f},\nalong outlines {result.outline:.3f}",
        fontsize=SMALL,
        loc="left",
    )
    color_bar(figure, shown, panel, "entropy, 0 (certain) to 1 (undecided)")
    return figure


@draw.register
def draw_augmented(result: Augmented, picture: Picture) -> Figure:
    """The spread over the variants, from 0 to 0.5 on a square-root scale; below it the area in every variant."""
    figure, panel, below = _with_areas()
    shown = panel.imshow(result.spread, cmap="viridis", norm=PowerNorm(0.5, 0, 0.5), interpolation="nearest")
    panel.set_title(
        f"{len(result.areas)} variants: mean spread {result.spread.mean():.3f};\n"
        f"mask of the mean against the image alone: Dice {result.dice:.4f}",
        fontsize=SMALL,
        loc="left",
    )
    color_bar(figure, shown, panel, "std of the probability, 0 to 0.5 (square-root scale)")
    _areas(below, result.areas, float(result.areas[0]), result.spread.size, result.target.label, "image alone")
    return figure


@draw.register
def draw_disagreement(result: Disagreement, picture: Picture) -> Figure:
    """Share of the designs against the majority, from 0 to 0.5; below it the area that every design sees."""
    figure, panel, below = _with_areas()
    shown = panel.imshow(result.differ, cmap="viridis", vmin=0, vmax=0.5, interpolation="nearest")
    panel.set_title(
        f"{len(result.designs)} designs differ at {100 * (result.differ > 0).mean():.1f}% of the pixels;\n"
        f"Dice with the majority {result.agreements.min():.3f} to {result.agreements.max():.3f}",
        fontsize=SMALL,
        loc="left",
    )
    color_bar(figure, shown, panel, "share of designs against the majority, 0 to 0.5")
    _areas(below, result.areas, result.own, result.differ.size, result.target.label, "this network")
    return figure


@draw.register
def draw_calibration(result: Calibration, picture: Picture) -> Figure:
    """Accuracy over confidence with the diagonal; below it the share of the pixels in every bin."""
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI, layout="constrained")
    panel, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    one, bins = result.measured, len(result.measured.counts)
    filled = one.counts > 0
    panel.plot([0, 1], [0, 1], color="#777777", lw=1, ls=":", label="calibrated")
    panel.plot(one.confidence[filled], one.accuracy[filled], "-o", color=BLUE, ms=4, label="measured")
    panel.vlines(one.confidence[filled], one.confidence[filled], one.accuracy[filled], color=ORANGE, lw=2, alpha=0.7)
    panel.set(xlim=(1 / result.classes - 0.02, 1.005), ylim=(0, 1.01))
    panel.set_ylabel("share of right pixels", fontsize=SMALL)
    panel.set_title(
        f"Expected calibration error {one.error:.4f}\non {result.on.en}; on the whole "
        f"{'over' if one.excess >= 0 else 'under'}confident by {abs(one.excess):.4f}",
        fontsize=SMALL,
        loc="left",
    )
    panel.legend(fontsize=SMALL - 1, loc="upper left", frameon=False)
    middles = (np.arange(bins) + 0.5) / bins
    below.bar(middles, one.share, 0.9 / bins, color=BLUE)
    below.plot(middles[result.here > 0], result.here[result.here > 0], "_", color=PLUM, ms=9, mew=2, label="this image")
    below.set_yscale("log")
    below.set(ylim=(1e-4, 2))
    below.set_xlabel("confidence in the chosen class", fontsize=SMALL)
    below.set_ylabel("share of pixels", fontsize=SMALL)
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
    panel.plot(np.median(shares), 0, "|", color="black", ms=20, mew=2, label="middle")
    panel.plot(share, 0, "D", color=PLUM, ms=5, label=name)
    panel.set(xlim=(low - room, high + room), ylim=(-1, 1), yticks=[])
    panel.set_xlabel(
        f"class {label}, % of the image: {areas.min():.0f} to {areas.max():.0f} px, middle {np.median(areas):.0f} px",
        fontsize=SMALL - 0.5,
    )
    panel.tick_params(labelsize=SMALL - 1)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.legend(fontsize=SMALL - 1, loc="lower right", bbox_to_anchor=(1, 0.75), frameon=False, ncols=2)
