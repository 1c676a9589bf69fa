"""The views of what skips carry. Level 0 is the finest."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unet_playground.analysis.skips import PassThrough, Redundancy, SemanticGap, Surgery
from unet_playground.figures.base import BLUE, DPI, ORANGE, PLUM, SIDE, SMALL, TEAL, draw, gray
from unet_playground.images import Picture


@draw.register
def draw_redundancy(result: Redundancy, picture: Picture) -> Figure:
    """Over the levels, from 0 to 1: CKA, its part by chance, correlation, effective rank as a share of the channels."""
    if not result.levels:
        return _empty()
    figure, (panel,) = _panels(1)
    _redundancy(panel, result)
    worth = [f"{rank:.1f}\nof {channels:.0f}" for rank, channels in zip(result.rank, result.channels, strict=True)]
    panel.set_xticks(result.levels, [f"{level}\n{own}" for level, own in zip(result.levels, worth, strict=True)])
    panel.set_xlabel("level (0 is the finest), effective rank of channels", fontsize=SMALL)
    panel.set_title("How much of what crosses is said twice", fontsize=SMALL + 1, loc="left")
    _legend(figure, panel)
    return figure


@draw.register
def draw_surgery(result: Surgery, picture: Picture) -> Figure:
    """A picture per level with what the mask loses and gains; below, where the truth is known, Dice from 0 to 1."""
    if not result.levels:
        return _empty()
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI, layout="constrained")
    ratios = (2, 1) if result.scores else (1,)
    above, *below = figure.subfigures(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    columns = min(3, math.ceil(len(result.levels) ** 0.5))
    pictures = above.subplots(math.ceil(len(result.levels) / columns), columns, squeeze=False)
    for one in pictures.flat:
        one.set_axis_off()
    for one, panel in zip(result.levels, pictures.flat, strict=False):
        panel.imshow(_changed(gray(picture), result.mask, one.mask), interpolation="nearest")
        panel.set_title(f"level {one.level}: agrees {one.agreement:.3f}", fontsize=SMALL, pad=2)
    said = f"Replaced by {result.instead.en}, factor {result.factor:g}; the mask loses blue, gains orange"
    above.suptitle(said, fontsize=SMALL, x=0.01, ha="left")
    for rest in below:
        _dices(rest.subplots(), result)
    return figure


@draw.register
def draw_pass_through(result: PassThrough, picture: Picture) -> Figure:
    """Change by level, in percent of the features: above where the image was disturbed, below in the object."""
    figure, panels = _panels(2)
    top = 100 * max(0.1, *(max(one.outside, one.inside) for one in result.changes))
    titles = {"outside": "Where noise was added", "inside": "In the object, which was left as it is"}
    for panel, (side, title) in zip(panels, titles.items(), strict=True):
        for stage, name, color, style in (
            ("encoder", "encoder offers", BLUE, "o-"),
            ("skip", "crosses", ORANGE, "s--"),
            ("decoder", "decoder has", PLUM, "^-"),
        ):
            if own := result.of(stage):
                values = [100 * getattr(one, side) for one in own]
                panel.plot([one.level for one in own], values, style, color=color, label=name)
        _axes(panel, [one.level for one in result.changes], "change, % of rms", top)
        panel.set_title(title, fontsize=SMALL + 1, loc="left")
    panels[0].set_xlabel("")
    _legend(figure, panels[0])
    return figure


@draw.register
def draw_semantic_gap(result: SemanticGap, picture: Picture) -> Figure:
    """Three lines over the levels, 0 to 1: what crosses, what it meets, and what the decoder makes of both."""
    figure, (panel,) = _panels(1)
    _gap(panel, result)
    if result.levels["skip"]:
        met = result.values["skip"] + result.gap
        panel.fill_between(result.levels["skip"], result.values["skip"], met, color=ORANGE, alpha=0.15, label="gap")
    panel.set_title(f"Told apart: classes of {_whose(result)}", fontsize=SMALL + 1, loc="left")
    _legend(figure, panel)
    return figure


Comparable = Redundancy | SemanticGap


def compare(results: Sequence[Comparable], names: Sequence[str]) -> Figure:
    """Results of one kind for several designs side by side, on the same scale.

    Args:
        results: All of redundancy, or all of the semantic gap.
        names: What stands above each.
    """
    figure, panels = _panels(1, len(results))
    for panel, result, name in zip(panels, results, names, strict=True):
        (_redundancy if isinstance(result, Redundancy) else _gap)(panel, result)  # type: ignore[arg-type]
        panel.set_title(name, fontsize=SMALL, loc="left")
    for panel in panels[1:]:
        panel.set(ylabel="", yticklabels=[])
    _legend(figure, max(panels, key=lambda panel: len(panel.lines)))
    return figure


def _redundancy(panel: Axes, result: Redundancy) -> None:
    for values, name, color, style in (
        (result.cka, "CKA with the decoder", BLUE, "o-"),
        (result.chance, "CKA by chance", BLUE, ":"),
        (result.correlation, "correlation of channels", ORANGE, "s-"),
        (result.share, "effective rank / channels", TEAL, "^-"),
    ):
        if result.levels:
            panel.plot(result.levels, values, style, color=color, label=name)
    _axes(panel, result.levels, "0 to 1")


def _gap(panel: Axes, result: SemanticGap) -> None:
    for stage, name, color, style in (
        ("up", "decoder, upsampled", BLUE, "o-"),
        ("skip", "crosses", ORANGE, "s-"),
        ("decoder", "decoder, after joining", PLUM, "^-"),
    ):
        if result.levels[stage]:
            panel.plot(result.levels[stage], result.values[stage], style, color=color, label=name)
    _axes(panel, result.levels["up"], "variance explained, 0 to 1")


def _whose(result: SemanticGap) -> str:
    return "the truth" if result.true else "the model's own mask"


def _changed(background: NDArray[np.float32], old: NDArray[np.bool_], new: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The image in gray (h, w, 3), what the mask lost in blue, what it gained in orange, what it kept lighter."""
    shown = np.repeat(0.6 * background[..., None], 3, axis=2)
    shown[old & new] = 0.55 * shown[old & new] + 0.45
    shown[old & ~new] = to_rgb(BLUE)
    shown[new & ~old] = to_rgb(ORANGE)
    return shown


def _dices(panel: Axes, result: Surgery) -> None:
    """Bars of the scores by level, and a line at those of the untouched mask."""
    at, width = np.arange(len(result.levels)), 0.4
    for name, color, shift in (("interior", BLUE, -width / 2), ("boundary", ORANGE, width / 2)):
        before = getattr(result.scores, name)
        panel.bar(at + shift, [getattr(one.scores, name) for one in result.levels], width, color=color, label=name)
        lines = at + shift - width / 2, at + shift + width / 2
        panel.hlines([before] * len(at), *lines, color="black", label="untouched" if shift > 0 else "_")
    panel.set_xticks(at, [f"level {one.level}" for one in result.levels])
    panel.set(ylim=(0, 1.02))
    panel.set_ylabel("Dice, 0 to 1", fontsize=SMALL)
    panel.tick_params(labelsize=SMALL)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=SMALL, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 0.98), borderpad=0)


def _panels(rows: int, columns: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _axes(panel: Axes, levels: Sequence[int], label: str, top: float = 1.0) -> None:
    """Levels from left to right, values from 0 to `top`."""
    panel.set_xticks(sorted(set(levels)))
    panel.set_ylim(0, 1.03 * top)
    panel.margins(x=0.12)
    panel.set_xlabel("level (0 is the finest)", fontsize=SMALL)
    panel.set_ylabel(label, fontsize=SMALL)
    panel.tick_params(labelsize=SMALL)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, panel: Axes) -> None:
    """Below the panels, where it hides no line."""
    figure.legend(
        *panel.get_legend_handles_labels(), fontsize=SMALL, frameon=False, ncols=2, loc="outside lower center"
    )


def _empty() -> Figure:
    figure, (panel,) = _panels(1)
    panel.set_axis_off()
    panel.set_title("Nothing crosses in this design", fontsize=SMALL + 1)
    return figure
