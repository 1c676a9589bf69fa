"""A skip whose gate the decoder controls."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.parts.layers import Place, convolution
from unet_playground.parts.skip.slot import Passage, Skip, skips
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import IGNORE, Tap


@skips.register(
    "attention-gate",
    title="Attention gate",
    formula=r"$y = [U(d),\ \alpha e_i],\quad \alpha = \sigma(\psi(\mathrm{ReLU}(W_e e_i + W_d U(d))))$",
    paper=Paper("Oktay et al.", 2018, "Attention U-Net", "arXiv:1804.03999"),
    zh=Chinese(
        "注意力门",
        "由解码器决定什么可以通过。",
        "每个像素一个 0 到 1 的系数，由编码特征和解码特征一起算出。原文的门控信号来自更粗的一级；"
        "这里用已上采样的特征，因此不需要重新采样。开始时门对所有像素同样打开（0.88）。",
    ),
)
class AttentionGate(Skip):
    """The decoder decides what may pass.

    One factor between 0 and 1 for every pixel, computed from what the encoder offers and what the decoder already
    knows. The paper takes the gating signal from the coarser scale and interpolates the factor; here the features
    are upsampled already, so nothing is resampled twice. The gate starts equally open everywhere (0.88) and its inner
    width is half the level's.
    """

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__(widths, place)
        channels = widths[place.level]
        inner = max(1, channels // 2)
        self.of_encoded = convolution(channels, inner, 1, place.dims, bias=False)
        self.of_decoded = convolution(channels, inner, 1, place.dims)
        self.psi = convolution(inner, 1, 1, place.dims)
        # Without weights the gate opens by its bias alone: sigmoid(2) = 0.88 at every pixel.
        nn.init.zeros_(self.psi.weight)  # type: ignore[arg-type]
        nn.init.constant_(self.psi.bias, 2.0)  # type: ignore[arg-type]

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        offered = passage.encoded[self.level]
        alpha = torch.sigmoid(self.psi(F.relu(self.of_encoded(offered) + self.of_decoded(decoded))))
        return offered * tap.gate(f"gate.{self.level}.alpha", alpha)
