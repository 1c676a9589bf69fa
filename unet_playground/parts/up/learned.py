"""A learned enlargement behind an attention gate."""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.parts.layers import Place, convolution
from unet_playground.parts.up.shuffle import PixelShuffle
from unet_playground.parts.up.slot import Up, ups
from unet_playground.parts.up.transposed import Transposed
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import Tap


@ups.register(
    "learned",
    title="Learned, with a gate",
    formula=r"$y = \alpha\, u,\quad u = \mathrm{up}_2(x),\quad \alpha = \sigma(\psi(\mathrm{ReLU}(W u)))$",
    paper=Paper("Oktay et al.", 2018, "Attention U-Net (the gate)", "arXiv:1804.03999"),
    zh=Chinese(
        "可学习加注意力门",
        "先用可学习的方式放大，再逐像素决定保留多少。",
        "放大方式可选 4×4 转置卷积（每个输出像素重叠四次，次数相同）或 3×3 像素重排（ICNR 初始化）。"
        "随后的门从放大结果本身算出每个像素一个 0 到 1 的系数。门在开始时对所有像素都打开（0.88），"
        "所以起初只是把信号乘以 0.88，之后才学会压低背景。要留意：门只能减弱，不能增添细节；"
        "放大时画出的棋盘格，门看得见却补不了。把这两步合在一起是教学上的组合，论文只提出了门，而且把它放在跳跃连接上。",
    ),
)
class Learned(Up):
    """Enlarges with learned weights, then decides pixel by pixel how much of it to keep.

    The enlargement is a 4x4 transposed convolution (every output pixel is overlapped equally often, four times) or a
    3x3 pixel shuffle (started by ICNR). The gate after it computes one factor between 0 and 1 per pixel from the
    enlarged features themselves. It starts equally open everywhere (0.88), so that the signal is merely scaled until
    training finds background to quieten. What to watch for: a gate can only weaken. It adds no detail, and a
    checkerboard that the enlargement draws stays. Putting the two in a row is a combination for learning; the paper
    defines the gate alone and puts it on the skip connections.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        place: Place,
        *,
        by: Annotated[Literal["transposed", "shuffle"], Knob("Enlarged by", "放大方式")] = "transposed",
    ):
        super().__init__()
        if by == "transposed":
            self.enlargement = Transposed(in_channels, out_channels, place, kernel=4)
        else:
            self.enlargement = PixelShuffle(in_channels, out_channels, place)
        inner = max(1, out_channels // 2)
        self.of_enlarged = convolution(out_channels, inner, 1, place.dims)
        self.psi = convolution(inner, 1, 1, place.dims)
        # Without weights the gate opens by its bias alone: sigmoid(2) = 0.88 at every pixel.
        nn.init.zeros_(self.psi.weight)  # type: ignore[arg-type]
        nn.init.constant_(self.psi.bias, 2.0)  # type: ignore[arg-type]

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        enlarged = self.enlargement.enlarge(x, tap)
        alpha = torch.sigmoid(self.psi(F.relu(self.of_enlarged(enlarged))))
        return enlarged * tap.gate("alpha", alpha)
