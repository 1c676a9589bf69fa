"""How much of the loss's gradient reaches every stage, and which way it came."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unet_playground.analysis.base import Target, analyses, mask_of
from unet_playground.analysis.fresh import fresh
from unet_playground.analysis.paths import BOTTLENECK, Cut, listed, through_encoder
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.design import LEVELWISE, Design
from unet_playground.errors import IllegalDesign, Text
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper

SIDE = 128
"""Pixels along a side to which the image is cut at most."""
VANISHED = 1e-3
"""Share of the last stage's gradient below which a stage's counts as vanished."""


@dataclass(frozen=True)
class Flow:
    """The gradient of one network's loss.

    Attributes:
        stages: `encoder.0` ... `bottleneck` ... `decoder.0`, in the order of computation.
        features: float32 (stages,), norm of the gradient with respect to each stage's features, over all its numbers.
        parameters: float32 (stages,), likewise with respect to each stage's parameters; those of attention over the
            bottleneck count to the bottleneck.
        shares: Way (`skip-0`, `bottleneck`) -> float32 (encoder stages and bottleneck,): <g_way, g> / <g, g>, where g
            is the gradient of a stage's features and g_way the part of it that came back this way. At every stage
            that a gradient reaches the shares add up to 1; one is negative where its way works against the others.
    """

    stages: tuple[str, ...]
    features: NDArray[np.float32]
    parameters: NDArray[np.float32]
    shares: Mapping[str, NDArray[np.float32]]

    @property
    def depth(self) -> int:
        """How many decoder stages there are."""
        return len(self.stages) // 2

    @property
    def relative(self) -> NDArray[np.float32]:
        """Norms of the features' gradient as shares of the last stage's; 0 where that is 0."""
        last = float(self.features[-1])
        return self.features / np.float32(last) if last else np.zeros_like(self.features)

    @property
    def weakest(self) -> tuple[str, float]:
        """The stage that receives least, and its share of the last stage's norm."""
        at = int(self.relative.argmin())
        return self.stages[at], float(self.relative[at])

    @property
    def vanishes(self) -> bool:
        """Whether a stage receives less than `VANISHED` of what the last one does."""
        return bool(self.features[-1] > 0) and self.weakest[1] < VANISHED


@dataclass(frozen=True)
class GradientFlow:
    """The gradient of a network as it is, and of its design before training at several depths.

    Attributes:
        loss: Value of the loss of the network as it is.
        true: Whether the loss was taken against the truth, else against the network's own mask.
        now: The network as it is.
        start: Fresh networks of the same design, from depth 1 on, as far as the design allows.
    """

    loss: float
    true: bool
    now: Flow
    start: tuple[Flow, ...]

    @property
    def check(self) -> Text:
        """Whether the gradient vanishes anywhere."""
        if not self.now.features[-1]:
            return Text("There is no gradient at all here: the loss cannot fall.", "这里完全没有梯度：损失已无法下降。")
        stage, share = self.now.weakest
        deep = [str(flow.depth) for flow in self.start if flow.vanishes]
        before = Text(
            f"before training it vanishes at depth {', '.join(deep)}" if deep else "before training at no depth",
            f"训练前在深度 {'、'.join(deep)} 处消失" if deep else "训练前各深度均不消失",
        )
        if not self.start:
            before = Text("before training it was not asked", "未查看训练前")
        said = Text("vanishes", "消失") if self.now.vanishes else Text("does not vanish", "不消失")
        return Text(
            f"The gradient {said.en}: the weakest stage, {stage}, receives {share:.2g} times what the last one does "
            f"(vanished is below {VANISHED:g}); {before.en}.",
            f"梯度{said.zh}：最弱的一级 {stage} 得到最后一级的 {share:.2g} 倍（低于 {VANISHED:g} 才算消失）；"
            f"{before.zh}。",
        )

    @property
    def facts(self) -> Text:
        """Loss, the norms of the first stage, of the bottleneck and of the last, and how the first stage's came."""
        norms = dict(zip(self.now.stages, self.now.features, strict=True))
        first, middle, last = (norms[stage] for stage in (self.now.stages[0], BOTTLENECK, self.now.stages[-1]))
        ways = listed({way: float(share[0]) for way, share in self.now.shares.items()})
        against = Text("the truth", "真值") if self.true else Text("the model's own mask", "模型自己的掩膜")
        return Text(
            f"Loss {self.loss:.3g} against {against.en}; norm of its gradient {first:.2g} at encoder.0, {middle:.2g} "
            f"at the bottleneck, {last:.2g} at decoder.0; to encoder.0 it came by {ways.en or 'no way'}.",
            f"相对于{against.zh}的损失为 {self.loss:.3g}；梯度范数在 encoder.0 为 {first:.2g}，在瓶颈为 {middle:.2g}，"
            f"在 decoder.0 为 {last:.2g}；到 encoder.0 的路径：{ways.zh or '无'}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        flows = {"now": self.now, **{f"start-{flow.depth}": flow for flow in self.start}}
        arrays: dict[str, np.ndarray] = {"loss": np.array([self.loss], np.float32)}
        for name, flow in flows.items():
            arrays |= {f"{name}.features": flow.features, f"{name}.parameters": flow.parameters}
            arrays |= {f"{name}.share.{way}": share for way, share in flow.shares.items()}
        return arrays


@analyses.register(
    "gradient-flow",
    room="layers",
    title="Gradient flow",
    formula=r"$\|\partial L / \partial x_s\|$",
    paper=Paper(
        "Glorot & Bengio",
        2010,
        "Understanding the difficulty of training deep feedforward neural networks",
        "proceedings.mlr.press/v9/glorot10a",
    ),
    zh=Chinese(
        "梯度流",
        "损失的梯度有多少到达每一级，又从哪条路来。",
        "把损失（Dice 与交叉熵，即训练所用；不含训练时粗层的附加输出头）的梯度对每一级的特征和参数求范数。"
        "编码器各级的梯度精确地分成经各级跳跃和经瓶颈传回的部分，份额之和为 1（与其他部分作用相反时为负）。"
        "除当前网络外，还有同一设计在深度 1 到 6、训练之前的情形。"
        "只有当某一级低于最后一级的千分之一时，才说梯度消失。图像最多取 128 像素见方。",
    ),
)
def gradient_flow(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    deepest: Annotated[int, Knob("Depths before training up to", "训练前的最大深度", 0, 6)] = 6,
    watch: Watch = UNWATCHED,
    truth: NDArray[np.uint8] | None = None,
) -> GradientFlow:
    """How much of the loss's gradient reaches every stage, and which way it came back.

    The loss is that of training, Dice and cross-entropy over the whole image, without the heads that training puts on
    coarse levels. Its gradient's norm is taken at every stage, with respect to the features and to the parameters. In
    the encoder it splits exactly into what came back by the skip of each level and by the bottleneck: the shares add
    up to 1, and one is negative where its way works against the others. Beside the network as it is stands its design
    before training, from depth 1 to 6. The gradient is said to vanish where a stage receives less than a thousandth of
    what the last one does, and nowhere else. Against a mask of its own a network's loss is small, and only the norms'
    proportions speak.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it; of a larger one the 128 x 128 pixels around the target's.
        target: Around whose pixel a large image is cut.
        deepest: Depth of the deepest fresh network; 0 asks about the network as it is alone.
        watch: May end it between networks, and is shown what is there so far.
        truth: uint8 (h, w), true class numbers; without it the model's own mask.
    """
    target.checked(model, image)
    labels = mask_of(model, image) if truth is None else truth
    window = [
        slice(low := max(0, min(at - SIDE // 2, side - SIDE)), low + SIDE)
        for at, side in zip(target.point_in(image), image.shape[2:], strict=True)
    ]
    image = image[..., window[0], window[1]]
    known = torch.from_numpy(labels[window[0], window[1]].astype(np.int64))[None].to(image.device)
    loss, now = _flow(model, image, known, watch)
    start: list[Flow] = []
    for depth in range(1, deepest + 1):
        watch.show(GradientFlow(loss, truth is not None, now, tuple(start)))
        watch.between()
        if (design := at_depth(model.design, depth)) is not None:
            start.append(_flow(fresh(model, design), image, known, watch)[1])
    return GradientFlow(loss, truth is not None, now, tuple(start))


def at_depth(design: Design, depth: int) -> Design | None:
    """The same design at another depth; what differs by level goes on below as at its coarsest. None if too wide."""
    changes: dict[str, str] = {}
    for slot in LEVELWISE:
        levels = [str(choice) for choice in design.levels(slot)]
        levels += levels[-1:] * (depth - len(levels))
        changes[slot] = "/".join(levels[:depth]) if len(set(levels[:depth])) > 1 else levels[0]
    try:
        return design.replace(depth=depth, **changes)
    except IllegalDesign:
        return None


def _flow(model: UNet, image: Tensor, labels: Tensor, watch: Watch) -> tuple[float, Flow]:
    """Loss and gradient of one network; its own parameters stay as they are."""
    from unet_playground.training.losses import dice_and_cross_entropy

    network = deepcopy(model).requires_grad_()
    cut = Cut(lambda name: bool(re.fullmatch(r"decoder\.\d+", name)))
    with torch.enable_grad():
        loss = dice_and_cross_entropy(network(image, cut), labels)
        return float(loss.detach()), _norms(network, cut, loss, watch)


def _norms(network: UNet, cut: Cut, loss: Tensor, watch: Watch) -> Flow:
    depth = network.design.depth
    owners = _parameters(network)
    early, late = ([one for stage in half for one in stage] for half in (owners[: depth + 1], owners[depth + 1 :]))
    decoded = [cut.features[f"decoder.{level}"] for level in reversed(range(depth))]
    reached = torch.autograd.grad(loss, [*cut.leaves, *decoded, *late], allow_unused=True)
    arrived, decoders, lasts = reached[: depth + 1], reached[depth + 1 : 2 * depth + 1], reached[2 * depth + 1 :]
    parts = through_encoder(cut, arrived, cut.encoded, watch.between)
    wholes = [torch.stack([part[at] for part in parts.values()]).sum(0) for at in range(depth + 1)]
    ends = [(one, gradient) for one, gradient in zip(cut.encoded, arrived, strict=True) if gradient is not None]
    firsts = torch.autograd.grad([one for one, _ in ends], early, [g for _, g in ends], allow_unused=True)
    gradients = dict(zip(map(id, (*early, *late)), (*firsts, *lasts), strict=True))
    return Flow(
        stages=(
            *(f"encoder.{level}" for level in range(depth)),
            BOTTLENECK,
            *(f"decoder.{level}" for level in reversed(range(depth))),
        ),
        features=_norm([[one] for one in (*wholes, *decoders)]),
        parameters=_norm([[gradients[id(one)] for one in stage] for stage in owners]),
        shares={
            way: np.array([_share(part[at], whole) for at, whole in enumerate(wholes)], np.float32)
            for way, part in parts.items()
        },
    )


def _parameters(network: UNet) -> list[list[nn.Parameter]]:
    """The parameters of every stage, in the order of computation."""
    encoder, decoder = [*network.encoder.values()], [*network.decoder.values()]
    stages = [[*stage.parameters()] for stage in (*encoder, *reversed(decoder))]
    stages[len(encoder) - 1] += network.bottleneck.parameters()
    return stages


def _norm(gradients: Sequence[Sequence[Tensor | None]]) -> NDArray[np.float32]:
    """The norm over all numbers of each group."""
    return np.array(
        [sum(float(one.square().sum()) for one in group if one is not None) ** 0.5 for group in gradients], np.float32
    )


def _share(part: Tensor, whole: Tensor) -> float:
    square = float(whole.square().sum())
    return float((part * whole).sum()) / square if square else 0.0
