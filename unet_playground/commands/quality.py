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
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Sample, data_root, split
from unet_playground.volumes.usual import features_of, fit, keep, reference

MOST, OTHERS = 300, 24
"""Images of a part of a task's own data, and of another task's, that are looked at."""


def usual(given: argparse.Namespace) -> None:
    """Learn what a task's training images look like, and count false alarms and other tasks' images that are found."""
    network, root = reference(given.task), data_root(given.data)
    made = tasks[given.task].make()

    def look(task: str, samples: Sequence[Sample], most: int) -> NDArray[np.float32]:
        return np.stack([features_of(made.prepare(one), network) for one in _pictures(task, samples, most)])

    parts = {part: look(given.task, samples, MOST) for part, samples in split(given.task, root).items()}
    learned = fit(parts["train"], parts["validation"], network.origin.sha256 if network.origin else "")
    size = keep(learned, given.task)
    shares = {part: learned.distance(features) for part, features in parts.items()}
    for other in tasks:
        if other != given.task:
            with suppress(MissingData):  # not everybody has all data sets
                shares[other] = learned.distance(look(other, split(other, root)["test"], OTHERS))
    counts = {name: (int((far > 1).sum()), len(far)) for name, far in shares.items()}
    words = ", ".join(f"{flagged} of {count} {name}" for name, (flagged, count) in counts.items())
    tell(given, {"task": given.task, "bytes": size, "flagged": counts}, f"unusual are {words} images; {size} B")


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
