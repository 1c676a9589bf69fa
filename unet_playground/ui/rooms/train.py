"""The room Train: the present design is trained before the visitor's eyes."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from unet_playground import phantoms
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.figures import overlay
from unet_playground.images import Picture
from unet_playground.lane import lane
from unet_playground.registry import Chinese, Choice, Option
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example
from unet_playground.training.live import BOUNDS, DATA, DIVERGED, SHOWN, Live, Plan, has_data
from unet_playground.ui import panels
from unet_playground.ui.component import component
from unet_playground.ui.layers import address
from unet_playground.ui.rooms.base import Room, Updates, rooms
from unet_playground.ui.rooms.export import Download, File, masked
from unet_playground.ui.scene import Scene

if TYPE_CHECKING:
    from unet_playground.ui.bench import Bench
    from unet_playground.ui.layout import Layout
    from unet_playground.ui.page import Page

SLICE = 1.0
"""Seconds of training after which others get their turn."""
PAUSE_BETWEEN = 0.2
"""Seconds between two slices."""
KEPT = 8
"""How many trainings of all visitors are kept in memory."""
SECONDS = 3600
"""After which a training that nobody asks about is forgotten."""
POINTS = 240
"""Points of the curve of losses."""
RATES = (1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 3e-2)

IMAGES = Text("Images", "图像")
OWN_DATA = Text("The task's data set", "此任务的数据集")
KNOBS = Text("How the images are drawn", "图像如何绘制")
START, PAUSE, GO_ON, STOP = Text("Start", "开始"), Text("Pause", "暂停"), Text("Go on", "继续"), Text("Stop", "停止")
USE = Text("Use these weights on the image", "将这些权重用于当前图像")
WEIGHTS, CARD = Text("Weights (.safetensors)", "权重（.safetensors）"), Text("Their card (.json)", "说明卡（.json）")
IDLE = Text(
    "Nothing is trained yet. The present design starts from random weights and learns from images drawn by code; "
    "what it makes of {held} images that it never sees is shown while it learns.",
    "尚未训练。当前设计从随机权重开始，用代码绘制的图像学习；学习过程中会展示它对 {held} 幅从未见过的图像的分割。",
)
NO_IMAGE = Text(
    "Choose an image first: its task says which images the network takes.", "请先选择图像：其任务决定输入。"
)
OTHER = Text(
    "A training of another design or task waits at step {step}: choose that again to go on, or start anew.",
    "另一个设计或任务的训练停在第 {step} 步：重新选择它即可继续，或重新开始。",
)
GONE = Text("There is no training here any more; start it again.", "这里已没有训练；请重新开始。")
PREPARING = Text("Preparing the images …", "正在准备图像……")
PROGRESS = Text(
    "Step {step} of {steps} · loss {loss} · Dice {dice:.3f} on {held} held-out images · {seconds:.0f} s computed.",
    "第 {step}/{steps} 步 · 损失 {loss} · {held} 幅留出图像上 Dice {dice:.3f} · 已计算 {seconds:.0f} 秒。",
)
PAUSED = Text("Paused.", "已暂停。")
USED = Text("Mask with the weights of step {step}.", "使用第 {step} 步权重得到的掩膜。")
WORDS = {
    "loss": Text("Loss", "损失"),
    "dice": Text("Dice on held-out images", "留出图像上的 Dice"),
    "step": Text("step", "步"),
    "unit": Text("no unit", "无单位"),
    "held": Text("Held-out images", "留出图像"),
    "mask": Text("mask", "掩膜"),
    "truth": Text("truth", "真值"),
}


class Seat:
    """A visitor's place for one training; of all visitors', only the last `KEPT` trainings stay in memory."""

    _taken: ClassVar[list["Seat"]] = []
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.run: Live | None = None
        self._used = time.monotonic()

    @classmethod
    def clear_idle(cls) -> None:
        """End the trainings that nobody has come to for an hour; Gradio tells of no tab that is closed."""
        with cls._lock:
            for seat in [one for one in cls._taken if one._used < time.monotonic() - SECONDS]:
                cls._taken.remove(seat)
                seat.run = None

    def take(self, run: Live) -> None:
        """Hold this training instead of the one before."""
        with Seat._lock:
            if self in Seat._taken:
                Seat._taken.remove(self)
            Seat._taken.append(self)
            self.run, self._used = run, time.monotonic()
            while len(Seat._taken) > KEPT:
                emptied = min(Seat._taken[:-1], key=lambda seat: seat._used)
                Seat._taken.remove(emptied)
                emptied.run = None

    def current(self, design: Design, task: str | None) -> Live | None:
        """The training, if it is of this design and task; one of another waits."""
        self._used, run = time.monotonic(), self.run
        if run is None or (run.plan.design, run.plan.task) == (design, task):
            return run
        run.paused = True
        return None


@rooms.register("train", title="Train", zh=Chinese("训练", "当前设计就在眼前学习：损失、得分，以及不断变好的掩膜。"))
class TrainRoom(Room):
    """The present design learns before your eyes: loss, score, and masks that get better."""

    def __init__(self, page: "Layout"):
        super().__init__(page)
        self.seat = gr.State(Seat())
        self.timer = gr.Timer(PAUSE_BETWEEN, active=False)
        with gr.Row(elem_classes="train-room"):
            with gr.Column(elem_classes="controls", min_width=0):
                self._build_controls()
            with gr.Column(elem_classes="course", min_width=0):
                self.line = gr.HTML("", padding=False)
                self.chart = component("train", None)
                self.used = gr.HTML("", padding=False)

    def _build_controls(self) -> None:
        sources = [(self._say(entry.title), entry.id) for entry in phantoms.phantoms.entries()]
        if has_data():
            sources.append((self._say(OWN_DATA), DATA))
        first = sources[0][1]
        self.source = gr.Radio(sources, value=first, label=self._say(IMAGES), elem_classes="method")
        with gr.Accordion(self._say(KNOBS), open=False):
            self.groups: dict[str, gr.Column] = {}
            self.knobs: dict[str, dict[str, Any]] = {}
            for entry in phantoms.phantoms.entries():
                with gr.Column(visible=entry.id == first) as self.groups[entry.id]:
                    self.knobs[entry.id] = {option.id: self._knob(option) for option in entry.options}
        self.numbers = {name: self._number(name) for name in BOUNDS}
        with gr.Row(elem_classes="buttons"):
            self.start = gr.Button(self._say(START), variant="primary", size="sm", min_width=60)
            self.pause = gr.Button(self._say(PAUSE), size="sm", min_width=60, interactive=False)
            self.halt = gr.Button(self._say(STOP), size="sm", min_width=60, interactive=False)
        self.use = gr.Button(self._say(USE), size="sm", interactive=False)
        self.weights = Download("live-weights", self._say(WEIGHTS))
        self.card = Download("live-card", self._say(CARD))

    @property
    def inputs(self) -> list[Any]:
        """The visitor's training."""
        return [self.seat]

    @property
    def outputs(self) -> list[Any]:
        """Everything but the controls of the next training."""
        buttons = [self.start, self.pause, self.halt, self.use, self.weights.button, self.card.button]
        return [self.timer, self.line, self.chart, self.used, *buttons]

    def connect(self, page: "Page") -> None:
        """Buttons act at once, even while a slice is computed; slices wait for their turn."""
        held, quick = [self.seat, page.bench, page.scene], {**page.slow, "concurrency_id": "quick"}
        choices = [
            self.source,
            *self.numbers.values(),
            *(one for knobs in self.knobs.values() for one in knobs.values()),
        ]
        self.start.click(self._start, [*held, *choices], self.outputs, **page.slow)
        self.timer.tick(self._slice, held, self.outputs, **{**page.slow, "trigger_mode": "once"})
        self.pause.click(self._pause, held, self.outputs, **quick)
        self.halt.click(self._stop, held, self.outputs, **quick)
        self.use.click(self._use, held, self.outputs, **page.slow)
        self.source.input(self._choose, self.source, [*self.groups.values()], **quick)
        self.weights.connect(weights, [self.seat], self.line, self.language, page.slow)
        self.card.connect(card, [self.seat], self.line, self.language, page.slow)

    def refresh(
        self, bench: "Bench", scene: Scene | None, check: Callable[[], None], *values: Any
    ) -> Iterator[Updates]:
        """The training of the edited design as far as it got; a mask of another image goes."""
        yield {**self._shown(values[0], bench, scene), self.used: ""}

    def _start(self, seat: Seat, bench: "Bench", scene: Scene | None, source: str, *values: Any) -> Iterator[Updates]:
        if scene is None:
            yield {self.line: panels.message(NO_IMAGE, self.language)}
            return
        yield {
            self.line: panels.line(PREPARING, self.language),
            self.used: "",
            self.start: gr.Button(interactive=False),
        }
        try:
            seat.take(Live(self._planned(bench.edited, scene.task, source, values)))
            yield self._shown(seat, bench, scene)
        except PlaygroundError as error:
            yield {self.line: panels.message(error.text, self.language), self.start: gr.Button(interactive=True)}

    def _planned(self, design: Design, task: str, source: str, values: Sequence[Any]) -> Plan:
        """The plan that the values of all controls spell, in their order."""
        given = iter(values)
        numbers = {name: type(getattr(Plan, name))(next(given) or 0) for name in self.numbers}
        options = {id: {name: next(given) for name in knobs} for id, knobs in self.knobs.items()}
        if source in options:
            entry = phantoms.phantoms[source]
            source = str(Choice(source, tuple(entry.parse_options(options[source]).items())))
        return Plan(task, design, source, **numbers)

    def _slice(self, seat: Seat, bench: "Bench", scene: Scene | None) -> Updates:
        if run := seat.current(bench.edited, scene.task if scene else None):
            with lane.turn():
                run.advance(SLICE, lane.give_way)
        return self._shown(seat, bench, scene)

    def _pause(self, seat: Seat, bench: "Bench", scene: Scene | None) -> Updates:
        if run := seat.current(bench.edited, scene.task if scene else None):
            run.paused = not run.paused
        return self._shown(seat, bench, scene)

    def _stop(self, seat: Seat, bench: "Bench", scene: Scene | None) -> Updates:
        if run := seat.current(bench.edited, scene.task if scene else None):
            run.stop()
        return self._shown(seat, bench, scene)

    def _use(self, seat: Seat, bench: "Bench", scene: Scene | None) -> Updates:
        run = seat.current(bench.edited, scene.task if scene else None)
        if run is None or scene is None:
            return self._shown(seat, bench, scene)
        try:
            return {self.used: masked(scene, run.network(), USED.format(step=run.step), self.language)}
        except PlaygroundError as error:
            return {self.used: panels.message(error.text, self.language)}

    def _choose(self, source: str) -> Updates:
        return {group: gr.Column(visible=id == source) for id, group in self.groups.items()}

    def _shown(self, seat: Seat, bench: "Bench", scene: Scene | None) -> Updates:
        """Curves, masks and what can be done next."""
        run = seat.current(bench.edited, scene.task if scene else None)
        running, open = run is not None and run.running, run is not None and run.ended is None
        useful = run is not None and run.ended is not DIVERGED
        waits = run is not None and run.paused
        return {
            self.timer: gr.Timer(active=running),
            self.line: panels.line(told(seat, run), self.language),
            self.chart: value(run, self.language),
            self.start: gr.Button(interactive=not running),
            self.pause: gr.Button(self._say(GO_ON if waits else PAUSE), interactive=open),
            self.halt: gr.Button(interactive=open),
            **{one: gr.Button(interactive=useful) for one in (self.use, self.weights.button, self.card.button)},
        }

    def _knob(self, option: Option) -> gr.Slider:
        """The control of an option of a phantom."""
        step = 1.0 if (option.high or 1) > 1 else 0.01
        ends = {"minimum": option.low, "maximum": option.high, "value": option.default}
        return gr.Slider(**ends, step=step, label=self._say(option.title))  # type: ignore[arg-type]

    def _number(self, name: str) -> Any:
        """The control of a number of the plan."""
        bound = BOUNDS[name]
        label = self._say(bound.title)
        if name == "rate":
            return gr.Dropdown([(f"{rate:g}", rate) for rate in RATES], value=bound.default, label=label)
        if name == "seed":
            return gr.Number(int(bound.default), precision=0, label=label)
        step = {"steps": 20, "side": 16}.get(name, 1)
        return gr.Slider(bound.low, bound.high, value=bound.default, step=step, precision=0, label=label)


def weights(seat: Seat) -> File:
    """The weights so far."""
    return "weights.safetensors", _some(seat).weights()


def card(seat: Seat) -> File:
    """What the weights so far are."""
    return "card.json", _some(seat).card()


def told(seat: Seat, run: Live | None) -> Text:
    """Where a training stands, in one line.

    Args:
        seat: The visitor's.
        run: Its training, if it is of the present design.
    """
    if run is None:
        return OTHER.format(step=seat.run.step) if seat.run else IDLE.format(held=SHOWN)
    loss = f"{run.losses[-1]:.3f}" if run.losses else "–"
    numbers = {"step": run.step, "steps": run.plan.steps, "loss": loss, "dice": run.scores[-1][1]}
    line = PROGRESS.format(**numbers, held=len(run.held_out), seconds=run.seconds)
    end = run.ended or (PAUSED if run.paused else Text("", ""))
    return Text(f"{line.en} {end.en}".strip(), line.zh + end.zh)


def value(run: Live | None, language: str) -> dict[str, Any] | None:
    """What the script draws: two curves, and the first held-out images with mask and truth; None draws nothing."""
    if run is None:
        return None
    labels = tasks[run.plan.task].make.labels
    examples = [
        {
            "mask": address(overlay(picture, mask, labels)),
            "truth": address(overlay(picture, one.labels.numpy(), labels)),
            "dice": f"Dice {dice:.3f}",
        }
        for one, (mask, dice) in zip(run.held_out, run.masks, strict=False)
        for picture in [Picture.from_array(_seen(one))]
    ]
    return {
        "words": {name: text.within(language) for name, text in WORDS.items()},
        "steps": run.plan.steps,
        "loss": thinned(run.losses),
        "dice": [[step, round(dice, 4)] for step, dice in run.scores],
        "examples": examples,
    }


def thinned(losses: Sequence[float], most: int = POINTS) -> list[list[float]]:
    """[step, loss] of at most so many points, each the mean of equally many steps; only finite numbers are kept.

    Args:
        losses: Of every step from 1.
        most: Points.
    """
    width = max(1, math.ceil(len(losses) / most))
    groups = [losses[start : start + width] for start in range(0, len(losses), width)]
    points = [[number * width + len(group), sum(group) / len(group)] for number, group in enumerate(groups)]
    return [[step, round(mean, 4)] for step, mean in points if math.isfinite(mean)]


def _seen(example: Example) -> NDArray[np.float32]:
    """An image as the network takes it, (h, w) or (h, w, 3), cut off at 0 and 1."""
    pixels = example.image.clamp(0, 1).movedim(0, -1).numpy()
    return pixels if pixels.shape[2] == 3 else pixels[..., 0]


def _some(seat: Seat) -> Live:
    if seat.run is None:
        raise PlaygroundError(GONE.en, GONE.zh)
    return seat.run
