"""How well boundaries agree, and what is right near them and away from them.

In volumes slice by slice: every class over the slices that it is in.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from unet_playground.registry import Chinese, Paper
from unet_playground.training.metrics.catalogue import Mask, Region, Scale, Truth, by_slice, metrics, over_classes
from unet_playground.training.metrics.overlap import Counts, count

TOLERANCE = 2
"""Pixels within which a boundary counts as found, and half the width of the band along it."""


@metrics.register(
    "boundary_f1",
    title="Boundary F1",
    zh=Chinese("边界 F1", "两条边界中相距不超过 2 像素的部分；准确率与召回率的调和平均。"),
    paper=Paper(
        "Csurka et al.", 2013, "What is a good evaluation measure for semantic segmentation?", "doi:10.5244/C.27.32"
    ),
    scale=Scale(general=True, solid=True),
)
def boundary_f1(predicted: Mask, truth: Truth, classes: int) -> float:
    """How much of each boundary lies within 2 px of the other: the harmonic mean of both shares.

    The image's border is no boundary. Where neither mask has one, equal masks give 1 and others (nothing against
    everything) 0; where one has none, 0. Per class, then the mean over the classes.
    """
    return over_classes(by_slice(_f1), predicted, truth, classes)


@metrics.register(
    "hd95",
    title="Hausdorff distance, 95%",
    zh=Chinese(
        "95% 豪斯多夫距离", "两条边界间距离的第 95 百分位数，取两个方向中较大者，单位为像素；体数据逐层计算，再取平均。"
    ),
    paper=Paper("Huttenlocher et al.", 1993, "Comparing images using the Hausdorff distance", "doi:10.1109/34.232073"),
    scale=Scale(unit="px", higher=False, general=True, solid=True),
)
def hd95(predicted: Mask, truth: Truth, classes: int) -> float:
    """How far apart the boundaries are, in pixels, but for the worst 5% of their points; slice by slice in volumes.

    A volume's is the mean over its slices, in which a class that only one mask has counts with the diagonal: several
    times what a distance in three dimensions would be.

    From every boundary pixel of one mask to the nearest of the other, the 95th percentile; both ways, and the larger
    of the two, as in MONAI and Metrics Reloaded. Here the image's border closes a region, so that a region which fills
    the image has a boundary. Both empty give 0; one empty gives the diagonal of the image, the largest distance there
    is. Per class, then the mean over the classes.
    """
    return over_classes(by_slice(_hd95), predicted, truth, classes)


@metrics.register(
    "interior_dice",
    title="Dice away from the boundary",
    zh=Chinese("远离边界处的 Dice", "只计距真实边界超过 2 像素的像素：漏掉或多出整块区域的错误。"),
    paper=Paper(
        "Kohli et al.", 2009, "Robust higher order potentials for label consistency", "doi:10.1007/s11263-008-0202-0"
    ),
    scale=Scale(general=True, solid=True),
)
def interior_dice(predicted: Mask, truth: Truth, classes: int) -> float:
    """Dice of the pixels farther than 2 px from the true boundary, inside and outside: what is more than a shift.

    A pixel is near the boundary when a pixel of the other side lies at most 2 px from its centre, so the band is two
    pixels wide on either side. Where the truth has no boundary (class absent, or everywhere) no pixel is near it, and
    this is the plain Dice. Both masks empty there give 1. Per class, then the mean over the classes.
    """
    return over_classes(by_slice(lambda own, true: _near_and_far(own, true)[1].dice), predicted, truth, classes)


@metrics.register(
    "boundary_dice",
    title="Dice along the boundary",
    zh=Chinese("边界附近的 Dice", "只计距真实边界不超过 2 像素的像素：轮廓的偏移。"),
    paper=Paper(
        "Kohli et al.", 2009, "Robust higher order potentials for label consistency", "doi:10.1007/s11263-008-0202-0"
    ),
    scale=Scale(general=True, solid=True),
)
def boundary_dice(predicted: Mask, truth: Truth, classes: int) -> float:
    """Dice of the pixels within 2 px of the true boundary, inside and outside: how well the outline sits.

    The band is that of `interior_dice`. About half of it is truth, so that a mask which merely fills it has about 2/3.
    Where the truth has no boundary this is the plain Dice, too: what is predicted there is wrong. Per class, then the
    mean over the classes.
    """
    return over_classes(by_slice(lambda own, true: _near_and_far(own, true)[0].dice), predicted, truth, classes)


def edge(region: Region, closed: bool = False) -> Region:
    """Pixels of a region (h, w) that have a 4-neighbour outside it.

    Args:
        region: Any.
        closed: Whether what lies beyond the image is outside; by default the image's border is no edge.
    """
    padded = np.pad(region, 1) if closed else np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner


def _f1(predicted: Region, true: Region) -> float:
    predicted, true = _crop(predicted, true)
    own_edge, true_edge = edge(predicted), edge(true)
    own, other = np.count_nonzero(own_edge), np.count_nonzero(true_edge)
    if not own or not other:
        return float(np.array_equal(predicted, true))
    precision = np.count_nonzero(own_edge & _widen(true_edge)) / own
    recall = np.count_nonzero(true_edge & _widen(own_edge)) / other
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _hd95(predicted: Region, true: Region) -> float:
    if not predicted.any() or not true.any():
        return 0.0 if predicted.any() == true.any() else float(np.hypot(*true.shape))
    own, other = (edge(region, closed=True) for region in _crop(predicted, true))
    return max(_far(own, other), _far(other, own))


def _far(own: Region, other: Region) -> float:
    """The 95th percentile of the distances from every pixel of one edge to the other edge."""
    distances = np.zeros(np.count_nonzero(own))
    # Pixels that both edges have are at distance 0 and need no search: in good masks those are most.
    apart = np.argwhere(own & ~other)
    tree = KDTree(np.argwhere(other), compact_nodes=False, balanced_tree=False)
    distances[: len(apart)] = tree.query(apart)[0]
    return float(np.percentile(distances, 95))


def _near_and_far(predicted: Region, true: Region) -> tuple[Counts, Counts]:
    """The pixels within `TOLERANCE` of the true boundary, and all others."""
    whole = count(predicted, true)
    predicted, true = _crop(predicted, true)
    band = (true & _widen(~true)) | (~true & _widen(true))
    if not band.any():
        return whole, whole
    near = count(predicted & band, true & band)
    return near, whole - near


def _crop(predicted: Region, true: Region) -> tuple[Region, Region]:
    """Both regions where either has a pixel, in a frame of background, so that the cut is no border of the image."""
    either = predicted | true
    window = tuple(_span(np.asarray(either.any(axis))) for axis in (1, 0))
    return predicted[window], true[window]


def _span(filled: NDArray[np.bool_]) -> slice:
    """From one before the first filled place to one after the last; never empty, so that nothing has to ask."""
    places = np.flatnonzero(filled)
    first, last = (places[0], places[-1]) if len(places) else (0, 0)
    return slice(max(0, first - 1), last + 2)


def _widen(region: Region, radius: int = TOLERANCE) -> Region:
    """Every pixel of the image within a Euclidean distance of `radius` of the region."""
    height, width = region.shape
    padded = np.pad(region, radius)
    wide = np.zeros_like(region)
    for row in range(-radius, radius + 1):
        for column in range(-radius, radius + 1):
            if row * row + column * column <= radius * radius:
                wide |= padded[radius + row : radius + row + height, radius + column : radius + column + width]
    return wide
