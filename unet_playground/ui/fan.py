"""One slot fanned out: what every one of its options makes of the same image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.cost import cost
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.inference import segment
from unet_playground.registry import catalogues
from unet_playground.space import change
from unet_playground.tasks import tasks
from unet_playground.training.metrics import Truth, dice
from unet_playground.ui import texts
from unet_playground.ui.glyphs import glyph
from unet_playground.ui.layers import address
from unet_playground.ui.scene import Scene, model_for, on_equal_terms
from unet_playground.ui.viewer import ERRORS

WINDOW = 64
"""Pixels along the longest side of the part that is shown."""


@dataclass(frozen=True)
class Blade:
    """One option.

    Attributes:
        id: Of the option.
        title: Its name.
        chosen: Whether the design has it.
        why: Why the design cannot have it, or why there is no mask; None where all is well.
        times: Multiply-adds relative to the classic's.
        mask: uint8 (h, w); None until it is computed.
        dice: With the truth; None where it is not known.
        weights: Of the mask: `shared` or `solo`.
    """

    id: str
    title: Text
    chosen: bool
    why: Text | None = None
    times: float | None = None
    mask: NDArray[np.uint8] | None = None
    dice: float | None = None
    weights: str = ""


def fan(scene: Scene, design: Design, slot: str, check: Callable[[], None]) -> Iterator[tuple[Blade, ...]]:
    """Every option of a slot, first without masks, then with one more mask at a time.

    Args:
        scene: The image.
        design: What has the slot.
        slot: Id of the slot.
        check: Called between pieces of work; whatever it raises ends them.
    """
    made = {entry.id: change(design, **{slot: entry.id}) for entry in catalogues[slot].entries()}
    blades = [_blade(scene, design, slot, id, one) for id, one in made.items()]
    even = on_equal_terms(scene, [one for one in made.values() if isinstance(one, Design)])
    yield tuple(blades)
    for number, (blade, one) in enumerate(zip(blades, made.values(), strict=True)):
        check()
        if isinstance(one, Design) and blade.why is None:
            blades[number] = _computed(even, blade, one)
            yield tuple(blades)


def value(blades: tuple[Blade, ...], scene: Scene, slot: str, language: str) -> dict[str, Any]:
    """What the strip's script draws: masks, the window in which they differ most, and what is missed and extra there.

    Where the truth is not known, masks are compared with that of the design itself.
    """
    known = scene.truth is not None
    own = next((blade.mask for blade in blades if blade.chosen), None)
    against = scene.truth if known else own
    return {
        "slot": slot,
        "title": texts.FAN.within(language).format(slot=catalogues[slot].title.within(language)),
        "legend": [
            {"color": ERRORS["missed"], "title": (texts.MISSED if known else texts.ONLY_OWN).within(language)},
            {"color": ERRORS["extra"], "title": (texts.EXTRA if known else texts.ONLY_OPTION).within(language)},
        ],
        "hint": _hint(blades, language),
        "window": disputed([blade.mask for blade in blades if blade.mask is not None], scene.picture.pixels.shape[:2]),
        "against": None if against is None else address(against),
        "options": [_told(blade, slot, language) for blade in blades],
    }


def disputed(masks: list[NDArray[np.uint8]], sides: tuple[int, ...]) -> list[int]:
    """[row, column, height, width] of the window in which masks differ in most pixels; the middle where they do not."""
    height, width = (min(side, WINDOW) for side in sides)
    differ = np.zeros(sides, np.int64)
    for mask in masks[1:]:
        differ += mask != masks[0]
    summed = np.pad(differ, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = summed[height:, width:] - summed[:-height, width:] - summed[height:, :-width] + summed[:-height, :-width]
    if not inside.any():
        return [(sides[0] - height) // 2, (sides[1] - width) // 2, height, width]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return [int(row), int(column), height, width]


def _blade(scene: Scene, design: Design, slot: str, id: str, made: Design | Text) -> Blade:
    title = catalogues[slot][id].title
    if isinstance(made, Text):
        return Blade(id, title, False, made)
    task = tasks[scene.task].make
    counted = {"in_channels": task.channels, "classes": len(task.labels)}
    times = cost(made, **counted).macs / cost(Design(dims=made.dims), **counted).macs
    idle = not made.applies(slot) and not design.applies(slot)
    return Blade(id, title, made == design and not idle, texts.IDLE.get(slot) if idle else None, times)


def _computed(scene: Scene, blade: Blade, design: Design) -> Blade:
    try:
        model = model_for(scene, design)
    except PlaygroundError as error:
        return replace(blade, why=error.text)
    if model is None:
        return replace(blade, why=texts.UNTRAINED_SHORT)
    mask = segment(scene.picture, model).mask
    scored = None if scene.truth is None else dice(mask, Truth(scene.truth), len(scene.labels))
    return replace(blade, mask=mask, dice=scored, weights=model.origin.weights if model.origin else "")


def _hint(blades: tuple[Blade, ...], language: str) -> str:
    """What the numbers mean and whose weights made them, which need not be those of the large picture."""
    kinds = frozenset(blade.weights for blade in blades if blade.weights)
    return texts.FAN_HINT.within(language).format(weights=texts.FAN_WEIGHTS[kinds].within(language))


def _told(blade: Blade, slot: str, language: str) -> dict[str, Any]:
    return {
        "id": blade.id,
        "title": blade.title.within(language),
        "glyph": glyph(slot, blade.id),
        "chosen": blade.chosen,
        "why": blade.why.within(language) if blade.why else "",
        "mask": None if blade.mask is None else address(blade.mask),
        "dice": "" if blade.dice is None else f"{blade.dice:.3f}",
        "times": "" if blade.times is None else f"{blade.times:.2f}×",
    }
