"""Whether an attribution means anything: deletion, insertion, and what is left of it when the weights are shuffled."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

POINTS = 12
SEED = 0


@dataclass(frozen=True)
class Curves:
    """The target over the share of pixels that are in place: 1 for the image, 0 where all are replaced.

    Attributes:
        shares: float32 (p,), share of the pixels that were touched, 0 to 1.
        deletion: float32 (p,), the target when the strongest pixels are replaced first.
        insertion: float32 (p,), the target when the strongest pixels are brought in first.
        random: float32 (p,), deletion in random order; insertion in random order is the same, read from its end.
    """

    shares: NDArray[np.float32]
    deletion: NDArray[np.float32]
    insertion: NDArray[np.float32]
    random: NDArray[np.float32]

    @property
    def areas(self) -> Mapping[str, float]:
        """Area under each curve: the mean of the target over the shares."""
        curves = {"deletion": self.deletion, "insertion": self.insertion, "random": self.random}
        return {name: float(np.trapezoid(curve, self.shares)) for name, curve in curves.items()}

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {
            "shares": self.shares,
            "deletion": self.deletion,
            "insertion": self.insertion,
            "deletion.random": self.random,
        }


def deletion_insertion(
    aims: Callable[[Tensor], Tensor],
    image: Tensor,
    values: NDArray[np.float32],
    *,
    points: int = POINTS,
    filling: Tensor | None = None,
) -> Curves:
    """The target while pixels are replaced, and while they are brought in, in falling order of their values.

    Args:
        aims: Target (n,) of images (n, c, h, w).
        image: (1, c, h, w).
        values: (h, w).
        points: Of each curve, both ends included.
        filling: (1, c, h, w), what pixels are replaced by; the blurred image by default.

    Source: Petsiuk et al. 2018, RISE, arXiv:1806.07421.
    """
    filling = blurred(image) if filling is None else filling
    shares = np.linspace(0, 1, points)
    ranks = {
        "strong": _ranks(-values.ravel()),
        "random": np.random.default_rng(SEED).permutation(values.size),
    }
    whole, nothing = (float(one) for one in aims(torch.cat([image, filling])))

    def curve(order: str, deletes: bool) -> NDArray[np.float32]:
        means = []
        for share in shares[1:-1]:
            touched = torch.from_numpy((ranks[order] < round(share * values.size)).reshape(values.shape))
            means.append(torch.where(touched.to(image.device) == deletes, filling, image))
        inner = [float(one) for start in range(0, len(means), 2) for one in aims(torch.cat(means[start : start + 2]))]
        ends = (whole, nothing) if deletes else (nothing, whole)
        return _normalised(np.array([ends[0], *inner, ends[1]]), whole, nothing)

    return Curves(shares.astype(np.float32), curve("strong", True), curve("strong", False), curve("random", True))


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's correlation of the sizes of two maps, -1 to 1; 0 where one of them is flat."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.abs(values).ravel()) for values in (one, other)]
    if any(np.ptp(own) == 0 for own in ranks):
        return 0.0
    return round(float(np.corrcoef(*ranks)[0, 1]), 4) + 0.0


def randomisation(question: Any, values: NDArray[np.float32], method: Callable[[Any], NDArray[np.float32]]) -> float:
    """Rank correlation of |values| with what the same method says of the same frozen target after a shuffle of weights.

    Args:
        question: What was asked (a dataclass with a `model`).
        values: (h, w), the answer.
        method: Values (h, w) of a question.

    Source: Adebayo et al. 2018, Sanity Checks for Saliency Maps, arXiv:1810.03292.
    """
    return rank_correlation(values, method(replace(question, model=shuffled(question.model))))


def shuffled(network: nn.Module) -> Any:
    """A copy of a network in which every tensor of weights holds its own numbers in another order."""
    private = copy.deepcopy(network).requires_grad_(False)
    draw = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for parameter in private.parameters():
            order = torch.randperm(parameter.numel(), generator=draw).to(parameter.device)
            parameter.copy_(parameter.reshape(-1)[order].view(parameter.shape))
    return private


def blurred(image: Tensor) -> Tensor:
    """An image (1, c, h, w) without detail: a Gaussian whose sigma is a twentieth of its longer side."""
    from scipy.ndimage import gaussian_filter

    sigma = max(image.shape[2:]) / 20
    soft = gaussian_filter(image.cpu().numpy(), sigma=(0, 0, sigma, sigma), mode="nearest")
    return torch.from_numpy(soft).to(image)


def _ranks(keys: NDArray) -> NDArray[np.int64]:
    """The place of every key in rising order, equal ones in the order in which they come."""
    ranks = np.empty(keys.size, np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(keys.size)
    return ranks


def _normalised(curve: NDArray[np.float64], whole: float, nothing: float) -> NDArray[np.float32]:
    """1 at the image and 0 where all is replaced; 0 throughout where the two do not differ."""
    span = whole - nothing
    return ((curve - nothing) / span if abs(span) > 1e-6 else np.zeros_like(curve)).astype(np.float32)
