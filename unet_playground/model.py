"""Stages, and the U-Net that a design makes of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unet_playground.design import Design
from unet_playground.parts import Passage, Place, Skip, attentions, blocks, downs, skips, ups
from unet_playground.parts.layers import convolution
from unet_playground.registry import Catalogue, Choice
from unet_playground.taps import IGNORE, Gate, Tap, Tape

LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}
"""How tensors lie in memory with channels last, by `dims`."""


class Slot(nn.Module):
    """Holds the chosen part under its id, so that the id stands in the names of its parameters.

    Networks of different designs therefore call the same tensors by the same names, which is all that the bank of
    shared weights needs.
    """

    def __init__(self, catalogue: Catalogue, choice: Choice, *numbers: object):
        super().__init__()
        self.part_id = choice.id
        self.add_module(choice.id, catalogue[choice.id].make(*numbers, **dict(choice.options)))

    @property
    def part(self) -> Any:
        """The part itself, one of its catalogue's type."""
        return self._modules[self.part_id]

    def forward(self, *inputs: object) -> Tensor:
        return self.part(*inputs)


class EncoderStage(nn.Module):
    """Gives up resolution (all but the first), then computes features."""

    def __init__(self, design: Design, channels_in: int, channels: int, place: Place):
        super().__init__()
        self.down = Slot(downs, design.choice("down"), channels_in, place) if place.level else None
        sources = {"encoded" if place.level else "image": channels_in}
        self.block = Slot(blocks, design.choice("block"), sources, channels, place)

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        if self.down is not None:
            x = tap("down", self.down(x, tap.within("down")))
        return tap("", self.block(x, tap))


class DecoderStage(nn.Module):
    """Gets resolution back, joins what crosses from the encoder, then computes features."""

    def __init__(self, design: Design, widths: Sequence[int], place: Place):
        super().__init__()
        channels, coarser = widths[place.level], widths[place.level + 1]
        self.level, self.site = place.level, design.site
        self.up = Slot(ups, design.levels("up")[place.level], coarser, channels, place) if place.halves else None
        self.skip = Slot(skips, design.choice("skip"), widths, place)
        skip: Skip = self.skip.part
        sources = skip.sources(self.skip.part_id)
        seen = {"skip": skip.crossing, "fused": sum(sources.values()), "decoder": channels}
        self.attention = _attention(design, seen, design.levels("attention")[place.level], place)
        self.block = Slot(blocks, design.choice("block"), sources, channels, place)

    def forward(self, passage: Passage, tap: Tap = IGNORE) -> Tensor:
        level, decoded = self.level, passage.decoded[-1]
        if self.up is not None:
            sides = passage.encoded[level].shape[2:]
            decoded = self.up(decoded, sides, tap.within(f"up.{level}"))
        decoded = self._attend("decoder", tap(f"up.{level}", decoded), tap)
        crossed = self.skip.part.cross(passage, decoded, tap)
        if crossed is not None:
            crossed = tap(f"skip.{level}", self._attend("skip", crossed, tap))
        joined = self._attend("fused", self.skip.part.join(decoded, crossed), tap)
        return tap(f"decoder.{level}", self.block(tap(f"fused.{level}", joined), tap))

    def _attend(self, site: str, x: Tensor, tap: Tap) -> Tensor:
        return _attend(self.attention, x, tap.within(f"{site}.{self.level}")) if site == self.site else x


def _attention(design: Design, seen: Mapping[str, int], choice: Choice, place: Place) -> nn.ModuleDict:
    """The attention at the design's site, if that is one of `seen` (site -> channels).

    The width is part of the name: what one style adds another concatenates, and their gates cannot be shared.
    """
    site = design.site
    return nn.ModuleDict({f"{site}-{seen[site]}": Slot(attentions, choice, seen[site], place)} if site in seen else {})


def _attend(attention: nn.ModuleDict, x: Tensor, tap: Tap) -> Tensor:
    for one in attention.values():
        x = one(x, tap)
    return x


@dataclass(frozen=True)
class Trace:
    """What one call of a network computed on the way.

    Attributes:
        logits: (n, classes, *sides).
        features: Name (`encoder.0`, `skip.1`, `decoder.0`) -> feature map, attached to the graph.
        gates: Name (`skip.1.spatial`, `gate.0.alpha`) -> attention map.
    """

    logits: Tensor
    features: Mapping[str, Tensor]
    gates: Mapping[str, Gate]


@dataclass(frozen=True)
class Origin:
    """Where the weights of a loaded network come from.

    Attributes:
        task: Id of the task it was trained for.
        weights: `shared` (the bank), `solo` (trained alone) or `untrained`.
        sha256: Hash of the files of weights; empty when untrained.
    """

    task: str
    weights: str
    sha256: str


class UNet(nn.Module):
    """The network that a design describes, with fresh weights.

    Args:
        design: The choice of parts.
        in_channels: Channels of the image.
        classes: Channels of the logits, background included.

    Attributes:
        origin: Where its weights come from; None for a network that was not loaded.
    """

    origin: Origin | None = None

    def __init__(self, design: Design, in_channels: int = 3, classes: int = 2):
        super().__init__()
        self.design, self.in_channels, self.classes = design, in_channels, classes
        widths, halves, depth = design.widths, design.halves, design.depth
        places = [Place(level, depth, design.dims, halves, classes) for level in range(depth + 1)]
        # Stages at full resolution have other widths, so in the bank they have other names.
        names = [f"{level}" if halves else f"{level}-full" for level in range(depth + 1)]
        self.encoder = nn.ModuleDict(
            {
                names[level]: EncoderStage(design, widths[level - 1] if level else in_channels, widths[level], place)
                for level, place in enumerate(places)
            }
        )
        self.bottleneck = _attention(design, {"bottleneck": widths[-1]}, design.choice("attention"), places[-1])
        self.decoder = nn.ModuleDict({names[place.level]: DecoderStage(design, widths, place) for place in places[:-1]})
        self.head = convolution(widths[0], classes, 1, design.dims)

    def forward(self, image: Tensor, tap: Tap = IGNORE) -> Tensor:
        """Logits (n, classes, *sides) of an image (n, in_channels, *sides) with any sides from one pixel up.

        Args:
            image: float32, as the task prepares it.
            tap: Is told every feature map and gate by name and may replace them.
        """
        encoded: list[Tensor] = []
        features = image
        for level, stage in enumerate(self.encoder.values()):
            features = stage(features, tap.within(f"encoder.{level}"))
            encoded.append(features)
        deepest = tap("bottleneck", _attend(self.bottleneck, features, tap.within(f"bottleneck.{self.design.depth}")))
        handed = tap.crossing([*encoded[:-1], deepest])
        passage = Passage(handed, [handed[-1]])
        stages: list[DecoderStage] = [*self.decoder.values()]  # type: ignore[list-item]
        for stage in reversed(stages):
            passage.decoded.append(stage(passage, tap))
        logits = self.head(passage.decoded[-1])
        return tap("logits", stages[0].skip.part.finish(logits, passage, tap))

    def channels_last(self) -> "UNet":
        """Lay the weights out with channels last, which convolves fastest on CPUs as on GPUs; gives the network."""
        dims = self.design.dims
        for parameter in self.parameters():
            if parameter.dim() == dims + 2:
                parameter.data = parameter.data.contiguous(memory_format=LAYOUTS[dims])
        return self

    def trace(self, image: Tensor, wanted: Callable[[str], bool] = lambda name: True) -> Trace:
        """The logits and every named tensor that is wanted."""
        tape = Tape(wanted)
        logits = self(image, tape)
        return Trace(logits, tape.features, tape.gates)
