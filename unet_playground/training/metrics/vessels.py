"""Thin branching structures: whether their centre lines hold together, and how much of thin and thick ones is found."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize

from unet_playground.registry import Chinese, Paper
from unet_playground.training.metrics.catalogue import (
    Mask,
    Region,
    Scale,
    Truth,
    by_slice,
    mean_known,
    metrics,
    over_classes,
)

THIN = 3
"""Pixels: the width of the widest thin vessel."""


@metrics.register(
    "cldice",
    title="clDice",
    zh=Chinese("clDice", "每个掩膜的骨架落在另一个掩膜内的比例，取调和平均；断裂和多余的分支都会降低它。"),
    formula=r"$\frac{2\,T_{prec}\,T_{sens}}{T_{prec} + T_{sens}}$",
    paper=Paper("Shit et al.", 2021, "clDice, a topology-preserving loss", "arXiv:2003.07311"),
    scale=Scale(solid=True),
)
def cldice(predicted: Mask, truth: Truth, classes: int) -> float:
    """How much of each mask's centre line lies in the other mask: the harmonic mean of both shares.

    A vessel counts by its length and not by its area, so that a gap in a thin one weighs as much as in a thick one.
    Both empty give 1, one empty 0. Skeletons are those of Zhang and Suen 1984. Per class, then the mean over the
    classes.
    """
    return over_classes(by_slice(_cldice), predicted, truth, classes)


@metrics.register(
    "thin_recall",
    title="Recall of thin vessels",
    zh=Chinese("细血管召回率", "宽度不超过 3 像素的真实血管像素中被找到的比例；没有细血管时不计。"),
)
def thin_recall(predicted: Mask, truth: Truth, classes: int) -> float:
    """How many of the pixels of vessels up to 3 px wide are found; left out where there are none.

    A true pixel has the width that the vessel has at the nearest pixel of its skeleton: 2 d - 1, where d is the
    distance from there to the nearest pixel outside, which makes lines of 1, 3 and 5 px exactly as wide as they are
    and gives even widths the odd number below (4 counts as 3). False positives have no width of their own and are not
    shared out between thin and thick; `precision` has them all. Per class, then the mean over the classes.
    """
    return _recall(predicted, truth, classes, thin=True)


@metrics.register(
    "thick_recall",
    title="Recall of thick vessels",
    zh=Chinese("粗血管召回率", "宽度超过 3 像素的真实血管像素中被找到的比例；没有粗血管时不计。"),
)
def thick_recall(predicted: Mask, truth: Truth, classes: int) -> float:
    """How many of the pixels of vessels more than 3 px wide are found; left out where there are none.

    Width is that of `thin_recall`.
    """
    return _recall(predicted, truth, classes, thin=False)


def widths(region: Region) -> NDArray[np.floating]:
    """The local width in pixels (h, w) of every pixel of a region; what lies outside it means nothing.

    The image's border does not end a vessel; a region that fills the image is infinitely wide.
    """
    if region.all():
        return np.full(region.shape, np.inf)
    # Both transforms answer for all pixels, but only for the skeleton's is the distance half a width.
    depth = np.asarray(distance_transform_edt(region))
    nearest = distance_transform_edt(~skeletonize(region), return_distances=False, return_indices=True)
    return (2 * depth - 1)[tuple(nearest)]  # type: ignore[arg-type]


def _recall(predicted: Mask, truth: Truth, classes: int, thin: bool) -> float:
    shares = []
    for label in range(1, classes):
        asked = _thin(truth, label) if thin else (truth.labels == label) & ~_thin(truth, label)
        pixels = np.count_nonzero(asked)
        shares.append(np.count_nonzero(predicted[asked] == label) / pixels if pixels else float("nan"))
    return mean_known(shares)


@lru_cache(maxsize=8)
def _thin(truth: Truth, label: int) -> Region:
    """The pixels of a class where it is thin; kept, because both recalls of an image ask for it."""
    region = truth.labels == label
    return region & (widths(region) <= THIN) if region.any() else region


def _cldice(predicted: Region, true: Region) -> float:
    if not predicted.any() or not true.any():
        return float(predicted.any() == true.any())
    sensitivity, precision = _inside(true, predicted), _inside(predicted, true)
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0


def _inside(own: Region, other: Region) -> float:
    """The share of one region's skeleton that lies in the other region."""
    skeleton = skeletonize(own)
    return np.count_nonzero(skeleton & other) / np.count_nonzero(skeleton)
