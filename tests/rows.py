"""Rows of an atlas as tests make them up."""

import random
from collections.abc import Mapping

from unet_playground import Design
from unet_playground.atlas import Row
from unet_playground.space import draw


def row(
    design: Design,
    dice: float = 0.5,
    weights: str = "shared",
    seed: int = 0,
    macs: int = 100,
    images: Mapping[str, tuple[float, ...]] | None = None,
    **metrics: float,
) -> Row:
    """A row with these scores; with scores of images its means are theirs."""
    images = images or {}
    means = {"dice": dice, **metrics} | {id: sum(values) / len(values) for id, values in images.items()}
    return Row(design, weights, seed, "abc", means, 0.01, 1000, macs, 5000, 1.5, images)


def drawn(count: int, seed: int = 0) -> list[Design]:
    """Random designs without repetition."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        found[draw(rng)] = None
    return list(found)
