"""Slot `block`: what a stage computes."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import JoinedConvolution, Norm, Place, convolve
from unet_playground.registry import Catalogue, Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap


class Block(nn.Module):
    """Features at one resolution: (n, sum of sources, *sides) -> (n, channels, *sides).

    Args of every part: sources (name -> channels, in the order in which they are concatenated), channels, place, then
    its options by keyword.
    """

    def forward(self, joined: Tensor, tap: Tap = IGNORE) -> Tensor:
        raise NotImplementedError

    def imitate(self, trained: "Block") -> None:
        """Take over the weights of a trained block of the same sources, to compute about the same as it does.

        A bank starts so: what a plain network has learned is a better start for its siblings than chance. Only two
        3x3 convolutions, as plain and residual blocks have them, can be imitated; of others nothing is taken.
        """


blocks: Catalogue[type[Block]] = Catalogue("block", Text("Block", "模块"))


@blocks.register(
    "plain",
    title="Plain",
    formula=r"$y = \mathrm{ReLU}(N(W_2 * \mathrm{ReLU}(N(W_1 * x))))$",
    paper=Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597"),
    zh=Chinese(
        "普通",
        "两个 3×3 卷积，各接归一化和 ReLU。",
        "2015 年 U-Net 的模块；这里用补零卷积，因此输出与输入同样大小（原文不补零，边缘逐层变小），并加入了归一化。",
    ),
)
class Plain(Block):
    """Two 3x3 convolutions, each with normalisation and ReLU.

    The block of the 2015 U-Net. It is padded here, so that a mask has the size of its image (the original lost a
    border at every convolution), and normalised, which the original was not.
    """

    def __init__(self, sources: Mapping[str, int], channels: int, place: Place):
        super().__init__()
        self.first = JoinedConvolution(sources, channels, 3, place.dims)
        self.first_norm = Norm(channels, place.dims)
        self.second = JoinedConvolution({"inner": channels}, channels, 3, place.dims)
        self.second_norm = Norm(channels, place.dims)

    def forward(self, joined: Tensor, tap: Tap = IGNORE) -> Tensor:
        return F.relu(self.convolve_twice(joined))

    def convolve_twice(self, joined: Tensor) -> Tensor:
        """All but the last ReLU."""
        inner = F.relu(self.first_norm(self.first(joined)))
        return self.second_norm(self.second(inner))

    def imitate(self, trained: Block) -> None:
        if isinstance(trained, Plain):
            copy(trained.first, self.first, trained.first_norm, self.first_norm)
            copy(trained.second, self.second, trained.second_norm, self.second_norm)


@blocks.register(
    "residual",
    title="Residual",
    formula=r"$y = \mathrm{ReLU}(N(W_2 * \mathrm{ReLU}(N(W_1 * x))) + P x)$",
    paper=Paper("He et al.", 2016, "Deep Residual Learning", "arXiv:1512.03385"),
    zh=Chinese(
        "残差",
        "普通模块，再加上一条直通路径。",
        "输入绕过两个卷积直接相加，梯度因此有一条不被削弱的路。宽度改变或输入由多个来源拼接时，"
        "直通路径用 1×1 卷积 P 投影；否则 P 是恒等映射，没有参数。",
    ),
)
class Residual(Plain):
    """The plain block with a path around it.

    The input is added to what the two convolutions make of it, so that gradients have a way back on which nothing
    shrinks them. Where the width changes or several sources are joined, a 1x1 convolution P projects the input;
    elsewhere P is the identity and has no parameters.
    """

    def __init__(self, sources: Mapping[str, int], channels: int, place: Place):
        super().__init__(sources, channels, place)
        fits = [*sources.values()] == [channels] and "image" not in sources
        self.projection = None if fits else JoinedConvolution(sources, channels, 1, place.dims)

    def forward(self, joined: Tensor, tap: Tap = IGNORE) -> Tensor:
        path = joined if self.projection is None else self.projection(joined)
        return F.relu(self.convolve_twice(joined) + path)

    def imitate(self, trained: Block) -> None:
        super().imitate(trained)
        if isinstance(trained, Plain) and self.projection is not None:
            self.projection.fill(0)


Rates = Annotated[Literal["hybrid", "doubling", "1", "2", "4"], Knob("Dilation rates", "膨胀率")]


@blocks.register(
    "dilated",
    title="Dilated",
    formula=r"$y(p) = \sum_k W_k\, x(p + d\, k),\quad d = 1,\ 2,\ 5$",
    paper=Paper("Wang et al.", 2018, "Understanding Convolution for Semantic Segmentation", "arXiv:1702.08502"),
    zh=Chinese(
        "膨胀",
        "3×3 卷积的取样点彼此拉开，看得更远。",
        "膨胀率 d 把九个取样点拉开，不增加权重就扩大感受野。若全分辨率网络的各级 d 都相同（2 或 4），"
        "取样点只落在一张网格上，中间的像素永远看不到：这就是网格效应。四次池化能填上这些空隙；"
        "doubling（2 的级数次方）从 1 开始，整个网络也不留空隙。"
        "hybrid 在一个模块里用三个没有公因子的膨胀率：最细一级为 1、2、5，"
        "之后随级别增大到 1、3、9，始终满足 Wang 等人的无空隙条件。1 即普通模块。",
    ),
)
class Dilated(Block):
    """3x3 convolutions whose taps stand apart, and so see further.

    A dilation d moves the nine taps apart, which widens the view without a further weight. With the same d in every
    stage of a full-resolution network (2 or 4) all taps fall on one grid and the pixels between are never seen: this is
    gridding. Pooling four times fills these gaps, and `doubling` (2^level), which starts at 1, leaves none over the
    whole network. `hybrid` runs three convolutions whose rates have no common factor, 1, 2, 5 at the finest level,
    growing with the level to 1, 3, 9; every triple meets the paper's condition for no gaps. `1` is the plain block.
    """

    def __init__(self, sources: Mapping[str, int], channels: int, place: Place, *, rates: Rates = "hybrid"):
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for rate in dilation_rates(rates, place.level):
            self.convolutions.append(JoinedConvolution(sources, channels, 3, place.dims, rate))
            self.norms.append(Norm(channels, place.dims))
            sources = {"inner": channels}

    def forward(self, joined: Tensor, tap: Tap = IGNORE) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            joined = F.relu(norm(convolution(joined)))
        return joined

    def imitate(self, trained: Block) -> None:
        if not isinstance(trained, Plain):
            return
        first, second, *others = self.convolutions
        copy(trained.first, first, trained.first_norm, self.norms[0])
        copy(trained.second, second, trained.second_norm, self.norms[1])
        for convolution in others:
            convolution.pass_on()  # type: ignore[operator]


def dilation_rates(rates: str, level: int) -> tuple[int, ...]:
    """The dilations of a block's convolutions.

    Three rates 1, r, s leave no gap when max(s - 2r, r) <= 3 (Wang et al. 2018, equation 2, for 3x3 kernels).
    """
    if rates == "hybrid":
        widest = min(5 + level, 9)
        return 1, max(2, math.ceil((widest - 3) / 2)), widest
    rate = 2**level if rates == "doubling" else int(rates)
    return rate, rate


Kernels = Annotated[Literal["3", "3-5", "3-5-7"], Knob("Kernel sides", "卷积核边长")]
Form = Annotated[Literal["full", "stacked", "depthwise"], Knob("Form", "形式")]


@blocks.register(
    "multi-scale",
    title="Multi-scale",
    formula=r"$y = \mathrm{ReLU}(N(W_3 * x + W_5 * x + W_7 * x))$",
    paper=Paper("Szegedy et al.", 2015, "Going Deeper with Convolutions", "arXiv:1409.4842"),
    zh=Chinese(
        "多尺度",
        "同一输入上边长 3、5、7 的卷积之和。",
        "大小不同的核同时看细节与环境；GoogLeNet 把结果拼接，这里相加。三个核的权重是单个 3×3 的 9.2 倍（83/9）。"
        "卷积是线性的，所以这里先把核补零相加，再做一次 7×7 卷积：结果相同，乘加只剩 5.4 倍（49/9）。"
        "form=stacked 用串联的 3×3 代替（3 倍），form=depthwise 用逐通道大核加 1×1（便宜得多）。整个模块这样做两次。",
    ),
)
class MultiScale(Block):
    """The sum of convolutions with sides 3, 5 and 7 on the same input, twice.

    Small kernels see detail while large ones see surroundings; GoogLeNet concatenates the results, here they are
    added. The weights are 9.2 times (83/9) those of one 3x3 kernel. Convolution is linear, so the kernels are padded
    and added before they are applied: one 7x7 convolution with the same result, for 5.4 times (49/9) the
    multiply-adds. `form=stacked` chains 3x3 kernels instead (3 times), and `form=depthwise` uses large kernels within
    each channel and then mixes channels by 1x1, which is far cheaper.
    """

    def __init__(
        self,
        sources: Mapping[str, int],
        channels: int,
        place: Place,
        *,
        kernels: Kernels = "3-5-7",
        form: Form = "full",
    ):
        super().__init__()
        sides = [int(side) for side in kernels.split("-")]
        make = {"full": Summed, "stacked": Stacked, "depthwise": Depthwise}[form]
        self.first = make(sources, channels, sides, place.dims)
        self.first_norm = Norm(channels, place.dims)
        self.second = make({"inner": channels}, channels, sides, place.dims)
        self.second_norm = Norm(channels, place.dims)

    def forward(self, joined: Tensor, tap: Tap = IGNORE) -> Tensor:
        inner = F.relu(self.first_norm(self.first(joined)))
        return F.relu(self.second_norm(self.second(inner)))

    def imitate(self, trained: Block) -> None:
        if isinstance(trained, Plain) and isinstance(self.first, Summed) and isinstance(self.second, Summed):
            self.first.imitate(trained.first)
            self.second.imitate(trained.second)
            copy(trained.first_norm, self.first_norm, trained.second_norm, self.second_norm)


class Summed(nn.Module):
    """The sum of full convolutions, as one convolution by the sum of their kernels."""

    def __init__(self, sources: Mapping[str, int], filters: int, sides: Sequence[int], dims: int):
        super().__init__()
        self.scales = nn.ModuleDict({f"{side}": JoinedConvolution(sources, filters, side, dims) for side in sides})

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, sum_kernels([scale.joined() for scale in self.scales.values()]))  # type: ignore[operator]

    def imitate(self, convolution: JoinedConvolution) -> None:
        """The 3x3 kernel does all the work."""
        for scale in self.scales.values():
            scale.fill(0)  # type: ignore[operator]
        copy(convolution, self.scales["3"])


class Stacked(nn.Module):
    """A chain of 3x3 convolutions, each reaching as far as the next larger kernel; the sum of all its results."""

    def __init__(self, sources: Mapping[str, int], filters: int, sides: Sequence[int], dims: int):
        super().__init__()
        inputs = [sources, *[{"inner": filters}] * (len(sides) - 1)]
        self.scales = nn.ModuleDict(
            {f"{side}": JoinedConvolution(one, filters, 3, dims) for side, one in zip(sides, inputs, strict=True)}
        )

    def forward(self, x: Tensor) -> Tensor:
        results = []
        for scale in self.scales.values():
            x = scale(x)
            results.append(x)
        return torch.stack(results).sum(0)


class Depthwise(nn.Module):
    """Kernels within each channel, summed to one, then a 1x1 convolution over the channels."""

    def __init__(self, sources: Mapping[str, int], filters: int, sides: Sequence[int], dims: int):
        super().__init__()
        channels = sum(sources.values())
        self.scales = nn.ParameterDict(
            {f"{side}": nn.Parameter(torch.randn(channels, 1, *[side] * dims) * side ** (-dims / 2)) for side in sides}
        )
        self.mix = JoinedConvolution(sources, filters, 1, dims)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(convolve(x, sum_kernels([*self.scales.values()]), groups=x.shape[1]))


def copy(*modules: nn.Module) -> None:
    """Copy parameters from the first to the second module, from the third to the fourth, and so on."""
    for trained, fresh in zip(modules[::2], modules[1::2], strict=True):
        for own, other in zip(fresh.parameters(), trained.parameters(), strict=True):
            own.data.copy_(other.data)


def sum_kernels(kernels: Sequence[Tensor]) -> Tensor:
    """The sum of kernels of rising odd sides, each padded with zeros to the last one's side."""
    total, *larger = kernels
    for kernel in larger:
        edge = (kernel.shape[-1] - total.shape[-1]) // 2
        total = kernel + F.pad(total, [edge] * 2 * (kernel.dim() - 2))
    return total
