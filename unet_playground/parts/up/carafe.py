"""Content-aware reassembly: every output pixel weighs a neighbourhood with a kernel of its own."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground.parts.layers import Place, convolution, depth_to_space, scatter
from unet_playground.parts.up.interpolation import repeat
from unet_playground.parts.up.slot import Up, ups
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import Tap

SIDE = 5
"""Side of the neighbourhood that is reassembled, as in the paper."""


@ups.register(
    "carafe",
    title="CARAFE",
    formula=r"$y(p) = \sum_k w_k(p)\ (W x)(\lfloor p / 2 \rfloor + k),\quad w(p) = \mathrm{softmax}((E * C x)(p))$",
    paper=Paper("Wang et al.", 2019, "CARAFE: Content-Aware ReAssembly of FEatures", "arXiv:1905.02188"),
    zh=Chinese(
        "CARAFE 内容感知重组",
        "每个输出像素用自己的核重新组合 5×5 邻域。",
        "核由图像内容算出：1×1 卷积压缩通道，3×3 卷积给每个输出像素 25 个数，softmax 让它们非负且和为 1。"
        "所以每个输出值都是低分辨率邻域的加权平均：核可以在物体边界的一侧取值而不越界，但不能锐化，也不能超出邻域的取值范围。"
        "同一个核用于所有通道。开始时 25 个权重几乎相等，即 5×5 方框模糊后按最近邻放大；学习的是把它收窄。"
        "这里先在低分辨率用 1×1 卷积把特征投影到所需通道数再重组，比重组之后再投影便宜；两者只差图像边界处的偏置。"
        "压缩后的通道数取输入的四分之一，限制在 4 到 64 之间（论文把 256 压到 64）。只为图像定义。",
    ),
)
class Carafe(Up):
    """Every output pixel reassembles a 5x5 neighbourhood with a kernel of its own.

    The kernels are computed from the content: a 1x1 convolution compresses the channels, a 3x3 convolution gives 25
    numbers for every output pixel, and a softmax makes them positive with sum one. So every output value is an average
    of source pixels: a kernel can take one side of an object's edge and leave the other, but it cannot sharpen or
    leave the range of its neighbourhood, and all channels share it. The 25 weights start almost equal, as a 5x5 box
    blur enlarged by repeating pixels; what is learned is to narrow it. The features are projected to their new
    width by a 1x1 convolution before they are reassembled: at low resolution that costs a quarter, and the result
    differs only by the bias at the border, where zeros stand outside the image. The compressed width is a quarter of
    the input's, between 4 and 64 (the paper compresses 256 to 64). It is defined for images only.
    """

    dims = (2,)

    def __init__(self, in_channels: int, out_channels: int, place: Place):
        super().__init__()
        inner = min(64, max(4, in_channels // 4))
        self.projection = convolution(in_channels, out_channels, 1, place.dims, centred=True)
        self.compression = convolution(in_channels, inner, 1, place.dims)
        self.encoder = convolution(inner, 4 * SIDE**2, 3, place.dims)
        # The authors' start: almost equal weights, and enough difference for the compression to receive gradient.
        scatter(self.encoder.weight, 0.001)  # type: ignore[arg-type]

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        # Channel 4 k + s of the encoder holds tap k (row-major in the neighbourhood) of sub-position s (row-major).
        scores = depth_to_space(self.encoder(self.compression(x)))
        weights = tap.sampling("kernel", torch.softmax(scores, 1), rest=1 / SIDE**2)
        return reassemble(self.projection(x), weights)


def reassemble(x: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of neighbourhoods: x (n, c, h, w), weights (n, 25, 2h, 2w) -> (n, c, 2h, 2w).

    Output p reads the neighbourhood of source pixel floor(p / 2), zeros outside the image. In training, one pass per
    tap over repeated pixels needs a third of the time of unfolded neighbourhoods and keeps 4 values for their 25.
    """
    height, width = weights.shape[2:]
    # Weighing is four times slower when features have their channels side by side in memory and weights do not.
    repeated = F.pad(repeat(x.contiguous()), [SIDE - 1] * 4)
    weights = weights.to(x.dtype)
    total = x.new_zeros(*x.shape[:2], height, width)
    for k in range(SIDE**2):
        top, left = 2 * (k // SIDE), 2 * (k % SIDE)
        shifted = repeated[:, :, top : top + height, left : left + width]
        total = torch.addcmul(total, shifted, weights[:, k : k + 1])
    return total
