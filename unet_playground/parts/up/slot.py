"""What every upsampler promises, and the catalogue that lists them."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from unet_playground.errors import Text
from unet_playground.parts.layers import crop
from unet_playground.registry import Catalogue, Knob
from unet_playground.taps import IGNORE, Tap

SmallKernel = Annotated[Literal[1, 3], Knob("Kernel side", "卷积核边长")]


class Up(nn.Module):
    """Doubles the sides, crops them to what is asked for, changes the width: (n, in, *s) -> (n, out, *sides).

    Args of every part: in_channels, out_channels, place (of the finer level), then its options by keyword.

    Attributes:
        dims: Numbers of dimensions it is defined for.
    """

    dims: ClassVar[tuple[int, ...]] = (2, 3)

    def forward(self, x: Tensor, sides: Sequence[int], tap: Tap = IGNORE) -> Tensor:
        return crop(self.enlarge(x, tap), sides)

    def enlarge(self, x: Tensor, tap: Tap) -> Tensor:
        """(n, in, *s) -> (n, out, *2s)."""
        raise NotImplementedError


ups: Catalogue[type[Up]] = Catalogue("up", Text("Up", "上采样"))
