"""What a mask owes to each skip: what crosses is replaced, and the masks are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, agreement, analyses
from unet_playground.analysis.skips.crossing import NOTHING, fitting_truth, levels_crossed, percent
from unet_playground.analysis.skips.operations import Operate, Operation, blurred, mean_over_places, operated
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import PlaygroundError, Text
from unet_playground.inference import read_out
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob

Treatment = Literal["zero", "blur", "mean", "swap"]
NAMES = {
    "zero": Text("zero", "零"),
    "blur": Text("its blur", "其模糊"),
    "mean": Text("its mean", "其均值"),
    "swap": Text("another image's", "另一幅图像的特征"),
}


@dataclass(frozen=True)
class Scores:
    """How well a mask agrees with the truth: everywhere, away from the true boundary and along it, 0 to 1."""

    dice: float
    interior: float
    boundary: float


@dataclass(frozen=True)
class Operated:
    """The mask after an operation on one level.

    Attributes:
        level: Where it was done.
        mask: bool (h, w), pixels of the class.
        agreement: Dice with the untouched mask.
        strength: Size of the change of what crosses, relative to what crosses (L2).
        scores: Against the truth, where it is known.
    """

    level: int
    mask: NDArray[np.bool_]
    agreement: float
    strength: float
    scores: Scores | None = None


@dataclass(frozen=True)
class Surgery:
    """One operation on every level in turn, finest first; empty where nothing crosses.

    Attributes:
        treatment: By what the features were replaced.
        factor: How much of them stayed.
        mask: bool (h, w), the untouched mask of the class.
        levels: What came of it.
        control: Largest difference of the logits when the features are taken out and put back as they are.
        scores: Of the untouched mask, where the truth is known.
    """

    treatment: Treatment
    factor: float
    mask: NDArray[np.bool_]
    levels: tuple[Operated, ...]
    control: float
    scores: Scores | None = None

    @property
    def instead(self) -> Text:
        """What took the place of the features, in words."""
        return NAMES[self.treatment]

    @property
    def check(self) -> Text:
        """The control, and how much was done: a change that is small says little about a level."""
        if not self.levels:
            return NOTHING
        weakest = min(self.levels, key=lambda one: one.strength)
        return Text(
            f"Control: features put back as they are change the logits by {self.control:g}; the treatment changes what "
            f"crosses by at least {percent(weakest.strength)} (level {weakest.level}).",
            f"对照：特征原样放回，logit 变化 {self.control:g}；该处理对跨越特征的改变至少为 "
            f"{percent(weakest.strength)}（第 {weakest.level} 级）。",
        )

    @property
    def facts(self) -> Text:
        """The levels to which the mask owes most and least."""
        if not self.levels:
            return NOTHING
        most, least = (pick(self.levels, key=lambda one: one.agreement) for pick in (min, max))
        name, kept = self.instead, f"{self.factor:g}"
        said = Text(
            f"With {name.en} in place of what crosses (factor {kept}), the mask changes most at level {most.level} "
            f"(Dice with the untouched mask {most.agreement:.3f}) and least at level {least.level} "
            f"({least.agreement:.3f})",
            f"用{name.zh}代替跨越的特征（系数 {kept}），第 {most.level} 级对掩膜影响最大"
            f"（与原掩膜的 Dice 为 {most.agreement:.3f}），第 {least.level} 级最小（{least.agreement:.3f}）",
        )
        if not self.scores or not most.scores:
            return Text(said.en + ".", said.zh + "。")
        old, new = self.scores, most.scores
        return Text(
            f"{said.en}; there Dice goes from {old.dice:.3f} to {new.dice:.3f}, away from the boundary from "
            f"{old.interior:.3f} to {new.interior:.3f}, along it from {old.boundary:.3f} to {new.boundary:.3f}.",
            f"{said.zh}；该级使 Dice 从 {old.dice:.3f} 变为 {new.dice:.3f}，远离边界处从 {old.interior:.3f} 变为 "
            f"{new.interior:.3f}，边界附近从 {old.boundary:.3f} 变为 {new.boundary:.3f}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        columns = {name: [getattr(one, name) for one in self.levels] for name in ("level", "agreement", "strength")}
        masks = {f"mask.{one.level}": one.mask for one in self.levels}
        found = {"mask": self.mask, **masks, **columns}
        if self.scores:
            rows = [self.scores, *(one.scores for one in self.levels)]
            # The untouched mask's row stands in front.
            found["scores"] = [(row.dice, row.interior, row.boundary) for row in rows if row]
        return {name: np.asarray(values, np.float32) for name, values in found.items()}


@analyses.register(
    "surgery",
    room="skips",
    title="Skip surgery",
    formula=r"$s_k' = f\, s_k + (1 - f)\, r_k$",
    zh=Chinese(
        "跳跃手术",
        "掩膜有多少来自每一个跳跃。",
        "逐级改动跨越的特征：系数 f 是保留的部分，其余换成零（即缩放）、其模糊、其在各处的均值，"
        "或另一幅图像同一级的特征；再与原掩膜比较。有真值时还给出总体、远离边界处和边界附近的 Dice。"
        "没有训练过这样的特征，掩膜变坏说明网络依赖这一级，不说明没有它就学不会。",
    ),
)
def skip_surgery(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    treatment: Annotated[Treatment, Knob("Replace by", "换成")] = "zero",
    factor: Annotated[float, Knob("Factor of what stays", "保留系数", 0, 2)] = 0.0,
    sigma: Annotated[int, Knob("Blur in pixels of the level", "模糊（该级像素）", 1, 16)] = 2,
    level: Annotated[int, Knob("Level, -1 for each in turn", "级别，-1 为逐级", -1, 5)] = -1,
    watch: Watch = UNWATCHED,
    truth: NDArray[np.uint8] | None = None,
    other: Tensor | None = None,
    means: Mapping[int, Tensor] | None = None,
) -> Surgery:
    """What the mask owes to each skip.

    What crosses is changed, one level after the other: the factor is how much of it stays; the rest is replaced by
    zero (which scales it), by its blur, by its mean over all places, or by what crosses for another image. Then the
    mask is compared with the untouched one, and both with the truth where it is known: everywhere, away from the
    boundary and along it. The network was never trained on such features: a worse mask says that it relies on this
    level, not that it could not have learned without.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Its class is compared, all over the image.
        treatment: What takes the place of the features.
        factor: How much of the features stays; 1 changes nothing, bit for bit.
        sigma: Of the Gaussian blur, in pixels of the level.
        level: Which one; -1 takes every level in turn.
        watch: May end it before every level, and is shown the levels so far.
        truth: True classes (h, w).
        other: An image of the same sides, for `swap`.
        means: Level -> mean of what crosses over many images (1, c, 1, 1), for `mean`: see `mean_crossings`.

    Raises:
        PlaygroundError: The level has no skip; `swap` without another image or with one of other sides.
    """
    target.checked(model, image)
    true = None if truth is None else fitting_truth(truth, image) == target.label
    with torch.inference_mode():
        trace = model.trace(image, lambda name: name.startswith("skip."))
        chosen = _chosen(level, levels_crossed(trace.features))
        replacements = _replacements(model, image, treatment, chosen, sigma, other, means)
        intact = {one: Operation(factor=1) for one in chosen}
        control = float((model(image, Operate(intact)) - trace.logits).abs().max())
    mask = read_out(trace.logits).mask == target.label
    before = _scores(mask, true)
    done: list[Operated] = []
    for one in chosen:
        watch.between()
        operation, crossed = Operation(replacements[one], factor), trace.features[f"skip.{one}"]
        after = operated(model, image, {one: operation}) == target.label
        strength = float((operation(crossed) - crossed).norm() / crossed.norm().clamp(min=1e-12))
        done.append(Operated(one, after, agreement(mask, after), strength, _scores(after, true)))
        watch.show(Surgery(treatment, factor, mask, tuple(done), control, before))
    return Surgery(treatment, factor, mask, tuple(done), control, before)


def _chosen(level: int, there: tuple[int, ...]) -> tuple[int, ...]:
    if level < 0:
        return there
    if level not in there:
        listed = ", ".join(map(str, there)) or "none"
        raise PlaygroundError(
            f"Nothing crosses at level {level}; levels with a skip: {listed}. Choose one of them, or -1 for each in "
            "turn.",
            f"第 {level} 级没有特征跨越；有跳跃的级：{', '.join(map(str, there)) or '无'}。"
            "请选择其中之一，或用 -1 逐级进行。",
        )
    return (level,)


def _replacements(
    model: UNet,
    image: Tensor,
    treatment: Treatment,
    levels: Sequence[int],
    sigma: int,
    other: Tensor | None,
    means: Mapping[int, Tensor] | None,
) -> dict[int, Callable[[Tensor], Tensor]]:
    """What takes the place of the features, by level."""
    if treatment == "swap":
        foreign = model.trace(_fitting(other, image), lambda name: name.startswith("skip.")).features
        return {level: lambda _, own=foreign[f"skip.{level}"]: own for level in levels}
    if treatment == "mean" and means is not None:
        return {level: lambda _, own=means[level]: own for level in levels}
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "zero": torch.zeros_like,
        "mean": mean_over_places,
        "blur": lambda features: blurred(features, sigma),
    }
    return dict.fromkeys(levels, ways[treatment])


def _fitting(other: Tensor | None, image: Tensor) -> Tensor:
    if other is None:
        raise PlaygroundError(
            "To swap what crosses a second image is needed: give one of the same sides.",
            "交换跨越的特征需要第二幅图像：请给出一幅边长相同的图像。",
        )
    if other.shape[2:] != image.shape[2:]:
        given, sides = (" x ".join(map(str, one.shape[2:])) for one in (other, image))
        raise PlaygroundError(
            f"The second image is {given} pixels, but the image is {sides}: give one of the same sides.",
            f"第二幅图像为 {given} 像素，而图像为 {sides}：请给出边长相同的图像。",
        )
    return other


def _scores(mask: NDArray[np.bool_], true: NDArray[np.bool_] | None) -> Scores | None:
    if true is None:
        return None
    from unet_playground.training.metrics import Truth, boundary_dice, dice, interior_dice

    own, known = mask.astype(np.uint8), Truth(true.astype(np.uint8))
    return Scores(*(metric(own, known, 2) for metric in (dice, interior_dice, boundary_dice)))
