"""The view of the gradient that reaches every stage."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unet_playground.analysis.gradient_flow import VANISHED, Flow, GradientFlow
from unet_playground.analysis.paths import name_of
from unet_playground.figures.base import BLUE, DPI, ORANGE, SIDE, SMALL, say, view
from unet_playground.figures.ways import color_of
from unet_playground.images import Picture

RANGE = (1e-5, 1e3)
"""Of the norms as shares of the last stage's; what is less or more is drawn at the edge."""


@view.register
def draw_flow(result: GradientFlow, picture: Picture) -> Figure:
    """Norms by stage on a log axis; how the encoder's came back, in percent; and below, depth by depth, the start."""
    figure = Figure(figsize=(SIDE, 1.25 * SIDE), dpi=DPI, layout="constrained")
    heights = (1.2, 1.2, 0.9) if result.start else (1, 1)
    rows = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    norms, ways = rows[0].subplots(), rows[1].subplots()
    _norms(norms, result.now, "o-")
    last = result.now.features[-1]
    title = say(
        f"Gradient of the loss by stage (decoder.0: {last:.2g} = 1)", f"各级的损失梯度（decoder.0：{last:.2g} = 1）"
    )
    norms.set_title(title, fontsize=SMALL + 1, loc="left")
    norms.set_xticks(range(len(result.now.stages)), _short(result.now.stages))
    stages = say(
        "e encoder, b bottleneck, d decoder, in the order of computation", "e 编码器，b 瓶颈，d 解码器，按计算顺序"
    )
    norms.set_xlabel(stages, fontsize=SMALL)
    norms.set_ylabel(say("norm / last stage's", "范数 / 最后一级"), fontsize=SMALL)
    norms.legend(fontsize=SMALL - 1, frameon=False, ncols=3, loc="lower center")
    _ways(ways, result.now)
    if result.start:
        panels = rows[2].subplots(1, len(result.start), squeeze=False, sharey=True)[0]
        for flow, panel in zip(result.start, panels, strict=True):
            _norms(panel, flow, "-")
            panel.set_xticks([])
            panel.set_title(f"{flow.depth}", fontsize=SMALL, pad=2)
        title = say("Before training, same axis, by depth", "训练前，同一坐标，按深度")
        rows[2].suptitle(title, fontsize=SMALL + 1, x=0.01, ha="left")
    return figure


def _norms(panel: Axes, flow: Flow, style: str) -> None:
    """Features and parameters, each as shares of the last stage's features."""
    last = float(flow.features[-1]) or 1.0
    for values, color, name in (
        (flow.features, BLUE, say("features", "特征")),
        (flow.parameters, ORANGE, say("parameters", "参数")),
    ):
        panel.plot(np.clip(values / last, *RANGE), style, color=color, label=name, markersize=4)
    vanished = say("vanished below", "低于此为消失")
    panel.axhline(VANISHED, color="black", linewidth=0.8, linestyle=":", label=vanished)
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
        name = say(name_of(way).en, name_of(way).zh)
        panel.bar(stages, percent, bottom=base, color=color_of(way), label=name, width=0.7)
        above, below = above + np.maximum(percent, 0), below + np.minimum(percent, 0)
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set_xticks(stages, _short(flow.stages[: flow.depth + 1]))
    panel.set_ylim(min(0, 1.05 * below.min()), max(100, 1.05 * above.max()))
    panel.set_ylabel(say("% of the gradient", "梯度的百分比"), fontsize=SMALL)
    panel.set_title(say("In the encoder it came back by", "编码器的梯度来自"), fontsize=SMALL + 1, loc="left")
    panel.tick_params(labelsize=SMALL)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=SMALL - 1, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _short(stages: tuple[str, ...]) -> list[str]:
    """`encoder.0` as e0, the bottleneck as b."""
    return [stage[0] + stage.partition(".")[2] for stage in stages]
