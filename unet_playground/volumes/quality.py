"""Cues of how far a result can be trusted: doubt at every voxel, and inputs unlike anything in training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text
from unet_playground.images import Picture
from unet_playground.images.volumes import Volume
from unet_playground.inference import prepare
from unet_playground.lane import lane
from unet_playground.model import UNet
from unet_playground.tasks import tasks
from unet_playground.volumes.segmenting import VolumeSegmentation, slices_as_pictures
from unet_playground.volumes.usual import features_of, usual_of

LOOKED_AT = 12
"""Slices of a volume that are compared, evenly spread over those in which something was found."""

_UNLIKE = Text(
    "This {what} is unlike those that the task {task} was trained on ({times:.1f} times as far from them as unseen "
    "ones of their kind are), so the mask may mean nothing.",
    "该{what}与任务“{task}”的训练图像差别很大（距离为同类未见图像界限的 {times:.1f} 倍），分割结果可能毫无意义。",
)


def entropy(found: VolumeSegmentation) -> NDArray[np.float32]:
    """The entropy of every voxel's class, (i, j, k): 0 certain, 1 all classes equally likely."""
    chance = np.arange(256) / 255
    part = np.where(chance > 0, -chance * np.log(np.maximum(chance, 1e-9)), 0) / np.log(len(found.foreground) + 1)
    part = part.astype(np.float32)
    doubt = np.empty(found.mask.shape, np.float32)
    for place in range(len(doubt)):  # a slab at a time, so that nothing else is as large as the result
        several = found.foreground[:, place]
        rest = 255 - several.sum(0, dtype=np.uint16).clip(max=255)
        doubt[place] = part[several].sum(0) + part[rest]
    return doubt.clip(max=1)


def distance(pictures: Sequence[Picture], task: str) -> NDArray[np.float64] | None:
    """How far pictures lie from a task's training images, (n,): above 1 is unusual; None where nothing is known."""
    known = usual_of(task)
    if known is None or not pictures:
        return None
    usual, network = known
    images = [prepare(picture, network)[0] for picture in pictures]
    with lane.turn():
        return usual.distance(np.stack([features_of(image, network) for image in images]))


def unusual(picture: Picture, task: str) -> Text | None:
    """A warning where a picture, as `read_image` gives it, is unlike those that a task was trained on; else None."""
    return _warning([picture], task, Text("image", "图像"))


def unusual_volume(volume: Volume, found: VolumeSegmentation, model: UNet) -> Text | None:
    """A warning where the middle one of a volume's slices is unlike those in training; None where it is not.

    Compared are slices in which something was found; where nothing was, slices from everywhere.
    """
    task = model.origin.task if model.origin else ""
    return _warning(slices_as_pictures(volume, found, model, LOOKED_AT), task, Text("volume", "体数据"))


def _warning(pictures: Sequence[Picture], task: str, what: Text) -> Text | None:
    far = distance(pictures, task)
    if far is None or (middle := float(np.median(far))) <= 1:
        return None
    title = tasks[task].title
    return Text(
        _UNLIKE.en.format(what=what.en, task=title.en, times=middle),
        _UNLIKE.zh.format(what=what.zh, task=title.zh, times=middle),
    )
