"""What a task is: the classes of its masks and how an image is made ready for its networks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.design import Design
from unet_playground.errors import IllegalDesign, Text
from unet_playground.images import Picture
from unet_playground.registry import Catalogue


@dataclass(frozen=True)
class Label:
    """One class of a mask.

    Attributes:
        title: Its name.
        color: Its colour in every picture, `#rrggbb`.
        structure: The part of the body that it is or belongs to, by its keyword among pydicom's SNOMED CT codes
            (`pydicom.sr.codedict.codes.SCT`); empty where a class is none.
    """

    title: Text
    color: str
    structure: str = ""


AIR = (-3100, -500)
"""HU between which the lowest numbers of a CT lie: air, or what stands outside its field."""


def in_hounsfield(units: str | None, values: NDArray[np.float32]) -> bool:
    """Whether numbers are Hounsfield units.

    Args:
        units: What the file says.
        values: Of any shape. Where the file says nothing, those that reach down to air are taken so: no other scanner's
            do.
    """
    return units == "HU" or (units is None and AIR[0] < float(np.percentile(values, 0.5)) < AIR[1])


@dataclass(frozen=True)
class Scan:
    """How the slices of a task's training were taken from volumes, so that a visitor's volume becomes like them.

    Attributes:
        pixel: Side of a training pixel in mm.
        window: The modality's units that are black and white; None where every slice has its own range.
        units: What a window is given in, as `HU`.
        side: Longest side in pixels that a slice without spacing is brought to; None leaves it as it is.
        mirrored: Whether networks of whole volumes have seen both of the patient's sides, those of slices one alone.
        note: What is assumed of a volume, for every result.
    """

    pixel: float
    note: Text
    window: tuple[float, float] | None = None
    units: str | None = None
    side: int | None = None
    mirrored: bool = False

    def seen(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of any shape through the window, 0 to 1; as they are where there is none."""
        if self.window is None:
            return values
        low, high = self.window
        return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


class Task:
    """Segment an image into classes.

    Attributes:
        channels: Channels of the network's input.
        dims: What its networks may take: 2, its images; 3, whole volumes.
        labels: The classes, background first.
        plane: The axis (0 x, 1 y, 2 z) across which a volume is cut into the images of this task.
        scan: How its slices were taken from volumes; None where its images are no slices.
    """

    channels: ClassVar[int] = 3
    dims: ClassVar[tuple[int, ...]] = (2,)
    labels: ClassVar[tuple[Label, ...]]
    plane: ClassVar[int] = 2
    scan: ClassVar[Scan | None] = None

    @classmethod
    def check_dims(cls, design: Design, picture: bool = False) -> None:
        """Refuse a design for volumes where the task, or what it is run on, has none.

        Args:
            design: Any.
            picture: Whether it shall be run on a picture, as no design for volumes can be.
        """
        if picture and design.dims in set(cls.dims) - set(Task.dims):
            raise IllegalDesign(
                f"A design with dims={design.dims} takes whole volumes, and this is an image: choose dims=2, or have a "
                "volume segmented (on the command line with an --out that ends with .nii.gz).",
                f"dims={design.dims} 的设计需要完整的体数据，而这是图像：请选择 dims=2，或对体数据进行分割"
                "（命令行中用以 .nii.gz 结尾的 --out）。",
            )
        if design.dims not in cls.dims:
            raise IllegalDesign(
                f"dims={design.dims} does not fit this task, whose images have 2 dimensions: choose dims=2.",
                f"dims={design.dims} 不适合此任务（图像为 2 维）：请选择 dims=2。",
            )

    def prepare(self, picture: Picture) -> Tensor:
        """The network's input, float32 (channels, h, w), of a picture of any size."""
        raise NotImplementedError

    def prepare_volume(self, values: NDArray[np.float32]) -> Tensor:
        """The input of a network with dims=3, float32 (channels, *sides), of a volume in any order of its axes."""
        raise NotImplementedError


tasks: Catalogue[type[Task]] = Catalogue("task", Text("Task", "任务"))

BACKGROUND = Label(Text("background", "背景"), "#000000")
_REC_601 = np.array([0.299, 0.587, 0.114], np.float32)
TEAL, GOLD = "#2fd0c0", "#e8b321"


def unit(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels as float32 in 0..1: bytes divided by 255, fractions as they are."""
    return pixels.astype(np.float32) / np.float32(255 if pixels.dtype == np.uint8 else 1)


def gray(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) of (h, w) or of (h, w, 3): the brightness as Rec. 601 weighs it."""
    return (pixels @ _REC_601).astype(np.float32) if pixels.ndim == 3 else pixels


def colors(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w, 3) of (h, w, 3) or of (h, w): gray in every channel."""
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def stretch(pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels or voxels, their 0.5th and 99.5th percentile moved to 0 and 1, float32; a constant image becomes 0."""
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.5])
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def as_input(pixels: NDArray[np.float32]) -> Tensor:
    """(channels, h, w) of (h, w) or of (h, w, channels)."""
    stacked = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(stacked))
