"""Compose a U-Net from interchangeable parts, run it trained, and look inside."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Design": "design",
    "Picture": "images",
    "PlaygroundError": "errors",
    "Segmentation": "inference",
    "UNet": "model",
    "catalogues": "registry",
    "load_model": "inference",
    "read_image": "images",
    "segment": "inference",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: a process that only decodes images needs no PyTorch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module(f"{__name__}.design")  # which fills the catalogues
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
