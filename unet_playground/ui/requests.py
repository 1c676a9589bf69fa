"""What the page's scripts send, checked as an upload would be."""

import re
from collections.abc import Mapping
from typing import Any

import gradio as gr

from unet_playground.ui.scene import Scene

PLACE = re.compile(r"(?P<stage>encoder|decoder|bottleneck)(\.(?P<level>[0-6]))?")
OPERATOR = re.compile(r"(?P<way>down|up)\.(?P<level>[0-6])")


def door_of(given: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]] | None:
    """The room, the instrument and its options that a click on the drawing opens; None for what it never sends."""
    if isinstance(place := given.get("place"), str) and (found := PLACE.fullmatch(place)):
        return "layers", "feature-maps", {"stage": found["stage"], "level": int(found["level"] or 0)}
    if isinstance(operator := given.get("operator"), str) and (found := OPERATOR.fullmatch(operator)):
        # A way down is named after the level that it leads to, a way up after the one that it leads back to.
        level = int(found["level"]) - (found["way"] == "down")
        return "operators", "operators", {"level": level, "show": found["way"]}
    return ("skips", "redundancy", {}) if isinstance(given.get("skip"), int) else None


def given(event: gr.EventData) -> Mapping[str, Any]:
    """What a script sent; anything but a mapping is nothing."""
    return event._data if isinstance(event._data, dict) else {}


def question_of(given: Mapping[str, Any], scene: Scene | None) -> dict[str, Any] | None:
    """What is asked, checked as an upload would be; None where it makes no sense."""
    if scene is None:
        return None
    if given.get("whole") is True:
        return {"point": None}
    if isinstance(given.get("label"), int) and 0 < given["label"] < len(scene.labels):
        return {"label": given["label"]}
    if isinstance(given.get("method"), str):
        return {"method": given["method"]}
    point = given.get("point")
    if isinstance(point, list) and len(point) == 2 and all(isinstance(one, int) for one in point):
        row, column = point
        inside = 0 <= row < scene.picture.height and 0 <= column < scene.picture.width
        return {"point": (row, column)} if inside else None
    return None
