"""The view of each analysis result."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from unet_playground.analysis import AttentionMaps, Attribution, EffectiveField
from unet_playground.figures.base import SMALL, color_bar, draw, gray, new_figure
from unet_playground.images import Picture

BLUE_ORANGE = LinearSegmentedColormap.from_list("blue-orange", ["#1b5fd0", "#ffffff", "#c75b00"])
BAR = "#a02c78"


@draw.register
def draw_attention(result: AttentionMaps, picture: Picture) -> Figure:
    """Every gate, a row per level: maps of places in inferno, weights of channels as bars, from 0 to the gate's top."""
    if not result.maps:
        figure, axes = new_figure()
        axes[0, 0].imshow(gray(picture) * 0.35, cmap="gray", vmin=0, vmax=1)
        axes[0, 0].set_title("No attention in this design", fontsize=SMALL + 1)
        return figure
    kinds = len({one.kind for one in result.maps})
    columns = kinds if kinds > 1 else math.ceil(math.sqrt(len(result.maps)))
    figure, axes = new_figure(math.ceil(len(result.maps) / columns), columns)
    spatial, shown, top = [], None, max(one.top for one in result.maps)
    for one, panel in zip(result.maps, axes.flat, strict=False):
        panel.set_title(one.name, fontsize=SMALL)
        if one.spatial:
            shown = panel.imshow(one.values, cmap="inferno", vmin=0, vmax=top, interpolation="nearest")
            spatial.append(panel)
        else:
            _bars(panel, one.values, one.top)
    if shown is not None:
        color_bar(figure, shown, list(axes.flat), f"factor, 0 to {top:g}")
    return figure


@draw.register
def draw_field(result: EffectiveField, picture: Picture) -> Figure:
    """The gradient's size in viridis over the darkened image; box: theory; circles: 50% and 95% of the energy."""
    figure, axes = new_figure()
    panel = axes[0, 0]
    size = np.sqrt(result.energy)
    panel.imshow(0.7 * gray(picture), cmap="gray", vmin=0, vmax=1)
    shown = panel.imshow(size, cmap="viridis", vmin=0, vmax=1, alpha=np.clip(2 * size, 0, 1))
    (top, left), (height, width) = result.theory.low, result.theory.sides
    row, column = result.point
    panel.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="white", linewidth=1.2))
    for radius, style in ((result.radius_50, "-"), (result.radius_95, "--")):
        panel.add_patch(Circle((column, row), max(radius, 0.5), fill=False, edgecolor="white", linestyle=style))
    panel.plot(column, row, marker="+", color="white", markersize=9)
    panel.set_title(
        f"Box {height} x {width} px; 50% within {result.radius_50:.0f} px, 95% within {result.radius_95:.0f} px",
        fontsize=SMALL,
    )
    color_bar(figure, shown, panel, "gradient of the pixel's logit, share of the largest")
    return figure


@draw.register
def draw_attribution(result: Attribution, picture: Picture) -> Figure:
    """Blue speaks against the class, orange for it; symmetric around 0, range stated."""
    figure, axes = new_figure()
    panel = axes[0, 0]
    limit = max(float(np.percentile(np.abs(result.values), 99.5)), 1e-9)
    shown = panel.imshow(result.values, cmap=BLUE_ORANGE, vmin=-limit, vmax=limit, interpolation="nearest")
    asked = "its whole mask" if result.target.point is None else "pixel {}, {}".format(*result.target.point)
    panel.set_title(f"Class {result.target.label}, {asked}; gap {100 * result.gap:.1f}%", fontsize=SMALL)
    color_bar(figure, shown, panel, f"attribution in logits, ± 99.5th percentile ({limit:.2g})")
    return figure


def _bars(panel: Axes, values: NDArray[np.float32], top: float) -> None:
    panel.set_axis_on()
    panel.bar(range(len(values)), values, width=1.0, color=BAR)
    panel.set(ylim=(0, top), xticks=[], yticks=[0, top])
    panel.set_xlabel(f"{len(values)} channels", fontsize=SMALL - 1)
    panel.tick_params(labelsize=SMALL - 1)
