"""Compose a U-Net from interchangeable parts, run it trained, and look inside."""

from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.images import Picture, read_image
from unet_playground.inference import Segmentation, load_model, segment
from unet_playground.model import UNet
from unet_playground.registry import catalogues

__version__ = "0.1.0"

__all__ = [
    "Design",
    "Picture",
    "PlaygroundError",
    "Segmentation",
    "UNet",
    "catalogues",
    "load_model",
    "read_image",
    "segment",
]
