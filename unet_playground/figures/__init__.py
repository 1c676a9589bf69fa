"""Results as pictures. They compute nothing and use matplotlib's object interface only, so threads never meet."""

from unet_playground.figures.base import draw, to_array, to_png
from unet_playground.figures.overlay import overlay
from unet_playground.figures.views import draw_attention, draw_attribution, draw_field

__all__ = ["draw", "draw_attention", "draw_attribution", "draw_field", "overlay", "to_array", "to_png"]
