"""The same image flipped, turned and with other contrast: does the network say the same?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, agreement, analyses
from unet_playground.analysis.uncertainty.doubt import entropy_of, fitting, mean_over
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import Text
from unet_playground.inference import read_out
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.training.datasets import datasets

TURNS = 8
"""Four quarter turns, each with and without a flip; the first leaves the image as it is."""


@dataclass(frozen=True)
class Augmented:
    """What a network says of the variants of one image.

    Attributes:
        target: What was asked.
        mean: float32 (classes, h, w), probabilities averaged over the variants.
        spread: float32 (h, w), standard deviation of the class's probability over the variants, 0 to 0.5.
        entropy: float32 (h, w) of the averaged probabilities, 0 to 1.
        areas: float32 (variants,), pixels of the class in each variant, the unchanged image first.
        turns: How many of the variants are the image flipped or turned; 0 where training images lie one way.
        dice: Agreement of the averaged mask with that of the unchanged image.
        inside: Mean spread where the target lies.
        against_truth: Dice with the truth of the unchanged image's mask and of the averaged one; None without truth.
    """

    target: Target
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    entropy: NDArray[np.float32]
    areas: NDArray[np.float32]
    turns: int
    dice: float
    inside: float
    against_truth: tuple[float, float] | None

    @property
    def check(self) -> Text:
        """Whether averaging helps, or how little it changes."""
        if self.against_truth is not None:
            alone, averaged = self.against_truth
            return Text(
                f"Dice with the truth is {alone:.4f} for the image alone, {averaged:.4f} for the mean of its variants.",
                f"与真值的 Dice：单独图像为 {alone:.4f}，各变体取平均后为 {averaged:.4f}。",
            )
        moved = Text("turns and flips are undone without interpolation", "旋转和翻转的还原不经插值")
        if not self.turns:
            moved = Text(
                "training images lie one way, so none is turned or flipped", "训练图像方向固定，因此不旋转也不翻转"
            )
        return Text(
            f"The mask of the mean agrees with that of the image alone: Dice {self.dice:.4f}; {moved.en}.",
            f"平均后的掩膜与单独图像的掩膜一致程度：Dice {self.dice:.4f}；{moved.zh}。",
        )

    @property
    def facts(self) -> Text:
        """The range of the area and the mean spread."""
        low, high, size = self.areas.min(), self.areas.max(), self.spread.size
        share = 100 / size
        return Text(
            f"Over {len(self.areas)} variants class {self.target.label} covers {low:.0f} to {high:.0f} px "
            f"({low * share:.1f}% to {high * share:.1f}% of the image; alone {self.areas[0]:.0f} px). The probability "
            f"spreads by {self.spread.mean():.3f} on average, by {self.inside:.3f} in {self.target.text.en}.",
            f"在 {len(self.areas)} 个变体中，类别 {self.target.label} 占 {low:.0f} 至 {high:.0f} 像素"
            f"（图像的 {low * share:.1f}% 至 {high * share:.1f}%；单独图像为 {self.areas[0]:.0f} 像素）。"
            f"概率的标准差平均为 {self.spread.mean():.3f}，在{self.target.text.zh}内为 {self.inside:.3f}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {"mean": self.mean, "spread": self.spread, "entropy": self.entropy, "areas": self.areas}


@analyses.register(
    "test-time-augmentation",
    room="uncertainty",
    title="Test-time augmentation",
    formula=r"$\bar p = \frac{1}{n} \sum_t t^{-1} f(t\, x)$",
    paper=Paper(
        "Wang et al.",
        2019,
        "Aleatoric uncertainty estimation with test-time augmentation",
        "doi:10.1016/j.neucom.2019.01.103",
    ),
    zh=Chinese(
        "测试时增强",
        "图像翻转、旋转或改变对比度后，网络说的是否一样。",
        "八种翻转和直角旋转都能精确还原；只有训练图像没有固定方向时才采用，否则转过的图像网络从未见过。"
        "再把网络的输入（任务准备好之后）的数值略微放大和缩小各一次。各次概率的标准差显示结果在哪里取决于这些变化；"
        "面积的范围说明测量值有多稳。平均通常略好于单次。它显示不了所有变体共有的错误。",
    ),
)
def augmented(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    intensity: Annotated[float, Knob("Contrast of the network's input, ±", "网络输入的对比度 ±", 0, 0.5)] = 0.1,
    watch: Watch = UNWATCHED,
    truth: NDArray[np.uint8] | None = None,
) -> Augmented:
    """Whether the network says the same of the image flipped, turned or with other contrast.

    All eight flips and quarter turns are undone exactly. They are taken where training images lie in any orientation;
    elsewhere a turned image is merely strange. Then what the network is given, once the task has prepared it, is
    scaled up once and down once. The standard deviation over the variants shows where the answer depends on such
    changes; the range of the area says how firm a measurement is. The mean is often a little better than one pass. An
    error that all variants share does not show.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Its class is asked about.
        intensity: By which share the input's values grow and shrink; without it only flips and turns are done.
        watch: May end it between passes, and is shown the result of the first few variants.
        truth: uint8 (h, w), true classes.
    """
    region = target.pixels(model, image).cpu().numpy() > 0
    turns = natural_turns(model)
    variants = [(turn, 1.0) for turn in turns]
    if intensity:
        variants += [(0, 1 + intensity), (0, 1 - intensity)]
    seen: list[NDArray[np.float32]] = []
    for turn, factor in variants:
        watch.between()
        with torch.inference_mode():
            logits = model(turned(image * factor if factor != 1 else image, turn))
            seen.append(read_out(unturned(logits, turn)).probability)
        if len(seen) in (2, 4):
            watch.show(_summarised(seen, len(turns) - 1, target, region, truth))
    return _summarised(seen, len(turns) - 1, target, region, truth)


def natural_turns(model: UNet) -> tuple[int, ...]:
    """Those of the eight moves in which training showed images; none but the first of a model from nowhere."""
    origin = model.origin
    if origin is None or origin.task not in datasets:
        return (0,)
    recipe = datasets[origin.task].make.recipe_of(model.design)
    if recipe.turns:
        return tuple(range(TURNS))
    return (0, TURNS // 2) if recipe.mirrors else (0,)


def turned(x: Tensor, turn: int) -> Tensor:
    """(n, c, h, w) after one of eight moves: from 4 on flipped left to right, then turned by quarters."""
    return torch.rot90(x.flip(3) if turn >= TURNS // 2 else x, turn % 4, (2, 3))


def unturned(x: Tensor, turn: int) -> Tensor:
    """What `turned` did, undone."""
    back = torch.rot90(x, -(turn % 4), (2, 3))
    return back.flip(3) if turn >= TURNS // 2 else back


def _summarised(
    seen: list[NDArray[np.float32]],
    turns: int,
    target: Target,
    region: NDArray[np.bool_],
    truth: NDArray[np.uint8] | None,
) -> Augmented:
    mean = np.stack(seen).mean(0, dtype=np.float64).astype(np.float32)
    spread = np.std([one[target.label] for one in seen], axis=0, dtype=np.float64).astype(np.float32)
    masks = [(one.argmax(0) == target.label) for one in (*seen, mean)]
    alone, averaged = masks[0], masks[-1]
    true = None if truth is None else fitting(truth, mean[0]) == target.label
    return Augmented(
        target=target,
        mean=mean,
        spread=spread,
        entropy=entropy_of(mean),
        areas=np.array([mask.sum() for mask in masks[:-1]], np.float32),
        turns=turns,
        dice=agreement(alone, averaged),
        inside=mean_over(spread, region),
        against_truth=None if true is None else (agreement(alone, true), agreement(averaged, true)),
    )
