"""Modulated deformable convolution in plain PyTorch, for images and volumes."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.parts.layers import convolution
from unet_playground.taps import IGNORE, Tap


class DeformableConvolution(nn.Module):
    r"""$y(p) = b + \sum_k w_k\, m_k\, x(p + p_k + \Delta p_k)$ with linear sampling and zeros outside the image.

    One convolution predicts, per tap k, a displacement along every axis (rows first, interleaved: dy, dx, dy, dx ...)
    and then the modulations $m_k = 2 \sigma(\cdot)$. It starts at zero: no displacement, modulation one, a plain
    3x3 convolution.

    Source: Zhu et al. 2019, Deformable ConvNets v2, arXiv:1811.11168; there m = sigmoid starts at one half.
    """

    def __init__(self, channels: int, filters: int, dims: int):
        super().__init__()
        self.dims, self.taps = dims, 3**dims
        self.predictor = convolution(channels, (dims + 1) * self.taps, 3, dims)
        nn.init.zeros_(self.predictor.weight)  # type: ignore[arg-type]
        self.convolution = convolution(channels * self.taps, filters, 1, dims, centred=True)

    def forward(self, x: Tensor, tap: Tap = IGNORE) -> Tensor:
        predicted = self.predictor(x)
        offsets = tap.sampling("offsets", predicted[:, : self.dims * self.taps], rest=0)
        modulation = 2 * torch.sigmoid(predicted[:, self.dims * self.taps :])
        modulation = tap.sampling("modulation", modulation, rest=1)
        return self.convolution(self.sample(x, offsets, modulation))

    def sample(self, x: Tensor, offsets: Tensor, modulation: Tensor) -> Tensor:
        """What every tap reads: (n, channels, *sides) -> (n, channels * taps, *sides), taps fastest."""
        n, channels, *sides = x.shape
        # Half precision, as under autocast, does not tell neighbouring places of a large map apart.
        exact = torch.promote_types(x.dtype, torch.float32)
        positions = _tap_positions(sides, x.device, exact) + offsets.unflatten(1, (self.taps, self.dims))
        # grid_sample wants the last axis first and coordinates from -1 to 1 between the outer edges of the image.
        scale = torch.tensor([2.0 / side for side in reversed(sides)], device=x.device, dtype=exact)
        grid = (positions.movedim(2, -1).flip(-1) + 0.5) * scale - 1
        grid = grid.reshape(n, self.taps * sides[0], *sides[1:], self.dims)
        read = F.grid_sample(x.to(exact), grid, mode="bilinear", padding_mode="zeros", align_corners=False).to(x.dtype)
        read = read.reshape(n, channels, self.taps, *sides) * modulation.unsqueeze(1)
        return read.flatten(1, 2)


def _tap_positions(sides: list[int], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Undisplaced positions (1, taps, dims, *sides), in pixels."""
    axes = [torch.arange(side, device=device, dtype=dtype) for side in sides]
    pixels = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    steps = torch.tensor([*itertools.product((-1, 0, 1), repeat=len(sides))], device=device, dtype=dtype)
    return (pixels[None] + steps.reshape(-1, len(sides), *[1] * len(sides)))[None]
