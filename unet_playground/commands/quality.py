"""The command that learns what a task's images usually look like."""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unet_playground.commands.shared import tell
from unet_playground.errors import MissingData
from unet_playground.images import Picture, read_image
from unet_playground.images.volumes import is_volume, plane, read_volume
from unet_playground.inference import prepare
from unet_playground.model import UNet
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Sample, data_root, split
from unet_playground.volumes.usual import SMALLEST, crop, features_of, fit, keep, reference

MOST, OTHERS = 300, 24
"""Images of a part of a task's own data, and of another task's, that are looked at."""

Views = tuple[NDArray[np.float32], NDArray[np.integer]]


def usual(given: argparse.Namespace) -> None:
    """Learn what a task's training images look like, and count false alarms and other tasks' images that are found."""
    network, root = reference(given.task), data_root(given.data)

    def look(task: str, samples: Sequence[Sample], most: int = MOST, crops: int = 1) -> Views:
        return _views(_pictures(task, samples, most), network, crops)

    own = split(given.task, root)
    if not own["validation"]:
        raise MissingData(
            f"The data folder holds no validation images for {given.task}, which tell where the usual ends; add "
            "images, whose names decide what they are for.",
            f"数据文件夹中没有 {given.task} 的验证图像，无法确定常见范围；请添加图像，文件名决定其归属。",
        )
    parts = {"train": look(given.task, own["train"], crops=max(1, MOST // len(own["train"])))}
    parts |= {part: look(given.task, own[part]) for part in ("validation", "test")}
    weights = network.origin.sha256 if network.origin else ""
    learned = fit(*parts["train"], parts["validation"][0], weights)
    size = keep(learned, given.task)
    for other in tasks:
        if other != given.task:
            with suppress(MissingData):  # not everybody has all data sets
                parts[other] = look(other, split(other, root)["test"], OTHERS)
    shares = {name: learned.distance(features) for name, (features, _) in parts.items()}
    counts = {name: (int((far > 1).sum()), len(far)) for name, far in shares.items()}
    words = ", ".join(f"{flagged} of {count} {name}" for name, (flagged, count) in counts.items())
    tell(given, {"task": given.task, "bytes": size, "flagged": counts}, f"unusual are {words} views; {size} B")


def _views(pictures: Sequence[Picture], network: UNet, crops: int) -> Views:
    """Features of whole pictures and of so many parts of each, as far as they have parts; and whose they are."""
    rng, features, owners = np.random.default_rng(0), [], []
    for number, picture in enumerate(pictures):
        image = prepare(picture, network)[0]
        parts = [crop(image, rng) for _ in range(crops if max(image.shape[1:]) > SMALLEST else 0)]
        features += [features_of(view, network) for view in (image, *parts)]
        owners += [number] * (1 + len(parts))
    return np.stack(features), np.array(owners)


def _pictures(task: str, samples: Sequence[Sample], most: int) -> list[Picture]:
    """Up to about `most` pictures, evenly spread over samples and over the slices of each."""
    chosen = [
        samples[n] for n in np.unique(np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int))
    ]
    return [picture for sample in chosen for picture in _of(sample.image, task, max(1, most // len(chosen)))]


def _of(path: Path, task: str, most: int) -> list[Picture]:
    if not is_volume(path):
        return [read_image(path)]
    slices = plane(read_volume(path).values, tasks[task].make.plane)
    middles = ((np.arange(most) + 0.5) * len(slices) / most).astype(int)
    return [Picture.from_array(slices[n]) for n in np.unique(middles)]
