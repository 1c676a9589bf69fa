"""Integrated gradients: the path from black, where it matters most closely looked at."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from unet_playground.analysis.attribution.result import CHUNK, Attribution, Question, ask, checked, flat
from unet_playground.analysis.base import Target, analyses
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper

MOST = 256
"""Steps after which the gap is reported as it is."""
GAP, MISSED = 0.02, 0.05
"""Shares of the total: what may miss over the whole path, and over its pieces without regard to sign."""
GOLDEN = (5**0.5 - 1) / 2


@analyses.register(
    "integrated-gradients",
    room="attribution",
    title="Integrated gradients",
    formula=r"$a_i = (x_i - x'_i) \int_0^1 \partial F(x' + t (x - x')) / \partial x_i \, dt$",
    paper=Paper("Sundararajan et al.", 2017, "Axiomatic Attribution for Deep Networks", "arXiv:1703.01365"),
    zh=Chinese(
        "积分梯度",
        "决定依据的是哪些输入像素。",
        "沿着从全黑图像到此图像的直线累积梯度。目标是一个像素、区域或物体的 logit 之和，或某类掩膜内的和"
        "（掩膜先固定）。各值之和应等于目标的变化；误差写在图旁。网络常在路径的一小段上就作出决定，因此默认把误差最大的一段不断对分，"
        "直到误差低于 2% 或用完 256 步。",
    ),
)
def integrated_gradients(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    steps: Annotated[int, Knob("Steps (0: as many as it takes)", "步数（0 为自动）", 0, MOST)] = 0,
    checks: Annotated[bool, Knob("More checks", "更多检验")] = False,
    watch: Watch = UNWATCHED,
) -> Attribution:
    """Which input pixels the decision rests on.

    Gradients are added up along the straight path from a black image to this one. The target is the logit of a pixel,
    or the sum of a class's logits over a region, an object or the mask that the model gives it (frozen first). The
    values should add up to the change of the target; how far they do not stands beside the picture. Networks often
    decide within a short piece of the path, so by default the piece that misses most is halved, again and again, until
    the gap is under 2% or 256 steps are spent.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        steps: Points on the path by Gauss-Legendre quadrature, as Captum's; 0 lets the path choose them.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it before every few steps; is shown coarse results.
    """
    question = ask(model, image, target, watch)
    along = partial(_fixed, steps=steps) if steps else _adaptive
    result = along(question, target)
    return checked(result, question, lambda other: torch.from_numpy(along(other, target).values)) if checks else result


def _fixed(question: Question, target: Target, steps: int) -> Attribution:
    """Gauss-Legendre quadrature; points far apart come first, so that the first picture is of the whole path."""
    image, pixels = question.image, int(question.region.sum())
    nodes, weights = ((numbers + offset) / 2 for numbers, offset in zip(_legendre(steps), (1, 0), strict=True))
    order = np.argsort(np.arange(1, steps + 1) * GOLDEN % 1)
    total = question.rises(torch.zeros_like(image))
    summed = torch.zeros_like(image)
    for start in range(0, steps, CHUNK):
        chosen = order[start : start + CHUNK]
        _, gradients = question.slope(_at(image, nodes[chosen]))
        summed.add_(_column(image, weights[chosen]).mul(gradients).sum(0, keepdim=True))
        done = start + len(chosen)
        if done < steps and done & (done - 1) == 0:
            coarse = flat(summed * image / weights[order[:done]].sum())
            question.watch.show(Attribution(target, coarse, total, done, pixels))
    return Attribution(target, flat(summed * image), total, steps, pixels)


def _legendre(steps: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(steps)


@dataclass(frozen=True)
class _Node:
    """A point of the path: how far along, the target there, and gradient times image, (h, w)."""

    share: float
    said: float
    values: Tensor


@dataclass(frozen=True)
class _Piece:
    """From one node to the next, by the trapezoidal rule."""

    low: _Node
    high: _Node

    @property
    def values(self) -> Tensor:
        return (self.low.values + self.high.values) * ((self.high.share - self.low.share) / 2)

    @property
    def missed(self) -> float:
        """What the values add up to, less what the target really changes by."""
        return float(self.values.sum(dtype=torch.float64)) - (self.high.said - self.low.said)


def _adaptive(question: Question, target: Target) -> Attribution:
    """Pieces of the path, the two that miss most halved at a time, until what they miss is small."""
    low, high = _looked(question, [0.0, 1.0])
    pieces = {_Piece(low, high): _Piece(low, high).missed}
    total, steps, shown = high.said - low.said, 2, 0
    while not _close(pieces.values(), total) and steps < MOST:
        if steps >= 2 * shown:
            shown = steps
            question.watch.show(_summed(question, target, list(pieces), total, steps))
        worst = sorted(pieces, key=lambda piece: -abs(pieces[piece]))[: min(CHUNK, MOST - steps)]
        middles = _looked(question, [(piece.low.share + piece.high.share) / 2 for piece in worst])
        for piece, middle in zip(worst, middles, strict=True):
            del pieces[piece]
            halves = (_Piece(piece.low, middle), _Piece(middle, piece.high))
            pieces |= {half: half.missed for half in halves}
        steps += len(middles)
    return _summed(question, target, list(pieces), total, steps)


def _close(missed: Collection[float], total: float) -> bool:
    """Whether little is missed, and not only because too much here makes up for too little there."""
    return abs(sum(missed)) <= GAP * abs(total) / 2 and sum(map(abs, missed)) <= MISSED * abs(total)


def _looked(question: Question, shares: list[float]) -> list[_Node]:
    said, gradients = question.slope(_at(question.image, np.array(shares)))
    values = (gradients * question.image).sum(1)
    return [_Node(*one) for one in zip(shares, said.tolist(), values, strict=True)]


def _summed(question: Question, target: Target, pieces: list[_Piece], total: float, steps: int) -> Attribution:
    """Every node once, with half the length of the pieces that it ends."""
    values = torch.zeros_like(question.region)
    for piece in sorted(pieces, key=lambda piece: piece.low.share):
        values += piece.values
    return Attribution(target, flat(values), total, steps, int(question.region.sum()))


def _at(image: Tensor, shares: np.ndarray) -> Tensor:
    """Images (n, c, h, w) at shares of the path from black to the image."""
    return image * _column(image, shares)


def _column(image: Tensor, numbers: np.ndarray) -> Tensor:
    return torch.as_tensor(numbers, dtype=image.dtype, device=image.device)[:, None, None, None]
