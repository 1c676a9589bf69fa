"""Rooms in which one looks at the present design through an instrument, with its options."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from unet_playground.analysis import Target, analyses
from unet_playground.analysis.base import Result, look
from unet_playground.analysis.watch import Watch, stream
from unet_playground.errors import PlaygroundError, Text
from unet_playground.figures import draw, to_array
from unet_playground.inference import prepare
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Entry, Option, Value
from unet_playground.ui import panels, texts
from unet_playground.ui.rooms.base import Room, Updates, rooms
from unet_playground.ui.scene import Scene, model_for, on_equal_terms, too_large

if TYPE_CHECKING:
    from unet_playground.ui.bench import Bench
    from unet_playground.ui.layout import Layout
    from unet_playground.ui.page import Page

NAMES = (Text("Design A", "设计 A"), Text("Design B", "设计 B"))


class InstrumentRoom(Room):
    """A choice of the instruments that name this room, the options of the chosen one, and what it shows of designs."""

    def __init__(self, page: "Layout"):
        super().__init__(page)
        (own,) = (entry.id for entry in rooms.entries() if isinstance(self, entry.make))
        entries = analyses.within(own)
        self.method = gr.Radio(
            [(self._say(entry.title), entry.id) for entry in entries],
            value=entries[0].id,
            label=self._say(texts.CHOOSE_INSTRUMENT),
            show_label=False,
            container=False,
            elem_classes="method",
        )
        self.lesson = gr.HTML(self._told(entries[0]), padding=False)
        self.knobs: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, gr.Row] = {}
        for entry in entries:
            with gr.Row(visible=self._shown(entry, entries[0].id), elem_classes="knobs") as self.groups[entry.id]:
                self.knobs[entry.id] = {option.id: self._knob(option) for option in entry.options}
        with gr.Row(elem_classes="figures"):
            self.figures = [self._figure(number) for number in range(len(NAMES))]

    @property
    def inputs(self) -> list[Any]:
        """The chosen instrument and every option of all of them."""
        return [self.method, *(knob for knobs in self.knobs.values() for knob in knobs.values())]

    @property
    def outputs(self) -> list[Any]:
        """The figures and, since the drawing may choose for a visitor, the controls."""
        shown = [part for figure in self.figures for part in figure]
        return [*shown, *self.inputs, self.lesson, *self.groups.values()]

    def connect(self, page: "Page") -> None:
        """Another instrument or another value of an option, in the lane of entering: the last one counts."""
        self.method.input(page.refreshing(self), [*page.held, *self.inputs], self.outputs, **page.aside)
        for knobs in self.knobs.values():
            for knob in knobs.values():
                knob.input(page.refreshing(self), [*page.held, *self.inputs], self.outputs, **page.aside)

    def choosing(self, method: str, options: Mapping[str, Value]) -> tuple[Updates, list[Any]]:
        """What sets the controls to an instrument with its options, and the values that `refresh` is then given."""
        updates: Updates = {self.method: method}
        values: list[Any] = [method]
        for id, knobs in self.knobs.items():
            for option in analyses[id].options:
                value = options.get(option.id, option.default) if id == method else option.default
                values.append(value)
                updates |= {knobs[option.id]: value} if id == method else {}
        return updates, values

    def refresh(
        self, bench: "Bench", scene: Scene | None, check: Callable[[], None], *values: Any
    ) -> Iterator[Updates]:
        """The chosen instrument, for every design."""
        method, given = values[0], iter(values[1:])
        every = {id: {name: next(given) for name in knobs} for id, knobs in self.knobs.items()}
        # A control that was never shown may have no value yet.
        options = {name: value for name, value in every[method].items() if value is not None}
        entry = analyses[method]
        yield {
            self.lesson: self._told(entry),
            **{group: gr.Row(visible=self._shown(analyses[id], method)) for id, group in self.groups.items()},
            **self._emptied(bench, scene),
        }
        if scene is None:
            return
        even = on_equal_terms(scene, bench.designs)
        for (_, _, image, line), design in zip(self.figures, bench.designs, strict=False):
            try:
                if model := model_for(even, design):
                    for picture, said in self._seen(entry, options, even, model, check):
                        yield {image: picture, line: said}
                else:
                    yield {line: panels.line(panels.untrained(scene.task), self.language)}
            except PlaygroundError as error:
                yield {line: panels.message(error.text, self.language)}

    def _seen(
        self, entry: Entry, options: Mapping[str, Value], scene: Scene, model: UNet, check: Callable[[], None]
    ) -> Iterator[tuple[gr.Image, str]]:
        """A figure as it gets ready, named for those who do not see it, with what is said beneath."""
        if reason := too_large(scene):
            raise PlaygroundError(reason.en, reason.zh)
        parsed, image = entry.parse_options(options), prepare(scene.picture, model)
        target = Target(scene.label, scene.point)

        def compute(watch: Watch) -> Result:
            return look(entry, model, image, target, parsed, truth=scene.truth, watch=watch)

        for _, result in stream(compute, check):
            named = f"{self._say(entry.title)}: {self._say(result.check)}"
            picture = gr.Image(to_array(draw(result, scene.picture, self.language)), alt_text=named)
            yield picture, panels.read_out(result.check, result.facts, self.language)

    def _emptied(self, bench: "Bench", scene: Scene | None) -> Updates:
        updates: Updates = {}
        waiting = panels.line(texts.WORKING if scene else texts.NO_IMAGE, self.language)
        for number, (frame, name, image, line) in enumerate(self.figures):
            title = f"<h3>{self._say(NAMES[number])}</h3>" if len(bench.designs) > 1 else ""
            shown = number < len(bench.designs)
            updates |= {frame: gr.Column(visible=shown), name: title, image: None, line: waiting}
        return updates

    def _figure(self, number: int) -> tuple[gr.Column, gr.HTML, gr.Image, gr.HTML]:
        """Where one design's figure stands: its frame, its name, the picture, its check and numbers."""
        with gr.Column(visible=number == 0, min_width=280, elem_classes="figure") as frame:
            name = gr.HTML("", padding=False)
            image = gr.Image(
                show_label=False,
                format="png",
                interactive=False,
                buttons=["download", "fullscreen"],
                alt_text=self._say(NAMES[number]),
            )
            line = gr.HTML(panels.line(texts.WORKING, self.language), padding=False)
        return frame, name, image, line

    def _knob(self, option: Option) -> Any:
        """The control of one option."""
        title = self._say(option.title)
        if isinstance(option.default, bool):
            return gr.Checkbox(option.default, label=title, min_width=120)
        if option.choices:
            return gr.Dropdown([*option.choices], value=option.default, label=title, min_width=140)
        step = 2 if option.odd else 1 if isinstance(option.default, int) else 0.05
        # A slider that is not in view may send no value, which Gradio refuses, as it does a number beyond bounds that
        # it is told; a number may be empty, and one that an instrument does not take is refused by the instrument.
        return gr.Number(float(option.default), label=title, step=step, min_width=120)

    def _shown(self, entry: Entry, chosen: str) -> bool | Literal["hidden"]:
        """Whether an instrument's options are shown; they stay in the page, or their controls would have no value."""
        return (entry.id == chosen and bool(entry.options)) or "hidden"

    def _told(self, entry: Entry) -> str:
        return panels.lesson(entry, self.language)


@rooms.register("layers", title="Layers", zh=Chinese("特征层", "每一级算出了什么，损失的梯度又如何回到那里。"))
class Layers(InstrumentRoom):
    """What every stage computes, and how the gradient of the loss comes back to it."""


@rooms.register(
    "skips", title="Skips", zh=Chinese("跳跃连接", "跨越的特征带来了什么：冗余、噪声、语义差距；并逐一动手术。")
)
class Skips(InstrumentRoom):
    """What crosses: how redundant it is, what happens when it is cut, and how much noise it lets through."""


@rooms.register("operators", title="Operators", zh=Chinese("算子", "下采样与上采样逐像素地做了什么。"))
class OperatorRoom(InstrumentRoom):
    """What down- and upsampling do, pixel by pixel."""


@rooms.register("uncertainty", title="Uncertainty", zh=Chinese("不确定性", "掩膜在哪里可疑，不同设计在哪里意见不一。"))
class Uncertainty(InstrumentRoom):
    """Where the mask is in doubt, and where designs disagree."""
