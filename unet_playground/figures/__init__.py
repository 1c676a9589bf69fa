"""Results as pictures. They compute nothing and use matplotlib's object interface only, so threads never meet."""

from unet_playground.figures.attention import draw_attention
from unet_playground.figures.attribution import draw_attribution
from unet_playground.figures.base import draw, to_array, to_png
from unet_playground.figures.features import draw_feature_maps
from unet_playground.figures.field import draw_field
from unet_playground.figures.gradient_flow import draw_flow
from unet_playground.figures.operators import draw_example, draw_no_operators, draw_operators, draw_shift
from unet_playground.figures.overlay import overlay
from unet_playground.figures.skips import (
    compare,
    draw_pass_through,
    draw_redundancy,
    draw_semantic_gap,
    draw_surgery,
)
from unet_playground.figures.uncertainty import draw_augmented, draw_calibration, draw_disagreement, draw_entropy

__all__ = [
    "compare",
    "draw",
    "draw_attention",
    "draw_attribution",
    "draw_augmented",
    "draw_calibration",
    "draw_disagreement",
    "draw_entropy",
    "draw_example",
    "draw_feature_maps",
    "draw_field",
    "draw_flow",
    "draw_no_operators",
    "draw_operators",
    "draw_pass_through",
    "draw_redundancy",
    "draw_semantic_gap",
    "draw_shift",
    "draw_surgery",
    "overlay",
    "to_array",
    "to_png",
]
