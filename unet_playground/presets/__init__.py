"""Named designs, most of them from papers, and their parameter counts beside the papers' own."""

# Importing a file registers its presets, so this is the order of the menu. The classic stands first.
# isort: off
from unet_playground.presets.catalogue import preset_of, presets
from unet_playground.presets.published import Comparison, Difference, Published, compare, own_parameters, published
from unet_playground.presets.networks import classic
from unet_playground.presets.skips import dense_skip
from unet_playground.presets.attention import se_unet
from unet_playground.presets.full_resolution import full_res_plain
from unet_playground.presets.ups import pixel_shuffle_light
# isort: on

__all__ = [
    "Comparison",
    "Difference",
    "Published",
    "classic",
    "compare",
    "dense_skip",
    "full_res_plain",
    "own_parameters",
    "pixel_shuffle_light",
    "preset_of",
    "presets",
    "published",
    "se_unet",
]
