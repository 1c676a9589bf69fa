"""Parameter counts of the papers beside ours, with every single parameter of the difference accounted for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.presets.catalogue import presets

Preset = Callable[[], Design]


@dataclass(frozen=True)
class Difference:
    """Parameters that our network has more than the authors' (negative: fewer), and what they are."""

    parameters: int
    why: Text


@dataclass(frozen=True)
class Published:
    """What the authors' own network counts, and at which sizes.

    Attributes:
        parameters: Of the authors' network.
        source: Where the number stands, or which of the authors' lists of layers it was counted from.
        width: Channels of its finest stage; the other sizes are those of a `Design` and a `UNet`.
        differences: Our network minus theirs, item by item; together they are the whole difference.
    """

    parameters: int
    source: Text
    width: int
    differences: tuple[Difference, ...]
    depth: int = 4
    dims: int = 2
    in_channels: int = 1
    classes: int = 1


@dataclass(frozen=True)
class Comparison:
    """The authors' count beside ours.

    Attributes:
        published: What the authors count.
        design: The preset at the authors' sizes.
        parameters: Of our network of that design, with the authors' image channels and classes.
    """

    published: Published
    design: Design
    parameters: int

    @property
    def difference(self) -> int:
        """Parameters that our network has more than theirs."""
        return self.parameters - self.published.parameters

    @property
    def why(self) -> Text:
        """What explains the difference: every item with its number."""
        items = [(f"{item.parameters:+,}".replace("+0", "0"), item.why) for item in self.published.differences]
        return Text(
            "; ".join(f"{number}: {why.en}" for number, why in items) + ".",
            "；".join(f"{number}：{why.zh}" for number, why in items) + "。",
        )

    @property
    def summary(self) -> Text:
        """Both counts, where the authors' comes from, and what explains the difference."""
        first, last = self.design.widths[0], self.design.widths[-1]
        theirs, ours, more = self.published.parameters, self.parameters, self.difference
        source = self.published.source
        return Text(
            f"Authors: {theirs:,} parameters ({source.en}). Here, at their widths {first} to {last}: {ours:,} "
            f"({f'{more:+,}' if more else 'the same'}). {self.why.en}",
            f"作者：{theirs:,} 个参数（{source.zh}）。此处取相同宽度 {first} 至 {last}：{ours:,} 个"
            f"（{f'{more:+,}' if more else '相同'}）。{self.why.zh}",
        )


_published: dict[Preset, Published] = {}


def published(count: Published) -> Callable[[Preset], Preset]:
    """Put what the authors count beside a preset; stands under `presets.register`."""

    def add(preset: Preset) -> Preset:
        _published[preset] = count
        return preset

    return add


@lru_cache
def compare(id: str) -> Comparison | None:
    """The authors' count beside ours; None where no count of theirs is certain.

    Args:
        id: Of a preset.
    """
    preset = presets[id].make
    count = _published.get(preset)
    if count is None:
        return None
    design = preset().replace(width=count.width, depth=count.depth, dims=count.dims)
    return Comparison(count, design, own_parameters(design, count.in_channels, count.classes))


def own_parameters(design: Design, in_channels: int, classes: int) -> int:
    """Parameters of our network, counted without making a weight."""
    with torch.device("meta"):
        network = UNet(design, in_channels, classes)
    return sum(parameter.numel() for parameter in network.parameters())
