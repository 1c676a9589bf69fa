"""By which way a gradient came: across skip k, or through the bottleneck.

Every way from the image to a decoder stage leaves the encoder exactly once: as the features of one level, or as those
of the bottleneck. The decoder is handed copies that are cut off from the encoder; the gradient that reaches one copy
is then pushed through the encoder alone. By the chain rule these parts add up to the whole gradient. A way counts by
where it leaves the encoder, not by which decoder stages read it: a dense or full-scale skip brings level 0 to all of
them.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from unet_playground.errors import Text
from unet_playground.receptive_field import LOGITS
from unet_playground.taps import Tape

BOTTLENECK = "bottleneck"
INNER = "encoder"
"""The way of what has not left the encoder yet."""
SINGLE = (LOGITS, BOTTLENECK)
"""Places that exist once, not at every level."""


class Cut(Tape):
    """Keeps what it is asked to, and hands the decoder the encoder's features as leaves of a new graph.

    Attributes:
        encoded: What left the encoder, attached to the image; the bottleneck last.
        leaves: What the decoder was given instead.
    """

    def __init__(self, wanted: Callable[[str], bool] = lambda name: False):
        super().__init__(wanted)
        self.encoded: list[Tensor] = []
        self.leaves: list[Tensor] = []

    def crossing(self, encoded: Sequence[Tensor]) -> Sequence[Tensor]:
        self.encoded = [*encoded]
        self.leaves = [one.detach().requires_grad_() for one in encoded]
        return self.leaves

    @property
    def ways(self) -> list[str]:
        """`skip-0`, `skip-1` ..., `bottleneck`, in the order of `encoded`."""
        return [*(f"skip-{level}" for level in range(len(self.encoded) - 1)), BOTTLENECK][: len(self.encoded)]


def gradients_by_way(
    asked: Tensor, cut: Cut, sources: Sequence[Tensor], between: Callable[[], None] = lambda: None
) -> Mapping[str, list[Tensor]]:
    """The gradient of a number with respect to the image or encoder features, part by part.

    Args:
        asked: A scalar computed in the call that `cut` was given to; its graph is used up.
        cut: The tap of that call.
        sources: Tensors on the encoder's side.
        between: Called between pieces of work.

    Returns:
        Way -> one gradient per source, of its shape. Only ways that lead from a source to what is asked are there; the
        parts add up to the gradient, in exact arithmetic.
    """
    reached = torch.autograd.grad(asked, [*cut.leaves, *sources], allow_unused=True)
    parts = through_encoder(cut, reached[: len(cut.leaves)], sources, between)
    inner = reached[len(cut.leaves) :]
    return parts | {INNER: _filled(inner, sources)} if any(one is not None for one in inner) else parts


def through_encoder(
    cut: Cut, arrived: Sequence[Tensor | None], sources: Sequence[Tensor], between: Callable[[], None] = lambda: None
) -> dict[str, list[Tensor]]:
    """What reached each of the leaves of a cut, pushed through the encoder to the sources.

    Args:
        cut: The tap of a call; the encoder's graph stays usable.
        arrived: Gradient of each leaf, None where nothing reached it.
        sources: Tensors on the encoder's side.
        between: Called between pieces of work.

    Returns:
        Way -> one gradient per source, of its shape.
    """
    parts: dict[str, list[Tensor]] = {}
    for way, encoded, gradient in zip(cut.ways, cut.encoded, arrived, strict=True):
        if gradient is not None and encoded.requires_grad:
            between()
            through = torch.autograd.grad(encoded, sources, gradient, retain_graph=True, allow_unused=True)
            parts[way] = _filled(through, sources)
    return parts


def place_of(stage: str, level: int) -> str:
    """The name of a feature map: `encoder.2`; the logits and the bottleneck have no level."""
    return stage if stage in SINGLE else f"{stage}.{level}"


def name_of(way: str) -> Text:
    """A way in words: through skip 0, through the bottleneck."""
    if way == BOTTLENECK:
        return Text("the bottleneck", "瓶颈")
    if way == INNER:
        return Text("the encoder alone", "仅编码器")
    level = way.rpartition("-")[2]
    return Text(f"skip {level}", f"跳跃 {level}")


def listed(shares: Mapping[str, float]) -> Text:
    """Ways with their shares in one line: skip 0 63%, the bottleneck 37%."""
    named = [(name_of(way), f"{100 * share:.0f}%") for way, share in shares.items()]
    return Text(", ".join(f"{one.en} {share}" for one, share in named), "、".join(f"{one.zh} {s}" for one, s in named))


def _filled(gradients: Sequence[Tensor | None], sources: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(s) if g is None else g for g, s in zip(gradients, sources, strict=True)]
