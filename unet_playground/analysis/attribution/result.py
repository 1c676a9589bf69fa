"""What every method of attribution gives, and the question that it is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.attribution.checks import Curves, deletion_insertion, randomisation
from unet_playground.analysis.base import Target
from unet_playground.analysis.watch import Watch
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.taps import IGNORE, Tap

CHUNK = 2
"""Images that are computed together: fastest on a CPU, and memory stays small."""
LOGITS = Text("attribution in logits", "归因（logit）")
SLOPE = Text("logits per unit of the input", "logit / 输入单位")
CURVES_SAID = Text(
    "Replacing its strongest pixels first by {filling} leaves {deletion} of the target on average ({random} in random "
    "order; less is better), bringing them in first gives {insertion} ({random}; more is better).",
    "先把最强像素换成{filling}，目标平均剩 {deletion}（随机顺序 {random}，越小越好）；"
    "先插入最强像素，目标平均达 {insertion}（随机 {random}，越大越好）。",
)
UNLOWERED = Text(
    "Neither blurring nor blackening this image lowers the target, so deletion says nothing here.",
    "无论把这幅图像模糊还是涂黑，目标都不下降，因此删除检验在此无话可说。",
)


@dataclass(frozen=True)
class Attribution:
    """How much each input pixel adds to the target.

    Attributes:
        target: What was asked about.
        values: float32 (h, w), summed over input channels; positive speaks for the class.
        total: Target of the image minus target of the baseline: what complete values add up to.
        steps: Points at which the method looked.
        pixels: Whose logits were added up; 0 where the model gives the class no pixel.
        complete: Whether the method promises that the values add up to the total.
        unit: What the values are measured in.
        curves: Deletion and insertion, where they were asked for and a filling lowers the target.
        kept: Rank correlation of the method's |values| of the whole image with those after the weights were shuffled,
            -1 to 1, where it was asked for.
    """

    target: Target
    values: NDArray[np.float32]
    total: float
    steps: int
    pixels: int = 1
    complete: bool = True
    unit: Text = LOGITS
    curves: Curves | None = None
    kept: float | None = None

    @property
    def gap(self) -> float:
        """|sum of the values - total| / |total|: 0 when the attribution is complete."""
        error = abs(float(self.values.sum(dtype=np.float64)) - self.total)
        return error / abs(self.total) if self.total else (0.0 if error == 0 else float("inf"))

    @property
    def check(self) -> Text:
        """The completeness gap of methods that promise it, then what deletion, insertion and shuffled weights say."""
        if not self.pixels:
            return Text(
                "The mask holds no pixel of this class, so there is nothing to attribute: click a pixel or ask about "
                "another class.",
                "掩膜中没有该类别的像素，因此无可归因：请点击一个像素，或询问其他类别。",
            )
        said = [*self._gap_said(), *self._curves_said(), *self._kept_said()] or [
            Text(
                "Not checked by deletion, insertion and shuffled weights.",
                "尚未用删除、插入与打乱权重检验。",
            )
        ]
        return Text(" ".join(one.en for one in said), "".join(one.zh for one in said))

    @property
    def facts(self) -> Text:
        """How concentrated the values are, and how much of them speaks for the class."""
        size = np.abs(self.values).astype(np.float64)
        label, asked = self.target.label, self.target.text
        if not size.any():
            return Text(
                f"Class {label}, {asked.en}: no pixel has any attribution.",
                f"类别 {label}，{asked.zh}：没有任何像素有归因。",
            )
        summed = np.cumsum(np.sort(size, axis=None)[::-1])
        half = 100 * (int(np.searchsorted(summed, summed[-1] / 2)) + 1) / size.size
        speaks = 100 * float(size[self.values > 0].sum() / summed[-1])
        row, column = np.unravel_index(int(size.argmax()), size.shape)
        # Where nothing speaks against it the method has no sign, and there is no share to tell.
        en, zh = f", {speaks:.0f}% of it speaks for the class,", f"其中 {speaks:.0f}% 支持该类别，"
        if not (self.values < 0).any():
            en = zh = ""
        return Text(
            f"Class {label}, {asked.en}: half of the attribution lies in {half:.1f}% of the pixels{en} and the "
            f"strongest pixel is {row}, {column}.",
            f"类别 {label}，{asked.zh}：一半的归因集中在 {half:.1f}% 的像素中，{zh}最强的像素为（{row}，{column}）。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        """The values, and the curves where they were asked for."""
        return {"attribution": self.values, **(self.curves.arrays() if self.curves else {})}

    def _gap_said(self) -> list[Text]:
        if not self.complete:
            return []
        en, zh = (f"with {self.steps} steps", f"{self.steps} 步的") if self.steps > 1 else ("in one pass", "一次计算的")
        return [
            Text(
                f"Completeness gap {100 * self.gap:.1f}% {en}: the values should add up to the "
                "change of the target between the baseline and this image.",
                f"{zh}完备性误差 {100 * self.gap:.1f}%：各值之和应等于目标从基线到此图像的变化。",
            )
        ]

    def _curves_said(self) -> list[Text]:
        if self.curves is None:
            return [] if self.kept is None else [UNLOWERED]
        areas = {name: f"{value:.2f}" for name, value in self.curves.areas.items()}
        return [CURVES_SAID.format(filling=self.curves.filling, **areas)]

    def _kept_said(self) -> list[Text]:
        if self.kept is None:
            return []
        return [
            Text(
                f"Asked about the whole image, rank correlation with the same method on shuffled weights "
                f"{self.kept:.2f} (near 0 is right: near 1 it would show the image and not the network).",
                f"询问整幅图像时，与打乱权重后同一方法的秩相关 {self.kept:.2f}"
                "（接近 0 为好：接近 1 说明它显示的是图像而非网络）。",
            )
        ]


@dataclass(frozen=True)
class Question:
    """A target that is frozen, so that it can be asked of other images and of networks with other weights.

    Attributes:
        model: The network.
        image: (1, c, h, w), a copy that nobody else holds.
        label: The class.
        region: (h, w), 1 where its logits count.
        watch: May end the computation.
        heard: Logits of the image, where they were read to freeze the target.
    """

    model: UNet
    image: Tensor
    label: int
    region: Tensor
    watch: Watch
    heard: Tensor | None = None

    def aim(self, images: Tensor, tap: Tap = IGNORE) -> Tensor:
        """The sum of the class's logits over the frozen region, (n,), of images (n, c, h, w)."""
        self.watch.between()
        return (self.model(images, tap)[:, self.label] * self.region).sum((1, 2))

    def aims(self, images: Tensor) -> Tensor:
        """Likewise without a gradient, a few images at a time."""
        with torch.no_grad():
            return torch.cat([self.aim(chunk) for chunk in images.split(CHUNK)])

    def rises(self, baseline: Tensor) -> float:
        """By how much the target of the image is above the mean of that of baselines (n, c, h, w)."""
        known = self.heard
        whole = self.aims(self.image) if known is None else (known[:, self.label] * self.region).sum((1, 2))
        return float((whole - self.aims(baseline)).mean())

    def slope(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Target (n,) of a few images and its gradient (n, c, h, w)."""
        asked = images.contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.enable_grad():
            said = self.aim(asked)
            (gradient,) = torch.autograd.grad(said.sum(), asked)
        return said.detach(), gradient


def ask(model: UNet, image: Tensor, target: Target, watch: Watch) -> Question:
    """Freeze a target."""
    listening = _Listening(model)
    region = target.pixels(listening, image)  # type: ignore[arg-type]
    return Question(model, image.detach().clone(), target.label, region, watch, listening.heard)


class _Listening:
    """A network whose last logits are kept, so that the pass in which a target is frozen need not be run again."""

    def __init__(self, model: UNet):
        self.classes, self._model = model.classes, model
        self.heard: Tensor | None = None

    def __call__(self, image: Tensor, tap: Tap = IGNORE) -> Tensor:
        self.heard = logits = self._model(image, tap)
        return logits


def answer(
    question: Question,
    target: Target,
    method: Callable[[Question], Tensor],
    *,
    steps: int = 1,
    unit: Text = LOGITS,
    baseline: Tensor | None = None,
    checks: bool = False,
) -> Attribution:
    """What a method says, shown before it is checked.

    Args:
        question: The frozen target.
        target: What it was frozen from.
        method: Values (c, h, w) or (h, w) of a question; it is asked again of shuffled weights.
        steps: Points at which it looks.
        unit: Of its values.
        baseline: (n, c, h, w): the images against which complete values add up; None where a method promises nothing.
        checks: Whether deletion, insertion and shuffled weights are added.
    """
    against = torch.zeros_like(question.image) if baseline is None else baseline
    values = flat(method(question))
    total = question.rises(against)
    pixels, complete = int(question.region.sum()), baseline is not None
    result = Attribution(target, values, total, steps, pixels, complete, unit)
    return checked(result, question, method) if checks else result


def checked(result: Attribution, question: Question, method: Callable[[Question], Tensor]) -> Attribution:
    """A result with deletion, insertion and shuffled weights; it is shown before."""
    if not result.pixels:
        return result
    question.watch.show(result)
    curves = deletion_insertion(question.aims, question.image, result.values)
    everywhere = torch.ones_like(question.region)
    wide = replace(question, region=everywhere, watch=_Unshown(question.watch), heard=None)
    return replace(result, curves=curves, kept=randomisation(wide, lambda other: flat(method(other))))


class _Unshown(Watch):
    """May end a computation whose results on the way are nobody's business."""

    def __init__(self, watch: Watch):
        self.between = watch.between


def flat(values: Tensor) -> NDArray[np.float32]:
    """(h, w) float32 of values (1, c, h, w), (c, h, w) or (h, w), summed over all but the last two axes."""
    own = values.detach().float()
    return own.sum(tuple(range(own.dim() - 2))).cpu().numpy() if own.dim() > 2 else own.cpu().numpy()
