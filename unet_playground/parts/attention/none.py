"""No attention."""

from torch import Tensor

from unet_playground.parts.attention.slot import Attention, attentions
from unet_playground.parts.layers import Place
from unet_playground.registry import Chinese
from unet_playground.taps import IGNORE, Tap


@attentions.register(
    "none",
    title="None",
    formula=r"$y = x$",
    zh=Chinese("无", "特征原样通过。"),
)
class NoAttention(Attention):
    """Features pass as they are."""

    weighs = False

    def __init__(self, channels: int, place: Place):
        super().__init__()

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return x
