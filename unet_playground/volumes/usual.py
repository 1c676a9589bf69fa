"""What a task's training images have in common: features of an image, and how far a new one lies from the usual."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from scipy.spatial.distance import cdist
from torch import Tensor

from unet_playground.design import Design
from unet_playground.inference import load_model
from unet_playground.model import UNet
from unet_playground.weights import checkpoint_root, replace_file

FILE = "usual.safetensors"
PERCENTILE = 98.0
"""Of unseen images' distances, which becomes the distance 1."""
ENOUGH = 40
"""Unseen views that suffice; else those of training images, each image against the others, count, too."""
SMALLEST, LARGEST = 192, 512
"""Sides in pixels of what is looked at: a larger image is cut, since shrinking it would hide its scale."""


@dataclass(frozen=True)
class Usual:
    """What a task's training images look like.

    Attributes:
        examples: float16 (images, kinds, features): the features of training images, of each kind.
        limits: float64 (kinds,): distance from the nearest example that counts as 1.
        weights: sha256 of the reference network's weights.
    """

    examples: NDArray[np.float16]
    limits: NDArray[np.float64]
    weights: str

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of images (n, kinds, features) from the nearest training images: (n,); above 1 is unusual.

        Every kind of features has its own nearest image, and the farther kind counts.

        Source: Sun et al. 2022, Out-of-distribution detection with deep nearest neighbors, arXiv:2204.06507.
        """
        return (_from_nearest(features, self.examples) / self.limits).max(1)


def features_of(image: Tensor, network: UNet) -> NDArray[np.float32]:
    """What the middle of an image looks like, (3, features): the classic's deepest features, and its own values.

    The deepest features' means, their peaks, and statistics of the image, filled up with zeros.

    Args:
        image: (channels, h, w), as the task prepares it.
        network: The task's reference.
    """
    top, left = (max(0, (side - LARGEST) // 2) for side in image.shape[1:])
    image = image[:, top : top + LARGEST, left : left + LARGEST]
    with torch.inference_mode():
        deep = image[None].contiguous(memory_format=torch.channels_last)
        for stage in network.encoder.values():
            deep = stage(deep)
        pooled = torch.cat([deep.mean((2, 3)), deep.amax((2, 3))]).float().numpy()
    own = _statistics(image.numpy())
    return np.concatenate([pooled, np.pad(own, (0, pooled.shape[1] - len(own)))[None]])


def _statistics(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness, contrast, its distribution, sharpness along both axes and colour of (channels, h, w)."""
    gray = image.mean(0)
    deviation = float(gray.std())
    steps = [float(np.abs(np.diff(gray, axis=axis)).mean()) if gray.shape[axis] > 1 else 0.0 for axis in (0, 1)]
    tones, colours = np.percentile(gray, [5, 25, 50, 75, 95]), np.abs(image - gray).mean((1, 2))
    return np.array(
        [gray.mean(), deviation, *tones, *(step / (deviation + 1e-3) for step in steps), *colours], np.float32
    )


def crop(image: Tensor, rng: np.random.Generator) -> Tensor:
    """A part of an image, as a visitor may cut it out: a square of `SMALLEST` to `LARGEST` pixels, if it fits."""
    side = round(math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST))))
    top, left = (int(rng.integers(max(0, own - side) + 1)) for own in image.shape[1:])
    return image[:, top : top + side, left : left + side]


def fit(training: NDArray[np.float32], owners: NDArray[np.integer], unseen: NDArray[np.float32], weights: str) -> Usual:
    """Learn what is usual from views of training images, and where it ends from those of unseen ones.

    Args:
        training: (n, kinds, features).
        owners: Which image each of them shows, (n,).
        unseen: (m, kinds, features) of validation images; fewer than `ENOUGH` are helped by the training images.
        weights: sha256 of the reference network's weights.
    """
    far = _from_nearest(unseen, training)
    if len(unseen) < ENOUGH:
        far = np.concatenate([far, _from_nearest(training, training, owners[:, None] == owners)])
    return Usual(training.astype(np.float16), np.percentile(far, PERCENTILE, axis=0), weights)


def _from_nearest(
    features: NDArray[np.float32], examples: NDArray[np.floating], barred: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Euclidean distances (n, kinds) from the nearest example that is not barred, (n, examples)."""
    kinds = range(features.shape[1])
    far = np.stack([cdist(features[:, kind], examples[:, kind]) for kind in kinds], 2)
    return (far if barred is None else np.where(barred[..., None], np.inf, far)).min(1)


def reference(task: str) -> UNet:
    """The network whose features are compared: the task's classic, on the CPU."""
    return load_model(task, Design(), device=torch.device("cpu"))


def keep(usual: Usual, task: str) -> int:
    """Write what is usual beside the task's weights, less than 1 MB; gives the bytes."""
    arrays = {name: torch.from_numpy(getattr(usual, name)) for name in ("examples", "limits")}
    content = save(arrays, {"weights": usual.weights})
    replace_file(checkpoint_root() / task / FILE, content)
    return len(content)


def usual_of(task: str) -> tuple[Usual, UNet] | None:
    """What is usual for a task, and its reference; None where the file is missing or made for other weights."""
    path = checkpoint_root() / task / FILE
    return _usual_of(task, path, path.stat().st_mtime_ns) if path.exists() else None


@lru_cache(maxsize=8)
def _usual_of(task: str, path: Path, changed: int) -> tuple[Usual, UNet] | None:
    network = reference(task)
    try:
        with safe_open(path, "pt") as tensors:
            read = {name: tensors.get_tensor(name).numpy() for name in tensors.keys()}  # noqa: SIM118
            weights = (tensors.metadata() or {}).get("weights", "")
        usual = Usual(**read, weights=weights)
    except (OSError, SafetensorError, KeyError, TypeError):
        return None
    own = network.origin.sha256 if network.origin else ""
    return (usual, network) if own == weights else None
