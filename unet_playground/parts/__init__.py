"""What can be swapped: one file or folder per slot. Importing this registers every part."""

from unet_playground.parts.attention import Attention, Site, attentions, sites
from unet_playground.parts.block import Block, blocks
from unet_playground.parts.down import Down, downs
from unet_playground.parts.layers import Place
from unet_playground.parts.skip import Passage, Skip, skips
from unet_playground.parts.up import Up, ups

SLOTS = (downs, blocks, skips, attentions, sites, ups)
"""The six slots of a design, in the order of the page."""

__all__ = [
    "SLOTS",
    "Attention",
    "Block",
    "Down",
    "Passage",
    "Place",
    "Site",
    "Skip",
    "Up",
    "attentions",
    "blocks",
    "downs",
    "sites",
    "skips",
    "ups",
]
