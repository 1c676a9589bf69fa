"""From a picture and a model to a mask; models wait in a locked store."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.images import Picture
from unet_playground.model import UNet
from unet_playground.tasks import Task, tasks
from unet_playground.weights import load

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Segmentation:
    """A mask and what it was read from.

    Attributes:
        mask: uint8 (h, w), class numbers, the input's height and width.
        probability: float32 (classes, h, w), 0 to 1, sums to 1 over the classes.
    """

    mask: NDArray[np.uint8]
    probability: NDArray[np.float32]


def best_device() -> torch.device:
    """`UNET_PLAYGROUND_DEVICE`, or the first of CUDA, Apple's MPS and the CPU that this machine has."""
    wanted = os.environ.get("UNET_PLAYGROUND_DEVICE") or "auto"
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, present in there.items() if present))
    if wanted not in DEVICES or not there[wanted]:
        raise PlaygroundError(
            f"UNET_PLAYGROUND_DEVICE={wanted} is not on this machine; choose auto or one of "
            f"{', '.join(name for name, present in there.items() if present)}.",
            f"本机没有 UNET_PLAYGROUND_DEVICE={wanted}；可选 auto 或 "
            f"{', '.join(name for name, present in there.items() if present)}。",
        )
    return torch.device(wanted)


def load_model(task: str, design: Design, weights: str = "auto", device: torch.device | None = None) -> UNet:
    """A network for a task, frozen, in evaluation mode, on the best device.

    Args:
        task: Id of a task, `nuclei`.
        design: What to build.
        weights: `shared` (the bank), `solo` (trained alone), or `auto`: solo, else shared, else untrained. What was
            found stands in `model.origin`.
        device: The best one by default.

    Raises:
        UnknownChoice: There is no such task.
        UnusableWeights: The weights that were asked for do not exist or are damaged.
    """
    return load(task, design, weights).to(device or best_device())


def prepare(picture: Picture, model: UNet) -> Tensor:
    """The model's input (1, channels, h, w) for a picture, on the model's device, channels last."""
    image = task_of(model).prepare(picture)[None]
    return image.to(_device(model), memory_format=torch.channels_last)


def segment(picture: Picture, model: UNet) -> Segmentation:
    """The mask of a picture of any size, pixel for pixel.

    Args:
        picture: As `read_image` gives it.
        model: As `load_model` gives it.
    """
    with torch.inference_mode():
        return read_out(model(prepare(picture, model)))


def read_out(logits: Tensor) -> Segmentation:
    """The mask and the probabilities of one image's logits (1, classes, h, w)."""
    probability = logits[0].float().softmax(0)
    return Segmentation(probability.argmax(0).to(torch.uint8).cpu().numpy(), probability.cpu().numpy())


def task_of(model: UNet) -> Task:
    """The task that a loaded model was made for."""
    if model.origin is None:
        raise PlaygroundError(
            "This network was not loaded for a task; get it from load_model.",
            "该网络没有对应的任务；请用 load_model 取得。",
        )
    return tasks[model.origin.task].make()


class ModelStore:
    """Loaded models, the last used ones kept; safe to ask from many threads.

    Args:
        size: How many models are kept.
    """

    def __init__(self, size: int = 16):
        self._size = size
        self._models: OrderedDict[tuple[str, Design, str], UNet] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, task: str, design: Design, weights: str = "auto") -> UNet:
        """The model; loaded when it is not there yet."""
        key = (task, design, weights)
        with self._lock:
            if key not in self._models:
                self._models[key] = load_model(task, design, weights)
            self._models.move_to_end(key)
            while len(self._models) > self._size:
                self._models.popitem(last=False)
            return self._models[key]


def _device(model: UNet) -> torch.device:
    return next(model.parameters()).device
