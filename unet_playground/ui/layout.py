"""What stands where on the page."""

from typing import Any

import gradio as gr

from unet_playground.design import DEFAULTS, NUMBERS, SLOT_IDS, Design
from unet_playground.errors import Text
from unet_playground.examples import examples_of
from unet_playground.presets import presets
from unet_playground.registry import catalogues
from unet_playground.tasks import tasks
from unet_playground.ui import measured, panels, texts
from unet_playground.ui.address import first_example
from unet_playground.ui.scene import AUTO, FIRST_METHOD, Turn, attribution_methods, instruments

SQUARE = {"attention": texts.ATTENTION, "field": texts.FIELD, "attribution": texts.ATTRIBUTION}
VIEWS = {**SQUARE, "instrument": texts.INSTRUMENT}
"""The pictures beside the prediction."""
STATE_SECONDS = 3600


class Layout:
    """The parts of the page in one language, each an attribute; nothing here answers to a visitor.

    Args:
        language: "en" or "zh".
        other: Address of the page in the other language.
    """

    def __init__(self, language: str, other: str):
        self.language = language
        gr.HTML(panels.header(language, other), elem_id="header", padding=False)
        self.design = gr.State(Design())
        self.scene = gr.State(None, time_to_live=STATE_SECONDS)
        self.turn = gr.State(Turn())
        self.asked = gr.State(0)
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="designer", scale=3, min_width=300):
                self._build_designer()
            with gr.Column(elem_id="result", scale=9, min_width=320):
                self._build_result()
        with gr.Accordion(texts.CLAIMS.within(language), open=False, elem_id="claims"):
            gr.HTML(measured.judged(language))
        with gr.Accordion(texts.GLOSSARY.within(language), open=False, elem_id="glossary"):
            gr.HTML(panels.glossary(language))
        gr.HTML(panels.notice(language), elem_id="notice", padding=False)

    def _build_designer(self) -> None:
        say = self._say
        self.preset = gr.Dropdown(
            [(entry.title.within(self.language), entry.id) for entry in presets.entries()],
            value=next(iter(presets)),
            label=say(texts.PRESET),
            elem_id="preset",
        )
        self.preset_line = gr.HTML(panels.preset_line(Design(), self.language), padding=False, elem_id="preset-line")
        self.buttons: dict[str, gr.Radio] = {}
        self.lines: dict[str, gr.HTML] = {}
        for slot in SLOT_IDS:
            self.buttons[slot] = gr.Radio(
                [(entry.title.within(self.language), entry.id) for entry in catalogues[slot].entries()],
                value=DEFAULTS[slot],
                label=say(catalogues[slot].title),
                elem_id=f"slot-{slot}",
                elem_classes="slot",
                interactive=Design().applies(slot),
            )
            self.lines[slot] = gr.HTML(panels.slot_line(Design(), slot, self.language), padding=False)
        self.numbers = {
            name: gr.Slider(*NUMBERS[name], value=getattr(Design(), name), step=1, label=say(title), elem_id=name)
            for name, title in (("depth", texts.DEPTH), ("width", texts.WIDTH))
        }
        self.link = gr.Textbox(
            Design().to_link(), label=say(texts.LINK), info=say(texts.LINK_HINT), lines=1, max_lines=5, elem_id="link"
        )

    def _build_result(self) -> None:
        say = self._say
        task = next(iter(tasks))
        with gr.Row(elem_id="image-row"):
            self.task = gr.Radio(
                [(entry.title.within(self.language), entry.id) for entry in tasks.entries()],
                value=task,
                label=say(texts.TASK),
                elem_id="task",
                scale=1,
            )
            self.example = gr.Radio(**self._examples(task), label=say(texts.EXAMPLE), elem_id="example", scale=1)
            self.upload = gr.UploadButton(say(texts.UPLOAD), elem_id="upload", size="sm", scale=0)
        self.about = gr.HTML(panels.line(texts.EMPTY, self.language), elem_id="about", padding=False)
        self.message = gr.HTML("", elem_id="message", padding=False)
        self.views: dict[str, gr.Image] = {}
        self.checks: dict[str, gr.HTML] = {}
        self.choosers: dict[str, gr.Dropdown] = {}
        with gr.Row(elem_id="judged"):
            with gr.Row(elem_id="views"):
                for name, title in {"prediction": texts.PREDICTION, **SQUARE}.items():
                    self._build_view(name, say(title))
            with gr.Column(elem_id="side", min_width=260):
                self._build_question(task)
                self.cost = gr.HTML(panels.cost_table(Design(), task, self.language), elem_id="cost", padding=False)
        self._build_view("instrument", say(texts.INSTRUMENT))

    def _build_question(self, task: str) -> None:
        """Which weights answer, and about which class."""
        say = self._say
        with gr.Column(elem_id="question"):
            self.weights = gr.Radio(
                [(say(title), kind) for kind, title in texts.KINDS.items()],
                value=AUTO,
                label=say(texts.WEIGHTS),
                info=say(texts.WEIGHTS_HINT),
                elem_id="weights-choice",
            )
            self.origin = gr.HTML("", elem_id="weights", padding=False)
            self.label = gr.Radio(**self._classes(task), label=say(texts.CLASS), elem_id="class")
            self.whole = gr.Button(say(texts.WHOLE_CLASS), size="sm", elem_id="whole-class")

    def _build_view(self, name: str, title: str) -> None:
        with gr.Column(min_width=200, elem_classes="view", elem_id=f"view-{name}"):
            gr.HTML(f"<h2>{title}</h2>", padding=False)
            self._build_chooser(name)
            self.views[name] = gr.Image(
                label=title,
                show_label=False,
                format="png",
                interactive=False,
                buttons=["download", "fullscreen"],
                elem_id=name,
                alt_text=title,
            )
            if name not in VIEWS:
                self.legend = gr.HTML("", padding=False, elem_id="legend")
            self.checks[name] = gr.HTML("", padding=False, elem_id=f"{name}-check")

    def _build_chooser(self, name: str) -> None:
        """Which analysis a view shows, where that is the visitor's choice."""
        offered = {
            "attribution": (texts.METHOD, attribution_methods(), FIRST_METHOD),
            "instrument": (texts.CHOOSE_INSTRUMENT, instruments(), None),
        }
        if name in offered:
            title, entries, value = offered[name]
            self.choosers[name] = gr.Dropdown(
                [(entry.title.within(self.language), entry.id) for entry in entries],
                value=value,
                label=self._say(title),
                elem_id=f"{name}-method",
            )

    def _examples(self, task: str, shown: str | None = None) -> dict[str, Any]:
        """What the row of examples offers for a task."""
        choices = [(image.title.within(self.language), image.id) for image in examples_of(task)]
        return {"choices": choices, "value": shown or first_example(task)}

    def _classes(self, task: str) -> dict[str, Any]:
        """The classes to ask about; no question where there is one only."""
        choices = panels.classes(task, self.language)
        return {"choices": choices, "value": 1, "visible": len(choices) > 1}

    def _say(self, text: Text) -> str:
        return text.within(self.language)
