"""Slot `down`: how the encoder gives up resolution."""

from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import Place, convolution, pool_down
from unet_playground.registry import Catalogue, Chinese, Paper
from unet_playground.taps import IGNORE, Tap


class Down(nn.Module):
    """Halves the sides and keeps the channels: (n, c, *sides) -> (n, c, *ceil(sides / 2)).

    Args of every part: channels, place, then its options by keyword.
    """

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
