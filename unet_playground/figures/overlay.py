"""A mask over its image, pixel for pixel."""

import numpy as np
from numpy.typing import NDArray

from unet_playground.images import Picture
from unet_playground.tasks import Label
from unet_playground.training.metrics import edge


def overlay(
    picture: Picture,
    mask: NDArray[np.uint8],
    labels: tuple[Label, ...],
    opacity: float = 0.35,
    point: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """The picture with every class filled in its colour and outlined, RGB (h, w, 3) of the picture's own size.

    Args:
        picture: The image.
        mask: (h, w) class numbers.
        labels: Titles and colours of the classes.
        opacity: Of the fill, 0 to 1; outlines are opaque.
        point: (row, column) of a pixel to mark with a cross.
    """
    shown = as_rgb(picture).astype(np.float32)
    for number, label in enumerate(labels[1:], start=1):
        color = np.array([int(label.color[at : at + 2], 16) for at in (1, 3, 5)], np.float32)
        region = mask == number
        shown[region] = (1 - opacity) * shown[region] + opacity * color
        shown[edge(region)] = color
    if point is not None:
        _cross(shown, point)
    return np.rint(shown).astype(np.uint8)


def as_rgb(picture: Picture) -> NDArray[np.uint8]:
    """The picture as a screen shows it, RGB uint8; what has more than 8 bits is stretched to its own range."""
    pixels = picture.pixels
    if pixels.dtype != np.uint8:
        low, high = np.percentile(pixels, [0.1, 99.9])
        pixels = np.rint(np.clip((pixels - low) / max(float(high - low), 1e-6), 0, 1) * 255)
    pixels = pixels.astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def _cross(shown: NDArray[np.float32], point: tuple[int, int]) -> None:
    row, column = point
    arm = max(2, min(shown.shape[:2]) // 40)
    for reach, color in ((arm + 1, 0.0), (arm, 255.0)):
        shown[max(0, row - reach) : row + reach + 1, column] = color
        shown[row, max(0, column - reach) : column + reach + 1] = color
