"""Blood vessels on the retina."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground.errors import Text
from unet_playground.images import Picture
from unet_playground.registry import Chinese, Paper
from unet_playground.tasks.slot import BACKGROUND, TEAL, Label, Task, as_input, colors, tasks, unit

HALF = 40
"""Pixels from the middle to the border of the window of local brightness."""
FLOOR = 0.01
"""Added to the local deviation, so that an even ground stays even."""


@tasks.register(
    "vessels",
    title="Retinal vessels",
    zh=Chinese(
        "视网膜血管",
        "眼底照片中的血管，细处只有一两个像素宽。",
        "CHASE_DB1 的 28 幅照片，14 名儿童；每个通道按局部亮度与对比度归一化，因此不受相机与照明的影响。",
    ),
    paper=Paper(
        "Fraz et al.",
        2012,
        "An ensemble classification-based approach applied to retinal blood vessel segmentation",
        "doi:10.1109/TBME.2012.2205687",
    ),
)
class Vessels(Task):
    """Blood vessels in fundus photographs, the thin ones a pixel or two wide.

    Cameras differ in colour and every photograph darkens towards its rim. So each channel is measured against its
    neighbourhood, a window of 81 pixels: the local mean becomes 1/2, three local deviations more or less become 1 and
    0. Networks were trained on photographs 999 pixels wide that show 30 degrees of the retina; others
    are best rescaled to that.
    """

    labels = (BACKGROUND, Label(Text("vessel", "血管"), TEAL))

    def prepare(self, picture: Picture) -> Tensor:
        return against_neighbourhood(as_input(colors(unit(picture.pixels))))


def against_neighbourhood(image: Tensor) -> Tensor:
    """Every channel of (c, h, w) in units of its local deviation: 1/2 is the local mean, 0 and 1 three deviations."""
    mean = _local_mean(image)
    deviation = (_local_mean(image.square()) - mean.square()).clamp_min(0).sqrt()
    return (0.5 + (image - mean) / (6 * (deviation + FLOOR))).clamp(0, 1)


def _local_mean(image: Tensor) -> Tensor:
    """Mean over the window, at borders over what lies inside."""
    for axis in (1, 2):
        sums = F.pad(image.movedim(axis, -1).double().cumsum(-1), (1, 0))
        n = image.shape[axis]
        low = torch.from_numpy(np.maximum(np.arange(n) - HALF, 0))
        high = torch.from_numpy(np.minimum(np.arange(n) + HALF + 1, n))
        image = ((sums[..., high] - sums[..., low]) / (high - low)).to(image.dtype).movedim(-1, axis)
    return image
