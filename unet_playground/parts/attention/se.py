"""Squeeze and excitation: one factor per channel from the means of all channels."""

import torch
from torch import Tensor, nn

from unet_playground.parts.attention.slot import OPEN, Attention, PooledGate, Reduction, attentions, mean_of
from unet_playground.parts.layers import Place
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import IGNORE, Tap


@attentions.register(
    "se",
    title="Squeeze and excitation",
    formula=r"$y = x \cdot \sigma(W_2\, \mathrm{ReLU}(W_1\, \mathrm{GAP}(x)))$",
    paper=Paper("Hu et al.", 2018, "Squeeze-and-Excitation Networks", "arXiv:1709.01507"),
    zh=Chinese(
        "SE 通道注意力",
        "看整幅图，决定哪些通道重要。",
        "每个通道取全图平均，经小网络得到 0 到 1 的权重。隐藏宽度为 max(4, C // r)，否则窄层会得到零宽度。"
        "开始时权重约为 0.88，信号几乎原样通过。",
    ),
)
class SqueezeExcitation(Attention):
    """Looks at the whole image and decides which channels matter.

    Every channel is averaged over the image; a small network turns the averages into one factor between 0 and 1 per
    channel. Its hidden width is max(4, C // r): without the floor, thin stages would have none. Factors start near
    0.88, so that switching it on does not silence the network.
    """

    def __init__(self, channels: int, place: Place, *, reduction: Reduction = 16):
        super().__init__()
        self.gate = PooledGate(channels, reduction, place.dims)
        nn.init.constant_(self.gate.excite.bias, OPEN)  # type: ignore[arg-type]

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return x * tap.gate("channel", torch.sigmoid(self.gate(mean_of(x))))
