"""The view of what gates let pass, and of what a design without gates looks at."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from unet_playground.analysis.attention import REPLACEMENTS, Activation, AttentionMap, AttentionMaps
from unet_playground.figures.base import BLUE_ORANGE, PLUM, SIDE, SMALL, color_bar, gray, new_figure, say, view
from unet_playground.images import Picture

OUTLINE = "#00c8ff"


@view.register
def draw_attention(result: AttentionMaps, picture: Picture) -> Figure:
    """Every gate, two in a row: maps of places, weights of channels as bars, from 0 to the gate's top.

    Maps from 0 to 1 are in inferno; where 1 is the middle, blue dims and orange lifts. Above each its
    check: the mask's Dice with itself under the replacement that changes it most.
    """
    if result.activation is not None:
        return _activation(result, result.activation, picture)
    columns = min(2, len(result.maps))
    rows = math.ceil(len(result.maps) / columns)
    figure, axes = new_figure(rows, columns)
    figure.set_size_inches(SIDE, max(SIDE, 1 + rows * (0.5 + 0.85 * SIDE / columns)))
    shown: dict[float, AxesImage] = {}
    outline = gray(picture)
    for one, panel in zip(result.maps, axes.flat, strict=False):
        panel.set_title(f"{one.name}\n{_said(one)}", fontsize=SMALL - 1, pad=3)
        if one.spatial:
            colors = BLUE_ORANGE if one.centred else "inferno"
            shown[one.top] = _over(panel, outline, one.values, colors, one.top)
        else:
            _bars(panel, one.values, one.top)
    for top, image in shown.items():
        unit = say(f"factor, 0 to {top:g}; lines: outlines in the image", f"系数，0 至 {top:g}；线条：图像中的轮廓")
        color_bar(figure, image, list(axes.flat), unit)
    title = say(
        "What each gate lets pass; the mask's Dice with\nitself when that is replaced",
        "每个门放行什么；将其替换后\n掩膜与原掩膜的 Dice",
    )
    figure.suptitle(title, fontsize=SMALL + 1)
    return figure


def _said(one: AttentionMap) -> str:
    """The outcome of a gate's check in a few words."""
    if not one.replaced:
        return say("not checked yet", "尚未检验")
    if not one.changes:
        return say("changes nothing", "没有变化")
    by = min(one.replaced, key=lambda name: one.replaced[name].agreement)
    return say(f"{by}: Dice {one.kept:.3f}", f"{REPLACEMENTS[by].zh}：Dice {one.kept:.3f}")


def _activation(result: AttentionMaps, one: Activation, picture: Picture) -> Figure:
    figure, axes = new_figure()
    panel = axes[0, 0]
    shown = _over(panel, gray(picture), one.values, "viridis", 1.0)
    label, asked = result.target.label, result.target.text
    title = say(
        f"No attention in this design. Instead: Seg-Grad-CAM of\n{one.place}, class {label}, {asked.en}",
        f"该设计没有注意力。改为显示 Seg-Grad-CAM：\n{one.place}，类别 {label}，{asked.zh}",
    )
    panel.set_title(title, fontsize=SMALL)
    unit = say(
        f"evidence for the class, 0 to 1 of its largest ({one.largest:.3g})",
        f"对该类别的支持，0 至 1，占最大值（{one.largest:.3g}）的比例",
    )
    color_bar(figure, shown, panel, unit)
    return figure


def _over(
    panel: Axes, image: NDArray[np.float32], values: NDArray[np.float32], map: str | Colormap, top: float
) -> AxesImage:
    """A map in its own pixels, where they lie in the image, whose outlines are drawn over it."""
    (height, width), (rows, columns) = image.shape, values.shape
    scale = square(image.shape, values.shape)
    extent = (-0.5, columns * scale - 0.5, rows * scale - 0.5, -0.5)
    shown = panel.imshow(values, cmap=map, vmin=0, vmax=top, interpolation="nearest", extent=extent)
    if image.min() < 0.5 < image.max() and min(height, width) > 1:
        panel.contour(_smooth(image), levels=[0.5], colors=[OUTLINE], linewidths=0.5)
    panel.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return shown


def square(sides: tuple[int, ...], own: tuple[int, ...]) -> int:
    """Side in the image's pixels of one place of a map with sides `own`: a power of 2."""
    return 2 ** round(math.log2(max(side / one for side, one in zip(sides, own, strict=True))))


def _smooth(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over 5 x 5 pixels, so that outlines are few; the middle between dark and bright becomes 0.5."""
    padded = np.pad(image, 2, mode="edge")
    mean = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).mean((2, 3))
    low, high = float(mean.min()), float(mean.max())
    return ((mean - low) / max(high - low, 1e-6)).astype(np.float32)


def _bars(panel: Axes, values: NDArray[np.float32], top: float) -> None:
    panel.set_axis_on()
    panel.bar(range(len(values)), values, width=1.0, color=PLUM)
    panel.set(ylim=(0, top), xticks=[], yticks=[0, top])
    panel.set_xlabel(say(f"{len(values)} channels", f"{len(values)} 个通道"), fontsize=SMALL - 1, labelpad=1)
    panel.tick_params(labelsize=SMALL - 1)
