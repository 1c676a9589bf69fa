"""CBAM: a channel gate and a spatial gate, one after the other."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from unet_playground.parts.attention.slot import (
    OPEN,
    Attention,
    KernelSide,
    PooledGate,
    Reduction,
    attentions,
    mean_of,
    sides_of,
)
from unet_playground.parts.layers import Place, convolution
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap


@attentions.register(
    "cbam",
    title="CBAM",
    formula=r"$c = x\, \sigma(M(\mathrm{avg}\, x) + M(\max x)),\quad y = c\, \sigma(K * [\max_c, \mathrm{mean}_c])$",
    paper=Paper("Woo et al.", 2018, "CBAM: Convolutional Block Attention Module", "arXiv:1807.06521"),
    zh=Chinese(
        "CBAM",
        "先选通道，再选位置。",
        "论文是先后两步；order=parallel 让两个门都看同一输入，再把两者相乘。论文在 7×7 卷积后用批归一化；"
        "推理时那只是缩放与平移，已包含在卷积的权重和偏置里。两个门开始时都几乎打开。",
    ),
)
class Cbam(Attention):
    """First which channel, then which place.

    A channel gate (one small network shared by the average and the maximum) and then a spatial gate (a 7x7
    convolution over the channels' maximum and mean). The paper runs them one after the other; `order=parallel` lets
    both look at the same input and multiplies by both. The paper normalises the spatial score over the batch; at
    inference that is a scale and a shift, which the convolution's weight and bias contain. Both gates start open.
    """

    def __init__(
        self,
        channels: int,
        place: Place,
        *,
        order: Annotated[Literal["sequential", "parallel"], Knob("Order", "顺序")] = "sequential",
        kernel: KernelSide = 7,
        reduction: Reduction = 16,
    ):
        super().__init__()
        self.parallel = order == "parallel"
        self.channel = PooledGate(channels, reduction, place.dims)
        self.spatial = convolution(2, 1, kernel, place.dims)
        # Two pooled vectors are summed, so each brings half of the bias.
        nn.init.constant_(self.channel.excite.bias, OPEN / 2)  # type: ignore[arg-type]
        nn.init.constant_(self.spatial.bias, OPEN)  # type: ignore[arg-type]
        with torch.no_grad():
            self.spatial.weight.mul_(0.1)  # type: ignore[operator]

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        score = self.channel(mean_of(x)) + self.channel(x.amax(sides_of(x), keepdim=True))
        weighed = x * tap.gate("channel", torch.sigmoid(score))
        seen = x if self.parallel else weighed
        summary = torch.cat([seen.amax(1, keepdim=True), seen.mean(1, keepdim=True)], 1)
        return weighed * tap.gate("spatial", torch.sigmoid(self.spatial(summary)))
