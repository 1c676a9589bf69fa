"""Attributions that go through the network's layers: Grad-CAM, guided Grad-CAM, DeepLift."""

from typing import Annotated

import torch
from torch import Tensor, nn

from unet_playground.analysis.attribution.gradients import Checks
from unet_playground.analysis.attribution.result import Attribution, Question, answer, ask
from unet_playground.analysis.attribution.twin import Twin
from unet_playground.analysis.base import Target, analyses
from unet_playground.analysis.grad_cam import Leaf, weighed
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import PlaygroundError, Text
from unet_playground.model import UNet
from unet_playground.parts.layers import crop, enlarge
from unet_playground.registry import Chinese, Knob, Paper

Level = Annotated[int, Knob("Decoder level (beyond the last: bottleneck)", "解码级（超出则为瓶颈）", 0, 6)]
IMPORTANCE = Text("sum of features by weight, logits per feature", "特征的加权和")


@analyses.register(
    "grad-cam",
    room="attribution",
    title="Grad-CAM",
    formula=r"$a = \sum_c mean_p(\partial F / \partial A_{c,p})\, A_c$",
    paper=Paper("Selvaraju et al.", 2017, "Grad-CAM", "arXiv:1610.02391"),
    zh=Chinese(
        "Grad-CAM",
        "某一级的特征中，哪些位置支持该类别。",
        "每个通道以目标对它的平均梯度为权，求特征的加权和，再放大到图像大小（用于分割时又称 Seg-Grad-CAM）。"
        "负值保留，蓝色表示反对。它是某一级的图而不是像素的归因：级越粗，图越模糊；最精细的一级几乎就是掩膜本身。",
    ),
)
def grad_cam(
    model: UNet, image: Tensor, target: Target, *, level: Level = 0, checks: Checks = True, watch: Watch = UNWATCHED
) -> Attribution:
    """Where the features of one level speak for the class.

    Every channel is weighed by the mean gradient of the target with respect to it; the sum is enlarged to the size of
    the image (for segmentation it is also called Seg-Grad-CAM). Negative values are kept: blue speaks against. It is a
    map of one level, not of the image's pixels: coarse levels give soft maps, and the finest is nearly the mask itself.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        level: Of the decoder stage, 0 the finest; from the depth on it is the bottleneck.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it; is shown the result before it is checked.
    """

    def method(question: Question) -> Tensor:
        return _enlarged(question, level)

    return answer(ask(model, image, target, watch), target, method, unit=IMPORTANCE, checks=checks)


@analyses.register(
    "guided-grad-cam",
    room="attribution",
    title="Guided Grad-CAM",
    formula=r"$a = \max(0, cam) \cdot \nabla^{guided} F$",
    paper=Paper("Selvaraju et al.", 2017, "Grad-CAM", "arXiv:1610.02391"),
    zh=Chinese(
        "引导 Grad-CAM",
        "Grad-CAM 的位置乘以引导反向传播的细节。",
        "引导反向传播在每个 ReLU 处只让正梯度通过，图很清晰，但已知它近似于边缘检测、几乎不依赖权重"
        "（Adebayo 等 2018）：请看旁边的秩相关。默认取瓶颈的 Grad-CAM，因为最精细的一级只会给出掩膜。",
    ),
)
def guided_grad_cam(
    model: UNet, image: Tensor, target: Target, *, level: Level = 6, checks: Checks = True, watch: Watch = UNWATCHED
) -> Attribution:
    """The places of Grad-CAM times the detail of guided backpropagation.

    Guided backpropagation lets only positive gradients pass every ReLU. Its pictures are crisp, but are known to be
    close to edge detection and to depend little on the weights (Adebayo et al. 2018): see the rank correlation. By
    default the Grad-CAM is that of the bottleneck, since that of the finest level only gives the mask.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        level: Of the decoder stage whose Grad-CAM is used, 0 the finest; from the depth on it is the bottleneck.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it; is shown the result before it is checked.
    """

    def method(question: Question) -> Tensor:
        from captum.attr import GuidedBackprop

        # Captum's own product stretches a map whose cells reach beyond the image; here it lies where Grad-CAM's does.
        guided = GuidedBackprop(Twin(question)).attribute(question.image.clone().requires_grad_(), 0)
        return guided * _enlarged(question, level).relu()

    unit = Text("guided gradient x Grad-CAM", "引导梯度 × Grad-CAM")
    return answer(ask(model, image, target, watch), target, method, unit=unit, checks=checks)


@analyses.register(
    "deep-lift",
    room="attribution",
    title="DeepLIFT",
    formula=r"$a_i = m_i\, (x_i - x'_i),\quad m = \Delta y / \Delta x\ \mathrm{layer\ by\ layer}$",
    paper=Paper(
        "Shrikumar et al.",
        2017,
        "Learning Important Features Through Propagating Activation Differences",
        "arXiv:1704.02685",
    ),
    zh=Chinese(
        "DeepLIFT",
        "把目标与黑色图像之差逐层分回到像素。",
        "在每个 ReLU 和池化处用“输出之差除以输入之差”代替梯度（Rescale 规则），因此一次反向传播"
        "就能使各值之和等于目标的变化。"
        "归一化按乘积与一元函数的规则处理。由图像算出的门和取样位置没有规则，含有它们的设计会被拒绝。",
    ),
)
def deep_lift(
    model: UNet, image: Tensor, target: Target, *, checks: Checks = True, watch: Watch = UNWATCHED
) -> Attribution:
    """The difference to a black image, handed back layer by layer to the pixels.

    At every ReLU and pooling the difference of outputs over the difference of inputs takes the place of the gradient
    (the Rescale rule), so that a single pass back makes values which add up to the change of the target. Norms are
    treated as products and functions of one number. Gates and sampling positions that are computed from the image have
    no rule; a design with such parts is refused.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it; is shown the result before it is checked.

    Raises:
        PlaygroundError: The design has parts without a rule; they are named.
    """

    def method(question: Question) -> Tensor:
        from captum.attr import DeepLift

        twin = Twin(question, averaged=True)
        _refuse(twin)
        return DeepLift(twin).attribute(question.image.clone().requires_grad_(), torch.zeros_like(question.image), 0)

    baseline = torch.zeros_like(image)
    return answer(ask(model, image, target, watch), target, method, baseline=baseline, checks=checks)


def _enlarged(question: Question, level: int) -> Tensor:
    """Grad-CAM of one level on the image's pixels, (1, 1, h, w)."""
    design = question.model.design
    coarse = class_activation(question, _place(question.model, level))
    halvings = min(level, design.depth) if design.halves else 0
    return crop(enlarge(coarse, 2**halvings, "bilinear"), question.image.shape[2:]) if halvings else coarse


def class_activation(question: Question, place: str) -> Tensor:
    """Grad-CAM of a named feature map in its own size, (1, 1, *sides)."""
    leaf = Leaf(place)
    with torch.enable_grad():
        said = question.aim(question.image, leaf)
    if leaf.feature is None or not said.requires_grad:
        return torch.zeros_like(question.region)[None, None]
    return weighed(leaf, said.sum())


def _place(model: UNet, level: int) -> str:
    return f"decoder.{level}" if level < model.design.depth else "bottleneck"


def _refuse(twin: Twin) -> None:
    """Refuse a design with parts for which DeepLIFT has no rule."""
    if twin.held:
        raise PlaygroundError(
            f"DeepLIFT has no rule for {twin.held[0]}, which this design computes from the image; choose a design "
            "without gates and sampling positions, or integrated gradients.",
            f"DeepLIFT 没有适用于 {twin.held[0]} 的规则（该设计由图像算出它）；"
            "请换一个没有门和取样位置的设计，或用积分梯度。",
        )
    for layer in twin.layers:
        if isinstance(layer, nn.MaxPool2d) and layer.stride < layer.kernel_size:  # type: ignore[operator]
            raise PlaygroundError(
                "DeepLIFT has no rule for max pooling whose windows overlap, as this design's do; choose another way "
                "down, or integrated gradients.",
                "DeepLIFT 没有适用于窗口重叠的最大池化的规则，而该设计使用了它；请换一种下采样，或用积分梯度。",
            )
