"""The views of what skips carry. Level 0 is the finest."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unet_playground.analysis.skips import PassThrough, Redundancy, SemanticGap, Surgery
from unet_playground.figures.base import BLUE, DPI, ORANGE, PLUM, SIDE, SMALL, TEAL, gray, say, view
from unet_playground.images import Picture


@view.register
def draw_redundancy(result: Redundancy, picture: Picture) -> Figure:
    """Over the levels, from 0 to 1: CKA, its part by chance, correlation, effective rank as a share of the channels."""
    if not result.levels:
        return _empty()
    figure, (panel,) = _panels(1)
    _redundancy(panel, result)
    of = say("of", "共")
    worth = [f"{rank:.1f}\n{of} {channels:.0f}" for rank, channels in zip(result.rank, result.channels, strict=True)]
    panel.set_xticks(result.levels, [f"{level}\n{own}" for level, own in zip(result.levels, worth, strict=True)])
    below = say("level (0 is the finest), effective rank of channels", "级别（0 最精细），通道的有效秩")
    panel.set_xlabel(below, fontsize=SMALL)
    title = say("How much of what crosses is said twice", "跨越的内容有多少是重复的")
    panel.set_title(title, fontsize=SMALL + 1, loc="left")
    _legend(figure, panel)
    return figure


@view.register
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
        kept = f"{one.agreement:.3f}"
        title = say(f"level {one.level}: agrees {kept}", f"第 {one.level} 级：一致 {kept}")
        panel.set_title(title, fontsize=SMALL, pad=2)
    said = say(
        f"Replaced by {result.instead.en}, factor {result.factor:g}; the mask loses blue, gains orange",
        f"替换为{result.instead.zh}，系数 {result.factor:g}；掩膜失去处为蓝，得到处为橙",
    )
    above.suptitle(said, fontsize=SMALL, x=0.01, ha="left")
    for rest in below:
        _dices(rest.subplots(), result)
    return figure


@view.register
def draw_pass_through(result: PassThrough, picture: Picture) -> Figure:
    """Change by level, in percent of the features: above where the image was disturbed, below in the object."""
    figure, panels = _panels(2)
    top = 100 * max(0.1, *(max(one.outside, one.inside) for one in result.changes))
    titles = {
        "outside": say("Where noise was added", "加噪声处"),
        "inside": say("In the object, which was left as it is", "未改动的物体内"),
    }
    for panel, (side, title) in zip(panels, titles.items(), strict=True):
        for stage, name, color, style in (
            ("encoder", say("encoder offers", "编码器给出"), BLUE, "o-"),
            ("skip", say("crosses", "跨越"), ORANGE, "s--"),
            ("decoder", say("decoder has", "解码器得到"), PLUM, "^-"),
        ):
            if own := result.of(stage):
                values = [100 * getattr(one, side) for one in own]
                panel.plot([one.level for one in own], values, style, color=color, label=name)
        _axes(panel, [one.level for one in result.changes], say("change, % of rms", "变化，均方根的 %"), top)
        panel.set_title(title, fontsize=SMALL + 1, loc="left")
    panels[0].set_xlabel("")
    _legend(figure, panels[0])
    return figure


@view.register
def draw_semantic_gap(result: SemanticGap, picture: Picture) -> Figure:
    """Three lines over the levels, 0 to 1: what crosses, what it meets, and what the decoder makes of both."""
    figure, (panel,) = _panels(1)
    _gap(panel, result)
    if result.levels["skip"]:
        met = result.values["skip"] + result.gap
        panel.fill_between(
            result.levels["skip"], result.values["skip"], met, color=ORANGE, alpha=0.15, label=say("gap", "差距")
        )
    whose = say("the truth", "真值") if result.true else say("the model's own mask", "模型自己的掩膜")
    panel.set_title(say("Told apart: classes of ", "区分类别：") + whose, fontsize=SMALL + 1, loc="left")
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
        (result.cka, say("CKA with the decoder", "与解码器的 CKA"), BLUE, "o-"),
        (result.chance, say("CKA by chance", "偶然的 CKA"), BLUE, ":"),
        (result.correlation, say("correlation of channels", "通道间相关"), ORANGE, "s-"),
        (result.share, say("effective rank / channels", "有效秩 / 通道数"), TEAL, "^-"),
    ):
        if result.levels:
            panel.plot(result.levels, values, style, color=color, label=name)
    _axes(panel, result.levels, say("0 to 1", "0 至 1"))


def _gap(panel: Axes, result: SemanticGap) -> None:
    for stage, name, color, style in (
        ("up", say("decoder, upsampled", "解码器，上采样后"), BLUE, "o-"),
        ("skip", say("crosses", "跨越"), ORANGE, "s-"),
        ("decoder", say("decoder, after joining", "解码器，合并后"), PLUM, "^-"),
    ):
        if result.levels[stage]:
            panel.plot(result.levels[stage], result.values[stage], style, color=color, label=name)
    _axes(panel, result.levels["up"], say("variance explained, 0 to 1", "可解释方差，0 至 1"))


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
    for name, title, color, shift in (
        ("interior", say("interior", "内部"), BLUE, -width / 2),
        ("boundary", say("boundary", "边界"), ORANGE, width / 2),
    ):
        before = getattr(result.scores, name)
        panel.bar(at + shift, [getattr(one.scores, name) for one in result.levels], width, color=color, label=title)
        lines = at + shift - width / 2, at + shift + width / 2
        panel.hlines([before] * len(at), *lines, color="black", label=say("untouched", "原样") if shift > 0 else "_")
    panel.set_xticks(at, [say(f"level {one.level}", f"第 {one.level} 级") for one in result.levels])
    panel.set(ylim=(0, 1.02))
    panel.set_ylabel(say("Dice, 0 to 1", "Dice，0 至 1"), fontsize=SMALL)
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
    panel.set_xlabel(say("level (0 is the finest)", "级别（0 最精细）"), fontsize=SMALL)
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
    panel.set_title(say("Nothing crosses in this design", "该设计没有任何跨越"), fontsize=SMALL + 1)
    return figure
