"""Networks before any training."""

from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.weights import seeded


def fresh(model: UNet, design: Design | None = None) -> UNet:
    """A network with fresh weights, always the same, for the model's images and classes, on its device, frozen.

    Args:
        model: Whose channels and classes it has.
        design: The model's own by default.
    """
    with seeded():
        network = UNet(design or model.design, model.in_channels, model.classes)
    network.origin = model.origin
    return network.requires_grad_(False).channels_last().to(next(model.parameters()).device).eval()
