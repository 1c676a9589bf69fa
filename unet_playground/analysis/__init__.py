"""Instruments: a model, an image and a target in, a frozen dataclass of arrays out. They never draw."""

from unet_playground.analysis.attention import AttentionMaps, attention_maps
from unet_playground.analysis.attribution import Attribution, integrated_gradients
from unet_playground.analysis.base import Analysis, Target, analyses
from unet_playground.analysis.effective_field import EffectiveField, effective_field

__all__ = [
    "Analysis",
    "AttentionMaps",
    "Attribution",
    "EffectiveField",
    "Target",
    "analyses",
    "attention_maps",
    "effective_field",
    "integrated_gradients",
]
