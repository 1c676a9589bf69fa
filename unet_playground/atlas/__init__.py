"""The atlas: measured designs of a task in a committed table, and what the table says about the parts."""

from unet_playground.atlas.agreement import Agreement, agreement, error_of_difference, error_of_mean
from unet_playground.atlas.effects import CAUTION, Effect, Interaction, interactions, main_effects
from unet_playground.atlas.front import pareto
from unet_playground.atlas.table import COSTS, Atlas, Row, atlas_path, classic_of, differences, read_atlas, write_atlas
from unet_playground.atlas.weak import WEAK, Weak, alone, weak

__all__ = [
    "CAUTION",
    "COSTS",
    "WEAK",
    "Agreement",
    "Atlas",
    "Effect",
    "Interaction",
    "Row",
    "Weak",
    "agreement",
    "alone",
    "atlas_path",
    "classic_of",
    "differences",
    "error_of_difference",
    "error_of_mean",
    "interactions",
    "main_effects",
    "pareto",
    "read_atlas",
    "weak",
    "write_atlas",
]
