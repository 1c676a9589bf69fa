"""Which places of a feature speak for what is asked: Grad-CAM for segmentation."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target
from unet_playground.model import UNet
from unet_playground.receptive_field import sides_of
from unet_playground.taps import Below, Tap


class Leaf(Tap):
    """Makes one feature map a leaf, so that only what is computed from it is kept for its gradient.

    Attributes:
        feature: The leaf, (1, channels, h', w'); None where the network told no such name.
    """

    def __init__(self, place: str):
        self.place = place
        self.feature: Tensor | None = None

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        if name != self.place:
            return tensor
        self.feature = tensor.detach().requires_grad_()
        return self.feature

    def within(self, place: str) -> Tap:
        return Below(self, place)


def weighed(leaf: Leaf, asked: Tensor) -> Tensor:
    """A feature's channels, each times the mean over its pixels of the gradient of a number, summed: (1, 1, h', w')."""
    (gradient,) = torch.autograd.grad(asked, leaf.feature)  # type: ignore[arg-type]
    return (gradient.mean((2, 3), keepdim=True) * leaf.feature.detach()).sum(1, keepdim=True)  # type: ignore[union-attr]


def class_activation(model: UNet, image: Tensor, target: Target, place: str) -> NDArray[np.float32]:
    """ReLU of a feature's channels, each weighed by the mean over its pixels of the gradient of what is asked.

    What is asked is the sum of the class's logits over the target's pixels, read once and frozen.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        place: Name of the feature map, one of `places(model.design)`.

    Returns:
        float32 (h', w') in the feature's own resolution, in logits a unit of feature, not scaled; 0 where nothing
        speaks for the target, and everywhere where the target has no pixel.

    Raises:
        UnknownChoice: There is no such place.

    Source: Vinogradova et al. 2020, Towards Interpretable Semantic Segmentation via Gradient-weighted Class Activation
        Mapping, arXiv:2002.11434.
    """
    sides_of(model.design, tuple(image.shape[2:]), place)
    leaf = Leaf(place)
    with torch.enable_grad():
        logits = model(image, leaf)
        asked = (logits[0, target.label] * target.pixels(model, image, logits.detach())).sum()
    return weighed(leaf, asked)[0, 0].relu().float().cpu().numpy()
