"""The full-scale skips of UNet 3+."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.parts.layers import Norm, Place, convolution
from unet_playground.parts.skip.slot import Passage, Skip, skips
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import IGNORE, Tap


class Branch(nn.Module):
    """A 3x3 convolution with normalisation and ReLU."""

    def __init__(self, channels: int, filters: int, dims: int):
        super().__init__()
        self.convolution = convolution(channels, filters, 3, dims, bias=False, centred=True)
        self.norm = Norm(filters, dims)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.convolution(x)))


@skips.register(
    "full-scale",
    title="Full-scale",
    formula=r"$y = [B_d U(d),\ B_0 P(e_0),\ \ldots,\ B_i e_i,\ B_{i+2} U(d_{i+2}),\ \ldots]$",
    paper=Paper("Huang et al.", 2020, "UNet 3+", "arXiv:2004.08790"),
    zh=Chinese(
        "全尺度",
        "每个解码级都得到所有级别：更细的编码级和更粗的解码级。",
        "每个来源先对齐分辨率（更细的最大池化，更粗的双线性放大），再经自己的 3×3 卷积得到同样多的通道，"
        "即最细一级的宽度（原文为 64），然后拼接。紧邻的更粗一级由上采样部件放大，也有自己的分支。"
        "原文各解码级宽度都是 5×64；这里保持该级的宽度，以便与其他跳跃互换。卷积在放大之后进行，因此很贵。",
    ),
)
class FullScale(Skip):
    """Every decoder stage receives every level: finer ones from the encoder, coarser ones from the decoder.

    Each source is aligned (finer ones max-pooled, coarser ones interpolated) and goes through its own 3x3 convolution
    to equally many channels, the finest level's width (64 in the paper); then they are concatenated. The next coarser
    stage comes through the `up` slot and has its branch as well. In the paper every decoder stage is 5 x 64 wide;
    here it keeps its level's width, so that it can be exchanged for any other skip. Convolving after enlarging is
    what makes it expensive.
    """

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__(widths, place)
        level, depth, filters = place.level, place.depth, widths[0]
        self.branches = nn.ModuleDict(
            {
                "decoded": Branch(widths[level], filters, place.dims),
                **{f"encoder-{k}": Branch(widths[k], filters, place.dims) for k in range(level + 1)},
                **{f"decoder-{k}": Branch(widths[k], filters, place.dims) for k in range(level + 2, depth + 1)},
            }
        )
        self.filters, self.crossing = filters, depth * filters

    def sources(self, id: str) -> dict[str, int]:
        return {id: self.filters + self.crossing}

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        sides, depth = decoded.shape[2:], self.place.depth
        finer = [("encoder", k, passage.encoded[k]) for k in range(self.level + 1)]
        coarser = [("decoder", k, passage.decoded[depth - k]) for k in range(self.level + 2, depth + 1)]
        return torch.cat(
            [self.branches[f"{side}-{k}"](self.place.align(x, k, sides)) for side, k, x in (*finer, *coarser)], 1
        )

    def join(self, decoded: Tensor, crossed: Tensor | None) -> Tensor:
        own = self.branches["decoded"](decoded)
        return own if crossed is None else torch.cat([own, crossed], 1)
