"""The loop: one bank of shared weights, one design drawn per step; a single design is a bank of one."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.parts.layers import center
from unet_playground.registry import Entry
from unet_playground.space import combinations, draw
from unet_playground.taps import Tape
from unet_playground.training.augment import batch
from unet_playground.training.datasets import Example
from unet_playground.training.losses import dice_and_cross_entropy

DEEP = "deep."
"""Names of the heads at coarse levels, which exist in training only."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        steps: Number of updates.
        size: Patches per update.
        side: Side of a patch in pixels.
        rate: Highest learning rate (AdamW), reached after `warmup` steps and lowered along a cosine.
        decay: Weight decay.
        smoothing: Factor of the moving average of weights that is kept.
        clip: Largest norm of a gradient.
        seed: Of everything random.
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

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        return self.rate * min(1, (step + 1) / self.warmup) * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))


Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits (n, classes, *sides) and labels (n, *sides)."""


class Bank:
    """Parameters by name, shared by every network that has the name.

    Args:
        base: Depth, width and dims of all its designs; with `shared=False` the only design.
        channels: Of the image.
        classes: Of the mask.
        shared: Whether it holds every part of every slot or just what `base` needs.
        seed: Of the initial weights.
    """

    def __init__(self, base: Design, channels: int, classes: int, shared: bool, seed: int = 0):
        self.base, self.channels, self.classes, self.shared = base, channels, classes, shared
        self.parameters: dict[str, nn.Parameter] = {}
        self._networks: dict[Design, UNet] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for design in dict.fromkeys(designs_of_bank(base)) if shared else (base,):
                self._add_missing(design)
        self.average = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.updates = dict.fromkeys(self.parameters, 0)

    def _add_missing(self, design: Design) -> None:
        """Fresh parameters for what a design names and no design before it has named."""
        with torch.device("meta"):
            names = {name for name, _ in UNet(design, self.channels, self.classes).named_parameters()}
        if names <= self.parameters.keys():
            return
        for name, parameter in UNet(design, self.channels, self.classes).named_parameters():
            self.parameters.setdefault(name, parameter)
        for level, width in enumerate(design.widths[1:], start=1):
            head = torch.randn(self.classes, width) / math.sqrt(width)
            self.parameters.setdefault(deep_head(design, level), nn.Parameter(head))

    def start_from(self, fill: Callable[[UNet], UNet]) -> None:
        """Take trained weights as the initial ones, where there are some; the classic's go first.

        Args:
            fill: Gives a network without storage the trained weights that it names.
        """
        taken: set[str] = set()
        for design in dict.fromkeys(designs_of_bank(self.base)) if self.shared else (self.base,):
            with torch.device("meta"):
                network = UNet(design, self.channels, self.classes)
            if {name for name, _ in network.named_parameters()} <= taken:
                continue
            for name, parameter in fill(network).named_parameters():
                if name not in taken:
                    self.parameters[name].data.copy_(parameter.detach())
                    self.average[name].copy_(parameter.detach())
                    taken.add(name)

    def network(self, design: Design) -> UNet:
        """The network of a design, made of the bank's own parameters."""
        if design not in self._networks:
            with torch.device("meta" if self.shared else "cpu"):
                network = UNet(design, self.channels, self.classes)
            own = {name: self.parameters[name] for name, _ in network.named_parameters()}
            network.load_state_dict(own, assign=True, strict=False)
            if len(self._networks) >= 512:
                self._networks.clear()
            self._networks[design] = network
        return self._networks[design]

    def draw(self, rng: random.Random) -> Design:
        """The design of a step; starved styles are drawn more often."""
        return draw(rng, _share, self.base) if self.shared else self.base

    def smooth(self, names: list[str], factor: float) -> None:
        """Move the averages of the parameters that were just updated towards them."""
        for name in names:
            self.updates[name] += 1
            count = self.updates[name]
            self.average[name].lerp_(self.parameters[name].detach(), 1 - min(factor, count / (count + 10)))


@dataclass
class Trainer:
    """A bank in training; every step depends on the seed and its own number alone, so that it resumes exactly.

    Args:
        bank: What is trained.
        recipe: How.
        examples: On what.
    """

    bank: Bank
    recipe: Recipe
    examples: list[Example]
    step: int = 0

    def __post_init__(self) -> None:
        parameters = list(self.bank.parameters.values())
        self.optimizer = torch.optim.AdamW(parameters, self.recipe.rate, weight_decay=self.recipe.decay)

    def run(self, loss: Loss = dice_and_cross_entropy) -> Iterator[float]:
        """Train to the recipe's end, giving the loss of every step."""
        while self.step < self.recipe.steps:
            yield self._update(loss)
            self.step += 1

    def _update(self, loss: Loss) -> float:
        recipe = self.recipe
        images, labels = batch(self.examples, recipe.size, recipe.side, np.random.default_rng((recipe.seed, self.step)))
        design = self.bank.draw(random.Random(f"{recipe.seed}/{self.step}"))
        network = self.bank.network(design).train()
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(self.step)
        value = self._loss(network, images, labels, loss)
        value.backward()
        nn.utils.clip_grad_norm_(self.bank.parameters.values(), recipe.clip)
        self.optimizer.step()
        center(network)
        self.optimizer.zero_grad(set_to_none=True)
        self.bank.smooth([name for name, _ in network.named_parameters()], recipe.smoothing)
        return float(value.detach())

    def _loss(self, network: UNet, images: Tensor, labels: Tensor, loss: Loss) -> Tensor:
        """The loss of the logits, and of a head at every coarser level with weight 1/2 a level.

        Without the heads a skip style that reaches the finest level early starves the deep path, which all styles
        share, of gradient, and `skip=none` never recovers. Where a design has several outputs (nested skips with deep
        supervision), each has its own loss.
        """
        tape = Tape(lambda name: name.startswith(("decoder.", "output.", f"encoder.{network.design.depth}")))
        logits = network(images, tape)
        outputs = [output for name, output in tape.features.items() if name.startswith("output.")] or [logits]
        value = torch.stack([loss(output, labels) for output in outputs]).mean()
        for level in range(1, network.design.depth + 1):
            place = f"decoder.{level}" if level < network.design.depth else f"encoder.{level}"
            logits = torch.einsum(
                "nc...,kc->nk...", tape.features[place], self.bank.parameters[deep_head(network.design, level)]
            )
            step = 2**level if network.design.halves else 1
            stride = (slice(None), *[slice(None, None, step)] * (labels.dim() - 1))
            value = value + loss(logits, labels[stride]) / 2**level
        return value


def deep_head(design: Design, level: int) -> str:
    """Name of the training head at a coarse level; stages of other widths have heads of their own."""
    return f"{DEEP}{level}-{design.widths[level]}"


def designs_of_bank(base: Design) -> Iterator[Design]:
    """Designs that together name every tensor of a bank: the slots in a group see each other's widths."""
    yield base
    for slots in (("down", "block", "skip"), ("down", "skip", "attention", "site"), ("down", "up")):
        yield from combinations(base, slots)


def _share(entry: Entry) -> float:
    return getattr(entry.make, "share", 1.0)
