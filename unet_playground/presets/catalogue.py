"""The catalogue of named designs."""

from collections.abc import Callable

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.registry import Catalogue

presets: Catalogue[Callable[[], Design]] = Catalogue("preset", Text("Preset", "预设"))


def preset_of(design: Design) -> str | None:
    """The id of the preset that is this design, if there is one."""
    return next((entry.id for entry in presets.entries() if entry.make() == design), None)
