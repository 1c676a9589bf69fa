"""Live training: one design in memory alone, a slice at a time, on drawn images or on a few of a task's own."""

import json
import math
import platform
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from unet_playground import __version__, phantoms
from unet_playground.cost import cost
from unet_playground.design import Design
from unet_playground.errors import MissingData, PlaygroundError, Text
from unet_playground.export.own import OWN
from unet_playground.images import Picture
from unet_playground.inference import read_out
from unet_playground.limits import Limits
from unet_playground.model import Origin, UNet
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example, Sample, data_root, datasets, read, split
from unet_playground.training.evaluate import HEADLINE, Case, compare
from unet_playground.training.loop import Bank, Trainer
from unet_playground.training.metrics import Truth
from unet_playground.training.recipe import Recipe
from unet_playground.weights import Card

DATA = "data"
"""Where images come from when they are those of the task's own data set."""
DRAWN, DRAWN_SIDE = 48, 128
"""How many phantoms are trained on, and their side in pixels."""
HELD_OUT, SHOWN = 8, 3
"""How many images score a training, and how many of them are shown."""
PIXELS = 6e6
"""Pixels of a data set that are trained on, as many whole images as make them."""
WINDOW = 256
"""Longest side in pixels of a held-out image; of larger ones the middle is taken."""
CHECKS = 30
"""How often the held-out images are segmented during a training."""
LARGEST = 1e9
"""Bytes that a training may need at once."""
_COPIES = 5 * 4
"""Bytes of a parameter in training: itself, its average, its gradient and two moments."""

FINISHED = Text("All steps are done.", "所有步骤已完成。")
STOPPED = Text("Stopped by you.", "已由你停止。")
OUT_OF_TIME = Text(
    "Stopped after {seconds} s of computing, which is the limit; choose fewer steps or a smaller design.",
    "已达到 {seconds} 秒的计算上限而停止；请减少步数或选择更小的设计。",
)
DIVERGED = Text(
    "The loss is no finite number any more, so these weights are of no use; start again with a lower learning rate.",
    "损失已不是有限数值，这些权重无法使用；请降低学习率重新开始。",
)


@dataclass(frozen=True)
class Bound:
    """What a number of a plan may be, and what it is at first."""

    title: Text
    low: float
    high: float
    default: float


BOUNDS = {
    "steps": Bound(Text("Steps", "步数"), 20, 2000, 300),
    "size": Bound(Text("Patches a step", "每步图块数"), 1, 16, 4),
    "side": Bound(Text("Side of a patch (px)", "图块边长（像素）"), 16, 128, 64),
    "rate": Bound(Text("Learning rate", "学习率"), 1e-5, 0.1, 2e-3),
    "seed": Bound(Text("Seed", "种子"), 0, 9999, 0),
}
"""The numbers of a plan by their names."""


@dataclass(frozen=True)
class Plan:
    """What is trained, on what, and how.

    Attributes:
        task: Id of the task whose images the network takes.
        design: The design.
        source: A phantom with its options, such as `cells(noise=0.1)`, or `data`.
        steps: Number of updates.
        size: Patches per update.
        side: Of a patch, in pixels.
        rate: Highest learning rate.
        seed: Of everything random.

    Raises:
        PlaygroundError: A number is out of bounds, the design does not fit the task, or needs too much memory.
    """

    task: str
    design: Design
    source: str
    steps: int = 300
    size: int = 4
    side: int = 64
    rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, bound in BOUNDS.items():
            value = getattr(self, name)
            if not bound.low <= value <= bound.high:
                raise PlaygroundError(
                    f"{bound.title.en} {value:g} is not possible; choose {bound.low:g} to {bound.high:g}.",
                    f"{bound.title.zh} {value:g} 无效；可取 {bound.low:g} 到 {bound.high:g}。",
                )
        tasks[self.task].make.check_dims(self.design, picture=True)
        _check_memory(self)

    @property
    def recipe(self) -> Recipe:
        """How the trainer is to go about it."""
        base = datasets[self.task].make.recipe if self.source == DATA else Recipe()
        numbers = {name: getattr(self, name) for name in BOUNDS}
        return replace(base, **numbers, warmup=max(1, min(100, self.steps // 10)), precision="float32")


@dataclass(frozen=True)
class Images:
    """What a training sees, and what it never sees.

    Attributes:
        training: Patches are cut out of these.
        held_out: These score it.
        classes: How many classes the truth tells apart, background included.
    """

    training: list[Example]
    held_out: list[Example]
    classes: int


class Live:
    """One training, which goes on whenever it is told to; the same plan gives the same weights to the last bit.

    It computes on the CPU, whatever else there is: a few hundred small steps, shared with everybody.

    Args:
        plan: What is trained, on what, and how.

    Attributes:
        losses: Of every step so far.
        scores: (step, mean Dice on the held-out images), of the averaged weights.
        masks: Of the first held-out images at the last score, each with its Dice.
        seconds: That it has computed.
        paused: Whether it waits.
        ended: Why it does not go on; None while it may.
    """

    def __init__(self, plan: Plan):
        made = tasks[plan.task].make
        self.plan, self.images = plan, images_of(plan.task, plan.source)
        self.bank = Bank(plan.design, made.channels, len(made.labels), shared=False, seed=plan.seed)
        self._steps = Trainer(self.bank, plan.recipe, self.images.training).run()
        self.losses: list[float] = []
        self.scores: list[tuple[int, float]] = []
        self.masks: list[tuple[NDArray[np.uint8], float]] = []
        self.seconds, self._most = 0.0, Limits.from_environment().training_seconds
        self.paused = False
        self.ended: Text | None = None
        self._score()

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.losses)

    @property
    def running(self) -> bool:
        """Whether the next slice would do something."""
        return self.ended is None and not self.paused

    def advance(self, seconds: float, between: Callable[[], None] = lambda: None) -> None:
        """Go on for a slice of time, at least one step; it ends early where it is paused or stopped meanwhile.

        Args:
            seconds: Length of the slice.
            between: Called before every step; whatever it raises ends the slice and leaves the training whole.
        """
        until = time.monotonic() + seconds
        while self.running:
            between()
            begun = time.monotonic()
            self._update()
            self.seconds += time.monotonic() - begun
            if self.ended is None and self.seconds > self._most:
                self.stop(OUT_OF_TIME.format(seconds=self._most))
            if time.monotonic() >= until:
                return

    def stop(self, why: Text = STOPPED) -> None:
        """End it for good; the weights stay as they are."""
        self.ended = self.ended or why

    def network(self) -> UNet:
        """The averaged weights so far as a network for the task, frozen, in evaluation mode."""
        if self.ended is DIVERGED:
            raise PlaygroundError(DIVERGED.en, DIVERGED.zh)
        network = self.bank.averaged(self.plan.design)
        network.origin = Origin(self.plan.task, OWN, sha256(_packed(network)).hexdigest())
        return network

    def weights(self) -> bytes:
        """The averaged weights so far, as a safetensors file that `load_own` reads."""
        return _packed(self.network())

    def card(self) -> bytes:
        """What these weights are and where they come from, as JSON."""
        content = self.weights()
        file = {"name": "weights.safetensors", "bytes": len(content), "sha256": sha256(content).hexdigest()}
        card = Card(
            task=self.plan.task,
            design=self.plan.design.to_json(),
            shared=False,
            files=(file,),
            recipe={**asdict(self.plan.recipe), "step": self.step, "device": "cpu", "seconds": round(self.seconds)},
            data=_described(self.plan),
            metrics={"validation": [{"step": step, HEADLINE: round(score, 4)} for step, score in self.scores]},
            versions={
                "unet_playground": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        )
        return json.dumps(asdict(card), indent=1, ensure_ascii=False).encode()

    def _update(self) -> None:
        loss = next(self._steps)
        self.losses.append(loss)
        if not math.isfinite(loss):
            self.stop(DIVERGED)
            return
        if self.step % max(1, self.plan.steps // CHECKS) == 0 or self.step == self.plan.steps:
            self._score()
        if self.step == self.plan.steps:
            self.stop(FINISHED)

    def _score(self) -> None:
        """Segment the held-out images with the averaged weights."""
        network = self.bank.averaged(self.plan.design)
        cases = [Case(one.name, one.name, _mask(network, one), Truth(one.labels.numpy())) for one in self.held_out]
        result = compare(cases, self.images.classes, [HEADLINE])
        self.scores.append((self.step, result.dice))
        shown = zip(cases, result.values[HEADLINE], strict=True)
        self.masks = [(case.predicted, score) for case, score in shown][:SHOWN]

    @property
    def held_out(self) -> list[Example]:
        """The images that score it, the shown ones first."""
        return self.images.held_out


@lru_cache(maxsize=4)
def images_of(task: str, source: str) -> Images:
    """The images of a source as the networks of a task take them.

    Args:
        task: Id of a task.
        source: A phantom with its options, or `data`.

    Raises:
        MissingData: There is no folder with data sets, or it holds too few images of the task.
    """
    made = tasks[task].make()
    if source != DATA:
        drawn = [_drawn(task, source, seed) for seed in range(HELD_OUT + DRAWN)]
        return Images(drawn[HELD_OUT:], drawn[:HELD_OUT], 2)
    parts = split(task, data_root())
    dataset = datasets[task].make()
    training = list(_some(read(one, made, axes=dataset.axes) for one in _mixed(parts["train"])))
    held_out = [_window(max(read(one, made), key=_shown)) for one in _mixed(parts["validation"])[:HELD_OUT]]
    if not held_out:
        raise MissingData(
            f"The data folder holds no validation images for {task}; train on drawn images instead.",
            f"数据文件夹中没有 {task} 的验证图像；请改用绘制的图像训练。",
        )
    return Images(training, held_out, len(made.labels))


def _check_memory(plan: Plan) -> None:
    made = tasks[plan.task].make
    counted = cost(plan.design, plan.side, made.channels, len(made.labels))
    needed = counted.parameters * _COPIES + counted.training_bytes * plan.size
    if needed > LARGEST:
        raise PlaygroundError(
            f"Training this design would need {needed / 1e9:.1f} GB; the limit here is {LARGEST / 1e9:g} GB: choose "
            "fewer or smaller patches, or a smaller design.",
            f"训练此设计约需 {needed / 1e9:.1f} GB；此处上限为 {LARGEST / 1e9:g} GB："
            "请减少或缩小图块，或选更小的设计。",
        )


def has_data() -> bool:
    """Whether there is a folder with data sets."""
    try:
        return bool(data_root())
    except MissingData:
        return False


def _drawn(task: str, source: str, seed: int) -> Example:
    phantom = phantoms.draw(source, DRAWN_SIDE, seed)
    image = tasks[task].make().prepare(Picture.from_array(phantom.pixels))
    return Example(f"{source}-{seed}", image, torch.from_numpy(phantom.labels))


def _mixed(samples: list[Sample]) -> list[Sample]:
    """Samples in an order that is fixed and has nothing to do with what they show."""
    return sorted(samples, key=lambda sample: zlib.crc32(sample.name.encode()))


def _some(groups: Iterable[list[Example]]) -> Iterator[Example]:
    """Whole groups until there are enough pixels."""
    pixels = 0
    for group in groups:
        yield from group
        pixels += sum(example.labels.numel() for example in group)
        if pixels >= PIXELS:
            return


def _shown(example: Example) -> int:
    """How much there is to find."""
    return int((example.labels > 0).sum())


def _window(example: Example) -> Example:
    """The middle of an image."""
    rows, columns = (
        slice(start := max(0, (side - WINDOW) // 2), start + min(side, WINDOW)) for side in example.labels.shape
    )
    return replace(example, image=example.image[:, rows, columns], labels=example.labels[rows, columns], objects=None)


def _mask(network: UNet, example: Example) -> NDArray[np.uint8]:
    with torch.inference_mode():
        return read_out(network(example.image[None].contiguous(memory_format=torch.channels_last))).mask


def _packed(network: UNet) -> bytes:
    return save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})


def _described(plan: Plan) -> dict[str, str]:
    """What the images of a plan are, for the card."""
    if plan.source != DATA:
        return {"title": f"Phantoms drawn by code: {plan.source}"}
    entry = datasets[plan.task]
    source = entry.make.source
    told = {"licence": source.licence, "address": source.address, "attribution": source.attribution}
    return {"title": f"{entry.title.en}, a part of it", "paper": str(entry.paper), **told}
