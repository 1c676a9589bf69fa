"""The view of a receptive field: where, and by which way."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from unet_playground.analysis.effective_field import EffectiveField
from unet_playground.analysis.paths import name_of
from unet_playground.figures.base import DPI, SIDE, SMALL, color_bar, gray, say, view
from unet_playground.figures.ways import color_of
from unet_playground.images import Picture


@view.register
def draw_field(result: EffectiveField, picture: Picture) -> Figure:
    """The gradient's size in viridis over the darkened image; box: theory; circles: 50% and 95% of the energy.

    Below, a bar per way from the image: its share of the energy, in percent, and the radius of 95% of its own.
    """
    figure = Figure(figsize=(SIDE, SIDE + 0.35 * len(result.ways)), dpi=DPI, layout="constrained")
    rows = (SIDE - 0.6, 0.35 * len(result.ways) + 0.6) if result.ways else (SIDE,)
    above, *below = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=rows)[:, 0]
    panel = above.subplots()
    panel.set_axis_off()
    size = np.sqrt(result.energy)
    panel.imshow(0.7 * gray(picture), cmap="gray", vmin=0, vmax=1)
    shown = panel.imshow(size, cmap="viridis", vmin=0, vmax=1, alpha=np.clip(2 * size, 0, 1))
    panel.autoscale(False)  # circles may leave a small picture, which would else become smaller
    (top, left), (height, width) = result.theory.low, result.theory.sides
    panel.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="white", linewidth=1.2))
    _circles(panel, result)
    if result.radius_95 < min(size.shape) / 8:
        _magnify(panel, result, size)
    panel.set_title(_title(result), fontsize=SMALL, loc="left")
    unit = say("gradient, share of the largest, 0 to 1", "梯度，占最大值的比例，0 至 1")
    if result.inputs > 1:
        unit += say(f", mean of {result.inputs} inputs", f"，{result.inputs} 个输入的平均")
    color_bar(above, shown, panel, unit)
    for one in below:
        _ways(one.subplots(), result)
    return figure


def _title(result: EffectiveField) -> str:
    """Where, how far it could see, and how far it does."""
    (row, column), (height, width) = result.point, result.theory.sides
    named = "" if result.place == "logits" else say(f"{result.place}, ", f"{result.place}，")
    started = "" if result.trained else say(", before training", "，训练前")
    half, most = f"{result.radius_50:.0f}", f"{result.radius_95:.0f}"
    return named + say(
        f"pixel {row}, {column}{started}: box {height} x {width} px;\n"
        f"50% of the energy in {half} px (solid), 95% in {most} px (dashed)",
        f"像素（{row}，{column}）{started}：方框 {height} × {width} px；\n"
        f"50% 的能量在 {half} px 内（实线），95% 在 {most} px 内（虚线）",
    )


def _ways(panel: Axes, result: EffectiveField) -> None:
    """A bar per way; what works against the others lies left of 0."""
    shares = [100 * one.share for one in result.ways.values()]
    names = [
        say(
            f"{name_of(way).en}, 95% in {one.radius_95:.0f} px",
            f"{name_of(way).zh}，95% 在 {one.radius_95:.0f} px 内",
        )
        for way, one in result.ways.items()
    ]
    bars = panel.barh(names, shares, color=[color_of(way) for way in result.ways])
    panel.bar_label(bars, fmt="%.0f%%", fontsize=SMALL, padding=2)
    panel.invert_yaxis()
    panel.set_xlim(min(0, *shares, -1) * 1.2, max(100, *shares) * 1.2)
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set_xticks([0, 25, 50, 75, 100])
    panel.set_xlabel(say("share of the energy by way, %", "各路径的能量份额，%"), fontsize=SMALL)
    panel.tick_params(labelsize=SMALL)
    panel.spines[["top", "right"]].set_visible(False)


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
