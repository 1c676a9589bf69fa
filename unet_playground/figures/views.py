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
    panel.autoscale(False)  # circles may leave a small picture, which would else become smaller
    (top, left), (height, width) = result.theory.low, result.theory.sides
    panel.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="white", linewidth=1.2))
    _circles(panel, result)
    if result.radius_95 < min(size.shape) / 8:
        _magnify(panel, result, size)
    panel.set_title(
        f"Pixel {result.point[0]}, {result.point[1]}: box {height} x {width} px;\n"
        f"50% of the energy within {result.radius_50:.0f} px (solid), 95% within {result.radius_95:.0f} px (dashed)",
        fontsize=SMALL,
        loc="left",
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
    said = f"{asked}; gap {100 * result.gap:.1f}%" if result.pixels else "which has no pixel in this mask"
    panel.set_title(f"Class {result.target.label}, {said}", fontsize=SMALL, loc="left")
    color_bar(figure, shown, panel, f"attribution in logits, ± 99.5th percentile ({limit:.3g})")
    return figure


def _circles(panel: Axes, result: EffectiveField) -> None:
    row, column = result.point
    for radius, style in ((result.radius_50, "-"), (result.radius_95, "--")):
        panel.add_patch(Circle((column, row), max(radius, 0.5), fill=False, edgecolor="white", linestyle=style))
    panel.plot(column, row, marker="+", color="white", markersize=7)


def _magnify(panel: Axes, result: EffectiveField, size: NDArray[np.float32]) -> None:
    """A magnified inset of a field too small to see, in the corner away from it."""
    row, column = result.point
    reach = 2 * result.radius_95 + 4
    corner = (0.02 if column > size.shape[1] / 2 else 0.58, 0.58 if row > size.shape[0] / 2 else 0.02)
    inset = panel.inset_axes((*corner, 0.4, 0.4))
    inset.imshow(size, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    inset.set(xlim=(column - reach, column + reach), ylim=(row + reach, row - reach), xticks=[], yticks=[])
    inset.set_facecolor("#440154")
    for spine in inset.spines.values():
        spine.set_color("white")
    _circles(inset, result)
    panel.indicate_inset_zoom(inset, edgecolor="white")


def _bars(panel: Axes, values: NDArray[np.float32], top: float) -> None:
    panel.set_axis_on()
    panel.bar(range(len(values)), values, width=1.0, color=BAR)
    panel.set(ylim=(0, top), xticks=[], yticks=[0, top])
    panel.set_xlabel(f"{len(values)} channels", fontsize=SMALL - 1)
    panel.tick_params(labelsize=SMALL - 1)
