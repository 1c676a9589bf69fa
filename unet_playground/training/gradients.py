"""How much of the loss's gradient reaches the stage that gets least of it."""

import re

import torch
from torch import Tensor

from unet_playground.model import UNet
from unet_playground.training.losses import dice_and_cross_entropy

SIDE = 128
"""Pixels along a side of the middle of an image that are looked at."""
STAGE = re.compile(r"(encoder|decoder)\.\d+|bottleneck")


def weakest_gradient(model: UNet, image: Tensor, labels: Tensor) -> float:
    """The norm of the loss's gradient at the stage before the last that gets least, as a share of that at the last.

    The loss is that of training, Dice and cross-entropy, without the heads that training puts on coarse levels; the
    norm is that over all numbers of a stage's features.

    Args:
        model: In evaluation mode.
        image: float32 (channels, h, w) or (channels, slices, h, w).
        labels: Class numbers, (h, w) or (slices, h, w).

    Returns:
        0 or more, NaN where no gradient reaches the last stage.

    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    """
    device = next(model.parameters()).device
    top, left = (max(0, (side - SIDE) // 2) for side in image.shape[-2:])
    middle = (..., slice(top, top + SIDE), slice(left, left + SIDE))
    with torch.enable_grad():
        traced = model.trace(image[middle][None].to(device).requires_grad_(), lambda name: bool(STAGE.fullmatch(name)))
        loss = dice_and_cross_entropy(traced.logits, labels[middle][None].to(device, torch.int64))
        gradients = torch.autograd.grad(loss, [*traced.features.values()])  # in the order of computation
    *others, last = (float(one.double().norm()) for one in gradients)
    return min(others) / last if last else float("nan")
