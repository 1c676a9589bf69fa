"""Views of the atlas: scores against cost with the Pareto front, and the effect of every option."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from unet_playground.atlas import Effect, Row, classic_of, differences
from unet_playground.design import SLOT_IDS
from unet_playground.figures.base import DPI, SMALL
from unet_playground.registry import catalogues
from unet_playground.training.metrics import metrics

COLORS = {"halving": "#1b5fd0", "full": "#c75b00", "all": "#444444"}
"""Blue for designs that give up resolution, orange for those that keep it."""
LEGEND = {"halving": "resolution halved", "full": "full resolution", "all": "both families"}
MARK = "#a02c78"
COST_TITLES = {
    "macs": "multiply-adds, one image of 256 x 256",
    "parameters": "parameters",
    "activation_bytes": "bytes of activations at one time, 256 x 256",
    "latency": "time of a forward pass, times the classic's",
}


def draw_front(rows: Sequence[Row], front: Sequence[Row], metric: str = "dice", cost: str = "macs") -> Figure:
    """A metric of every design over its cost (logarithmic); the front as a line, its designs numbered and named.

    Args:
        rows: Measured designs of one set of weights.
        front: Those of them on the Pareto front, cheapest first.
        metric: Column of the score.
        cost: Column of the cost.
    """
    figure = Figure(figsize=(7.2, 4.8 + 0.17 * len(front)), dpi=DPI, layout="constrained")
    panel, names = figure.subplots(2, 1, height_ratios=[4.8, max(0.01, 0.17 * len(front))])
    for family, halves in (("halving", True), ("full", False)):
        members = [row for row in rows if row.design.halves == halves]
        panel.scatter(
            *_points(members, cost, metric), s=14, color=COLORS[family], alpha=0.55, lw=0, label=LEGEND[family]
        )
    panel.plot(
        *_points(front, cost, metric), color=MARK, lw=1.2, drawstyle="steps-post", label="Pareto front", zorder=3
    )
    for number, row in enumerate(front, start=1):
        place = (row.value(cost), row.value(metric))
        panel.annotate(
            str(number), place, xytext=(0, 5), textcoords="offset points", ha="center", fontsize=SMALL - 1, color=MARK
        )
    classic = [row for row in rows if row.design == classic_of(row.design)]
    panel.scatter(
        *_points(classic, cost, metric),
        marker="*",
        s=130,
        color="black",
        edgecolor="white",
        label="the classic",
        zorder=4,
    )
    panel.set_xscale("log")
    for ticks in (panel.xaxis.set_major_formatter, panel.xaxis.set_minor_formatter):
        ticks(EngFormatter(sep=""))
    panel.set_xlabel(COST_TITLES.get(cost, cost), fontsize=SMALL)
    panel.set_ylabel(_metric_title(metric), fontsize=SMALL)
    panel.tick_params(labelsize=SMALL)
    panel.tick_params(which="minor", labelsize=SMALL - 2)
    panel.grid(color="#eeeeee")
    panel.set_axisbelow(True)
    _focus(panel, [row.value(metric) for row in rows], [row.value(metric) for row in (*front, *classic)])
    panel.legend(fontsize=SMALL - 1, loc="lower right", framealpha=0.9)
    names.set_axis_off()
    listed = [f"{number}  {_name(row)}" for number, row in enumerate(front, start=1)]
    names.text(0, 1, "\n".join(listed), fontsize=SMALL - 1.5, va="top", color=MARK, transform=names.transAxes)
    return figure


def draw_effects(effects: Sequence[Effect], metric: str = "dice") -> Figure:
    """The effect of every option against the classic's option, with its 95% interval, a panel per slot.

    Args:
        effects: Of all families; `all` is drawn only where the families alone know no effect (the way down).
        metric: Column of the score.
    """
    shown = [one for one in effects if one.family in ("halving", "full") or not _alone(one, effects)]
    slots = [slot for slot in SLOT_IDS if any(one.slot == slot for one in shown)]
    options = {slot: [id for id in catalogues[slot] if any(_is(one, slot, id) for one in shown)] for slot in slots}
    heights = [len(options[slot]) + 0.6 for slot in slots]
    figure = Figure(figsize=(7.2, 0.6 + 0.27 * sum(heights)), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(slots), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    limit = _limit(shown)
    for slot, panel in zip(slots, panels, strict=True):
        _draw_slot(panel, slot, options[slot], shown, limit)
        panel.set_xlim(*_sides(shown, limit))
    figure.align_ylabels(panels)
    handles = {label: one for panel in panels for one, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    known = [label for label in LEGEND.values() if label in handles]
    figure.legend(
        [handles[label] for label in known],
        known,
        loc="outside upper center",
        ncols=3,
        fontsize=SMALL - 1,
        frameon=False,
    )
    panels[-1].set_xlabel(f"{_metric_title(metric)}: difference to the classic's option, 95% interval", fontsize=SMALL)
    return figure


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG."""
    buffer = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def _draw_slot(panel: Axes, slot: str, options: Sequence[str], effects: Sequence[Effect], limit: float) -> None:
    offsets = {"halving": -0.18, "full": 0.18, "all": 0.0}
    for family, color in COLORS.items():
        members = [one for one in effects if one.slot == slot and one.family == family]
        for one in members:
            place = options.index(one.option) + offsets[family]
            if abs(one.difference) > limit:
                _beyond(panel, one, place, limit)
        inside = [one for one in members if abs(one.difference) <= limit]
        middle = np.array([one.difference for one in inside])
        reach = np.abs(np.array([[one.low, one.high] for one in inside]).reshape(-1, 2).T - middle)
        places = [options.index(one.option) + offsets[family] for one in inside]
        if inside:
            panel.errorbar(
                middle, places, xerr=np.nan_to_num(reach), fmt="o", ms=4, lw=1.2, color=color, label=LEGEND[family]
            )
    panel.axvline(0, color="#999999", lw=0.8, zorder=0)
    panel.set_yticks(range(len(options)), options, fontsize=SMALL - 1)
    panel.set_ylim(len(options) - 0.4, -0.6)
    panel.set_ylabel(slot, fontsize=SMALL, rotation=0, ha="right", va="center", labelpad=8, weight="bold")
    panel.tick_params(axis="x", labelsize=SMALL - 1)
    panel.grid(axis="x", color="#eeeeee")
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _beyond(panel: Axes, effect: Effect, place: float, limit: float) -> None:
    """An arrow at the edge, and the number that lies beyond it."""
    side, color = (1 if effect.difference > 0 else -1), COLORS[effect.family]
    panel.plot(side * limit, place, marker=">" if side > 0 else "<", ms=4, color=color)
    panel.annotate(
        f"{effect.difference:+.3f} [{effect.low:+.3f}, {effect.high:+.3f}] {LEGEND[effect.family]}",
        (side * limit, place),
        xytext=(-7 * side, 0),
        textcoords="offset points",
        ha="right" if side > 0 else "left",
        va="center",
        fontsize=SMALL - 2.5,
        color=color,
    )


def _limit(effects: Sequence[Effect]) -> float:
    """How far the axis goes: to the largest effect, unless it would press most of the others together."""
    ends = np.array([np.nanmax(np.abs([one.difference, one.low, one.high])) for one in effects])
    typical = float(np.percentile(ends, 85))
    return float(ends.max()) if ends.max() <= 2.5 * typical else 1.3 * typical


def _sides(effects: Sequence[Effect], limit: float) -> tuple[float, float]:
    """Both ends of the axis, 0 and some room included."""
    low = min(0.0, *(one.low for one in effects))
    high = max(0.0, *(one.high for one in effects))
    return max(low, -limit) - 0.04 * limit, min(high, limit) + 0.04 * limit


def _focus(panel: Axes, values: Sequence[float], wanted: Sequence[float]) -> None:
    """Show the range of most designs; say how many lie below it."""
    known = np.array([value for value in values if not np.isnan(value)])
    if len(known) < 20:
        return
    low, high = np.percentile(known, [5, 95])
    room = (high - low) / 2
    bottom = min(max(low - room, known.min()), *wanted)
    top = max(min(high + room, known.max()), *wanted)
    margin = 0.06 * (top - bottom) + 1e-6
    beyond = int(((known < bottom - margin) | (known > top + margin)).sum())
    panel.set_ylim(bottom - margin, top + margin)
    if beyond:
        panel.set_title(f"{beyond} of {len(known)} designs lie outside this range", fontsize=SMALL - 1, loc="left")


def _points(rows: Sequence[Row], cost: str, metric: str) -> tuple[list[float], list[float]]:
    return [row.value(cost) for row in rows], [row.value(metric) for row in rows]


def _name(row: Row) -> str:
    return ", ".join(f"{slot} {choice}" for slot, choice in differences(row.design).items()) or "the classic"


def _metric_title(metric: str) -> str:
    return metrics[metric].title.en if metric in metrics else metric


def _is(effect: Effect, slot: str, option: str) -> bool:
    return (effect.slot, effect.option) == (slot, option)


def _alone(effect: Effect, effects: Sequence[Effect]) -> bool:
    """Whether a family knows the effect of this option by itself."""
    return any(_is(one, effect.slot, effect.option) and one.family != effect.family for one in effects)
