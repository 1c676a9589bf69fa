"""Random views of training images and volumes: turned, mirrored, scaled, bent, other light, blurred, noisy."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation
from torch import Tensor

from unet_playground.model import LAYOUTS
from unet_playground.training.datasets import Example

TILT = math.radians(15)
BEND = 0.04
"""Size of elastic displacements, as a part of the patch's side."""
_SMOOTH = {2: "bicubic", 3: "trilinear"}


@dataclass(frozen=True)
class Views:
    """An endless list of random patches; patch `n` depends on the seed and on n alone.

    Args:
        examples: Where patches are cut from: images, or volumes.
        side: Of a patch, in pixels.
        turns: Whether all orientations are natural; otherwise patches are tilted a little. Volumes are only tilted.
        seed: Of the list.
        mirrors: Whether a patch that is only tilted may have its left and right exchanged.
    """

    examples: list[Example]
    side: int
    turns: bool = True
    seed: int = 0
    mirrors: bool = False

    def batch(self, numbers: range) -> tuple[Tensor, Tensor]:
        """Patches: images (size, channels, *sides), channels last, and labels int64 (size, *sides)."""
        views = [self[number] for number in numbers]
        labels = torch.stack([labels for _, labels in views])
        layout = LAYOUTS[labels.dim() - 1]
        return torch.stack([image for image, _ in views]).contiguous(memory_format=layout), labels

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """One patch: image (channels, side, side) and labels int64 (side, side); of a volume with one side more."""
        rng = np.random.default_rng((self.seed, number))
        example = self.examples[rng.integers(len(self.examples))]
        sides = tuple(example.labels.shape)
        flat = len(sides) == 2
        grid = _grid(sides, self.side, self.turns, rng) if flat else _cube(sides, self.side, rng)
        if self.mirrors and rng.random() < 0.5:
            grid = grid.flip(-2)
        # What lies beyond the border: the scene mirrored where orientation means nothing, else nothing.
        beyond = "reflection" if self.turns and flat else "zeros"
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
        bend = _bend(side, 2, rng)
        rows, columns = rows + bend[0], columns + bend[1]
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    row, column = (_middle(n, side / scale, rng) for n in sides)
    y = row + cosine * rows - sine * columns
    x = column + sine * rows + cosine * columns
    return torch.stack([2 * x / sides[1] - 1, 2 * y / sides[0] - 1], -1)[None]


def _cube(sides: tuple[int, ...], side: int, rng: np.random.Generator) -> Tensor:
    """Where each voxel of a patch is read, (1, side, side, side, 3), last axis first, as `grid_sample` takes it."""
    scale = float(2 ** rng.uniform(-0.3, 0.3)) if rng.random() < 0.5 else 1.0
    tilt = Rotation.from_rotvec(rng.uniform(-TILT, TILT, 3) if rng.random() < 0.5 else np.zeros(3))
    offsets = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    places = torch.stack(torch.meshgrid(offsets, offsets, offsets, indexing="ij"))
    if rng.random() < 0.3:
        places = places + _bend(side, 3, rng)
    middle = torch.tensor([_middle(n, side / scale, rng) for n in sides])
    turn = torch.from_numpy((tilt.as_matrix() / scale).astype(np.float32))
    read = torch.einsum("ij,jabc->abci", turn, places) + middle
    return (2 * read / torch.tensor(sides) - 1).flip(-1)[None]


def _middle(side: int, span: float, rng: np.random.Generator) -> float:
    """The middle of a span that lies within the side, or hangs over both ends where it is longer."""
    low, high = sorted((span / 2, side - span / 2))
    return float(rng.uniform(low, high))


def _bend(side: int, dims: int, rng: np.random.Generator) -> Tensor:
    """A smooth displacement field (dims, *sides) in pixels.

    Source: Simard et al. 2003, Best practices for convolutional neural networks (elastic distortions).
    """
    coarse = torch.from_numpy(rng.normal(0, BEND * side, (1, dims, *[5] * dims)).astype(np.float32))
    return F.interpolate(coarse, (side,) * dims, mode=_SMOOTH[dims], align_corners=True)[0]


def _relight(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Other gamma, brightness and contrast, sometimes per channel; sometimes blurred or noisy."""
    shape = (len(image) if rng.random() < 0.5 else 1, *[1] * (image.dim() - 1))

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
    """A Gaussian blur of (channels, *sides), one axis after the other."""
    taps = torch.exp(-0.5 * (torch.arange(-3, 4) / sigma) ** 2)
    taps = (taps / taps.sum())[None, None]
    for axis in range(image.dim() - 1, 0, -1):
        lines = image.movedim(axis, -1)
        padded = F.pad(lines.flatten(0, -2)[:, None], (3, 3), mode="replicate")
        image = F.conv1d(padded, taps).view(lines.shape).movedim(-1, axis)
    return image
