"""What can be segmented: the classes of a task and how an image is made ready for its networks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from unet_playground.design import Design
from unet_playground.errors import IllegalDesign, Text
from unet_playground.images import Picture
from unet_playground.registry import Catalogue, Chinese, Paper


@dataclass(frozen=True)
class Label:
    """One class of a mask.

    Attributes:
        title: Its name.
        color: Its colour in every picture, `#rrggbb`.
    """

    title: Text
    color: str


class Task:
    """Segment an image into classes.

    Attributes:
        channels: Channels of the network's input.
        dims: Of its images.
        labels: The classes, background first.
    """

    channels: ClassVar[int] = 3
    dims: ClassVar[int] = 2
    labels: ClassVar[tuple[Label, ...]]

    @classmethod
    def check_dims(cls, design: Design) -> None:
        """Refuse a design for volumes where the task has images, and the reverse."""
        if design.dims != cls.dims:
            raise IllegalDesign(
                f"dims={design.dims} does not fit this task, whose images have {cls.dims} dimensions: "
                f"choose dims={cls.dims}.",
                f"dims={design.dims} 不适合此任务（图像为 {cls.dims} 维）：请选择 dims={cls.dims}。",
            )

    def prepare(self, picture: Picture) -> Tensor:
        """The network's input, float32 (channels, h, w), of a picture of any size."""
        raise NotImplementedError


tasks: Catalogue[type[Task]] = Catalogue("task", Text("Task", "任务"))

BACKGROUND = Label(Text("background", "背景"), "#000000")


@tasks.register(
    "nuclei",
    title="Nuclei",
    zh=Chinese(
        "细胞核", "显微图像中的细胞核，荧光或染色。", "474 幅图像，来自 2018 年数据科学碗；每幅按自身的亮度范围拉伸。"
    ),
    paper=Paper(
        "Caicedo et al.", 2019, "Nucleus segmentation across imaging experiments", "doi:10.1038/s41592-019-0612-7"
    ),
)
class Nuclei(Task):
    """Cell nuclei in microscopy, fluorescent or stained.

    The images come from many microscopes and cover very different ranges of brightness, so each is stretched to its
    own: its 0.5th and 99.5th percentiles become 0 and 1.
    """

    labels = (BACKGROUND, Label(Text("nucleus", "细胞核"), "#2fd0c0"))

    def prepare(self, picture: Picture) -> Tensor:
        return _as_channels(stretch(picture.pixels))


def stretch(pixels: np.ndarray) -> np.ndarray:
    """Pixels with their 0.5th and 99.5th percentile moved to 0 and 1, float32; a constant image becomes 0."""
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.5])
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def _as_channels(pixels: np.ndarray) -> Tensor:
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
