"""Random views of training images: turned, mirrored, scaled, bent, brighter or darker, blurred, noisy."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground.training.datasets import Example

TILT = math.radians(15)
BEND = 0.04
"""Size of elastic displacements, as a part of the patch's side."""


@dataclass(frozen=True)
class Views:
    """An endless list of random patches; patch `n` depends on the seed and on n alone.

    Args:
        examples: Where patches are cut from.
        side: Of a patch, in pixels.
        turns: Whether all orientations are natural; otherwise patches are tilted a little and never mirrored.
        seed: Of the list.
    """

    examples: list[Example]
    side: int
    turns: bool = True
    seed: int = 0

    def batch(self, numbers: range) -> tuple[Tensor, Tensor]:
        """Patches: images (size, channels, side, side), channels last, and labels int64 (size, side, side)."""
        views = [self[number] for number in numbers]
        images = torch.stack([image for image, _ in views]).contiguous(memory_format=torch.channels_last)
        return images, torch.stack([labels for _, labels in views])

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """One patch: image (channels, side, side) and labels int64 (side, side)."""
        rng = np.random.default_rng((self.seed, number))
        example = self.examples[rng.integers(len(self.examples))]
        grid = _grid(example.labels.shape, self.side, self.turns, rng)
        # What lies beyond the border: the scene mirrored where orientation means nothing, else nothing.
        beyond = "reflection" if self.turns else "zeros"
        image = F.grid_sample(example.image[None], grid, "bilinear", beyond, align_corners=False)[0]
        labels = F.grid_sample(example.labels[None, None].float(), grid, "nearest", beyond, align_corners=False)[0, 0]
        return _relight(image, rng), labels.long()


def _grid(sides: tuple[int, ...], side: int, turns: bool, rng: np.random.Generator) -> Tensor:
    """Where each pixel of a patch is read, (1, side, side, 2) in (x, y) from -1 to 1 as `grid_sample` takes it."""
    scale = float(2 ** rng.uniform(-0.5, 0.5)) if rng.random() < 0.5 else 1.0
    angle, mirror = rng.integers(4) * math.pi / 2, turns and rng.random() < 0.5
    if not turns:
        angle = rng.uniform(-TILT, TILT) if rng.random() < 0.5 else 0.0
    elif rng.random() < 0.3:
        angle = rng.uniform(0, 2 * math.pi)
    offsets = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    rows, columns = torch.meshgrid(offsets, -offsets if mirror else offsets, indexing="ij")
    if rng.random() < 0.3:
        bend = _bend(side, rng)
        rows, columns = rows + bend[0], columns + bend[1]
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    row, column = (_middle(n, side / scale, rng) for n in sides)
    y = row + cosine * rows - sine * columns
    x = column + sine * rows + cosine * columns
    return torch.stack([2 * x / sides[1] - 1, 2 * y / sides[0] - 1], -1)[None]


def _middle(side: int, span: float, rng: np.random.Generator) -> float:
    """The middle of a span that lies within the side, or hangs over both ends where it is longer."""
    low, high = sorted((span / 2, side - span / 2))
    return float(rng.uniform(low, high))


def _bend(side: int, rng: np.random.Generator) -> Tensor:
    """A smooth displacement field (2, side, side) in pixels.

    Source: Simard et al. 2003, Best practices for convolutional neural networks (elastic distortions).
    """
    coarse = torch.from_numpy(rng.normal(0, BEND * side, (1, 2, 5, 5)).astype(np.float32))
    return F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)[0]


def _relight(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Other gamma, brightness and contrast, sometimes per channel; sometimes blurred or noisy."""
    shape = (len(image) if rng.random() < 0.5 else 1, 1, 1)

    def uniform(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))

    relit = image.clamp(0, 1) ** 2 ** uniform(-0.5, 0.5)
    relit = relit * 2 ** uniform(-0.3, 0.3) + uniform(-0.05, 0.05)
    if rng.random() < 0.2:
        relit = _blur(relit, float(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.3:
        relit = relit + torch.from_numpy(rng.normal(0, rng.uniform(0, 0.05), image.shape).astype(np.float32))
    return relit.clamp(0, 1.2)


def _blur(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of (channels, h, w)."""
    taps = torch.exp(-0.5 * (torch.arange(-3, 4) / sigma) ** 2)
    taps = (taps / taps.sum())[None, None]
    padded = F.pad(image[:, None], (3, 3, 3, 3), mode="replicate")
    return F.conv2d(F.conv2d(padded, taps[..., None, :]), taps[..., None])[:, 0]
