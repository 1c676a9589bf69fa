"""What can be done to the features that cross."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import mask_of
from unet_playground.analysis.skips.crossing import levels_crossed
from unet_playground.model import UNet
from unet_playground.taps import Below, Tap


@dataclass(frozen=True)
class Operation:
    """What is done to the features that cross at one level: factor * features + (1 - factor) * replacement.

    Attributes:
        replacement: Of features (1, c, h, w), of a shape that broadcasts with them.
        factor: How much of the features stays; 1 leaves them as they are, bit for bit.
    """

    replacement: Callable[[Tensor], Tensor] = torch.zeros_like
    factor: float = 0.0

    def __call__(self, crossed: Tensor) -> Tensor:
        if self.factor == 1:
            return crossed
        return self.factor * crossed + (1 - self.factor) * self.replacement(crossed)


class Operate(Tap):
    """Puts operations on what crosses.

    Args:
        operations: Level -> operation; other levels stay as they are.
    """

    def __init__(self, operations: Mapping[int, Operation]):
        self._operations = {f"skip.{level}": operation for level, operation in operations.items()}

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        operation = self._operations.get(name)
        return operation(tensor) if operation else tensor

    def within(self, place: str) -> Tap:
        return Below(self, place)


def operated(model: UNet, image: Tensor, operations: Mapping[int, Operation]) -> NDArray[np.uint8]:
    """Class numbers (h, w) of one prepared image, with an operation of its own on every level named."""
    return mask_of(model, image, Operate(operations))


def mean_crossings(model: UNet, images: Sequence[Tensor]) -> dict[int, Tensor]:
    """Level -> mean of each channel that crosses over all places of all images (1, c, 1, 1), each image counted once.

    Args:
        model: A loaded model.
        images: Prepared images (1, channels, h, w).
    """
    found: dict[int, list[Tensor]] = {}
    with torch.inference_mode():
        for image in images:
            features = model.trace(image, lambda name: name.startswith("skip.")).features
            for level in levels_crossed(features):
                found.setdefault(level, []).append(mean_over_places(features[f"skip.{level}"]))
        return {level: torch.cat(rows).mean(0, keepdim=True) for level, rows in found.items()}


def blurred(features: Tensor, sigma: float) -> Tensor:
    """Features (n, c, h, w) under a Gaussian of `sigma` pixels, cut at 3 sigma; the border is repeated outwards."""
    reach = int(np.ceil(3 * sigma))
    at = torch.arange(-reach, reach + 1, device=features.device, dtype=features.dtype)
    weights = torch.exp(-0.5 * (at / sigma) ** 2)
    weights = weights / weights.sum()
    n, c, height, width = features.shape
    padded = F.pad(features, [reach] * 4, mode="replicate").reshape(n * c, 1, height + 2 * reach, width + 2 * reach)
    rows = F.conv2d(padded, weights[None, None, :, None])
    return F.conv2d(rows, weights[None, None, None, :]).reshape(features.shape)


def mean_over_places(features: Tensor) -> Tensor:
    """The mean of each channel, (n, c, 1, 1)."""
    return features.mean((2, 3), keepdim=True)
