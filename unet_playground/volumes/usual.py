"""What a task's training images have in common: features of an image, and how far a new one lies from the usual."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from unet_playground.design import Design
from unet_playground.inference import load_model
from unet_playground.model import UNet
from unet_playground.weights import checkpoint_root, replace_file

FILE = "usual.safetensors"
PERCENTILE = 98.0
"""Of the validation images' distances, which becomes the distance 1."""
MARGIN = 1.15
"""By which that distance is lengthened, because few validation images leave the percentile vague."""
ENOUGH, PARTS = 40, 6
"""Validation images that suffice; else parts of the training images are left out in turn."""
DIRECTIONS = 24
"""Most directions in which training images are said to vary; with few images, a fourth of them."""
LARGEST = 512
"""Longest side in pixels at which an image is looked at."""
_FLOOR = 1e-3


@dataclass(frozen=True)
class Usual:
    """How the features of a task's training images are spread.

    Attributes:
        mean: float32 (features,).
        deviation: float32 (features,), above 0.
        basis: float32 (directions, features), orthonormal, in which the standardised features vary most.
        spread: float32 (directions,), variance along each.
        rest: Mean square of what lies beyond those directions, over unseen images.
        limit: Distance that counts as 1.
        weights: sha256 of the reference network's weights.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    basis: NDArray[np.float32]
    spread: NDArray[np.float32]
    rest: float
    limit: float
    weights: str

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of images (n, features) from the training images: (n,); above 1 is unusual.

        What lies within the directions of the training images and what lies beyond them, as a share of what is usual
        there, weigh the same.

        Source: Lee et al. 2018, A simple unified framework for detecting out-of-distribution samples.
        """
        return np.sqrt((self.within(features) + self.beyond(features) / self.rest) / 2) / self.limit

    def within(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Squared Mahalanobis distance per direction, within the directions of the training images, (n,)."""
        return (np.square(self._standard(features) @ self.basis.T.astype(np.float64)) / self.spread).mean(1)

    def beyond(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean square over the features of what no direction of the training images explains, (n,)."""
        standard, basis = self._standard(features), self.basis.astype(np.float64)
        return np.square(standard - (standard @ basis.T) @ basis).mean(1)

    def _standard(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return ((features - self.mean) / self.deviation).astype(np.float64)


def features_of(image: Tensor, network: UNet) -> NDArray[np.float32]:
    """What an image looks like: statistics of its values, and the deepest features of the classic, pooled.

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
        pooled = torch.cat([deep.mean((2, 3))[0], deep.amax((2, 3))[0]])
    return np.concatenate([_statistics(image.numpy()), pooled.float().numpy()])


def _statistics(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness, contrast, its distribution, sharpness along both axes and colour of (channels, h, w)."""
    gray = image.mean(0)
    deviation = float(gray.std())
    steps = [float(np.abs(np.diff(gray, axis=axis)).mean()) if gray.shape[axis] > 1 else 0.0 for axis in (0, 1)]
    colour = image - gray
    return np.array(
        [
            *(float(gray.mean()), deviation, *np.percentile(gray, [5, 25, 50, 75, 95])),
            *(float((gray < 0.02).mean()), float((gray > 0.98).mean())),
            *(step / (deviation + _FLOOR) for step in steps),
            *np.abs(colour).mean((1, 2)).tolist(),
            float((image.max(0) - image.min(0)).mean()),
        ],
        np.float32,
    )


def fit(training: NDArray[np.float32], validation: NDArray[np.float32], weights: str) -> Usual:
    """Learn what is usual from features (n, features) of training images, and where it ends from unseen ones.

    Unseen are the validation images. Where they are fewer than `ENOUGH`, the training images are added, each measured
    against what the other parts of a division into `PARTS` say.
    """
    model = _spread(training, weights)
    rests, squares = [model.beyond(validation)], [model.within(validation)]
    if len(validation) < ENOUGH:
        for part in range(PARTS):
            own = np.arange(len(training)) % PARTS == part
            other = _spread(training[~own], weights)
            rests.append(other.beyond(training[own]))
            squares.append(other.within(training[own]))
    rest = float(np.concatenate(rests).mean())
    far = np.sqrt((np.concatenate(squares) + np.concatenate(rests) / rest) / 2)
    return replace(model, rest=rest, limit=MARGIN * float(np.percentile(far, PERCENTILE)))


def _spread(training: NDArray[np.float32], weights: str) -> Usual:
    """The mean, deviations and directions of training images; how much lies beyond is not known from them."""
    mean, deviation = training.mean(0), training.std(0)
    deviation = np.maximum(deviation, _FLOOR * (1 + np.abs(mean)))
    _, sizes, basis = np.linalg.svd(((training - mean) / deviation).astype(np.float64), full_matrices=False)
    directions = max(1, min(DIRECTIONS, len(training) // 4))
    spread = np.maximum(np.square(sizes[:directions]) / len(training), _FLOOR)
    arrays = (each.astype(np.float32) for each in (mean, deviation, basis[:directions], spread))
    return Usual(*arrays, rest=1.0, limit=1.0, weights=weights)


def reference(task: str) -> UNet:
    """The network whose features are compared: the task's classic, on the CPU."""
    return load_model(task, Design(), device=torch.device("cpu"))


def keep(usual: Usual, task: str) -> int:
    """Write what is usual beside the task's weights, a few kB; gives the bytes."""
    arrays = {name: torch.from_numpy(getattr(usual, name)) for name in ("mean", "deviation", "basis", "spread")}
    numbers = {name: torch.tensor(getattr(usual, name), dtype=torch.float64) for name in ("rest", "limit")}
    content = save({**arrays, **numbers}, {"weights": usual.weights})
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
        rest, limit = float(read.pop("rest")), float(read.pop("limit"))
        usual = Usual(**read, rest=rest, limit=limit, weights=weights)
    except (OSError, SafetensorError, KeyError, TypeError):
        return None
    own = network.origin.sha256 if network.origin else ""
    return (usual, network) if own == weights else None
