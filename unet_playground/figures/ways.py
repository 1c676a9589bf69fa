"""One colour per way from the image to the output, the same in every figure."""

import numpy as np
from matplotlib import colormaps

from unet_playground.analysis.paths import BOTTLENECK
from unet_playground.figures.base import ORANGE

LEVELS = 6


def color_of(way: str) -> str | tuple[float, ...]:
    """Skips from dark blue (the finest) to pale, the bottleneck orange, what never left the encoder gray."""
    if way == BOTTLENECK:
        return ORANGE
    level = way.rpartition("-")[2]
    if not level.isdecimal():
        return "0.5"
    return colormaps["Blues_r"](float(np.clip(int(level) / LEVELS, 0, 1)) * 0.8)
