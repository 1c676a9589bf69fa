"""Stages, and the U-Net that a design makes of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unet_playground.design import Design
from unet_playground.parts import Place, attentions, blocks, downs, skips, ups
from unet_playground.parts.layers import convolution
from unet_playground.registry import Catalogue, Choice
from unet_playground.taps import IGNORE, Gate, Tap, Tape


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

    def __init__(self, design: Design, channels_in: int, channels: int, level: int):
        super().__init__()
        place = Place(level, design.depth, design.dims)
        self.down = Slot(downs, design.choice("down"), channels_in, place) if level else None
        sources = {"encoded" if level else "image": channels_in}
        self.block = Slot(blocks, design.choice("block"), sources, channels, place)

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        if self.down is not None:
            x = tap("down", self.down(x, tap.within("down")))
        return tap("", self.block(x, tap))


class DecoderStage(nn.Module):
    """Gets resolution back, joins what crosses from the encoder, then computes features."""

    def __init__(self, design: Design, widths: Sequence[int], level: int):
        super().__init__()
        place = Place(level, design.depth, design.dims)
        channels = widths[level]
        self.level, self.site = level, design.site
        self.up = Slot(ups, design.levels("up")[level], widths[level + 1], channels, place)
        self.skip = Slot(skips, design.choice("skip"), widths, place)
        sources = {"decoded": channels}
        if self.skip.part.beside:
            sources[self.skip.part_id] = channels
        seen = {"skip": channels, "fused": sum(sources.values())}[design.site]
        # The width is part of the name: what one style adds another concatenates, and their gates cannot be shared.
        self.attention = nn.ModuleDict(
            {f"{design.site}-{seen}": Slot(attentions, design.levels("attention")[level], seen, place)}
        )
        self.block = Slot(blocks, design.choice("block"), sources, channels, place)

    def forward(self, encoded: Sequence[Tensor], coarse: Tensor, tap: Tap = IGNORE) -> Tensor:
        sides = encoded[self.level].shape[2:]
        decoded = tap(f"up.{self.level}", self.up(coarse, sides, tap.within(f"up.{self.level}")))
        crossed = self.skip.part.cross(encoded, decoded, tap.within(f"gate.{self.level}"))
        if crossed is not None:
            crossed = tap(f"skip.{self.level}", self._attend("skip", crossed, tap))
        joined = self._attend("fused", self.skip.part.join(decoded, crossed), tap)
        return tap(f"decoder.{self.level}", self.block(tap(f"fused.{self.level}", joined), tap))

    def _attend(self, site: str, x: Tensor, tap: Tap) -> Tensor:
        if site != self.site:
            return x
        (attention,) = self.attention.values()
        return attention(x, tap.within(f"{site}.{self.level}"))


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
        widths = [design.width * 2**level for level in range(design.depth + 1)]
        self.encoder = nn.ModuleList(
            EncoderStage(design, widths[level - 1] if level else in_channels, widths[level], level)
            for level in range(design.depth + 1)
        )
        self.decoder = nn.ModuleList(DecoderStage(design, widths, level) for level in range(design.depth))
        self.head = convolution(widths[0], classes, 1, design.dims)

    def forward(self, image: Tensor, tap: Tap = IGNORE) -> Tensor:
        """Logits (n, classes, *sides) of an image (n, in_channels, *sides) with any sides from one pixel up.

        Args:
            image: float32, as the task prepares it.
            tap: Is told every feature map and gate by name and may replace them.
        """
        encoded: list[Tensor] = []
        features = image
        for level, stage in enumerate(self.encoder):
            features = stage(features, tap.within(f"encoder.{level}"))
            encoded.append(features)
        for stage in reversed(self.decoder):
            features = stage(encoded, features, tap)
        return tap("logits", self.head(features))

    def channels_last(self) -> "UNet":
        """Lay the weights out with channels last, which convolves fastest on CPUs as on GPUs; gives the network."""
        layout = {2: torch.channels_last, 3: torch.channels_last_3d}[self.design.dims]
        for parameter in self.parameters():
            if parameter.dim() == self.design.dims + 2:
                parameter.data = parameter.data.contiguous(memory_format=layout)
        return self

    def trace(self, image: Tensor, wanted: Callable[[str], bool] = lambda name: True) -> Trace:
        """The logits and every named tensor that is wanted."""
        tape = Tape(wanted)
        logits = self(image, tape)
        return Trace(logits, tape.features, tape.gates)
