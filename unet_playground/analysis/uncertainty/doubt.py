"""How undecided a network is at every pixel."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses
from unet_playground.errors import PlaygroundError, Text
from unet_playground.inference import read_out
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Paper
from unet_playground.training.metrics import edge

NEAR = 2
"""Pixels from an outline that count as near it."""


@dataclass(frozen=True)
class Entropy:
    """The entropy of every pixel's class, as a share of the largest possible.

    Attributes:
        target: What was asked.
        entropy: float32 (h, w), 0 (certain) to 1 (all classes equally likely).
        inside: Mean where the target lies; 0 where it lies nowhere.
        outside: Mean elsewhere; 0 where there is no elsewhere.
        outline: Mean within 2 px of the outlines of the mask; 0 without outlines.
        near: Share of all entropy that lies within 2 px of the outlines.
        errors: Share of the wrong pixels that lie in the tenth of the pixels with the most entropy; None without truth
            or without a wrong pixel.
    """

    target: Target
    entropy: NDArray[np.float32]
    inside: float
    outside: float
    outline: float
    near: float
    errors: float | None

    @property
    def check(self) -> Text:
        """Where the wrong pixels lie, or where the doubt does."""
        if self.errors is not None:
            share = 100 * self.errors
            return Text(
                f"The most uncertain tenth of the pixels holds {share:.0f}% of the wrong ones (10% would be chance).",
                f"最不确定的十分之一像素包含 {share:.0f}% 的错误像素（随机为 10%）。",
            )
        return Text(
            f"{100 * self.near:.0f}% of the entropy lies within {NEAR} px of an outline: doubt about where outlines "
            "run; the rest is doubt about what things are.",
            f"{100 * self.near:.0f}% 的熵位于轮廓 {NEAR} 像素之内，是对轮廓位置的不确定；其余是对物体本身的不确定。",
        )

    @property
    def facts(self) -> Text:
        """Means by place."""
        mean, where = float(self.entropy.mean()), self.target.text
        return Text(
            f"Mean entropy {mean:.3f} (0 certain, 1 undecided): {self.inside:.3f} in class {self.target.label} "
            f"({where.en}), {self.outside:.3f} elsewhere, {self.outline:.3f} along outlines.",
            f"平均熵 {mean:.3f}（0 为确定，1 为无法决定）：类别 {self.target.label}（{where.zh}）内 {self.inside:.3f}，"
            f"其他地方 {self.outside:.3f}，轮廓附近 {self.outline:.3f}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {"entropy": self.entropy}


@analyses.register(
    "entropy",
    room="uncertainty",
    title="Entropy",
    formula=r"$H(p) = -\frac{1}{\log K} \sum_k p_k \log p_k$",
    paper=Paper("Shannon", 1948, "A Mathematical Theory of Communication", "doi:10.1002/j.1538-7305.1948.tb01338.x"),
    zh=Chinese(
        "熵",
        "网络在每个像素上有多犹豫。",
        "0 表示确定属于某一类，1 表示各类可能性相同。多数犹豫沿着轮廓，那里连人也难以决定。"
        "它说的只是网络自己的把握：网络可能很有把握却错了，校准曲线会显示这一点。有真值时，检查会说明错误像素是否落在犹豫之处。",
    ),
)
def entropy(model: UNet, image: Tensor, target: Target, *, truth: NDArray[np.uint8] | None = None) -> Entropy:
    """How undecided the network is at every pixel.

    0 is certain of one class, 1 finds all of them equally likely. Most of it lies along outlines, where people
    disagree as well. It is the network's own opinion of itself: a network can be certain and wrong, which the
    calibration curve shows. With the truth at hand the check says whether wrong pixels lie where it hesitates.
    """
    region = target.pixels(model, image).cpu().numpy() > 0
    with torch.inference_mode():
        read = read_out(model(image))
    values = entropy_of(read.probability)
    outlines = outline_band(read.mask)
    return Entropy(
        target=target,
        entropy=values,
        inside=mean_over(values, region),
        outside=mean_over(values, ~region),
        outline=mean_over(values, outlines),
        near=float(values[outlines].sum() / max(float(values.sum()), 1e-12)),
        errors=None if truth is None else _caught(values, read.mask != fitting(truth, read.mask)),
    )


def entropy_of(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Entropy of probabilities (classes, h, w) as a share of that of equally likely classes, float32 (h, w), 0 to 1."""
    p = probability.astype(np.float64)
    summed = -(p * np.log(np.maximum(p, 1e-300))).sum(0) / np.log(max(2, len(p)))
    return np.clip(summed, 0, 1).astype(np.float32)


def outline_band(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Every pixel within 2 px of the outline of any class of a mask (h, w)."""
    from scipy.ndimage import distance_transform_edt

    outlines = np.zeros(mask.shape, bool)
    for number in np.unique(mask[mask > 0]):
        outlines |= edge(mask == number)
    if not outlines.any():
        return outlines
    return np.asarray(distance_transform_edt(~outlines)) <= NEAR


def mean_over(values: NDArray[np.float32], region: NDArray[np.bool_]) -> float:
    """The mean over a region; 0 where it is empty."""
    return float(values[region].mean(dtype=np.float64)) if region.any() else 0.0


def fitting(truth: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The truth itself, if it has the mask's size."""
    if truth.shape != mask.shape:
        one, other = (" x ".join(map(str, sides)) for sides in (truth.shape, mask.shape))
        raise PlaygroundError(
            f"The truth is {one} px, the image {other}; give a truth of the image's size.",
            f"真值为 {one} 像素，图像为 {other}；请提供与图像同样大小的真值。",
        )
    return truth


def _caught(values: NDArray[np.float32], wrong: NDArray[np.bool_]) -> float | None:
    """Share of the wrong pixels among the tenth with the largest values."""
    if not wrong.any():
        return None
    order = np.argsort(-values, axis=None, kind="stable")
    return float(wrong.ravel()[order[: max(1, wrong.size // 10)]].sum() / wrong.sum())
