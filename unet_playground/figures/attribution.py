"""The view of every method of attribution."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unet_playground.analysis import Attribution
from unet_playground.analysis.attribution import Curves
from unet_playground.figures.base import BLUE, BLUE_ORANGE, DPI, ORANGE, SIDE, SMALL, color_bar, gray, say, view
from unet_playground.images import Picture

GRAY = "#555555"
STRIP = 1.5
"""Inches of the curves below the map."""


@view.register
def draw_attribution(result: Attribution, picture: Picture) -> Figure:
    """Blue speaks against the class, orange for it, symmetric around 0, over the image's edges; below, the curves."""
    curves = result.curves
    figure = Figure(figsize=(SIDE, SIDE + STRIP * (curves is not None)), dpi=DPI, layout="constrained")
    rows = figure.subfigures(
        1 + (curves is not None), 1, squeeze=False, height_ratios=(SIDE, STRIP)[: 1 + bool(curves)]
    )
    above = rows[0, 0]
    panel = above.subplots()
    panel.set_axis_off()
    limit = max(float(np.percentile(np.abs(result.values), 99.5)), 1e-9)
    shown = panel.imshow(result.values, cmap=BLUE_ORANGE, vmin=-limit, vmax=limit, interpolation="nearest")
    _outline(panel, picture)
    label = result.target.label
    title = say(f"Class {label}, {_said(result)}", f"类别 {label}，{_said(result)}")
    panel.set_title(title, fontsize=SMALL, loc="left")
    unit = say(
        f"{result.unit.en}, ± 99.5th percentile ({limit:.3g})", f"{result.unit.zh}，± 第 99.5 百分位（{limit:.3g}）"
    )
    color_bar(above, shown, panel, unit)  # type: ignore[arg-type]
    if curves is not None:
        _curves(rows[1, 0].subplots(), curves)
    return figure


def _said(result: Attribution) -> str:
    if not result.pixels:
        return say("which has no pixel in this mask", "掩膜中没有该类别的像素")
    asked = say(result.target.text.en, result.target.text.zh)
    if result.complete:
        return say(f"{asked}; gap {100 * result.gap:.1f}%", f"{asked}；误差 {100 * result.gap:.1f}%")
    if result.kept is None:
        return asked
    return say(
        f"{asked};\nof the whole image {result.kept:.2f} kept when weights are shuffled",
        f"{asked}；\n整幅图像打乱权重后相关 {result.kept:.2f}",
    )


def _outline(panel: Axes, picture: Picture) -> None:
    """The picture's edges, faint, so that one sees what the values lie on."""
    pixels = gray(picture)
    if min(pixels.shape) < 2:
        return
    rise, run = np.gradient(pixels)
    steep = np.hypot(rise, run)
    strength = np.clip(steep / max(float(np.percentile(steep, 99)), 1e-6), 0, 1)
    panel.imshow(np.zeros_like(pixels), cmap="gray", vmin=0, vmax=1, alpha=0.35 * strength, interpolation="nearest")


def _curves(panel: Axes, curves: Curves) -> None:
    """The target from 0 (all replaced) to 1 (the image) over the share of the pixels."""
    percent, areas = 100 * curves.shares, curves.areas
    for values, style, color, name in (
        (
            curves.insertion,
            "-",
            ORANGE,
            say(f"brought in, area {areas['insertion']:.2f}", f"插入，面积 {areas['insertion']:.2f}"),
        ),
        (curves.random, ":", GRAY, say(f"random, {areas['random']:.2f}", f"随机，{areas['random']:.2f}")),
        (curves.deletion, "--", BLUE, say(f"replaced, {areas['deletion']:.2f}", f"替换，{areas['deletion']:.2f}")),
    ):
        panel.plot(percent, values, style, color=color, label=name)
    low = min(0.0, *(float(one.min()) for one in (curves.insertion, curves.random, curves.deletion)))
    high = max(1.0, *(float(one.max()) for one in (curves.insertion, curves.random, curves.deletion)))
    panel.set(xlim=(0, 100), ylim=(max(low, -1) - 0.05, min(high, 2) + 0.05), yticks=[0, 1])
    panel.set_xlabel(say("strongest pixels first, % of the image", "从最强像素起，占图像的百分比"), fontsize=SMALL)
    panel.set_ylabel(say("target", "目标"), fontsize=SMALL)
    panel.tick_params(labelsize=SMALL - 1)
    panel.legend(fontsize=SMALL - 1, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
