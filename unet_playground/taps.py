"""Named inner tensors without hooks: a network hands every tensor of interest to the tap it was given.

A hook lives on the model and sees the activations of whoever calls it; a tap lives in one call. Four threads on one
model mixed activations in every round with hooks and in none with tapes.

A tap also returns the tensor that the network goes on with, so the same names serve to look (`Tape`), to freeze gates
(receptive fields) and to cut or scale a skip (surgery).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


class Tap:
    """What a network tells while it computes. This one listens to nothing and changes nothing."""

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        """A feature map (n, channels, *sides) on its way."""
        return tensor

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        """A multiplicative map in 0..`top` that is computed from the image: an attention weight.

        Args:
            name: What it weighs, `channel` or `spatial`.
            gate: (n, channels, 1, 1), (n, 1, h, w) or any shape that broadcasts over the feature.
            top: Upper end of its range; a gate with range 0..2 passes its input unchanged at 1.
        """
        return gate

    def sampling(self, name: str, values: Tensor, rest: float) -> Tensor:
        """Where and how strongly a part samples, computed from the image: (n, values per pixel, *sides).

        Args:
            name: `offsets` (pixels of the sampled map) or `modulation` (a factor per sampling point).
            values: The computed values.
            rest: The value at which sampling is that of a plain convolution.
        """
        return values

    def crossing(self, encoded: Sequence[Tensor]) -> Sequence[Tensor]:
        """Everything that leaves the encoder for the decoder: the features of every level, the bottleneck last.

        Every way from the image to the logits leads through exactly one of them, whatever the skips make of them, so
        whoever replaces all of them cuts the logits off from the image.

        Args:
            encoded: (n, channels, *sides) each, finest first.
        """
        return encoded

    def within(self, place: str) -> "Tap":
        """The same tap, telling names below `place`."""
        return self


IGNORE = Tap()


@dataclass(frozen=True)
class Gate:
    """One attention map as it was during one call.

    Attributes:
        values: The map, detached: (n, channels or 1, *sides or 1).
        top: Upper end of its range.
    """

    values: Tensor
    top: float


@dataclass
class Tape(Tap):
    """Keeps what a network tells during one call.

    Args:
        wanted: Which names to keep; everything by default.

    Attributes:
        features: Name -> feature map or sampling values, attached to the graph.
        gates: Name -> attention map.
    """

    wanted: Callable[[str], bool] = lambda name: True
    features: dict[str, Tensor] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        if self.wanted(name):
            self.features[name] = tensor
        return tensor

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        if self.wanted(name):
            self.gates[name] = Gate(gate.detach(), top)
        return gate

    def sampling(self, name: str, values: Tensor, rest: float) -> Tensor:
        return self(name, values)

    def within(self, place: str) -> Tap:
        return Below(self, place)


class Freeze(Tap):
    """Holds everything that depends on the image's content still: gates open, sampling positions in their places.

    What remains is the fixed wiring, which is what a theoretical receptive field speaks about.

    Attributes:
        frozen: Name -> shape of every gate and offset that was held.
    """

    def __init__(self) -> None:
        self.frozen: dict[str, tuple[int, ...]] = {}

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        self.frozen[name] = tuple(gate.shape)
        return gate.detach().new_ones(gate.shape)

    def sampling(self, name: str, values: Tensor, rest: float) -> Tensor:
        self.frozen[name] = tuple(values.shape)
        return torch.full_like(values, rest).detach()

    def within(self, place: str) -> Tap:
        return Below(self, place)


@dataclass(frozen=True)
class Below(Tap):
    """A tap that prefixes every name with a place, so that a part need not know where it sits."""

    tap: Tap
    place: str

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        return self.tap(self._full(name), tensor)

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        return self.tap.gate(self._full(name), gate, top)

    def sampling(self, name: str, values: Tensor, rest: float) -> Tensor:
        return self.tap.sampling(self._full(name), values, rest)

    def crossing(self, encoded: Sequence[Tensor]) -> Sequence[Tensor]:
        return self.tap.crossing(encoded)

    def within(self, place: str) -> Tap:
        return Below(self.tap, self._full(place))

    def _full(self, name: str) -> str:
        return f"{self.place}.{name}" if name else self.place
