"""Dynamic sampling: an interpolation that learns where to read."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground.parts.layers import Place, convolution, depth_to_space, scatter
from unet_playground.parts.up.slot import SmallKernel, Up, ups
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import Tap


@ups.register(
    "dysample",
    title="DySample",
    formula=r"$y = W * z,\quad z(p) = x\left(\frac{p + 1/2}{2} - \frac{1}{2} + \frac{1}{4}\, (O x)(p)\right)$",
    paper=Paper("Liu et al.", 2023, "Learning to Upsample by Learning to Sample", "arXiv:2308.15085"),
    zh=Chinese(
        "DySample 动态采样",
        "双线性插值，但每个取样点会学着移动。",
        "1×1 卷积为每个输出像素预测位移，乘以 0.25 后加到双线性插值的取样位置上；通道分成至多四组，每组各有位移。"
        "位移为零时正好就是双线性插值，起初也几乎如此。系数 0.25 是因为双线性位置之间相距半个像素："
        "位移在 ±0.25 像素以内时相邻的取样点不会越过彼此；它只缩小位移，并不限制大小。"
        "预测很便宜，费用主要在随后的全分辨率卷积上。每个取样点仍只看四个源像素：移动可以让边缘变锐，却造不出新的细节。"
        "越过图像边界的位置取边界像素的值。只为图像定义。",
    ),
)
class DySample(Up):
    """Interpolates bilinearly, but every sampling point learns to move.

    A 1x1 convolution predicts displacements for every output pixel; a quarter of them is added to the places where
    bilinear interpolation reads, with displacements of its own for each of up to four groups of channels. With
    displacements of zero it is bilinear interpolation exactly, and it starts close to that. The quarter is there
    because bilinear positions lie half a pixel apart: displacements within 0.25 pixels do not let neighbours pass
    each other. It shrinks displacements and does not bound them. Predicting them is cheap; most of the cost is the
    convolution after it, at the finer resolution. A place still reads no more than four source pixels, so moving it
    can make an edge sharper and cannot make new detail. Places beyond the border read the border. It is defined for
    images only.
    """

    dims = (2,)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        place: Place,
        *,
        kernel: SmallKernel = 3,
    ):
        super().__init__()
        self.groups = math.gcd(4, in_channels)
        self.predictor = convolution(in_channels, 2 * self.groups * 4, 1, place.dims)
        scatter(self.predictor.weight, 0.001)  # type: ignore[arg-type]
        self.convolution = convolution(in_channels, out_channels, kernel, place.dims, centred=True)

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        # Channel 4 (2 g + axis) + s of the predictor moves group g along an axis (rows first) at sub-position s.
        offsets = tap.sampling("offsets", depth_to_space(0.25 * self.predictor(x)), rest=0)
        return self.convolution(sample_displaced(x, offsets, self.groups))


def sample_displaced(x: Tensor, offsets: Tensor, groups: int) -> Tensor:
    """Bilinear enlargement read from displaced places, beyond the border from the border.

    Args:
        x: (n, c, h, w).
        offsets: (n, groups * 2, 2h, 2w), dy and dx in turn, in pixels of x.
        groups: Number of groups of neighbouring channels that move together.
    """
    n, channels, *sides = x.shape
    # Half precision cannot tell pixels beyond 256 from their neighbours.
    dtype = torch.promote_types(x.dtype, torch.float32)
    axes = [(torch.arange(2 * side, device=x.device, dtype=dtype) + 0.5) / 2 for side in sides]
    edges = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    places = edges + offsets.to(dtype).reshape(n * groups, 2, *offsets.shape[2:])
    # grid_sample wants columns first and coordinates from -1 to 1 between the outer edges of the image.
    scale = torch.tensor([2.0 / side for side in reversed(sides)], device=x.device, dtype=dtype)
    grid = places.movedim(1, -1).flip(-1) * scale - 1
    grouped = x.to(dtype).reshape(n * groups, channels // groups, *sides)
    read = F.grid_sample(grouped, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return read.reshape(n, channels, *read.shape[2:]).to(x.dtype)
