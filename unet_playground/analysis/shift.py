"""Move the input by a pixel: does the mask move along?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, agreement, analyses, probability_of
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper


@dataclass(frozen=True)
class Shift:
    """What is left of a mask's agreement with itself when the input moves.

    Every number has one entry per direction, down and right; of an image too small to move nothing is compared and
    nothing has changed.

    Attributes:
        target: What was asked.
        pixels: By how much the input moved.
        border: Pixels at every side that were left out.
        changed: (2,) share of the compared pixels whose membership of the class changed, 0 to 1.
        dice: (2,) agreement of the moved input's mask with the moved mask.
        moved: (2,) mean absolute change of the class's probability.
        compared: (2,) number of pixels.
        change: float32 (h, w), largest absolute change of the probability over both directions; 0 where left out.
        period: Pixels after which a network of this depth treats positions alike again; 1 at full resolution.
        changed_by_period: Share that changes when the input moves by that many pixels; None where the image is too
            small.
    """

    target: Target
    pixels: int
    border: int
    changed: NDArray[np.float32]
    dice: NDArray[np.float32]
    moved: NDArray[np.float32]
    compared: NDArray[np.float32]
    change: NDArray[np.float32]
    period: int
    changed_by_period: float | None

    @property
    def check(self) -> Text:
        """What a move by the network's whole period changes."""
        if self.changed_by_period is None:
            return Text(
                f"The image is too small to move it by {self.period} px, after which positions are treated alike.",
                f"图像太小，无法平移 {self.period} 像素（平移这么多后各位置的处理相同）。",
            )
        share = 100 * self.changed_by_period
        return Text(
            f"Moved by {self.period} px, a whole step of the coarsest level, {share:.3f}% of the pixels change (0% "
            f"where the border of {self.border} px is out of sight and no attention sees the whole image).",
            f"平移 {self.period} 像素（最粗层的整整一格）时 {share:.3f}% 的像素改变"
            f"（若看不到 {self.border} 像素以外的边界，且没有注意力看到整幅图，应为 0%）。",
        )

    @property
    def facts(self) -> Text:
        """The share that changes by direction."""
        if not self.compared.any():
            return Text(
                f"The image is too small to move it by {self.pixels} px.", f"图像太小，无法平移 {self.pixels} 像素。"
            )
        (down, right), dice = 100 * self.changed, self.dice
        mean = self.moved[self.compared > 0].mean()
        if not self.compared.all():
            at = int(self.compared.argmax())
            way = (Text("down", "向下"), Text("right", "向右"))[at]
            return Text(
                f"Moved by {self.pixels} px, {100 * self.changed[at]:.2f}% ({way.en}) of the pixels change sides; Dice "
                f"{dice[at]:.4f}; the probability changes by {mean:.4f} on average. The image is too small for the "
                f"other direction. A border of {self.border} px is left out.",
                f"平移 {self.pixels} 像素后，{100 * self.changed[at]:.2f}%（{way.zh}）的像素改变归属；Dice 为 "
                f"{dice[at]:.4f}；概率平均改变 {mean:.4f}。另一方向图像太小。四周 {self.border} 像素不计。",
            )
        return Text(
            f"Moved by {self.pixels} px, {down:.2f}% (down) and {right:.2f}% (right) of the pixels change sides; Dice "
            f"{dice[0]:.4f} and {dice[1]:.4f}; the probability changes by {mean:.4f} on average. A border of "
            f"{self.border} px is left out.",
            f"平移 {self.pixels} 像素后，{down:.2f}%（向下）和 {right:.2f}%（向右）的像素改变归属；Dice 为 "
            f"{dice[0]:.4f} 和 {dice[1]:.4f}；概率平均改变 {mean:.4f}。四周 {self.border} 像素不计。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {
            "changed": self.changed,
            "dice": self.dice,
            "moved": self.moved,
            "compared": self.compared,
            "change": self.change,
        }


@dataclass(frozen=True)
class _Move:
    """A moved input's answer beside the moved answer, border left out."""

    changed: float
    dice: float
    moved: float
    change: NDArray[np.float32]


@analyses.register(
    "shift-equivariance",
    room="operators",
    title="Shift by a pixel",
    formula=r"$f(T x) = T f(x)\,?$",
    paper=Paper("Zhang", 2019, "Making Convolutional Networks Shift-Invariant Again", "arXiv:1904.11486"),
    zh=Chinese(
        "平移一个像素",
        "输入平移一个像素时，掩膜是否跟着平移。",
        "把图像向下、向右各平移几个像素（边缘重复），再与平移后的掩膜比较。只有卷积的网络会完全跟随；每次下采样都把像素分到固定的格子里，"
        "平移后格子里的内容变了，掩膜也可能改变。四周留出一圈不计，以免边界的影响混入。对照：平移最粗层的整整一格时不应改变。",
    ),
)
def shift_equivariance(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    pixels: Annotated[int, Knob("Pixels", "像素", 1, 8)] = 1,
    border: Annotated[int, Knob("Border left out", "不计的边界", 0, 128)] = 16,
    watch: Watch = UNWATCHED,
) -> Shift:
    """Whether the mask moves along when the input moves by a pixel.

    The image moves down and right with its edge repeated, and its mask is compared with the moved mask. A network of
    convolutions alone follows exactly. Every way down sorts pixels into a fixed grid, and after a move the cells hold
    other pixels, so the mask can change. A border is left out, so that what comes in at the edge of the image does not
    count. As a control the input moves by a whole step of the coarsest level, which should change nothing.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Its class is asked about.
        pixels: By how much the input moves.
        border: Pixels left out at every side, fewer where the image has not so many.
        watch: May end it between passes.
    """
    target.checked(model, image)
    period = 2**model.design.depth if model.design.halves else 1
    spare = max(0, min((side - 1 - pixels) // 2 for side in image.shape[2:]))
    border = min(border, spare)
    still = probability_of(model, image)
    moves = [_move(model, image, still, target, axis, pixels, border, watch) for axis in (0, 1)]
    whole = [_move(model, image, still, target, axis, period, border, watch) for axis in (0, 1)]
    known = [one.changed for one in whole if one is not None]
    change = np.zeros(image.shape[2:], np.float32)
    for one in moves:
        if one is not None:
            place = tuple(slice(border, border + side) for side in one.change.shape)
            change[place] = np.maximum(change[place], one.change)

    def numbers(name: str, otherwise: float) -> NDArray[np.float32]:
        return np.array([otherwise if one is None else getattr(one, name) for one in moves], np.float32)

    return Shift(
        target=target,
        pixels=pixels,
        border=border,
        changed=numbers("changed", 0),
        dice=numbers("dice", 1),
        moved=numbers("moved", 0),
        compared=np.array([0 if one is None else one.change.size for one in moves], np.float32),
        change=change,
        period=period,
        changed_by_period=max(known) if known else None,
    )


def _move(
    model: UNet,
    image: Tensor,
    still: NDArray[np.float32],
    target: Target,
    axis: int,
    pixels: int,
    border: int,
    watch: Watch,
) -> _Move | None:
    """The comparison along one axis (0 rows), at the places of the unmoved image; None where nothing is left."""
    side = image.shape[2 + axis]
    if side - pixels - 2 * border < 1:
        return None
    watch.between()
    edges = (0, 0, pixels, 0) if axis == 0 else (pixels, 0, 0, 0)
    moved = F.pad(image, edges, mode="replicate").narrow(2 + axis, 0, side)
    after = probability_of(model, moved)
    lengths = [other - 2 * border for other in image.shape[2:]]
    lengths[axis] -= pixels
    begins = [border, border]
    before = still[:, *(slice(at, at + length) for at, length in zip(begins, lengths, strict=True))]
    begins[axis] += pixels
    after = after[:, *(slice(at, at + length) for at, length in zip(begins, lengths, strict=True))]
    masks = [one.argmax(0) == target.label for one in (before, after)]
    change = np.abs(before[target.label] - after[target.label])
    return _Move(
        float((masks[0] != masks[1]).mean()), agreement(*masks), float(change.mean()), change.astype(np.float32)
    )
