"""Images drawn by code with their exact masks, so that lessons and live training need no data."""

# Importing a file registers its phantom, so this is the order of the menu.
# isort: off
from unet_playground.phantoms.slot import Phantom, Scene, draw, phantoms
from unet_playground.phantoms.cells import cells
from unet_playground.phantoms.vessels import vessels
from unet_playground.phantoms.organs import organs
# isort: on

__all__ = ["Phantom", "Scene", "cells", "draw", "organs", "phantoms", "vessels"]
