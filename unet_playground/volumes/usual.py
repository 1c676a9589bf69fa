"""What a task's training images have in common: features of an image, and how far a new one lies from the usual."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
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
MARGIN = 1.1
"""By which that distance is lengthened, because few unseen images leave the percentile vague."""
ENOUGH = 40
"""Validation images that suffice; else training images, each without itself, count as unseen, too."""
LARGEST = 512
"""Longest side in pixels at which an image is looked at."""


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
    """What an image looks like: the deepest features of the classic, (2, features), their means and their peaks.

    Args:
        image: (channels, h, w), as the task prepares it.
        network: The task's reference.
    """
    if max(image.shape[1:]) > LARGEST:
        factor = LARGEST / max(image.shape[1:])
        sides = [max(1, round(side * factor)) for side in image.shape[1:]]
        image = F.interpolate(image[None], sides, mode="bilinear", antialias=True, align_corners=False)[0]
    with torch.inference_mode():
        deep = image[None].contiguous(memory_format=torch.channels_last)
        for stage in network.encoder.values():
            deep = stage(deep)
        return torch.cat([deep.mean((2, 3)), deep.amax((2, 3))]).float().numpy()


def fit(training: NDArray[np.float32], validation: NDArray[np.float32], weights: str) -> Usual:
    """Learn what is usual from features (n, kinds, features) of training images, and where it ends from unseen ones.

    Unseen are the validation images. Where they are fewer than `ENOUGH`, training images are added, each measured
    against the others.
    """
    unseen = _from_nearest(validation, training)
    if len(validation) < ENOUGH:
        unseen = np.concatenate([unseen, _from_nearest(training, training, itself=True)])
    return Usual(training.astype(np.float16), MARGIN * np.percentile(unseen, PERCENTILE, axis=0), weights)


def _from_nearest(
    features: NDArray[np.float32], examples: NDArray[np.floating], itself: bool = False
) -> NDArray[np.float64]:
    """Euclidean distances (n, kinds) from the nearest example, from the next one where features are the examples."""
    kinds = range(features.shape[1])
    return np.stack([np.sort(cdist(features[:, kind], examples[:, kind]))[:, int(itself)] for kind in kinds], 1)


def reference(task: str) -> UNet:
    """The network whose features are compared: the task's classic, on the CPU."""
    return load_model(task, Design(), device=torch.device("cpu"))


def keep(usual: Usual, task: str) -> int:
    """Write what is usual beside the task's weights, at most some hundred kB; gives the bytes."""
    arrays = {name: torch.from_numpy(getattr(usual, name)) for name in ("examples", "limits")}
    content = save(arrays, {"weights": usual.weights})
    replace_file(checkpoint_root() / task / FILE, content)
    return len(content)


@lru_cache(maxsize=8)
def usual_of(task: str) -> tuple[Usual, UNet] | None:
    """What is usual for a task, and its reference; None where the file is missing or made for other weights."""
    path = checkpoint_root() / task / FILE
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
