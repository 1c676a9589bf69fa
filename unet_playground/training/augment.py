"""Random views of training images: the same scene turned, mirrored, scaled, brighter or darker."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unet_playground.training.datasets import Example


def batch(examples: list[Example], size: int, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random patches: images (size, channels, side, side) and labels int64 (size, side, side)."""
    drawn = [view(examples[index], side, rng) for index in rng.integers(len(examples), size=size)]
    images = torch.stack([image for image, _ in drawn]).contiguous(memory_format=torch.channels_last)
    return images, torch.stack([labels for _, labels in drawn]).long()


def view(example: Example, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One random patch of `side` pixels, scaled by 0.75 to 1.33, in one of eight orientations, brightness varied."""
    scale = float(2 ** rng.uniform(-0.4, 0.4)) if rng.random() < 0.5 else 1.0
    image, labels = _patch(example, max(16, round(side / scale)), rng)
    if image.shape[-1] != side or image.shape[-2] != side:
        image = F.interpolate(image[None], (side, side), mode="bilinear", align_corners=False)[0]
        labels = F.interpolate(labels[None, None].float(), (side, side), mode="nearest-exact")[0, 0].to(labels.dtype)
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    image, labels = torch.rot90(image, turns, (1, 2)), torch.rot90(labels, turns, (0, 1))
    if mirror:
        image, labels = image.flip(2), labels.flip(1)
    return _relight(image, rng), labels


def _patch(example: Example, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    image, labels = example.image, example.labels
    missing = [max(0, side - n) for n in labels.shape]
    if any(missing):
        edges = (0, missing[1], 0, missing[0])
        image, labels = F.pad(image[None], edges, mode="replicate")[0], F.pad(labels, edges)
    top, left = (int(rng.integers(n - side + 1)) for n in labels.shape)
    window = (slice(top, top + side), slice(left, left + side))
    return image[:, *window], labels[window]


def _relight(image: Tensor, rng: np.random.Generator) -> Tensor:
    gamma, gain = 2 ** rng.uniform(-0.5, 0.5), 2 ** rng.uniform(-0.3, 0.3)
    noisy = image.clamp_min(0) ** gamma * gain
    if rng.random() < 0.3:
        noisy = noisy + torch.from_numpy(rng.normal(0, rng.uniform(0, 0.05), image.shape).astype(np.float32))
    return noisy.clamp(0, 1.2)
