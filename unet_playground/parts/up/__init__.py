"""Slot `up`: how the decoder gets resolution back. One file per idea; importing this registers every part."""

# The order of these imports is the order of the menu.
# isort: off
from unet_playground.parts.up.slot import SmallKernel, Up, ups
from unet_playground.parts.up.interpolation import Bilinear, Nearest
from unet_playground.parts.up.transposed import Transposed
from unet_playground.parts.up.shuffle import PixelShuffle
from unet_playground.parts.up.learned import Learned
from unet_playground.parts.up.deformable import Deformable
from unet_playground.parts.up.carafe import Carafe
from unet_playground.parts.up.dysample import DySample
# isort: on

__all__ = [
    "Bilinear",
    "Carafe",
    "Deformable",
    "DySample",
    "Learned",
    "Nearest",
    "PixelShuffle",
    "SmallKernel",
    "Transposed",
    "Up",
    "ups",
]
