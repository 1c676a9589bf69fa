"""Slot `skip`: what crosses from the encoder to the decoder. The order of these imports is that of the menu."""

from unet_playground.parts.skip.slot import Passage, Skip, skips  # isort: skip
from unet_playground.parts.skip.same_level import Addition, Concatenation, NoSkip  # isort: skip
from unet_playground.parts.skip.other_levels import CrossStage, Dense, Pyramid  # isort: skip
from unet_playground.parts.skip.gate import AttentionGate  # isort: skip
from unet_playground.parts.skip.nested import Nested  # isort: skip
from unet_playground.parts.skip.full_scale import FullScale  # isort: skip

__all__ = [
    "Addition",
    "AttentionGate",
    "Concatenation",
    "CrossStage",
    "Dense",
    "FullScale",
    "Nested",
    "NoSkip",
    "Passage",
    "Pyramid",
    "Skip",
    "skips",
]
