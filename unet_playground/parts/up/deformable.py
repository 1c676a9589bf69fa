"""Deformable sampling around an interpolation."""

from typing import Annotated, Literal

from torch import Tensor

from unet_playground.parts.deform import DeformableConvolution
from unet_playground.parts.layers import Place, double
from unet_playground.parts.up.slot import Up, ups
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import Tap


@ups.register(
    "deformable",
    title="Deformable",
    formula=r"$y(p) = \sum_k w_k\, m_k\, x(p + p_k + \Delta p_k)$",
    paper=Paper("Zhu et al.", 2019, "Deformable ConvNets v2", "arXiv:1811.11168"),
    zh=Chinese(
        "可变形",
        "从它学会移动到的位置取值。",
        "调制可变形卷积（DCNv2）：每个像素的九个取样点各有位移 Δp 和权重 m = 2σ。位移从零开始，m 从 1 开始，"
        "因此起初就是普通卷积加插值。offsets=target 在放大之后才预测位移，代价约四倍。",
    ),
)
class Deformable(Up):
    """Reads from places that it has learned to shift.

    A modulated deformable convolution (version 2): each of the nine taps of every pixel has its own displacement and
    its own factor m = 2 sigmoid(.). Displacements start at zero and factors at one, so it starts as a plain
    convolution followed by interpolation. `offsets=target` interpolates first and predicts displacements at the
    target resolution, for about four times the cost.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        place: Place,
        *,
        offsets: Annotated[Literal["source", "target"], Knob("Offsets predicted at", "位移预测于")] = "source",
    ):
        super().__init__()
        self.at_target = offsets == "target"
        self.convolution = DeformableConvolution(in_channels, out_channels, place.dims)

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        if self.at_target:
            return self.convolution(double(x), tap)
        return double(self.convolution(x, tap))
