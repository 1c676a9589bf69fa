"""What every instrument takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from unet_playground.errors import PlaygroundError, Text
from unet_playground.model import UNet
from unet_playground.registry import Catalogue


@dataclass(frozen=True)
class Target:
    """What is asked about: a class, in the whole image or at one pixel.

    Attributes:
        label: Class number.
        point: (row, column) of a pixel; None for every pixel that the model gives to the class.
    """

    label: int = 1
    point: tuple[int, int] | None = None

    def checked(self, model: UNet, image: Tensor) -> "Target":
        """The target itself, if the model has such a class and the image (1, c, h, w) such a pixel."""
        if not 0 <= self.label < model.classes:
            raise PlaygroundError(
                f"Class {self.label} does not exist; classes are 0 to {model.classes - 1}.",
                f"没有类别 {self.label}；类别为 0 到 {model.classes - 1}。",
            )
        height, width = image.shape[2:]
        if self.point and not (0 <= self.point[0] < height and 0 <= self.point[1] < width):
            raise PlaygroundError(
                f"Pixel (row {self.point[0]}, column {self.point[1]}) is outside the image; rows are 0 to "
                f"{height - 1}, columns 0 to {width - 1}.",
                f"像素（行 {self.point[0]}，列 {self.point[1]}）在图像之外；"
                f"行为 0 到 {height - 1}，列为 0 到 {width - 1}。",
            )
        return self

    def point_in(self, image: Tensor) -> tuple[int, int]:
        """The pixel asked about, the image's centre when none is."""
        height, width = image.shape[2:]
        return self.point or (height // 2, width // 2)


class Result(Protocol):
    """A frozen dataclass of arrays.

    Attributes:
        check: The result's own test of itself, with its number.
    """

    @property
    def check(self) -> Text: ...

    def arrays(self) -> Mapping[str, np.ndarray]:
        """The raw numbers by name, for export."""
        ...


class Analysis(Protocol):
    """An instrument. Its options are keyword-only and `Annotated`."""

    def __call__(self, model: UNet, image: Tensor, target: Target) -> Result:
        """Look at one prepared image (1, channels, h, w)."""
        ...


analyses: Catalogue[Analysis] = Catalogue("analysis", Text("Analysis", "分析"))
