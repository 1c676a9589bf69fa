"""scSE: a channel gate and a spatial gate side by side."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from unet_playground.parts.attention.slot import Attention, PooledGate, Reduction, attentions, mean_of
from unet_playground.parts.layers import Place, convolution
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap


@attentions.register(
    "scse",
    title="scSE",
    formula=r"$y = \max(c\,x,\ s\,x),\quad c = 2\,\sigma(M(\mathrm{GAP}\ x)),\quad s = 2\,\sigma(w \cdot x)$",
    paper=Paper("Roy et al.", 2018, "Concurrent Spatial and Channel Squeeze and Excitation", "arXiv:1803.02579"),
    zh=Chinese(
        "scSE",
        "通道门与位置门同时看同一输入。",
        "通道门由全图平均经小网络得到（隐藏宽度 max(4, C // r)，论文取 r = 2），位置门是一个 1×1 卷积。"
        "combine=max（作者的代码）对两张加权后的特征图逐元素取最大值：正值取较大的系数，负值取较小的系数。"
        "combine=add（smp 的实现）把两张图相加。用单纯的 sigmoid，开始时 max 会让信号减半，add 则不变；"
        "因此 max 的每个门乘以 2（范围 0 到 2，从 1 开始），add 的每个门保持 sigmoid（从 1/2 开始，合起来为 1）。"
        "两种方式起初都让信号原样通过。",
    ),
)
class ConcurrentAttention(Attention):
    """Which channel and which place, both asked of the same input.

    A channel gate (a small network on the averages over the image; its hidden width is max(4, C // r), with r = 2 as
    in the paper) and a spatial gate (a 1x1 convolution) weigh the input side by side. `combine=max`, the authors'
    code, takes the elementwise maximum of the two weighed maps: the larger factor for a positive value, the smaller
    one for a negative. `combine=add`, as in smp, takes their sum. With bare sigmoids the maximum would start at half
    of the signal and the sum at all of it. So with `max` every gate is doubled (0 to 2, starting at 1), and with `add`
    it is a plain sigmoid (starting at 1/2 each, 1 together): both start by passing the input unchanged.
    """

    def __init__(
        self,
        channels: int,
        place: Place,
        *,
        combine: Annotated[Literal["max", "add"], Knob("Combine", "合并方式")] = "max",
        reduction: Reduction = 2,
    ):
        super().__init__()
        self.strongest = combine == "max"
        self.channel = PooledGate(channels, reduction, place.dims)
        self.spatial = convolution(channels, 1, 1, place.dims)
        nn.init.zeros_(self.channel.excite.weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.spatial.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        top = 2.0 if self.strongest else 1.0
        by_channel = x * tap.gate("channel", top * torch.sigmoid(self.channel(mean_of(x))), top)
        by_place = x * tap.gate("spatial", top * torch.sigmoid(self.spatial(x)), top)
        return torch.maximum(by_channel, by_place) if self.strongest else by_channel + by_place
