"""The view of feature maps."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from unet_playground.analysis.features import FeatureMaps
from unet_playground.figures.base import SMALL, color_bar, new_figure, say, view
from unet_playground.images import Picture

NAVY_ICE = LinearSegmentedColormap.from_list("navy-ice", ["#071633", "#14438f", "#4f94d4", "#b5dcf2", "#f7fcff"])
SHOWN = 16


@view.register
def draw_feature_maps(result: FeatureMaps, picture: Picture) -> Figure:
    """The 16 channels that matter most, at their own resolution and on one scale; each with its number and effect."""
    shown = result.maps[:SHOWN]
    side = int(np.ceil(len(shown) ** 0.5))
    figure, axes = new_figure(-(-len(shown) // side), side)
    low, high = min(0.0, float(np.percentile(shown, 0.5))), float(np.percentile(shown, 99.5))
    high = max(high, low + 1e-6)
    images = []
    for number, values, effect, panel in zip(result.order, shown, result.effects, axes.flat, strict=False):
        images.append(panel.imshow(values, cmap=NAVY_ICE, vmin=low, vmax=high, interpolation="nearest"))
        panel.set_title(f"{number}: {round(float(effect), 2) + 0.0:+.2f}", fontsize=SMALL, pad=2)
    title = say(
        f"{result.place}: channel, and its effect on the mean logit", f"{result.place}：通道，及其对平均 logit 的影响"
    )
    if not result.finished:
        title += say(" (estimate)", "（估计）")
    figure.suptitle(title, fontsize=SMALL, x=0.01, ha="left")
    unit = say(
        f"feature, {low:.3g} to {high:.3g} (99.5th percentile)", f"特征，{low:.3g} 至 {high:.3g}（第 99.5 百分位）"
    )
    color_bar(figure, images[0], list(axes.flat), unit)
    return figure
