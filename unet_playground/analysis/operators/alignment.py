"""65 pixels against 32: where things lie after a side that is odd was halved and got back."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.errors import PlaygroundError, Text
from unet_playground.parts.layers import crop


@dataclass(frozen=True)
class Alignment:
    """One way to get an odd side back.

    Attributes:
        title: What is done.
        coarse: Pixels of the halved side.
        shift: float32 (side,): pixel i shows what lay at i + shift.
    """

    title: Text
    coarse: int
    shift: NDArray[np.float32]

    @property
    def worst(self) -> float:
        """The largest shift in pixels."""
        return float(np.abs(self.shift).max())

    @property
    def mean(self) -> float:
        """The mean size of the shift in pixels."""
        return float(np.abs(self.shift).mean())


def alignments(side: int = 65) -> tuple[Alignment, ...]:
    """What each way of matching resolutions does to positions, measured on a ramp whose values are its positions.

    Halving averages two pixels and getting back interpolates linearly, both of which leave a ramp as it is: what is
    left over is the alignment. A shift at level k counts 2^k pixels of the image.

    Args:
        side: Pixels of the finer side, from 2.
    """
    if side < 2:
        raise PlaygroundError(
            f"A side of {side} px cannot be halved and got back; give 2 or more.",
            f"边长 {side} 像素无法减半再恢复；请给出 2 或更大的值。",
        )
    ramp = torch.arange(side, dtype=torch.float64)[None, None]
    up = F.avg_pool1d(ramp, 2, 2, ceil_mode=True)
    down = F.avg_pool1d(ramp, 2, 2)
    spare = side - 2 * down.shape[2]
    twice = _enlarge(down, 2 * down.shape[2])
    ways = (
        (Text("round up, crop (here)", "向上取整，裁剪（本项目）"), up, crop(_enlarge(up, 2 * up.shape[2]), [side])),
        (Text("round down, pad the end", "向下取整，末端补齐"), down, F.pad(twice, (0, spare), mode="replicate")),
        (Text("round down, pad the start", "向下取整，首端补齐"), down, F.pad(twice, (spare, 0), mode="replicate")),
        (Text("round down, resize", "向下取整，插值到原长"), down, _enlarge(down, side)),
        (Text("resize, corners aligned", "插值，角点对齐"), down, _enlarge(down, side, corners=True)),
    )
    return tuple(Alignment(title, coarse.shape[2], (back - ramp)[0, 0].float().numpy()) for title, coarse, back in ways)


def _enlarge(x: Tensor, side: int, corners: bool = False) -> Tensor:
    return F.interpolate(x, size=side, mode="linear", align_corners=corners)
