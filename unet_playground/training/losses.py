"""What training makes small."""

import torch.nn.functional as F
from torch import Tensor


def dice_and_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy (every pixel right) plus one minus soft Dice (every object found, however small).

    Args:
        logits: (n, classes, *sides).
        labels: int64 (n, *sides).
    """
    return F.cross_entropy(logits, labels) + 1 - soft_dice(logits, labels)


def soft_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over images and classes above background of 2 sum(p t) / (sum(p) + sum(t)), smoothed by one pixel.

    Source: Milletari et al. 2016, V-Net, arXiv:1606.04797 (there with squares in the denominator).
    """
    probability = logits.float().softmax(1)[:, 1:]
    truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)[:, 1:].to(probability.dtype)
    sides = tuple(range(2, logits.dim()))
    both = (probability * truth).sum(sides)
    return ((2 * both + 1) / (probability.sum(sides) + truth.sum(sides) + 1)).mean()
