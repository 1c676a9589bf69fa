"""How a network is trained: the numbers, apart from what uses them."""

import math
from dataclasses import dataclass

GIVING, LEADING = 1 / 4, 2 / 3
"""Parts of the training in which teachers' features are handed on, and in which they are what stages aim at."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        steps: Number of updates.
        size: Patches per update, over all devices together.
        side: Side of a patch in pixels.
        rate: Highest learning rate (AdamW), reached after `warmup` steps and lowered along a cosine.
        decay: Weight decay.
        smoothing: Factor of the moving average of weights that is kept.
        clip: Largest norm of a gradient.
        seed: Of everything random.
        loss: Id of a loss.
        schedule: Id of the way in which designs of a bank take turns.
        distil: Weight of the divergence from a step's first design, where a step trains several.
        led: Weight, at the start, of the distance from the features of networks that were trained alone.
        turns: Whether a scene looks as natural in all orientations; otherwise it is tilted by 15 degrees at most.
        mirrors: Whether, where it is only tilted, left and right may change places.
        precision: Of convolutions: `float32`, `bfloat16`, or `auto`: bfloat16 where the machine computes with it.
    """

    steps: int = 6000
    size: int = 8
    side: int = 128
    rate: float = 2e-3
    warmup: int = 100
    decay: float = 1e-2
    smoothing: float = 0.998
    clip: float = 1.0
    seed: int = 0
    loss: str = "dice-and-cross-entropy"
    schedule: str = "fair"
    distil: float = 0.0
    led: float = 1.0
    turns: bool = True
    mirrors: bool = False
    precision: str = "auto"

    def led_at(self, step: int) -> float:
        """The weight of the teachers' features as an aim: lowered along a cosine, to nothing at two thirds."""
        return self.led * (0.5 + 0.5 * math.cos(math.pi * min(1, step / (LEADING * self.steps))))

    def given_at(self, step: int) -> float:
        """How likely a stage is given a teacher's features instead of those of the stage before: from 1 to 0."""
        return max(0.0, 1 - step / (GIVING * self.steps))

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        return self.rate * min(1, (step + 1) / self.warmup) * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))
