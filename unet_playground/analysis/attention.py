"""What every gate of a network lets pass."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses
from unet_playground.errors import Text
from unet_playground.inference import read_out
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Paper
from unet_playground.taps import Below, Gate, Tap, Tape


@dataclass(frozen=True)
class AttentionMap:
    """The weights of one gate in one image.

    Attributes:
        name: Where it sits: `skip.0.spatial`, `gate.2.alpha`.
        values: (h, w) of its level for a spatial gate, (channels,) for a channel gate.
        top: Upper end of its range, 1 or 2; the lower end is 0.
        flattened_dice: Agreement of the mask with the one that the network gives when this gate alone is replaced by
            its mean; 1 means that the gate's pattern changes nothing here.
    """

    name: str
    values: NDArray[np.float32]
    top: float
    flattened_dice: float

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


@dataclass(frozen=True)
class AttentionMaps:
    """Every gate of one network on one image, finest level first; empty where a design has none."""

    maps: tuple[AttentionMap, ...]

    @property
    def check(self) -> Text:
        """Which gate matters most to this mask."""
        if not self.maps:
            return Text("This design has no attention.", "该设计没有注意力。")
        strongest = min(self.maps, key=lambda one: one.flattened_dice)
        changed = 1 - strongest.flattened_dice
        if changed < 0.0005:
            return Text(
                "No gate changes the mask here: each replaced by its mean gives the same mask (Dice 1.000).",
                "这里没有任何门改变掩膜：逐一换成其均值，掩膜不变（Dice 1.000）。",
            )
        return Text(
            f"Replacing {strongest.name} by its mean changes the mask most: Dice with the mask itself "
            f"{strongest.flattened_dice:.3f}.",
            f"把 {strongest.name} 换成其均值对掩膜影响最大：与原掩膜的 Dice 为 {strongest.flattened_dice:.3f}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {one.name: one.values for one in self.maps}


class Flatten(Tap):
    """Replaces one gate by its mean."""

    def __init__(self, name: str):
        self.name = name

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        return gate.mean().expand_as(gate) if name == self.name else gate

    def within(self, place: str) -> Tap:
        return Below(self, place)


@analyses.register(
    "attention",
    title="Attention",
    formula=r"$y = g(x) \cdot x$",
    paper=Paper("Oktay et al.", 2018, "Attention U-Net", "arXiv:1804.03999"),
    zh=Chinese(
        "注意力",
        "每个门让什么通过，并检查它是否起作用。",
        "空间门给出每个像素的系数，通道门给出每个通道的系数。图旁的检查把每个门换成其均值，看掩膜变了多少：没有变化的门不算解释。",
    ),
)
def attention_maps(model: UNet, image: Tensor, target: Target) -> AttentionMaps:
    """What every gate lets pass, and whether it matters.

    A spatial gate gives one factor per pixel, a channel gate one per channel. Beside them stands a check: each gate is
    replaced by its mean and the masks are compared. A gate that changes nothing explains nothing, however telling
    its map looks.
    """
    target.checked(model, image)
    with torch.inference_mode():
        tape = Tape(lambda name: True)
        mask = read_out(model(image, tape)).mask == target.label
        maps = []
        for name, gate in tape.gates.items():
            flattened = read_out(model(image, Flatten(name))).mask == target.label
            maps.append(AttentionMap(name, _values(gate), gate.top, _dice(mask, flattened)))
    return AttentionMaps(tuple(sorted(maps, key=lambda one: one.level)))


def _values(gate: Gate) -> NDArray[np.float32]:
    """The one map (h, w) of a gate for places, or the one vector of a gate for channels."""
    values = gate.values[0].float().cpu()
    return values[0].numpy() if values.shape[0] == 1 else values.flatten().numpy()


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0
