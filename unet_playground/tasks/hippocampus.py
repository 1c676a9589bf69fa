"""The hippocampus in MR slices."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.errors import Text
from unet_playground.images import Picture
from unet_playground.registry import Chinese, Paper
from unet_playground.tasks.slot import BACKGROUND, GOLD, TEAL, Label, Scan, Task, as_input, gray, stretch, tasks, unit


@tasks.register(
    "hippocampus",
    title="Hippocampus",
    zh=Chinese(
        "海马体",
        "脑部 MR 切片中海马体的前部与后部，三类的小结构。",
        "220 个约 36×50×35 体素、1 毫米的体数据；训练时沿三个方向切片。每幅切片按自身的亮度范围拉伸。",
    ),
    paper=Paper(
        "Simpson et al.", 2019, "A large annotated medical image dataset (Decathlon, Task04)", "arXiv:1902.09063"
    ),
)
class Hippocampus(Task):
    """Front and back part of the hippocampus in slices of brain MR: a small structure of two parts.

    Volumes of about 36 x 50 x 35 voxels of 1 mm around one hippocampus. MR has no units, so every slice is stretched
    to its own brightness. Networks are trained on slices in all three directions; a volume is cut across one.
    Networks with dims=3 take volumes whole, stretched as one.
    """

    channels = 1
    dims = (2, 3)
    plane = 1
    scan = Scan(
        pixel=1.0,
        mirrored=True,
        note=Text(
            "Networks learned from MR boxes of about 36 x 50 x 35 mm around one hippocampus; what they mark far from a "
            "hippocampus means nothing.",
            "网络只学习过单侧海马体周围约 36×50×35 毫米的 MR 区域；远离海马体处的标记没有意义。",
        ),
    )
    labels = (
        BACKGROUND,
        Label(Text("anterior", "前部"), TEAL, "Hippocampus"),
        Label(Text("posterior", "后部"), GOLD, "Hippocampus"),
    )

    def prepare(self, picture: Picture) -> Tensor:
        return as_input(stretch(gray(unit(picture.pixels))))

    def prepare_volume(self, values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(stretch(values))[None]
