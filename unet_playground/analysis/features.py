"""Feature maps of one place, sorted by how much the mask depends on each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses
from unet_playground.analysis.grad_cam import Leaf
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import PlaygroundError, Text
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import Below, Tap

Stage = Literal["encoder", "bottleneck", "up", "skip", "fused", "decoder"]
EXACT = 64
"""How many channels are cut out one by one; the others have the estimate alone."""
CHUNK = 8
"""Channels that are cut out in one pass through the network, at 256 x 256 pixels."""
_PLACE = re.compile(rf"bottleneck|({'|'.join(get_args(Stage))})\.\d+")


@dataclass(frozen=True)
class FeatureMaps:
    """The channels of one place, those first on which the target depends most.

    Attributes:
        target: What was asked about.
        place: Its name, `encoder.0`.
        channels: How many it has.
        order: Numbers of the channels kept here, at most 64.
        maps: float32 (kept, h, w) of the level.
        effects: float32 (kept,), mean logit of the target's pixels less that without the channel: positive where the
            channel speaks for the class. Until all are cut out, the estimates.
        estimates: Likewise to first order: gradient times what is taken away.
        pixels: Of the target.
        finished: Whether every channel kept was cut out.
    """

    target: Target
    place: str
    channels: int
    order: NDArray[np.int64]
    maps: NDArray[np.float32]
    effects: NDArray[np.float32]
    estimates: NDArray[np.float32]
    pixels: int
    finished: bool = True

    @property
    def correlation(self) -> float:
        """Of estimates and effects over the channels kept; 0 where either is the same for all."""
        one, other = (values - values.mean() for values in (self.estimates, self.effects))
        scale = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / scale if scale else 0.0

    @property
    def check(self) -> Text:
        """How well the quick estimate agrees with cutting out."""
        kept = len(self.order)
        if not self.finished:
            return Text("Estimates so far: no channel has been cut out yet.", "目前只有估计：尚未逐一去除通道。")
        return Text(
            f"Effects of cutting out correlate by {self.correlation:.2f} with the first-order estimate (gradient times "
            f"what is taken away) over {kept} channels.",
            f"在 {kept} 个通道上，逐一去除的影响与一阶估计（梯度乘以去掉的部分）的相关系数为 {self.correlation:.2f}。",
        )

    @property
    def facts(self) -> Text:
        """The channel that matters most, and how many make up half of all effects."""
        if not self.pixels:
            return Text(
                "The mask holds no pixel of this class, so no channel can matter to it: click a pixel or ask about "
                "another class.",
                "掩膜中没有该类别的像素，因此没有通道能影响它：请点击一个像素，或询问其他类别。",
            )
        sizes = np.cumsum(np.abs(self.effects))
        half = int(np.searchsorted(sizes, sizes[-1] / 2)) + 1
        return Text(
            f"Of {self.channels} channels at {self.place}, channel {self.order[0]} matters most: without it the mean "
            f"logit of class {self.target.label} over {self.target.text.en} changes by {-self.effects[0]:+.2f}; {half} "
            "make up half of all effects.",
            f"{self.place} 的 {self.channels} 个通道中，通道 {self.order[0]} 最重要：去掉它，"
            f"类别 {self.target.label} 在{self.target.text.zh}上的平均 logit 变化 {-self.effects[0]:+.2f}；"
            f"{half} 个通道占全部影响的一半。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {
            "maps": self.maps,
            "channel": self.order.astype(np.float32),
            "effect": self.effects,
            "estimate": self.estimates,
        }


@analyses.register(
    "feature-maps",
    room="layers",
    title="Feature maps",
    formula=r"$\Delta_c = \bar z - \bar z\,|_{f_c \to \bar f_c}$",
    paper=Paper(
        "Molchanov et al.", 2017, "Pruning convolutional neural networks for efficient inference", "arXiv:1611.06440"
    ),
    zh=Chinese(
        "特征图",
        "某一处的特征图，按掩膜对它的依赖排序。",
        "逐一把每个通道换成其均值（或零），看目标的平均 logit 变化多少，影响大的排在前面。"
        "先给出一阶估计：梯度乘以去掉的部分，一次反向传播得到所有通道；再逐一真正去除，两者的相关写在图旁。单独去除一个通道，不说明几个通道一起的作用。",
    ),
)
def feature_maps(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    stage: Annotated[Stage, Knob("Stage", "阶段")] = "skip",
    level: Annotated[int, Knob("Level", "级别", 0, 6)] = 0,
    replacement: Annotated[Literal["mean", "zero"], Knob("Replace a channel by", "通道换成")] = "mean",
    watch: Watch = UNWATCHED,
) -> FeatureMaps:
    """The feature maps of one place, sorted by how much the mask depends on them.

    Every channel is replaced by its mean over all places (or by zero), one after the other; those come first without
    which the target's mean logit changes most. A first-order estimate, gradient times what is taken away, is there
    after one backward pass for all channels; then they are really cut out, and how well both agree stands beside the
    picture. What one channel alone changes does not say what several change together.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Whose logits are asked about.
        stage: The bottleneck has no level, the encoder one more than the decoder; where nothing crosses there is no
            `skip`.
        level: 0 is the finest.
        replacement: What takes a channel's place.
        watch: May end it between passes, and is shown the estimates.

    Raises:
        PlaygroundError: This design has no such place.
    """
    region = target.pixels(model, image)
    name = {"bottleneck": "bottleneck"}.get(stage, f"{stage}.{level}")
    leaf = _Leaf(name)
    pixels = int(region.sum())
    with torch.enable_grad():
        logits = model(image, leaf)
        features = leaf.found()
        total = (logits[0, target.label] * region).sum()
        (gradient,) = torch.autograd.grad(total, features)
    features = features.detach()
    blank = features.mean((2, 3), keepdim=True) if replacement == "mean" else torch.zeros_like(features[:, :, :1, :1])
    estimates = (gradient * (features - blank)).sum((0, 2, 3)) / max(pixels, 1)
    order = estimates.abs().argsort(descending=True, stable=True)[:EXACT]
    base = float(total.detach()) / max(pixels, 1)

    def result(effects: Tensor, finished: bool) -> FeatureMaps:
        sorted_ = effects.abs().argsort(descending=True, stable=True)
        kept = order[sorted_]
        maps, shown, first = (
            one.float().cpu().numpy() for one in (features[0, kept], effects[sorted_], estimates[kept])
        )
        return FeatureMaps(target, name, features.shape[1], kept.cpu().numpy(), maps, shown, first, pixels, finished)

    watch.show(result(estimates[order], finished=False))
    left = []
    with torch.inference_mode():
        for channels in _chunks(order, image):
            watch.between()
            cut = model(image.expand(len(channels), -1, -1, -1), _Cut(name, channels, blank))
            left.append((cut[:, target.label] * region).sum((1, 2)) / max(pixels, 1))
        return result(base - torch.cat(left), finished=True)


class _Leaf(Leaf):
    """Remembers besides which other feature maps there are."""

    def __init__(self, place: str):
        super().__init__(place)
        self.places: list[str] = []

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        self.places.append(name)
        return super().__call__(name, tensor)

    def found(self) -> Tensor:
        """The feature map; refused with the places that there are."""
        if self.feature is None:
            listed = ", ".join(sorted(name for name in self.places if _PLACE.fullmatch(name)))
            raise PlaygroundError(
                f"This design has no {self.place}; choose one of {listed}.",
                f"该设计没有 {self.place}；可选：{listed}。",
            )
        return self.feature


class _Cut(Tap):
    """Replaces one channel of one feature map, another one in each image of the batch."""

    def __init__(self, name: str, channels: Tensor, blank: Tensor):
        self.name, self.channels, self.blank = name, channels, blank

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        if name != self.name:
            return tensor
        cut = tensor.clone()
        cut[torch.arange(len(self.channels)), self.channels] = self.blank[0, self.channels]
        return cut

    def within(self, place: str) -> Tap:
        return Below(self, place)


def _chunks(channels: Tensor, image: Tensor) -> Sequence[Tensor]:
    """So many channels together that a batch holds about as many pixels as `CHUNK` images of 256 x 256."""
    size = CHUNK * 256 * 256 // (image.shape[2] * image.shape[3])
    return channels.split(max(1, min(CHUNK, size)))
