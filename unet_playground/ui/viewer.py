"""The values of the linked pictures: the toolbar with the image, and one value per picture."""

from typing import Any

from unet_playground.errors import Text
from unet_playground.figures.overlay import as_rgb
from unet_playground.images.kinds import formats
from unet_playground.limits import Limits, figure
from unet_playground.registry import Entry
from unet_playground.ui import texts
from unet_playground.ui.layers import address, layer, tables
from unet_playground.ui.scene import Scene, View

ERRORS = {"missed": "#f3d313", "extra": "#ee6fd0"}
DESIGNS = {"a": "#1b5fd0", "b": "#e8821e"}
TITLES = {
    "prediction": texts.PREDICTION,
    "attention": texts.ATTENTION,
    "field": texts.FIELD,
    "attribution": texts.ATTRIBUTION,
}
"""The linked pictures in their order."""


def toolbar(scene: Scene | None, task_labels: tuple[Any, ...], language: str) -> dict[str, Any]:
    """What all pictures share: the image, its classes, what is asked, the colours.

    Args:
        scene: None where there is no image.
        task_labels: The classes of the task.
        language: Of the words.
    """
    shown = scene.picture if scene else None
    return {
        "words": {name: text.within(language) for name, text in texts.VIEWER.items()} | {"kinds": _kinds(language)},
        "maps": tables(),
        "errors": ERRORS,
        "designs": DESIGNS,
        "labels": [{"title": one.title.within(language), "color": one.color} for one in task_labels],
        "image": {"id": scene.id, "url": address(as_rgb(shown))} if scene and shown else None,
        "truth": scene is not None and scene.truth is not None,
        "label": scene.label if scene else 1,
        "point": list(scene.point) if scene and scene.point else None,
    }


def _kinds(language: str) -> str:
    """Which files the upload button takes."""
    limit = figure(Limits.from_environment().file_bytes)
    return texts.UPLOAD_KINDS.within(language).format(kinds=", ".join(each.name for each in formats()), limit=limit)


def pane(
    name: str,
    state: str,
    language: str,
    *,
    line: Text | str = "",
    facts: Text | None = None,
    drawn: dict[str, Any] | None = None,
    tag: Text | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The value of one picture.

    Args:
        name: `prediction`, `attention`, `field` or `attribution`.
        state: `empty`, `busy`, `coarse`, `done` or `refused`.
        language: Of the words.
        line: Beneath the picture; in its place where it is refused.
        facts: Its main numbers in words.
        drawn: Its layer.
        tag: A mark in its corner.
        more: What its script knows besides.
    """
    return {
        "name": name,
        "title": TITLES[name].within(language),
        "state": state,
        "line": line if isinstance(line, str) else line.within(language),
        "facts": facts.within(language) if facts else "",
        "layer": drawn,
        "tag": tag.within(language) if tag else "",
        "words": {"more": texts.IN_WORDS.within(language), "busy": texts.WORKING.within(language)},
        **more,
    }


def shown(name: str, view: View, scene: Scene, language: str, **more: Any) -> dict[str, Any]:
    """The value of a picture that shows an analysis."""
    if view.result is None:
        return pane(name, "refused", language, line=view.line, **more)
    drawn = layer(view.result, scene.picture, language)
    return pane(
        name,
        "done" if view.final else "coarse",
        language,
        line=view.line,
        facts=view.facts,
        drawn=drawn,
        tag=None if view.final else texts.COARSE_TAG,
        **more,
    )


def methods(entries: list[Entry], chosen: str, language: str) -> dict[str, Any]:
    """The choice of a method of attribution, for its picture."""
    offered = [{"id": entry.id, "title": entry.title.within(language)} for entry in entries]
    return {"options": offered, "chosen": chosen, "asks": "method", "choose": texts.METHOD.within(language)}
