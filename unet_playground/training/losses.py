"""What training makes small: functions of logits and labels."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground.errors import Text
from unet_playground.registry import Catalogue, Chinese, Paper

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits (n, classes, *sides) and labels int64 (n, *sides)."""

losses: Catalogue[Loss] = Catalogue("loss", Text("Loss", "损失"))

_POOLS = {2: F.max_pool2d, 3: F.max_pool3d}


@losses.register(
    "dice-and-cross-entropy",
    title="Dice and cross-entropy",
    zh=Chinese("Dice 与交叉熵", "交叉熵使每个像素正确；软 Dice 使每个物体不论大小都被找到。"),
    formula=r"$-\log p_t + 1 - \frac{2\sum p\,t}{\sum p + \sum t}$",
    paper=Paper("Isensee et al.", 2021, "nnU-Net", "doi:10.1038/s41592-020-01008-z"),
)
def dice_and_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy makes every pixel right, soft Dice finds every object, however small."""
    return F.cross_entropy(logits.float(), labels) + 1 - soft_dice(logits, labels)


@losses.register(
    "cl-dice",
    title="Dice, cross-entropy and clDice",
    zh=Chinese("Dice、交叉熵与 clDice", "另以软 clDice 奖励骨架的连通，适合血管。"),
    formula=r"$L + \frac{1}{2}\,(1 - clDice)$",
    paper=Paper("Shit et al.", 2021, "clDice, a topology-preserving loss", "arXiv:2003.07311"),
)
def cl_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Dice and cross-entropy, and half a soft clDice, which asks that centre lines are found whole."""
    probability = logits.float().softmax(1)[:, 1:].sum(1, keepdim=True)
    truth = (labels > 0)[:, None].to(probability.dtype)
    own, true = soft_skeleton(probability), soft_skeleton(truth)
    precision = ((own * truth).sum() + 1) / (own.sum() + 1)
    sensitivity = ((true * probability).sum() + 1) / (true.sum() + 1)
    centre = 2 * precision * sensitivity / (precision + sensitivity)
    return dice_and_cross_entropy(logits, labels) + 0.5 * (1 - centre)


@losses.register(
    "boundary",
    title="Dice, cross-entropy and boundary",
    zh=Chinese("Dice、交叉熵与边界", "另按到真实边界的带符号距离惩罚错误的概率。"),
    formula=r"$L + \frac{1}{100}\,\overline{\phi\,p}$",
    paper=Paper("Kervadec et al.", 2019, "Boundary loss for highly unbalanced segmentation", "arXiv:1812.07032"),
)
def boundary(logits: Tensor, labels: Tensor) -> Tensor:
    """Dice and cross-entropy, and the probabilities weighed by their signed distance from the true boundary."""
    probability = logits.float().softmax(1)[:, 1:]
    distances = [signed_distance(labels == number) for number in range(1, logits.shape[1])]
    distance = torch.stack(distances, 1).to(probability)
    return dice_and_cross_entropy(logits, labels) + 0.01 * (distance * probability).mean()


def soft_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over images and classes above background of 2 sum(p t) / (sum(p) + sum(t)), smoothed by one pixel.

    Source: Milletari et al. 2016, V-Net, arXiv:1606.04797 (there with squares in the denominator).
    """
    probability = logits.float().softmax(1)[:, 1:]
    truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)[:, 1:].to(probability.dtype)
    sides = tuple(range(2, logits.dim()))
    both = (probability * truth).sum(sides)
    return ((2 * both + 1) / (probability.sum(sides) + truth.sum(sides) + 1)).mean()


def soft_skeleton(mask: Tensor, rounds: int = 6) -> Tensor:
    """What repeated openings take away from soft masks (n, 1, *sides): their centre lines, of the same shape.

    Args:
        mask: Probabilities from 0 to 1.
        rounds: Half the width in pixels of the widest structure.
    """
    skeleton = F.relu(mask - _open(mask))
    for _ in range(rounds):
        mask = _erode(mask)
        thinner = F.relu(mask - _open(mask))
        skeleton = skeleton + F.relu(thinner - skeleton * thinner)
    return skeleton


def signed_distance(region: Tensor) -> Tensor:
    """Pixels to the boundary of each region (n, *sides), negative inside; 0 everywhere where it is empty or full."""
    from scipy.ndimage import distance_transform_edt

    maps = []
    for one in region.cpu().numpy():
        if one.any() and not one.all():
            outside, inside = (np.asarray(distance_transform_edt(side)) for side in (~one, one))
            maps.append(outside - inside)
        else:
            maps.append(np.zeros(one.shape))
    return torch.from_numpy(np.stack(maps).astype(np.float32))


def _erode(mask: Tensor) -> Tensor:
    """The least of every value and its neighbours along the axes."""
    dims = mask.dim() - 2
    sides = [tuple(3 if axis == one else 1 for axis in range(dims)) for one in range(dims)]
    return torch.stack([-_POOLS[dims](-mask, side, 1, [one // 2 for one in side]) for side in sides]).amin(0)


def _open(mask: Tensor) -> Tensor:
    return _POOLS[mask.dim() - 2](_erode(mask), 3, 1, 1)
