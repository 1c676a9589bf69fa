"""The view of the gradient that reaches every stage."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unet_playground.analysis.gradient_flow import VANISHED, Flow, GradientFlow
from unet_playground.analysis.paths import name_of
from unet_playground.figures.base import BLUE, DPI, ORANGE, SIDE, SMALL, draw
from unet_playground.figures.ways import color_of
from unet_playground.images import Picture

RANGE = (1e-5, 1e3)
"""Of the norms as shares of the last stage's; what is less or more is drawn at the edge."""


@draw.register
def draw_flow(result: GradientFlow, picture: Picture) -> Figure:
    """Norms by stage on a log axis; how the encoder's came back, in percent; and below, depth by depth, the start."""
    figure = Figure(figsize=(SIDE, 1.25 * SIDE), dpi=DPI, layout="constrained")
    heights = (1.2, 1.2, 0.9) if result.start else (1, 1)
    rows = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    norms, ways = rows[0].subplots(), rows[1].subplots()
    _norms(norms, result.now, "o-")
    last = result.now.features[-1]
    norms.set_title(f"Gradient of the loss by stage (decoder.0: {last:.2g} = 1)", fontsize=SMALL + 1, loc="left")
    norms.set_xticks(range(len(result.now.stages)), _short(result.now.stages))
    norms.set_xlabel("e encoder, b bottleneck, d decoder, in the order of computation", fontsize=SMALL)
    norms.set_ylabel("norm / last stage's", fontsize=SMALL)
    norms.legend(fontsize=SMALL - 1, frameon=False, ncols=3, loc="lower center")
    _ways(ways, result.now)
    if result.start:
        panels = rows[2].subplots(1, len(result.start), squeeze=False, sharey=True)[0]
        for flow, panel in zip(result.start, panels, strict=True):
            _norms(panel, flow, "-")
            panel.set_xticks([])
            panel.set_title(f"{flow.depth}", fontsize=SMALL, pad=2)
        rows[2].suptitle("Before training, same axis, by depth", fontsize=SMALL + 1, x=0.01, ha="left")
    return figure


def _norms(panel: Axes, flow: Flow, style: str) -> None:
    """Features and parameters, each as shares of the last stage's features."""
    last = float(flow.features[-1]) or 1.0
    for values, color, name in ((flow.features, BLUE, "features"), (flow.parameters, ORANGE, "parameters")):
        panel.plot(np.clip(values / last, *RANGE), style, color=color, label=name, markersize=4)
    panel.axhline(VANISHED, color="black", linewidth=0.8, linestyle=":", label="vanished below")
    panel.axvline(flow.depth, color="black", linewidth=0.5, alpha=0.4)
    panel.set(yscale="log", ylim=RANGE, yticks=[1e-3, 1, 1e3])
    panel.minorticks_off()
    panel.tick_params(labelsize=SMALL)
    panel.spines[["top", "right"]].set_visible(False)


def _ways(panel: Axes, flow: Flow) -> None:
    """Stacked shares; what works against the others hangs below 0."""
    stages = range(flow.depth + 1)
    above, below = np.zeros(len(stages)), np.zeros(len(stages))
    for way, share in flow.shares.items():
        percent = 100 * share.astype(float)
        base = np.where(percent >= 0, above, below)
        panel.bar(stages, percent, bottom=base, color=color_of(way), label=name_of(way).en, width=0.7)
        above, below = above + np.maximum(percent, 0), below + np.minimum(percent, 0)
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set_xticks(stages, _short(flow.stages[: flow.depth + 1]))
    panel.set_ylim(min(0, 1.05 * below.min()), max(100, 1.05 * above.max()))
    panel.set_ylabel("% of the gradient", fontsize=SMALL)
    panel.set_title("In the encoder it came back by", fontsize=SMALL + 1, loc="left")
    panel.tick_params(labelsize=SMALL)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=SMALL - 1, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _short(stages: tuple[str, ...]) -> list[str]:
    """`encoder.0` as e0, the bottleneck as b."""
    return [stage[0] + stage.partition(".")[2] for stage in stages]
