"""What all questions about skips share."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.errors import PlaygroundError, Text

NOTHING = Text("Nothing crosses in this design.", "该设计中没有任何特征跨越。")


def levels_crossed(features: Mapping[str, Tensor]) -> tuple[int, ...]:
    """The levels at which something crosses, finest first."""
    numbers = (name.removeprefix("skip.") for name in features if name.startswith("skip."))
    return tuple(sorted(int(number) for number in numbers if number.isdecimal()))


def fitting_truth(truth: NDArray[np.uint8], image: Tensor) -> NDArray[np.uint8]:
    """The true classes themselves, if they have the image's sides."""
    if truth.shape != tuple(image.shape[2:]):
        own, sides = (" x ".join(map(str, shape)) for shape in (truth.shape, image.shape[2:]))
        raise PlaygroundError(
            f"The truth is {own} pixels, but the image is {sides}: give the truth of this image.",
            f"真值为 {own} 像素，而图像为 {sides}：请给出此图像的真值。",
        )
    return truth


def percent(value: float) -> str:
    """A share as a reader's number: 0.6%, 12%."""
    return f"{100 * value:.1f}%" if abs(value) < 0.0995 else f"{100 * value:.0f}%"
