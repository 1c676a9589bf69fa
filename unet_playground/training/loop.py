"""The loop: one bank of shared weights, designs taking turns; a single design is a bank of one."""

import math
import os
import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.model import LAYOUTS, UNet
from unet_playground.parts import Block, blocks
from unet_playground.parts.layers import center
from unet_playground.space import combinations
from unet_playground.taps import Tape
from unet_playground.training.augment import Views
from unet_playground.training.datasets import Example
from unet_playground.training.losses import losses
from unet_playground.training.recipe import Recipe
from unet_playground.training.schedules import schedules
from unet_playground.weights import WeightStore, seeded

DEEP = "deep."
"""Names of the heads at coarse levels, which exist in training only."""
_STAGE = re.compile(r"(encoder|decoder)\.\d+|output\..+")


class Bank:
    """Parameters by name, shared by every network that has the name.

    Args:
        base: Depth, width and dims of all its designs; with `shared=False` the only design.
        channels: Of the image.
        classes: Of the mask.
        shared: Whether it holds every part of every slot or just what `base` needs.
        only: Slots in which all designs are like `base`; of these it holds no other part.
        seed: Of the initial weights.
        device: Where it is trained.
    """

    def __init__(
        self,
        base: Design,
        channels: int,
        classes: int,
        shared: bool,
        seed: int = 0,
        device: torch.device | None = None,
        only: Sequence[str] = (),
    ):
        self.base, self.channels, self.classes, self.shared, self.only = base, channels, classes, shared, only
        self.parameters: dict[str, nn.Parameter] = {}
        self._networks: dict[Design, UNet] = {}
        with seeded(seed):
            for design in dict.fromkeys(designs_of_bank(base, only)) if shared else (base,):
                self._add_missing(design)
        for parameter in self.parameters.values():
            parameter.data = parameter.data.to(device or "cpu")
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

    def branch_from(self, store: WeightStore) -> None:
        """Take over what another bank has learned for the same designs."""
        names = [name for name in self.parameters if not name.startswith(DEEP)]
        for name, tensor in store.tensors({name: self.parameters[name].shape for name in names}).items():
            self.parameters[name].data.copy_(tensor)
            self.average[name].copy_(tensor)

    def start_from(self, network: UNet) -> None:
        """Take a trained network's weights as the initial ones; other kinds of block begin as its plain ones."""
        for name, parameter in network.named_parameters():
            self.parameters[name].data.copy_(parameter.detach())
        taught = blocks if self.shared and "block" not in self.only else ()
        others = [network.design.replace(block=id) for id in taught]
        for design in (network.design, *others):
            own = self.network(design)
            if design != network.design:
                for trained, block in zip(_blocks(network), _blocks(own), strict=True):
                    block.imitate(trained)
            for name, parameter in own.named_parameters():
                self.average[name].copy_(parameter.detach())

    def network(self, design: Design) -> UNet:
        """The network of a design, made of the bank's own parameters."""
        if design not in self._networks:
            with torch.device("meta"):  # elsewhere its own weights would be drawn, from a generator that all share
                network = UNet(design, self.channels, self.classes)
            own = {name: self.parameters[name] for name, _ in network.named_parameters()}
            network.load_state_dict(own, assign=True, strict=False)
            if len(self._networks) >= 512:
                self._networks.clear()
            self._networks[design] = network
        return self._networks[design]

    def averaged(self, design: Design) -> UNet:
        """A network of a design with the averaged weights, for evaluation."""
        with torch.device("meta"):
            network = UNet(design, self.channels, self.classes)
        own = {name: self.average[name].clone() for name, _ in network.named_parameters()}
        network.load_state_dict(own, assign=True)
        return network.requires_grad_(False).channels_last().eval()

    def smooth(self, names: Sequence[str], factor: float) -> None:
        """Move the averages of the parameters that were just updated towards them."""
        for name in names:
            self.updates[name] += 1
            count = self.updates[name]
            self.average[name].lerp_(self.parameters[name].detach(), 1 - min(factor, count / (count + 10)))


class Led(Tape):
    """Keeps what every stage computes, and hands on a teacher's features instead where they are given.

    A stage that is given the teacher's input has something to learn from the first step on, however little the
    stages before it know.

    Args:
        taught: Stage -> what the teacher computes there.
        given: Stages after which the teacher's features go on.
    """

    def __init__(self, taught: Mapping[str, Tensor], given: Collection[str]):
        super().__init__(_is_stage)
        self.taught, self.given = taught, given

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        super().__call__(name, tensor)
        return self.taught[name].to(tensor.dtype) if name in self.given else tensor


class Objective(nn.Module):
    """What a step makes small: the mean loss of some designs on one batch.

    Args:
        bank: Whose designs.
        recipe: Names the loss, the precision and the weight of distillation.
        teachers: Networks trained alone whose features designs of the same widths are led to at first.
    """

    def __init__(self, bank: Bank, recipe: Recipe, teachers: Sequence[UNet] = ()):
        super().__init__()
        self.all = nn.ParameterList(bank.parameters.values())
        self.bank, self.recipe, self.loss = bank, recipe, losses[recipe.loss].make
        # A tuple, so that they are no part of what is trained.
        self.teachers = (*teachers,)

    def forward(self, designs: Sequence[Design], images: Tensor, labels: Tensor, step: int) -> Tensor:
        """The loss of the designs; the first one teaches the others where the recipe distils.

        Args:
            designs: That make the step.
            images: (n, channels, *sides).
            labels: int64 (n, *sides).
            step: Its number, on which depends how far teachers lead.
        """
        values, first, led = [], None, self.recipe.led_at(step)
        rng = random.Random(f"given/{self.recipe.seed}/{step}")
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            for design in designs:
                teacher = next((one for one in self.teachers if one.design.widths == design.widths), None)
                taught = _features(teacher, images) if led and teacher is not None else {}
                tape = Led(taught, {name for name in taught if rng.random() < self.recipe.given_at(step)})
                logits = self.bank.network(design).train()(images, tape)
                value = self._of(design, logits, tape, labels)
                if taught:
                    value = value + led * _distance(tape.features, taught)
                if self.recipe.distil and first is not None:
                    value = value + self.recipe.distil * _divergence(logits, first)
                first = logits.detach() if first is None else first
                values.append(value)
        return torch.stack(values).mean()

    def _of(self, design: Design, logits: Tensor, tape: Tape, labels: Tensor) -> Tensor:
        """The loss of the logits, and of a head at every coarser level with weight 1/2 a level.

        Without the heads a skip style that reaches the finest level early starves the deep path, which all styles
        share, of gradient, and `skip=none` never recovers. Where a design has several outputs (nested skips with deep
        supervision), each has its own loss.
        """
        outputs = [output for name, output in tape.features.items() if name.startswith("output.")] or [logits]
        value = torch.stack([self.loss(output, labels) for output in outputs]).mean()
        for level in range(1, design.depth + 1):
            place = f"decoder.{level}" if level < design.depth else f"encoder.{level}"
            head = self.bank.parameters[deep_head(design, level)]
            coarse = torch.einsum("nc...,kc->nk...", tape.features[place], head)
            step = 2**level if design.halves else 1
            stride = (slice(None), *[slice(None, None, step)] * (labels.dim() - 1))
            value = value + self.loss(coarse, labels[stride]) / 2**level
        return value


@dataclass
class Trainer:
    """A bank in training; every step depends on the seed and its own number alone, so that it resumes exactly.

    In a process group of PyTorch each process takes its share of every batch, and gradients are averaged.

    Args:
        bank: What is trained.
        recipe: How.
        examples: On what.
        teachers: Networks trained alone, whose weights and features the bank starts from.
    """

    bank: Bank
    recipe: Recipe
    examples: list[Example]
    teachers: Sequence[UNet] = ()
    step: int = 0

    def __post_init__(self) -> None:
        for teacher in reversed(self.teachers):
            self.bank.start_from(teacher)
        parameters = list(self.bank.parameters.values())
        self.device = parameters[0].device
        self.optimizer = torch.optim.AdamW(
            parameters, self.recipe.rate, weight_decay=self.recipe.decay, fused=self.device.type in ("cpu", "cuda")
        )
        self.objective: nn.Module = Objective(self.bank, self.recipe, self.teachers)
        self.rank, self.world = 0, 1
        if torch.distributed.is_initialized():
            self.rank, self.world = torch.distributed.get_rank(), torch.distributed.get_world_size()
            self.objective = DistributedDataParallel(self.objective, find_unused_parameters=self.bank.shared)
        if self.recipe.size % self.world:
            raise PlaygroundError(
                f"{self.recipe.size} patches a step do not divide among {self.world} processes; choose a multiple.",
                f"每步 {self.recipe.size} 个图块无法均分给 {self.world} 个进程；请取其倍数。",
            )

    def run(self) -> Iterator[float]:
        """Train to the recipe's end, giving the loss of every step."""
        for images, labels in self._batches():
            yield self._update(images, labels)
            self.step += 1

    def _batches(self) -> DataLoader:
        recipe, share = self.recipe, self.recipe.size // self.world
        views = Views(self.examples, recipe.side, recipe.turns, recipe.seed, recipe.mirrors)
        first = range(self.step * recipe.size + self.rank * share, recipe.steps * recipe.size, recipe.size)
        # A GPU waits for no views; on a CPU more processes would take its time away.
        workers = min(8, os.cpu_count() or 1) if self.device.type == "cuda" else 0
        return DataLoader(
            views,  # type: ignore[arg-type]
            batch_sampler=(range(number, number + share) for number in first),  # type: ignore[arg-type]
            num_workers=workers,
            generator=torch.Generator(),  # else a number is drawn of the generator that all share
            pin_memory=self.device.type == "cuda",
        )

    def _update(self, images: Tensor, labels: Tensor) -> float:
        recipe = self.recipe
        layout = LAYOUTS[self.bank.base.dims]
        images = images.to(self.device, memory_format=layout, non_blocking=True)
        designs = [self.bank.base]
        if self.bank.shared:
            designs = schedules[recipe.schedule].make(self.bank.base, recipe.seed, self.step, self.bank.only)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(self.step)
        labels = labels.to(self.device, non_blocking=True)
        value = self.objective(designs, images, labels, self.step)
        value.backward()
        nn.utils.clip_grad_norm_(self.bank.parameters.values(), recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        networks = [self.bank.network(design) for design in dict.fromkeys(designs)]
        for network in networks:
            center(network)
        self.bank.smooth(sorted({name for one in networks for name, _ in one.named_parameters()}), recipe.smoothing)
        return float(value.detach())


def deep_head(design: Design, level: int) -> str:
    """Name of the training head at a coarse level; stages of other widths have heads of their own."""
    return f"{DEEP}{level}-{design.widths[level]}"


def designs_of_bank(base: Design, only: Sequence[str] = ()) -> Iterator[Design]:
    """Designs that together name every tensor of a bank: the slots in a group see each other's widths."""
    yield base
    for slots in (("down", "block", "skip"), ("down", "skip", "attention", "site"), ("down", "up")):
        yield from combinations(base, [slot for slot in slots if slot not in only])


def _divergence(logits: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence per pixel of a teacher's probabilities from one's own."""
    own, other = logits.float().log_softmax(1), teacher.float().log_softmax(1)
    return F.kl_div(own, other, log_target=True, reduction="none").sum(1).mean()


def _blocks(network: UNet) -> list[Block]:
    return [module for module in network.modules() if isinstance(module, Block)]


def _is_stage(name: str) -> bool:
    return bool(_STAGE.fullmatch(name))


def _features(teacher: UNet, images: Tensor) -> dict[str, Tensor]:
    """What every stage of a teacher computes."""
    tape = Tape(_is_stage)
    with torch.no_grad():
        teacher(images, tape)
    return tape.features


def _distance(features: Mapping[str, Tensor], taught: Mapping[str, Tensor]) -> Tensor:
    """Mean over the stages that both have of the squared difference, relative to the teacher's mean square."""
    shared = [name for name in taught if name in features]
    return torch.stack(
        [
            (features[name] - taught[name]).float().square().mean() / (taught[name].float().square().mean() + 1e-3)
            for name in shared
        ]
    ).mean()
