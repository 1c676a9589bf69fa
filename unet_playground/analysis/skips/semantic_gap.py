"""How well classes can be told apart in what crosses and in the decoder's features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses, in_cells
from unet_playground.analysis.skips.crossing import fitting_truth, levels_crossed
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import Text
from unet_playground.inference import read_out
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Paper

STAGES = ("skip", "up", "decoder")
TILES = 8
"""Rows and columns of the chessboard whose white and black fields take turns in fitting and in testing."""
RIDGE = 1e-3
"""Of the mean variance of a channel: enough for channels that are silent or copies."""
PIXELS = 65536
"""How many of a level's pixels are looked at, evenly spread."""
SEED = 0


@dataclass(frozen=True)
class SemanticGap:
    """How well a linear probe tells the classes apart, by place: share of their variance explained, 0 to 1.

    Attributes:
        levels: Stage (`skip`, `up`, `decoder`) -> its levels, finest first; `skip` has none where nothing crosses.
        values: Stage -> one number per level, on pixels that the probe was not fitted to.
        chance: The largest number that the same probes reach once the labels are shuffled.
        true: Whether the labels are the truth; else they are the model's own mask.
        mixed: Whether more than one class is there to be told apart.
    """

    levels: Mapping[str, tuple[int, ...]]
    values: Mapping[str, NDArray[np.float32]]
    chance: float
    true: bool
    mixed: bool

    @property
    def gap(self) -> NDArray[np.float32]:
        """The upsampled decoder features less what crosses, for every level at which something does."""
        met = [self.values["up"][self.levels["up"].index(level)] for level in self.levels["skip"]]
        return np.array(met, np.float32) - self.values["skip"]

    @property
    def check(self) -> Text:
        """What the probes find where there is nothing to find."""
        return Text(
            f"With the labels shuffled the same probes explain at most {100 * self.chance:.1f}% (0% is right).",
            f"打乱标签后，同样的探针最多解释 {100 * self.chance:.1f}%（应为 0%）。",
        )

    @property
    def facts(self) -> Text:
        """The widest gap, and whose classes were told apart."""
        if not self.mixed:
            return Text(
                "Only one class is there, so there is nothing to tell apart: choose another image.",
                "只有一个类别，无从区分：请换一幅图像。",
            )
        whose = Text("the truth", "真值") if self.true else Text("the model's own mask", "模型自己的掩膜")
        if not self.levels["skip"]:
            best = self.values["decoder"][0]
            return Text(
                f"Nothing crosses in this design; of {whose.en} the finest decoder stage explains {100 * best:.0f}%.",
                f"该设计中没有任何特征跨越；最精细的解码级解释{whose.zh}的 {100 * best:.0f}%。",
            )
        at = int(np.argmax(np.abs(self.gap)))
        level, own, gap = self.levels["skip"][at], self.values["skip"][at], self.gap[at]
        return Text(
            f"The semantic gap is widest at level {level}: of {whose.en} the upsampled decoder features explain "
            f"{100 * (own + gap):.0f}% and what crosses {100 * own:.0f}% (gap {100 * gap:+.0f} points); level 0 is the "
            "finest.",
            f"语义鸿沟在第 {level} 级最大：{whose.zh}中，上采样的解码特征解释 {100 * (own + gap):.0f}%，"
            f"跨越的特征解释 {100 * own:.0f}%（相差 {100 * gap:+.0f} 个百分点）；第 0 级最精细。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {**{stage: self.values[stage] for stage in STAGES}, "gap": self.gap}


@analyses.register(
    "semantic-gap",
    room="skips",
    title="Semantic gap",
    formula=r"$R^2 = 1 - \sum \|y_p - W s_p\|^2 / \sum \|y_p - \bar y\|^2$",
    paper=Paper("Zhou et al.", 2018, "UNet++", "arXiv:1807.10165"),
    zh=Chinese(
        "语义鸿沟",
        "在跨越的特征和解码特征中，类别各有多好区分。",
        "UNet++ 认为相遇的两组特征语义相差太远。这里给它一个数：在每一级用线性探针（岭回归）"
        "由一个像素的特征预测它的类别，并报告在未参与拟合的像素上解释的方差。"
        "图像分成 8×8 的棋盘，黑白格轮流拟合与检验。标签为真值，没有时为模型自己的掩膜；"
        "粗的级上一个格子取占多数的类别。",
    ),
)
def semantic_gap(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    watch: Watch = UNWATCHED,
    truth: NDArray[np.uint8] | None = None,
) -> SemanticGap:
    """How well classes can be told apart in what crosses and in the decoder's features.

    UNet++ holds that the features which meet at a skip are too far apart in meaning. Here the distance is a number: at
    every level a linear probe (ridge regression) predicts the class of a pixel from its features, and the share of
    variance that it explains on pixels it was not fitted to is reported. The image is a chessboard of 8 x 8 fields;
    white and black ones take turns in fitting and testing. Labels are the truth, or else the model's own mask; at
    coarse levels a cell has the class of most of its pixels.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Only checked: all classes are told apart together.
        watch: May end it before every probe.
        truth: True classes (h, w).

    Source: Alain and Bengio 2016, Understanding intermediate layers using linear classifier probes.
    """
    target.checked(model, image)
    labels = None if truth is None else fitting_truth(truth, image)
    with torch.inference_mode():
        trace = model.trace(image, lambda name: name.startswith(tuple(f"{stage}." for stage in STAGES)))
        own = read_out(trace.logits).mask if labels is None else labels
        classes = F.one_hot(torch.from_numpy(own).long(), model.classes).permute(2, 0, 1)[None].float()
        everywhere = tuple(range(model.design.depth))
        levels = {"skip": levels_crossed(trace.features), "up": everywhere, "decoder": everywhere}
        values, chance = {}, 0.0
        for stage in STAGES:
            found = []
            for level in levels[stage]:
                watch.between()
                features, wanted = _pixels(trace.features[f"{stage}.{level}"], classes)
                found.append(_explained(features, wanted))
                shuffled = np.random.default_rng(SEED).permutation(wanted.reshape(-1, wanted.shape[2]))
                chance = max(chance, _explained(features, shuffled.reshape(wanted.shape)))
            values[stage] = np.array(found, np.float32)
    return SemanticGap(levels, values, chance, truth is not None, bool((own != own[0, 0]).any()))


def _pixels(features: Tensor, classes: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features and classes (one-hot) of evenly spread pixels of a level: (rows, columns, channels) of both."""
    height, width = features.shape[2:]
    shares = in_cells(classes, (height, width))[0]
    most = F.one_hot(shares.argmax(0), len(shares)).double()
    step = int(np.ceil((height * width / PIXELS) ** 0.5))
    own = features[0].permute(1, 2, 0).double().cpu()
    return own[::step, ::step].numpy(), most[::step, ::step].numpy()


def _explained(features: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Share of the variance of `wanted` (h, w, k) that a linear probe on `features` (h, w, c) explains, 0 to 1.

    Every pixel is predicted by the probe that was fitted to the fields of the other colour; what is worse than the
    mean counts as 0.
    """
    height, width = wanted.shape[:2]
    rows, columns = (np.arange(side) * min(TILES, side) // side for side in (height, width))
    white = (rows[:, None] + columns) % 2 == 0
    total = float(((wanted - wanted.mean((0, 1))) ** 2).sum())
    if total == 0 or white.all():
        return 0.0
    missed = sum(
        float(((wanted[~half] - _probe(features[half], wanted[half], features[~half])) ** 2).sum())
        for half in (white, ~white)
    )
    return max(0.0, 1 - missed / total)


def _probe(fitted: NDArray[np.float64], wanted: NDArray[np.float64], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge regression of `wanted` (n, k) on `fitted` (n, c), read at `asked` (m, c); (m, k)."""
    middle, mean = fitted.mean(0), wanted.mean(0)
    centred = fitted - middle
    gram = centred.T @ centred
    penalty = RIDGE * np.trace(gram) / len(gram) + 1e-12
    weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), centred.T @ (wanted - mean))
    return (asked - middle) @ weights + mean
