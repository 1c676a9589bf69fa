"""Many designs on one image: where do they differ?"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, agreement, analyses
from unet_playground.analysis.uncertainty.doubt import fitting, mean_over
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.inference import load_model, read_out, task_of
from unet_playground.model import Origin, UNet
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.space import draw
from unet_playground.taps import Tap
from unet_playground.training.measure import bank_card


@dataclass(frozen=True)
class Disagreement:
    """What many designs say of one image.

    Attributes:
        target: What was asked.
        designs: Who was asked, with the bank's weights.
        differ: float32 (h, w), share of the designs that do not say what most of them say, 0 to 0.5.
        spread: float32 (h, w), standard deviation of the class's probability over the designs, 0 to 0.5.
        areas: float32 (designs,), pixels of the class in each mask.
        inside: Mean share against the majority where the target lies; 0 where it lies nowhere.
        own: Pixels of the class in the mask of the network at hand, which need not be one of the designs.
        agreements: float32 (designs,), Dice of each mask with the mask of the majority.
        scores: float32 (designs + 1,), Dice with the truth of each mask and of the majority's; None without truth.
    """

    target: Target
    designs: tuple[Design, ...]
    differ: NDArray[np.float32]
    spread: NDArray[np.float32]
    areas: NDArray[np.float32]
    inside: float
    own: int
    agreements: NDArray[np.float32]
    scores: NDArray[np.float32] | None

    @property
    def check(self) -> Text:
        """Where the network at hand stands among the designs, or the majority against the truth."""
        if self.scores is not None:
            middle, majority = float(np.median(self.scores[:-1])), float(self.scores[-1])
            return Text(
                f"Dice with the truth is {middle:.3f} for the middle design, {majority:.3f} for the majority of them.",
                f"与真值的 Dice：居中的设计为 {middle:.3f}，多数表决为 {majority:.3f}。",
            )
        inside = bool(self.areas.min() <= self.own <= self.areas.max())
        where = Text("inside", "之内") if inside else Text("outside", "之外")
        return Text(
            f"This network's own area, {self.own} px, lies {where.en} the range of the designs.",
            f"当前网络自己的面积为 {self.own} 像素，在这些设计的范围{where.zh}。",
        )

    @property
    def facts(self) -> Text:
        """The range of the area, and how much of the image is disputed."""
        low, middle, high = self.areas.min(), float(np.median(self.areas)), self.areas.max()
        share, disputed = 100 / self.differ.size, 100 * float((self.differ > 0).mean())
        return Text(
            f"{len(self.designs)} designs see {low:.0f} to {high:.0f} px of class {self.target.label}, {middle:.0f} px "
            f"in the middle ({low * share:.1f}%, {high * share:.1f}% and {middle * share:.1f}% of the image). They "
            f"differ at {disputed:.1f}% of the pixels (in {self.target.text.en} {100 * self.inside:.1f}% of "
            f"the designs are against the majority on average); Dice of a mask with the majority "
            f"{self.agreements.min():.3f} to {self.agreements.max():.3f}.",
            f"{len(self.designs)} 个设计看到的类别 {self.target.label} 为 {low:.0f} 至 {high:.0f} 像素，中位数 "
            f"{middle:.0f}（占图像的 {low * share:.1f}%、{high * share:.1f}% 和 {middle * share:.1f}%）。"
            f"有 {disputed:.1f}% 的像素存在分歧（在{self.target.text.zh}内平均有 {100 * self.inside:.1f}% "
            f"的设计与多数不同）；各掩膜与多数的 Dice 为 {self.agreements.min():.3f} 至 {self.agreements.max():.3f}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        scores = {} if self.scores is None else {"scores": self.scores}
        return {
            "differ": self.differ,
            "spread": self.spread,
            "areas": self.areas,
            "own": np.array(self.own, np.float32),
            "agreements": self.agreements,
            **scores,
        }


class _Pauses(Tap):
    """Lets a watch end a pass at every feature map."""

    def __init__(self, watch: Watch):
        self._watch = watch

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        self._watch.between()
        return tensor


@analyses.register(
    "disagreement",
    room="uncertainty",
    title="Disagreement between designs",
    formula=r"$D(p) = \frac{1}{k} \#\{i : m_i(p) \neq \mathrm{majority}(p)\}$",
    paper=Paper(
        "Lakshminarayanan et al.",
        2017,
        "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
        "arXiv:1612.01474",
    ),
    zh=Chinese(
        "设计之间的分歧",
        "许多设计看同一幅图，在哪里不一致。",
        "从权重库中固定地抽取若干随机设计，各自分割这幅图。图中显示每个像素有多大比例的设计与多数不同；面积给出最小、中位和最大值："
        "这是“换一种设计结果会差多少”的直接回答。这些设计共享权重和同样的训练图像，因此分歧小不等于正确，"
        "且权重库中较弱的设计会使范围变宽。",
    ),
)
def disagreement(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    designs: Annotated[int, Knob("Designs", "设计数", 2, 16)] = 8,
    watch: Watch = UNWATCHED,
    truth: NDArray[np.uint8] | None = None,
) -> Disagreement:
    """Where many designs differ on this image.

    Random designs, always the same ones, segment the image with the bank's weights. The map shows which share of them
    differs from what most of them say; the area is given as smallest, middle and largest: a direct answer to how much
    the result hangs on the design. They share weights and one set of training images, so little disagreement does not
    mean right, and a weak design of the bank makes the range wide.

    Args:
        model: A model loaded for a task with a bank; its own area stands beside theirs.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Its class is asked about.
        designs: How many.
        watch: May end it between designs, and is shown a result after every second one.
        truth: uint8 (h, w), true classes.
    """
    region = target.pixels(model, image).cpu().numpy() > 0
    chosen = drawn_designs(model, designs)
    with torch.inference_mode():
        own = int((read_out(model(image)).mask == target.label).sum())
    origin: Origin = model.origin  # type: ignore[assignment]  # `drawn_designs` refuses a model without one
    seen: list[NDArray[np.float32]] = []
    for design in chosen:
        watch.between()
        one = load_model(origin.task, design, "shared", image.device)
        with torch.inference_mode():
            seen.append(read_out(one(image, _Pauses(watch))).probability)
        if len(seen) % 2 == 0 and len(seen) < len(chosen):
            watch.show(summarised(seen, chosen, target, region, own, truth))
    return summarised(seen, chosen, target, region, own, truth)


def drawn_designs(model: UNet, count: int) -> tuple[Design, ...]:
    """The first `count` different designs that chance with seed 0 draws from the bank of the model's task.

    Raises:
        PlaygroundError: The model was not loaded for a task.
        UnusableWeights: Its task has no bank.
    """
    task_of(model)
    origin: Origin = model.origin  # type: ignore[assignment]
    card = bank_card(origin.task)
    rng, base = random.Random(0), Design.from_json(card.design)
    drawn: dict[Design, None] = {}
    while len(drawn) < count:
        design = draw(rng, base=base)
        if card.serves(design):  # it knows nothing of parts that were added later
            drawn[design] = None
    return tuple(drawn)


def summarised(
    seen: Sequence[NDArray[np.float32]],
    designs: Sequence[Design],
    target: Target,
    region: NDArray[np.bool_],
    own: int,
    truth: NDArray[np.uint8] | None = None,
) -> Disagreement:
    """How far probabilities (classes, h, w) of several designs differ.

    Args:
        seen: One per design that was asked so far.
        designs: All that are asked; the first of them were.
        target: Its class is asked about.
        region: (h, w), where the target lies.
        own: Pixels of the class in the mask of the network at hand.
        truth: uint8 (h, w), true classes.
    """
    masks = np.stack([one.argmax(0) == target.label for one in seen])
    votes = masks.mean(0)
    majority, differ = votes > 0.5, np.minimum(votes, 1 - votes).astype(np.float32)
    scores = None
    if truth is not None:
        true = fitting(truth, majority) == target.label
        scores = np.array([agreement(mask, true) for mask in (*masks, majority)], np.float32)
    return Disagreement(
        target=target,
        designs=tuple(designs[: len(seen)]),
        differ=differ,
        spread=np.std([one[target.label] for one in seen], axis=0, dtype=np.float64).astype(np.float32),
        areas=masks.sum((1, 2)).astype(np.float32),
        inside=mean_over(differ, region),
        own=own,
        agreements=np.array([agreement(mask, majority) for mask in masks], np.float32),
        scores=scores,
    )
