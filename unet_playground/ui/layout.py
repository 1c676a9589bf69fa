"""What stands where on the page."""

from html import escape
from secrets import token_hex
from typing import Any

import gradio as gr

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.examples import examples_of
from unet_playground.registry import Entry
from unet_playground.tasks import tasks
from unet_playground.ui import panels, texts
from unet_playground.ui.address import first_example
from unet_playground.ui.bench import Bench
from unet_playground.ui.component import component
from unet_playground.ui.designer import designer
from unet_playground.ui.lesson import Progress, lesson_value
from unet_playground.ui.rooms import Room, rooms
from unet_playground.ui.scene import AUTO, FIRST_METHOD, Turn, attribution_methods
from unet_playground.ui.viewer import TITLES, methods, pane, toolbar

STATE_SECONDS = 3600


class Layout:
    """The parts of the page in one language, each an attribute; nothing here answers to a visitor.

    Args:
        language: "en" or "zh".
        other: Address of the page in the other language.
    """

    def __init__(self, language: str, other: str):
        self.language = language
        self.bench = gr.State(Bench())
        self.scene = gr.State(None, time_to_live=STATE_SECONDS)
        self.turn = gr.State(Turn())
        self.asked = gr.State(0)
        task = next(iter(tasks))
        self._build_header(task, other)
        self.message = gr.HTML("", elem_id="message", padding=False)
        with gr.Row(elem_id="columns"):
            self.designer = component("designer", designer(Design(), None, "A", language))
            with gr.Column(elem_id="network", min_width=0):
                self.diagram = component("diagram", None)
                self.fan = component("fan", None)
            with gr.Column(elem_id="pictures", min_width=0):
                self._build_pictures(task)
            with gr.Column(elem_id="rooms", min_width=0):
                self.room, self.outdated = gr.State(None), gr.State(0)
                self.rooms = {entry.id: self._build_room(entry) for entry in rooms.entries()}
        self.progress = gr.State(Progress())
        self.lesson_key = gr.Textbox("", visible=False)
        self.lesson = component("lesson", lesson_value(Progress(), language))
        self._build_details()
        gr.HTML(panels.notice(language), elem_id="notice", padding=False)

    def _build_header(self, task: str, other: str) -> None:
        say = self._say
        with gr.Row(elem_id="header"):
            gr.HTML(panels.brand(self.language), elem_id="brand", padding=False)
            self.task = gr.Radio(
                [(entry.title.within(self.language), entry.id) for entry in tasks.entries()],
                value=task,
                label=say(texts.TASK),
                show_label=False,
                container=False,
                elem_id="task",
            )
            self.example = gr.Radio(
                **self._examples(task), label=say(texts.EXAMPLE), show_label=False, container=False, elem_id="example"
            )
            self.upload, self.truth = (
                gr.UploadButton(say(title), elem_id=id, elem_classes="upload", size="sm", scale=0)
                for id, title in (("upload", texts.UPLOAD), ("truth", texts.TRUTH))
            )
            self.nav = component("rooms-menu", self._menu(None))
            gr.HTML(panels.switches(self.language, other), elem_id="switches", padding=False)

    def _build_pictures(self, task: str) -> None:
        language = self.language
        labels = tasks[task].make.labels
        with gr.Column(elem_id="viewer"):
            self.tools = component("tools", toolbar(None, labels, language), picture=True)
            self.about = gr.HTML(panels.line(texts.EMPTY, language), elem_id="about", padding=False)
            with gr.Row(elem_id="panes"):
                self.views = {
                    name: component(name, pane(name, "empty", language, **self._offered(name)), picture=True)
                    for name in TITLES
                }
        self.cost = gr.HTML(panels.cost_table(Bench(), task, language), elem_id="cost", padding=False)

    def _build_room(self, entry: Entry[type[Room]]) -> Room:
        """One room; the menu shows it and hides it."""
        with gr.Column(elem_id=f"room-{entry.id}", elem_classes="room", min_width=0):
            title, summary = (escape(text.within(self.language)) for text in (entry.title, entry.summary))
            gr.HTML(f'<h2>{title}</h2><p class="line">{summary}</p>', padding=False)
            return entry.make(self)

    def _menu(self, opened: str | None) -> dict[str, Any]:
        """The value of the menu of rooms, never the same twice: the browser hears of nothing else."""
        listed = [
            {"id": one.id, "title": one.title.within(self.language), "summary": one.summary.within(self.language)}
            for one in rooms.entries()
        ]
        words = {"rooms": self._say(texts.ROOMS), "back": self._say(texts.BACK)}
        return {"rooms": listed, "open": opened, "words": words, "turn": token_hex(4)}

    def _build_details(self) -> None:
        """The weights, the link, and what the options mean."""
        say, language = self._say, self.language
        with gr.Row(elem_id="about-design"):
            self.weights = gr.Radio(
                [(say(title), kind) for kind, title in texts.KINDS.items()],
                value=AUTO,
                label=say(texts.WEIGHTS),
                info=say(texts.WEIGHTS_HINT),
                elem_id="weights-choice",
            )
            self.link = gr.Textbox(
                Design().to_link(),
                label=say(texts.LINK),
                info=say(texts.LINK_HINT),
                lines=1,
                max_lines=5,
                elem_id="link",
            )
            self.bench_link = gr.Textbox(Bench().to_link(), visible=False)
            self.preset_line = gr.HTML(panels.preset_line(Design(), language), padding=False, elem_id="preset-line")
        with gr.Accordion(say(texts.GLOSSARY), open=False, elem_id="glossary"):
            gr.HTML(panels.glossary(language))
        with gr.Accordion(say(texts.KEYBOARD), open=False, elem_id="keyboard"):
            gr.HTML(panels.keyboard(language))

    def _offered(self, name: str, method: str = FIRST_METHOD) -> dict[str, Any]:
        """What a picture lets a visitor choose."""
        return methods(attribution_methods(), method, self.language) if name == "attribution" else {}

    def _examples(self, task: str, shown: str | None = None) -> dict[str, Any]:
        """What the row of examples offers for a task."""
        choices = [(image.title.within(self.language), image.id) for image in examples_of(task)]
        return {"choices": choices, "value": shown or first_example(task)}

    def _say(self, text: Text) -> str:
        return text.within(self.language)
