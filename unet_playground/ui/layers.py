"""Results as layers that the browser draws: values as exact 8-bit PNGs, with their range, unit and words."""

import base64
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.analysis import AttentionMaps, Attribution, EffectiveField
from unet_playground.analysis.attention import REPLACEMENTS, AttentionMap
from unet_playground.figures.attention import square
from unet_playground.figures.base import palette
from unet_playground.images import Picture
from unet_playground.images.writer import encode_png
from unet_playground.inference import Segmentation
from unet_playground.ui import texts

Layer = dict[str, Any]

MAPS = {"gates": "inferno", "sizes": "viridis", "signed": "blue-orange"}


def tables() -> dict[str, str]:
    """The colour maps by what they show: 256 colours, `rrggbb` one after the other."""
    return {name: palette(own) for name, own in MAPS.items()}


def address(pixels: NDArray[np.uint8]) -> str:
    """An array (h, w) or (h, w, 3) as a `data:` address of a PNG that gives back exactly the same values."""
    return "data:image/png;base64," + base64.b64encode(encode_png(np.ascontiguousarray(pixels))).decode()


def prediction(result: Segmentation, other: Segmentation | None, truth: NDArray[np.uint8] | None) -> Layer:
    """The mask of one design, of another where two are compared, the truth where known, and the classes' probabilities.

    Probabilities of classes 1 to 3 are the channels of one picture, in 255ths.
    """
    sure = np.rint(255 * result.probability[1:4]).astype(np.uint8)
    channels = np.moveaxis(sure, 0, -1)
    padded = np.pad(channels, ((0, 0), (0, 0), (0, 3 - channels.shape[2])))
    return {
        "mask": address(result.mask),
        "other": address(other.mask) if other else None,
        "truth": None if truth is None else address(truth),
        "probability": address(padded),
    }


@singledispatch
def layer(result: object, picture: Picture, language: str) -> Layer:
    """What the browser needs to draw a result over its image, in the image's own pixels or in squares of them."""
    raise TypeError(f"no layer is registered for {type(result).__name__}")


@layer.register
def _attention(result: AttentionMaps, picture: Picture, language: str) -> Layer:
    sides = (picture.height, picture.width)
    if result.activation is not None:
        one = result.activation
        title = texts.CAM.within(language).format(place=one.place)
        unit = texts.EVIDENCE.within(language).format(largest=one.largest)
        return {
            "maps": [{"title": title, **_map(one.values, 1.0, "sizes", unit), "scale": square(sides, one.values.shape)}]
        }
    return {"maps": [_gate(one, sides, language) for one in result.maps]}


def _gate(one: AttentionMap, sides: tuple[int, int], language: str) -> Layer:
    unit = texts.FACTOR.within(language)
    told = {"title": one.name, "check": _told(one, language), "top": one.top}
    if one.spatial:
        return {
            **told,
            **_map(one.values, one.top, "signed" if one.centred else "gates", unit),
            "scale": square(sides, one.values.shape),
        }
    said = texts.BARS.within(language).format(channels=len(one.values), top=one.top)
    return {**told, "bars": [round(float(value), 4) for value in one.values], "range": said, "image": None}


def _told(one: AttentionMap, language: str) -> str:
    """The outcome of a gate's check in a few words."""
    if not one.replaced:
        return texts.UNCHECKED.within(language)
    if not one.changes:
        return texts.IDLE_GATE.within(language).format(kept=one.kept)
    by = min(one.replaced, key=lambda name: one.replaced[name].agreement)
    return texts.GATE.within(language).format(by=REPLACEMENTS[by].within(language), kept=one.kept)


@layer.register
def _field(result: EffectiveField, picture: Picture, language: str) -> Layer:
    (top, left), (bottom, right) = result.theory.low, result.theory.high
    return {
        **_map(np.sqrt(result.energy), 1.0, "sizes", texts.GRADIENT.within(language)),
        "point": list(result.point),
        "box": [top, left, bottom, right],
        "radii": [result.radius_50, result.radius_95],
    }


@layer.register
def _attribution(result: Attribution, picture: Picture, language: str) -> Layer:
    limit = max(float(np.percentile(np.abs(result.values), 99.5)), 1e-9)
    unit = texts.PERCENTILE.within(language).format(unit=result.unit.within(language))
    shares = (result.values / limit + 1) / 2
    return _map(shares.astype(np.float32), limit, "signed", unit, bottom=-limit)


def _map(values: NDArray[np.float32], top: float, colors: str, unit: str, bottom: float = 0.0) -> Layer:
    """A map as a picture; values go from 0 to `top`, or from 0 to 1 where `bottom` is below 0."""
    shares = values if bottom else values / top
    pixels = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    ends = {"low": f"{bottom:.3g}", "high": f"{top:.3g}", "bottom": bottom, "top": top}
    return {"image": address(pixels), "colors": colors, "unit": unit, **ends}
