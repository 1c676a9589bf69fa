"""How much of what crosses from encoder to decoder is said twice: among its channels, and by the decoder itself."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.model import UNet

SIDE = 256
"""Pixels of the middle of an image that are looked at."""
Moments = NDArray[np.floating]


def redundancy(model: UNet, images: Sequence[Tensor]) -> dict[str, tuple[float, ...]]:
    """Two numbers for every decoder level at which something crosses, over all pixels of all images together.

    `correlation_0` (finest) ...: mean absolute correlation between two channels that cross. `cka_0` ...: similarity
    (linear CKA) of the channels that cross with the upsampled features that they meet, 0 to 1. Both grow when there
    are few pixels for many channels, which is why images are not looked at one by one.

    Args:
        model: In evaluation mode.
        images: float32 (channels, h, w).

    Returns:
        Column -> one number per image whose mean is the number over all of them, corrected for its bias, and whose
        standard error is that of the jackknife: n times the number over all less n - 1 times that without the image.

    Source: Kornblith et al. 2019, Similarity of neural network representations revisited (linear CKA); Tukey 1958,
    Bias and confidence in not-quite large samples (jackknife).
    """
    columns: dict[str, tuple[float, ...]] = {}
    moments = [_moments_by_level(model, image) for image in images]
    for level in range(model.design.depth):
        found = [(one[level][0], one[level][1]) for one in moments if level in one]
        if len(found) == len(images) > 1:
            crossing = found[0][0]
            sums = np.stack([own for _, own in found])
            columns[f"correlation_{level}"] = _jackknife(lambda all, n=crossing: correlation(all, n), sums)
            columns[f"cka_{level}"] = _jackknife(lambda all, n=crossing: alignment(all, n), sums)
    return columns


def moments_of(crossed: Tensor, decoded: Tensor) -> Moments:
    """The sums over all pixels of all products of 1, the channels that cross and the decoder's, each (1, c, h, w)."""
    both = torch.cat([torch.ones_like(crossed[:, :1]), crossed, decoded], 1)[0].flatten(1)
    return (both @ both.T).double().cpu().numpy()


def correlation(sums: Moments, crossing: int) -> float:
    """Mean absolute correlation between two of the channels that cross; NaN where fewer than two vary."""
    covariance = _covariance(sums)[:crossing, :crossing]
    deviation = np.sqrt(np.diag(covariance).clip(min=0))
    alive = deviation > 1e-6 * deviation.max(initial=0)
    if alive.sum() < 2:
        return float("nan")
    found = (covariance / np.outer(np.where(alive, deviation, 1), np.where(alive, deviation, 1)))[alive][:, alive]
    return float(np.abs(found[~np.eye(len(found), dtype=bool)]).mean())


def alignment(sums: Moments, crossing: int) -> float:
    """Linear CKA of the channels that cross with the decoder's, 0 to 1; NaN where either does not vary."""
    covariance = _covariance(sums)
    own, other = covariance[:crossing, :crossing], covariance[crossing:, crossing:]
    scale = np.linalg.norm(own) * np.linalg.norm(other)
    return float((covariance[:crossing, crossing:] ** 2).sum() / scale) if scale > 0 else float("nan")


def effective_rank(sums: Moments, crossing: int) -> float:
    """How many independent channels the ones that cross are worth, 1 to `crossing`; NaN where none varies.

    exp of the entropy of the shares that the principal axes have of the variance: the eigenvalues of the covariance.

    Source: Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality.
    """
    variances = np.linalg.eigvalsh(_covariance(sums)[:crossing, :crossing]).clip(min=0)
    shares = variances[variances > 0] / variances.sum() if variances.any() else np.array([np.nan])
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _moments_by_level(model: UNet, image: Tensor) -> dict[int, tuple[int, Moments]]:
    """Level -> number of channels that cross, and their moments with the decoder's."""
    device = next(model.parameters()).device
    top, left = (max(0, (side - SIDE) // 2) for side in image.shape[1:])
    middle = image[None, :, top : top + SIDE, left : left + SIDE]
    with torch.inference_mode():
        features = model.trace(
            middle.to(device, memory_format=torch.channels_last), lambda name: name.startswith(("skip.", "up."))
        ).features
        found = {}
        for level in range(model.design.depth):
            crossed, decoded = features.get(f"skip.{level}"), features[f"up.{level}"]
            if crossed is not None:
                found[level] = crossed.shape[1], moments_of(crossed, decoded)
    return found


def _jackknife(statistic: Callable[[Moments], float], sums: Moments) -> tuple[float, ...]:
    total, n = sums.sum(0), len(sums)
    whole = statistic(total)
    return tuple(n * whole - (n - 1) * statistic(total - own) for own in sums)


def _covariance(sums: Moments) -> Moments:
    """Of the channels, from the sums of products with the constant in front."""
    n, means = sums[0, 0], sums[0, 1:] / sums[0, 0]
    return sums[1:, 1:] / n - np.outer(means, means)
