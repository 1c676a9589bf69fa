"""One part of the way down or up, run on its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unet_playground.errors import PlaygroundError
from unet_playground.parts import Place, downs, ups
from unet_playground.parts.layers import Centred
from unet_playground.taps import IGNORE, Tap
from unet_playground.weights import seeded

WAYS = {downs.id: downs, ups.id: ups}


class Hold(Tap):
    """Holds gates and sampling positions at the values that they have, so that a gradient sees fixed weights."""

    def gate(self, name: str, gate: Tensor, top: float = 1.0) -> Tensor:
        return gate.detach()

    def sampling(self, name: str, values: Tensor, rest: float) -> Tensor:
        return values.detach()


@dataclass(frozen=True)
class Operator:
    """A part that changes resolution.

    Attributes:
        part: From the catalogue of downs or ups.
        enlarges: Whether it is one of the way up.
        channels: Of its input.
    """

    part: nn.Module
    enlarges: bool
    channels: int

    @property
    def like(self) -> Tensor:
        """A tensor of the kind and on the device of its weights; double precision on the CPU without weights."""
        return next((one.detach() for one in self.part.parameters()), torch.zeros((), dtype=torch.float64))

    def __call__(self, x: Tensor, sides: Sequence[int] | None = None, tap: Tap = IGNORE) -> Tensor:
        """(n, channels, *sides) -> half the sides or, on the way up, twice the sides (or what `sides` asks for)."""
        if not self.enlarges:
            return self.part(x, tap)
        return self.part(x, sides or [2 * side for side in x.shape[2:]], tap)


def fresh(slot: str, choice: str, channels: int = 1, filters: int = 1, seed: int = 0) -> Operator:
    """A part with the weights it starts from.

    Args:
        slot: `down` or `up`.
        choice: `max-pool`, `transposed(kernel=3)`.
        channels: Of its input.
        filters: Channels of its output on the way up.
        seed: Of its weights.
    """
    if slot not in WAYS:
        raise PlaygroundError(
            f'There is no way "{slot}"; choose {" or ".join(WAYS)}.', f"没有“{slot}”这一栏；可选 {'、'.join(WAYS)}。"
        )
    parsed = WAYS[slot].parse(choice)
    enlarges = slot == ups.id
    numbers = (channels, filters, Place(0)) if enlarges else (channels, Place(1))
    with seeded(seed):
        part = WAYS[slot][parsed.id].make(*numbers, **dict(parsed.options))
    return Operator(part.requires_grad_(False).eval(), enlarges, channels)


def plain(slot: str, choice: str) -> Operator:
    """A part of one channel with plain weights, in double precision.

    Convolutions that change the resolution average: all taps are equal and keep a constant on the whole. Those that
    do not pass their input on: the middle tap is 1, the others 0. What steers a part (gates, displacements) keeps the
    weights it starts from.
    """
    operator = fresh(slot, choice)
    for module in operator.part.modules():
        if isinstance(module, Centred):
            _simplify(module)
    return Operator(operator.part.double(), operator.enlarges, operator.channels)


def _simplify(layer: nn.Module) -> None:
    weight: Tensor = layer.weight.data  # type: ignore[assignment]
    if isinstance(layer, nn.ConvTranspose2d):
        # Every output pixel meets one tap in `stride` squared.
        weight.fill_(layer.stride[0] ** 2 / weight[:, 0].numel())
    elif isinstance(layer, nn.Conv2d) and max(layer.stride) > 1:
        weight.fill_(1 / weight[0].numel())
    else:
        weight.zero_()
        taps = weight.flatten(1)
        taps[:, taps.shape[1] // 2] = 1
