"""Slots `attention` and `site`: what is emphasised, and where."""

# Importing a part registers it, so this is the order of the menu.
# isort: off
from unet_playground.parts.attention.slot import OPEN, Attention, KernelSide, PooledGate, Reduction, attentions
from unet_playground.parts.attention.none import NoAttention
from unet_playground.parts.attention.se import SqueezeExcitation
from unet_playground.parts.attention.eca import EfficientChannelAttention
from unet_playground.parts.attention.cbam import Cbam
from unet_playground.parts.attention.scse import ConcurrentAttention
from unet_playground.parts.attention.spatial import SpatialAttention
from unet_playground.parts.attention.sites import OnBottleneck, OnDecoder, OnFused, OnSkip, Site, sites
# isort: on

__all__ = [
    "OPEN",
    "Attention",
    "Cbam",
    "ConcurrentAttention",
    "EfficientChannelAttention",
    "KernelSide",
    "NoAttention",
    "OnBottleneck",
    "OnDecoder",
    "OnFused",
    "OnSkip",
    "PooledGate",
    "Reduction",
    "Site",
    "SpatialAttention",
    "SqueezeExcitation",
    "attentions",
    "sites",
]
