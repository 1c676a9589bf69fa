"""Scores of a model on images with truth."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from unet_playground.inference import read_out
from unet_playground.model import UNet
from unet_playground.training.datasets import Example
from unet_playground.training.metrics import Scores, pooled_dice, score


@dataclass(frozen=True)
class Evaluation:
    """Scores over a set of images.

    Attributes:
        names: Stems of the images.
        scores: One per image, in the same order.
    """

    names: tuple[str, ...]
    scores: tuple[Scores, ...]

    @property
    def dice(self) -> float:
        """Mean over images."""
        return self._mean("dice")

    def summary(self) -> dict[str, float | int]:
        """The numbers of a card: `n`, `dice` and so on, means over images unless pooled."""
        return {
            "n": len(self.names),
            "dice": round(self.dice, 4),
            "dice_pooled": round(pooled_dice(self.scores), 4),
            "iou": round(self._mean("iou"), 4),
            "boundary_f1": round(self._mean("boundary_f1"), 4),
        }

    def _mean(self, name: str) -> float:
        return float(np.mean([getattr(score, name) for score in self.scores]))


def evaluate(model: UNet, examples: Iterable[Example]) -> Evaluation:
    """Segment every example at its own size and compare with its labels."""
    names, scores = [], []
    device = next(model.parameters()).device
    with torch.inference_mode():
        for example in examples:
            image = example.image[None].to(device, memory_format=torch.channels_last)
            mask = read_out(model(image)).mask
            names.append(example.name)
            scores.append(score(mask, example.labels.numpy(), model.classes))
    return Evaluation(tuple(names), tuple(scores))
