"""The slot itself: what a skip receives, what it gives, and the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import Place
from unet_playground.registry import Catalogue
from unet_playground.taps import IGNORE, Tap

ENCODED = "concat"
"""Name of the weights over the encoder's own level, shared by the styles that concatenate it as it is."""


@dataclass
class Passage:
    """What one call of a network has computed so far, for its skips to draw on.

    Attributes:
        encoded: Feature maps of every encoder level, finest first, the bottleneck last.
        decoded: Feature maps of the decoder stages so far, coarsest first; the bottleneck stands in front.
        handed: What the skip of the coarser stage hands on to this one; empty at the coarsest.
    """

    encoded: Sequence[Tensor]
    decoded: list[Tensor]
    handed: list[Tensor] = field(default_factory=list)


class Skip(nn.Module):
    """Brings encoder features to one decoder stage.

    Args of every part: widths (channels of each encoder level, bottleneck last), place, then its options by keyword.

    Attributes:
        crosses: Whether anything crosses at all.
        beside: Whether what crosses is concatenated with the decoded features (else it is added to them).
        share: How often the bank draws this style relative to its siblings.
        crossing: Channels of what crosses.
    """

    crosses: ClassVar[bool] = True
    beside: ClassVar[bool] = True
    share: ClassVar[float] = 1.0

    def __init__(self, widths: Sequence[int], place: Place):
        super().__init__()
        self.place, self.level = place, place.level
        self.own = self.crossing = widths[place.level]

    @classmethod
    def settle(cls, options: Mapping[str, Any], depth: int, width: int) -> dict[str, Any]:
        """The options in the one form that all equal networks of this depth and width share."""
        return dict(options)

    def sources(self, id: str) -> dict[str, int]:
        """What the decoder stage's first convolution sees: name -> channels, in the order of `join`.

        Args:
            id: Of this part; names are shared by the styles whose weights are shared.
        """
        return {"decoded": self.own, id: self.crossing} if self.beside else {"decoded": self.own}

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor | None:
        """What crosses, (n, crossing, *sides of the level).

        Args:
            passage: What the network has computed so far.
            decoded: The upsampled decoder features of this level.
            tap: Where gates and inner features are told.
        """
        raise NotImplementedError

    def join(self, decoded: Tensor, crossed: Tensor | None) -> Tensor:
        """The features that the decoder stage works on, as `sources` lists them."""
        if crossed is None:
            return decoded
        return torch.cat([decoded, crossed], 1) if self.beside else decoded + crossed

    def finish(self, logits: Tensor, passage: Passage, tap: Tap = IGNORE) -> Tensor:
        """The network's logits, where the skip of the finest level has something to say to them."""
        return logits


skips: Catalogue[type[Skip]] = Catalogue("skip", Text("Skip", "跳跃"))
