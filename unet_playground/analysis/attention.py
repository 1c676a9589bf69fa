"""What every gate of a network lets pass, and what a network without gates looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, agreement, analyses, mask_of
from unet_playground.analysis.grad_cam import class_activation
from unet_playground.analysis.paths import place_of
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.receptive_field import gates
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import Below, Gate, Tap, Tape

REPLACEMENTS = {
    "mean": Text("its mean", "其均值"),
    "ones": Text("ones", "全 1"),
    "shuffle": Text("its own values shuffled", "打乱后的自身"),
}
"""What takes a gate's place in the check."""

UNCHANGED = 0.9995
"""From this agreement on a mask counts as unchanged."""

Stage = Literal["bottleneck", "encoder", "skip", "decoder"]


@dataclass(frozen=True)
class Replaced:
    """What the mask becomes when one gate is replaced by something that knows nothing of its pattern.

    Attributes:
        agreement: Dice of the new mask with the network's own, 0 to 1.
        change: Of the Dice with the true mask; below 0 where the mask gets worse. None where the truth is not known.
    """

    agreement: float
    change: float | None


@dataclass(frozen=True)
class AttentionMap:
    """The weights of one gate in one image.

    Attributes:
        name: Where it sits: `skip.0.spatial`, `gate.2.alpha`.
        values: (h, w) of its level for a spatial gate, (channels,) for a channel gate.
        top: Upper end of its range, 1 or 2; the lower end is 0.
        replaced: `mean`, `ones`, `shuffle` -> the mask then; empty until it is tried.
    """

    name: str
    values: NDArray[np.float32]
    top: float
    replaced: Mapping[str, Replaced]

    @property
    def level(self) -> int:
        """Level of resolution, 0 is the finest."""
        return int(self.name.split(".")[1])

    @property
    def kind(self) -> str:
        """Its name without the level: `skip.spatial`."""
        site, _, *rest = self.name.split(".")
        return ".".join([site, *rest])

    @property
    def spatial(self) -> bool:
        """Whether it weighs places (else channels)."""
        return self.values.ndim == 2

    @property
    def centred(self) -> bool:
        """Whether a factor of 1, which changes nothing, is the middle of its range and not the end."""
        return self.top > 1

    @property
    def kept(self) -> float:
        """The least agreement of the mask over all replacements; 1 while none is tried."""
        return min((one.agreement for one in self.replaced.values()), default=1.0)

    @property
    def changes(self) -> bool:
        """Whether any replacement changes the mask."""
        return self.kept < UNCHANGED


@dataclass(frozen=True)
class Activation:
    """Seg-Grad-CAM of one feature: no attention, but places that speak for the target.

    Attributes:
        place: Name of the feature map.
        values: float32 (h', w') in the feature's own resolution, share of its largest value, 0 to 1.
        largest: That value, in logits a unit of feature.
    """

    place: str
    values: NDArray[np.float32]
    largest: float


@dataclass(frozen=True)
class AttentionMaps:
    """Every gate of one network on one image, finest level first.

    Attributes:
        target: What was asked.
        maps: Empty where a design has no gate.
        activation: What is shown instead where it has none.
    """

    target: Target
    maps: tuple[AttentionMap, ...]
    activation: Activation | None = None

    @property
    def check(self) -> Text:
        """Which gate matters most to this mask, and how many do not matter at all."""
        if not self.maps:
            return Text("This design has no attention to check.", "该设计没有可检查的注意力。")
        if not all(one.replaced for one in self.maps):
            return Text("No gate has been replaced yet.", "尚未替换任何门。")
        strongest = min(self.maps, key=lambda one: one.kept)
        if not strongest.changes:
            return Text(
                "No gate changes the mask here: each replaced by its mean, by ones or by its shuffle gives the same "
                f"mask (Dice {strongest.kept:.3f} or more).",
                f"这里没有任何门改变掩膜：逐一换成均值、换成全 1 或打乱，掩膜不变"
                f"（Dice 不低于 {strongest.kept:.3f}）。",
            )
        way = min(strongest.replaced, key=lambda name: strongest.replaced[name].agreement)
        said, idle = REPLACEMENTS[way], sum(not one.changes for one in self.maps)
        change = strongest.replaced[way].change
        true = Text("", "") if change is None else Text(f", true Dice {change:+.3f}", f"，真实 Dice {change:+.3f}")
        return Text(
            f"Replacing {strongest.name} by {said.en} changes the mask most: Dice with the mask itself "
            f"{strongest.kept:.3f}{true.en}. {idle} of {len(self.maps)} gates change nothing.",
            f"把 {strongest.name} 换成{said.zh}对掩膜影响最大：与原掩膜的 Dice 为 {strongest.kept:.3f}{true.zh}。"
            f"{len(self.maps)} 个门中有 {idle} 个毫无影响。",
        )

    @property
    def facts(self) -> Text:
        """The range of every gate's values, or where the activation is."""
        if self.activation is not None:
            one = self.activation
            height, width = one.values.shape
            share = 100 * float((one.values >= 0.5).mean())
            return Text(
                f"No attention in this design. Seg-Grad-CAM of {one.place} ({height} x {width} places) for class "
                f"{self.target.label}, {self.target.text.en}: {share:.0f}% of the places reach half of the largest "
                f"value, {one.largest:.3g}.",
                f"该设计没有注意力。{one.place}（{height} × {width} 个位置）对类别 {self.target.label}、"
                f"{self.target.text.zh}的 Seg-Grad-CAM：{share:.0f}% 的位置达到最大值 {one.largest:.3g} 的一半。",
            )
        ranges = [f"{one.name} {one.values.min():.2f}-{one.values.max():.2f}" for one in self.maps]
        return Text(
            f"{len(self.maps)} gates; each lets pass from smallest to largest: {', '.join(ranges)}.",
            f"{len(self.maps)} 个门；各自放行的最小到最大系数：{'、'.join(ranges)}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        arrays = {one.name: one.values for one in self.maps}
        for one in self.maps:
            if one.replaced:
                agreements = [other.agreement for other in one.replaced.values()]
                arrays[f"{one.name}.agreement"] = np.array(agreements, np.float32)
        if self.activation is not None:
            arrays[f"grad-cam.{self.activation.place}"] = self.activation.values
        return arrays


class Replace(Tap):
    """Replaces one gate by what knows nothing of its pattern.

    Args:
        name: Of the gate.
        by: One of `REPLACEMENTS`; a shuffle is always the same, of pixels where a gate has some, else of channels.
    """

    def __init__(self, name: str, by: str):
        self.name, self.by = name, by

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        if name != self.name:
            return gate
        if self.by == "mean":
            return gate.mean().expand_as(gate)
        if self.by == "ones":
            return torch.ones_like(gate)
        flat = gate.flatten(2) if gate[0, 0].numel() > 1 else gate.flatten(1)
        order = torch.randperm(flat.shape[-1], generator=torch.Generator().manual_seed(0))
        return flat[..., order.to(gate.device)].view_as(gate)

    def within(self, place: str) -> Tap:
        return Below(self, place)


@analyses.register(
    "attention",
    room="layers",
    title="Attention",
    formula=r"$y = g(x) \cdot x$",
    paper=Paper("Oktay et al.", 2018, "Attention U-Net", "arXiv:1804.03999"),
    zh=Chinese(
        "注意力",
        "每个门让什么通过，并检查它是否起作用。",
        "空间门给出每个像素的系数，通道门给出每个通道的系数。图旁的检查把每个门依次换成其均值、换成全 1、打乱自身，"
        "看掩膜（已知真值时还有 Dice）变了多少：没有变化的门不算解释。没有注意力的设计则显示某一层的 Seg-Grad-CAM，"
        "并如此标明：它由梯度算出，不是网络自己使用的系数。",
    ),
)
def attention_maps(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    stage: Annotated[Stage, Knob("Seg-Grad-CAM of", "Seg-Grad-CAM 的阶段")] = "bottleneck",
    level: Annotated[int, Knob("Level", "级别", 0, 6)] = 0,
    checks: Annotated[bool, Knob("Replace every gate", "逐一替换各门")] = True,
    watch: Watch = UNWATCHED,
    truth: NDArray[np.uint8] | None = None,
) -> AttentionMaps:
    """What every gate lets pass, and whether it matters.

    A spatial gate gives one factor per pixel, a channel gate one per channel. Beside them stands a check: each gate is
    replaced by its mean, by ones and by a shuffle of its own values, and the masks are compared, where the truth is
    known also with the truth. A gate that changes nothing explains nothing, however telling its map looks.

    A design without attention shows Seg-Grad-CAM of one of its features (Vinogradova et al. 2020), and says so: that
    is computed from gradients afterwards and no factor that the network itself works with.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Its class's mask is compared; Seg-Grad-CAM is asked about all of it.
        stage: Whose Seg-Grad-CAM is shown where there is no attention; the bottleneck has no level.
        level: 0 is the finest.
        checks: Whether every gate is replaced, which takes three passes a gate.
        watch: May end it between passes, and is shown the maps before the check.
        truth: uint8 (h, w), true class numbers.

    Raises:
        UnknownChoice: This design has no such place for Seg-Grad-CAM.
    """
    target.checked(model, image)
    if not gates(model.design):
        place = place_of(stage, level)
        values = class_activation(model, image, target, place)
        largest = float(values.max())
        return AttentionMaps(target, (), Activation(place, values / max(largest, 1e-30), largest))
    tape = Tape()
    mask = mask_of(model, image, tape) == target.label
    maps = [AttentionMap(name, _values(gate), gate.top, {}) for name, gate in tape.gates.items()]
    maps.sort(key=lambda one: one.level)
    if not checks:
        return AttentionMaps(target, tuple(maps))
    watch.show(AttentionMaps(target, tuple(maps)))
    true = None if truth is None else truth == target.label
    checked = [replace(one, replaced=_replaced(model, image, target, one.name, mask, true, watch)) for one in maps]
    return AttentionMaps(target, tuple(checked))


def _replaced(
    model: UNet,
    image: Tensor,
    target: Target,
    name: str,
    mask: NDArray[np.bool_],
    true: NDArray[np.bool_] | None,
    watch: Watch,
) -> dict[str, Replaced]:
    tried = {}
    for by in REPLACEMENTS:
        watch.between()
        other = mask_of(model, image, Replace(name, by)) == target.label
        change = None if true is None else agreement(other, true) - agreement(mask, true)
        tried[by] = Replaced(agreement(mask, other), change)
    return tried


def _values(gate: Gate) -> NDArray[np.float32]:
    """The one map (h, w) of a gate for places, or the one vector of a gate for channels."""
    values = gate.values[0].float().cpu()
    return values[0].numpy() if values.shape[0] == 1 else values.flatten().numpy()
