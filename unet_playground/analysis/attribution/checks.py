"""Whether an attribution means anything: deletion, insertion, and what is left of it when the weights are shuffled."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unet_playground.errors import Text

POINTS = 12
SEED = 0
FALLS = 1e-3
"""By which part of their sizes the target of the filling is at least below that of the image."""


@dataclass(frozen=True)
class Curves:
    """The target over the share of pixels that are in place: 1 for the image, 0 where all are replaced.

    Attributes:
        shares: float32 (p,), share of the pixels that were touched, 0 to 1.
        deletion: float32 (p,), the target when the strongest pixels are replaced first.
        insertion: float32 (p,), the target when the strongest pixels are brought in first.
        random: float32 (p,), deletion in random order; insertion in random order is the same, read from its end.
        filling: What pixels are replaced by.
    """

    shares: NDArray[np.float32]
    deletion: NDArray[np.float32]
    insertion: NDArray[np.float32]
    random: NDArray[np.float32]
    filling: Text

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


def blurred(image: Tensor) -> Tensor:
    """An image (1, c, h, w) without detail: a Gaussian whose sigma is a twentieth of its longer side."""
    from scipy.ndimage import gaussian_filter

    sigma = max(image.shape[2:]) / 20
    soft = gaussian_filter(image.cpu().numpy(), sigma=(0, 0, sigma, sigma), mode="nearest")
    return torch.from_numpy(soft).to(image)


FILLINGS: Mapping[Text, Callable[[Tensor], Tensor]] = {
    Text("blurred ones", "模糊后的像素"): blurred,
    Text("black", "黑色"): torch.zeros_like,
}
"""Blurring takes the detail alone. Where a network sees its organ in any soft blob, as in CT, black is left."""


def deletion_insertion(
    aims: Callable[[Tensor], Tensor],
    image: Tensor,
    values: NDArray[np.float32],
    fillings: Mapping[Text, Callable[[Tensor], Tensor]] = FILLINGS,
) -> Curves | None:
    """The target while pixels are replaced, and while they are brought in, in falling order of their values.

    Args:
        aims: Target (n,) of images (n, c, h, w).
        image: (1, c, h, w).
        values: (h, w).
        fillings: What pixels may be replaced by; the first that lowers the target is taken.

    Returns:
        None where no filling lowers the target: there is nothing that its pixels could take away.

    Source: Petsiuk et al. 2018, RISE, arXiv:1806.07421.
    """
    whole = float(aims(image))
    filled = ((name, filling, float(aims(filling))) for name, fill in fillings.items() for filling in [fill(image)])
    found = next((one for one in filled if whole - one[2] > FALLS * (abs(whole) + abs(one[2]))), None)
    if found is None:
        return None
    name, filling, nothing = found
    shares = np.linspace(0, 1, POINTS)
    ranks = {
        "strong": _ranks(-values.ravel()),
        "random": np.random.default_rng(SEED).permutation(values.size),
    }

    def curve(order: str, deletes: bool) -> NDArray[np.float32]:
        means = []
        for share in shares[1:-1]:
            touched = torch.from_numpy((ranks[order] < round(share * values.size)).reshape(values.shape))
            means.append(torch.where(touched.to(image.device) == deletes, filling, image))
        inner = [float(one) for start in range(0, len(means), 2) for one in aims(torch.cat(means[start : start + 2]))]
        way = [whole, *inner, nothing] if deletes else [nothing, *inner, whole]
        return ((np.array(way) - nothing) / (whole - nothing)).astype(np.float32)

    curves = curve("strong", True), curve("strong", False), curve("random", True)
    return Curves(shares.astype(np.float32), *curves, name)


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Spearman's correlation of the sizes of two maps, -1 to 1; 0 where one of them is flat."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.abs(values).ravel()) for values in (one, other)]
    if any(np.ptp(own) == 0 for own in ranks):
        return 0.0
    return round(float(np.corrcoef(*ranks)[0, 1]), 4) + 0.0


def randomisation(question: Any, method: Callable[[Any], NDArray[np.float32]]) -> float:
    """Rank correlation of the sizes of a method's values before and after a shuffle of weights.

    Args:
        question: What is asked (a dataclass with a `model`), of the whole image: values fade away from a smaller region
            whatever the weights are, and such maps agree by place alone.
        method: Values (h, w) of a question.

    Source: Adebayo et al. 2018, Sanity Checks for Saliency Maps, arXiv:1810.03292.
    """
    return rank_correlation(method(question), method(replace(question, model=shuffled(question.model))))


def shuffled(network: nn.Module) -> Any:
    """A copy of a network in which every tensor of weights holds its own numbers in another order."""
    private = copy.deepcopy(network).requires_grad_(False)
    draw = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for parameter in private.parameters():
            order = torch.randperm(parameter.numel(), generator=draw).to(parameter.device)
            parameter.copy_(parameter.reshape(-1)[order].view(parameter.shape))
    return private


def _ranks(keys: NDArray) -> NDArray[np.int64]:
    """The place of every key in rising order, equal ones in the order in which they come."""
    ranks = np.empty(keys.size, np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(keys.size)
    return ranks
