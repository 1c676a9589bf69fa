"""Slot `down`: how the encoder gives up resolution."""

from typing import Annotated, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import Place, convolution, pool_down
from unet_playground.registry import Catalogue, Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap

_MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
_AVG_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}


class Down(nn.Module):
    """Halves the sides and keeps the channels: (n, c, *sides) -> (n, c, *ceil(sides / 2)).

    The choice "none" keeps the sides as well.

    Args of every part: channels, place, then its options by keyword.

    Attributes:
        halves: Whether it gives up resolution; without it the network keeps one width and the `up` slot is empty.
        share: How often a bank trains it relative to its siblings.
    """

    halves: ClassVar[bool] = True
    share: ClassVar[float] = 1.0

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        raise NotImplementedError


downs: Catalogue[type[Down]] = Catalogue("down", Text("Down", "下采样"))


@downs.register(
    "max-pool",
    title="Max pooling",
    formula=r"$y(p) = \max_{q \in 2p + \{0,1\}^2} x(q)$",
    paper=Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597"),
    zh=Chinese(
        "最大池化",
        "保留四个像素中最强的一个。",
        "没有参数。只有胜出的像素得到梯度，因此由梯度测得的感受野会偏小。像素减少四分之三，更深的层才负担得起更多通道。",
    ),
)
class MaxPool(Down):
    """Keeps the strongest of four pixels.

    It has no parameters. Only the winner of each window receives gradient, so a receptive field read from gradients
    is smaller than the true one. Three quarters of the pixels are gone afterwards: that is what pays for doubling
    the channels of the next stage.
    """

    def __init__(self, channels: int, place: Place):
        super().__init__()

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return pool_down(x, 1)


@downs.register(
    "avg-pool",
    title="Average pooling",
    formula=r"$y(p) = \frac{1}{4} \sum_{q \in 2p + \{0,1\}^2} x(q)$",
    paper=Paper(
        "LeCun et al.", 1998, "Gradient-Based Learning Applied to Document Recognition", "doi:10.1109/5.726791"
    ),
    zh=Chinese(
        "平均池化",
        "保留四个像素的平均值。",
        "没有参数，而且是线性的：每个像素得到四分之一的梯度，孤立的亮点则被冲淡到四分之一。边长为奇数时，"
        "边缘的窗口只对实际存在的像素取平均，因此常数图仍是同一常数。LeNet 还为每个通道乘一个可学习的系数并加偏置；"
        "这里由下一个卷积承担。",
    ),
)
class AveragePool(Down):
    """Keeps the mean of four pixels.

    It has no parameters and is linear: every pixel receives a quarter of the gradient, and a single strong pixel is
    diluted to a quarter of its strength. At an odd side the last window averages only the pixels that exist, so that
    a constant stays the constant. LeNet's also had a learned factor and a bias per channel; here the next
    convolution holds both.
    """

    def __init__(self, channels: int, place: Place):
        super().__init__()

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        # With the last pixel of an odd side repeated, a full window has the mean of the pixels that exist. torch's own
        # `ceil_mode` refuses volumes with a side of one pixel.
        return _AVG_POOL[x.dim() - 2](_repeat_border(x, 0), 2, 2)


@downs.register(
    "strided-conv",
    title="Strided convolution",
    formula=r"$y(p) = \sum_{k} W_k\, x(2p + k) + b$",
    paper=Paper("Springenberg et al.", 2015, "Striving for Simplicity", "arXiv:1412.6806"),
    zh=Chinese(
        "步幅卷积",
        "用可学习的 3×3 卷积每隔一个像素取一次。",
        "网络自己学习保留什么，代价是 9C² 个权重和 C 个偏置。每个像素都得到梯度。",
    ),
)
class StridedConvolution(Down):
    """Learns what to keep: a 3x3 convolution read at every second pixel.

    The network decides for itself what survives the loss of resolution, for 9C^2 weights and C biases. Every pixel
    receives gradient, not only a winner.
    """

    def __init__(self, channels: int, place: Place):
        super().__init__()
        self.convolution = convolution(channels, channels, 3, place.dims, stride=2, centred=True)

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return self.convolution(x)


@downs.register(
    "blur-pool",
    title="Blur pooling",
    formula=r"$m(q) = \max_{r \in q + \{0,1\}^2} x(r),\quad y(p) = \sum_{k} b_k\, m(2p + k)$",
    paper=Paper("Zhang", 2019, "Making Convolutional Networks Shift-Invariant Again", "arXiv:1904.11486"),
    zh=Chinese(
        "模糊池化",
        "逐像素取最大值，先模糊，再每隔一个像素取一次。",
        "图像平移一个像素，最大池化的窗口格就换了位置，输出可能突变。这里先以步幅 1 取最大值，"
        "再用固定的二项式核（[1,2,1]/4 或 [1,4,6,4,1]/16）模糊并以步幅 2 取样，输出随平移平缓变化；代价是细节更软。"
        "没有参数。边缘重复最外一圈像素（作者的代码用镜像），因此常数图仍是同一常数，一个像素的边长也可用。",
    ),
)
class BlurPool(Down):
    """Takes the maximum at every pixel, blurs, then reads every second pixel.

    When an image moves by one pixel, the windows of max pooling hold other pixels and the output can jump. Here the
    maximum is taken with stride 1, a fixed binomial filter ([1,2,1]/4 or [1,4,6,4,1]/16) blurs it, and only then every
    second pixel is read: the output changes gently with a shift, at the price of softer detail. It has no parameters.
    Past the border the outermost pixels are repeated (the author's code reflects), so that a constant stays the
    constant and sides of one pixel work.
    """

    def __init__(
        self,
        channels: int,
        place: Place,
        *,
        kernel: Annotated[Literal[3, 5], Knob("Blur side", "模糊核边长")] = 3,
    ):
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        dims, reach = x.dim() - 2, self.kernel // 2
        mean = _AVG_POOL[dims]
        # So much border lays every window around the two pixels that max pooling takes.
        x = _MAX_POOL[dims](_repeat_border(x, reach), 2, 1)
        # A binomial filter is a chain of two-pixel means; the last of them reads every second position.
        for _ in range(self.kernel - 2):
            x = mean(x, 2, 1)
        return mean(x, 2, 2)


@downs.register(
    "none",
    title="None",
    formula=r"$y = x$",
    zh=Chinese(
        "无",
        "网络始终保持全分辨率。",
        "所有阶段用同一宽度。若在全分辨率下仍逐级加倍宽度（32 到 512，256×256），"
        "乘加次数约为有池化网络的 39 倍（12.07 G 变为 474 G）。宽度不变时，乘加次数约为 1.05 倍，参数约为 0.03 倍。"
        "因此“省去下采样和上采样就节省计算”只在与更宽或更深的有池化网络相比时成立；宽度相同时并不成立。"
        "没有什么需要放大，所以“上采样”一栏不适用。",
    ),
)
class NoDown(Down):
    """The network stays at full resolution.

    Every stage has the same width. If widths doubled at full resolution as they do after pooling (32 to 512), an image
    of 256x256 would cost about 39 times the multiply-adds of the pooled network: 474 G instead of 12.07 G. At the
    constant width it costs about 1.05 times the multiply-adds, with 0.03 times the parameters. That leaving out down-
    and upsampling saves computation is therefore true only against a wider or deeper pooled network; at equal widths
    it is false. There is nothing to upsample, so the `up` slot does not apply.
    """

    halves = False
    # A family of its own: what its stages hold no other way down trains.
    share = 3.0

    def __init__(self, channels: int, place: Place):
        super().__init__()

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        return x


def _repeat_border(x: Tensor, reach: int) -> Tensor:
    """`x` with its outermost pixels repeated `reach` times, and once more at the end of an odd side."""
    edges = [edge for side in reversed(x.shape[2:]) for edge in (reach, reach + side % 2)]
    return F.pad(x, edges, mode="replicate") if any(edges) else x
