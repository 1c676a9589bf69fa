"""The page in one language: what stands where, and which event calls what."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from unet_playground.design import DEFAULTS, NUMBERS, SLOT_IDS, Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.examples import example, examples
from unet_playground.presets import preset_of, presets
from unet_playground.registry import catalogues
from unet_playground.space import change
from unet_playground.tasks import tasks
from unet_playground.ui import panels, texts
from unet_playground.ui.scene import Scene, Superseded, Turn, View, explain, model_for, predict

Updates = dict[Any, Any]
Edit = Callable[[Design, Any], Design | Text]

VIEWS = {"attention": texts.ATTENTION, "field": texts.FIELD, "attribution": texts.ATTRIBUTION}
QUICK = {"concurrency_id": "quick", "concurrency_limit": 1}
SLOW = {"concurrency_id": "slow", "concurrency_limit": 1}
STATE_SECONDS = 3600
MARK_STALE = "(...inputs) => { document.body.classList.add('stale'); return inputs; }"
"""Fades the pictures the moment a choice is made: what they show is no longer true."""
MARK_FRESH = "() => { document.body.classList.remove('stale'); }"


class Page:
    """One visitor's page; all of its events are methods that return what changes.

    Args:
        app: The app that the page belongs to.
        language: "en" or "zh".
        other: Address of the page in the other language.
    """

    def __init__(self, app: gr.Blocks, language: str, other: str):
        self.app, self.language = app, language
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
        with gr.Accordion(texts.GLOSSARY.within(language), open=False, elem_id="glossary"):
            gr.HTML(panels.glossary(language))
        gr.HTML(panels.notice(language), elem_id="notice", padding=False)
        self._connect()

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
        shown = [(image.title.within(self.language), image.id) for image in examples()]
        with gr.Row(elem_id="image-row"):
            self.task = gr.Radio(
                [(entry.title.within(self.language), entry.id) for entry in tasks.entries()],
                value=next(iter(tasks)),
                label=say(texts.TASK),
                elem_id="task",
                scale=1,
            )
            self.example = gr.Radio(shown, value=shown[0][1], label=say(texts.EXAMPLE), elem_id="example", scale=2)
            self.upload = gr.UploadButton(say(texts.UPLOAD), elem_id="upload", size="sm", scale=1)
        self.about = gr.HTML(panels.line(texts.EMPTY, self.language), elem_id="about", padding=False)
        self.message = gr.HTML("", elem_id="message", padding=False)
        self.views: dict[str, gr.Image] = {}
        self.checks: dict[str, gr.HTML] = {}
        with gr.Row(elem_id="judged"):
            with gr.Row(elem_id="views"):
                for name, title in {"prediction": texts.PREDICTION, **VIEWS}.items():
                    self._build_view(name, say(title))
            with gr.Column(elem_id="side", min_width=260):
                self.weights = gr.HTML("", elem_id="weights", padding=False)
                self.cost = gr.HTML(panels.cost_table(Design(), self.language), elem_id="cost", padding=False)
                self.whole = gr.Button(say(texts.WHOLE_CLASS), size="sm", elem_id="whole-class")

    def _build_view(self, name: str, title: str) -> None:
        with gr.Column(min_width=200, elem_classes="view", elem_id=f"view-{name}"):
            gr.HTML(f"<h2>{title}</h2>", padding=False)
            self.views[name] = gr.Image(
                label=title,
                show_label=False,
                format="png",
                interactive=False,
                buttons=["download", "fullscreen"],
                elem_id=name,
                alt_text=title,
            )
            self.checks[name] = gr.HTML("", padding=False, elem_id=f"{name}-check")

    def _connect(self) -> None:
        """Every choice answers at once with design and mask; the rest streams in, and the next choice ends it.

        It ends by `Turn`, not by Gradio's `cancels`: an event that was cancelled in mid-run did not start again.
        """
        self.asked.change(
            self._explain,
            [self.design, self.scene, self.turn],
            [self.message, self.cost, *(self.views[name] for name in VIEWS), *(self.checks[name] for name in VIEWS)],
            trigger_mode="always_last",
            show_progress="hidden",
            api_visibility="private",
            **SLOW,
        )
        common = {
            "outputs": self._outputs(),
            "trigger_mode": "always_last",
            "show_progress": "hidden",
            "api_visibility": "private",
            "js": MARK_STALE,
            **QUICK,
        }
        for listen, run, inputs in self._events():
            listen(run, inputs, **common).then(None, js=MARK_FRESH, show_progress="hidden")

    def _events(self) -> Iterator[tuple[Any, Callable[..., Updates], list[Any]]]:
        """What a visitor can do, what it calls, and with which inputs."""
        held = [self.design, self.scene, self.turn]
        shown = [self.task, self.example, self.design, self.turn]
        for slot, buttons in self.buttons.items():
            edit = self._editor(lambda design, id, slot=slot: change(design, **{slot: id}), buttons)
            yield buttons.input, edit, [buttons, *held]
        for name, slider in self.numbers.items():
            edit = self._editor(lambda design, value, name=name: design.replace(**{name: int(value)}), slider)
            yield slider.release, edit, [slider, *held]
        yield self.preset.input, self._editor(lambda design, id: presets[id].make(), self.preset), [self.preset, *held]
        yield self.link.submit, self._editor(lambda design, link: Design.from_link(link)), [self.link, *held]
        yield self.example.input, self._show_example, shown
        yield self.upload.upload, self._show_upload, [self.upload, self.task, self.design, self.turn]
        yield self.views["prediction"].select, self._probe, held
        yield self.whole.click, self._ask_class, held
        yield self.app.load, self._open, [self.task, self.example, self.turn]

    def _outputs(self) -> list[Any]:
        pictures = [*self.views.values(), *self.checks.values(), self.about, self.weights]
        choices = [
            self.preset,
            self.preset_line,
            *self.buttons.values(),
            *self.lines.values(),
            *self.numbers.values(),
            self.link,
            self.cost,
        ]
        return [self.design, self.scene, self.asked, self.message, self.example, *pictures, *choices]

    def _editor(self, edit: Edit, control: Any = None) -> Callable[..., Updates]:
        """An event that changes the design; a refusal says why and puts the controls back.

        An answer leaves its own control alone: the visitor may have moved it again in the meantime.
        """

        def run(value: Any, design: Design, scene: Scene | None, turn: Turn) -> Updates:
            try:
                changed = edit(design, value)
            except PlaygroundError as error:
                changed = error.text
            if isinstance(changed, Text):
                return {**self._controls(design), self.message: panels.message(changed, self.language)}
            updates = {**self._controls(changed), **self._predict(changed, scene, turn)}
            updates.pop(control, None)
            return updates

        return run

    def _open(self, task: str, id: str, turn: Turn, request: gr.Request) -> Updates:
        """What the address names; what it names wrongly is reported and left out."""
        query = [(key, value) for key, value in request.query_params.items() if not key.startswith("__")]
        design, ignored = Design.read_link(urlencode(query))
        updates = {**self._controls(design), **self._show_example(task, id, design, turn)}
        if ignored:
            reasons = Text(" ".join(text.en for text in ignored), "".join(text.zh for text in ignored))
            updates[self.message] = panels.message(reasons, self.language)
        return updates

    def _show_example(self, task: str, id: str | None, design: Design, turn: Turn) -> Updates:
        try:
            scene = Scene.of_example(example(task, id or examples()[0].id))
        except PlaygroundError as error:
            return {self.message: panels.message(error.text, self.language)}
        return self._predict(design, scene, turn)

    def _show_upload(self, path: str, task: str, design: Design, turn: Turn) -> Updates:
        try:
            scene = Scene.of_upload(task, path)
        except PlaygroundError as error:
            return {self.message: panels.message(error.text, self.language)}
        return {**self._predict(design, scene, turn), self.example: None}

    def _probe(self, design: Design, scene: Scene, turn: Turn, event: gr.SelectData) -> Updates:
        column, row = event.index
        return self._predict(design, scene.at((int(row), int(column))), turn)

    def _ask_class(self, design: Design, scene: Scene | None, turn: Turn) -> Updates:
        return self._predict(design, scene.at(None), turn) if scene else {}

    def _predict(self, design: Design, scene: Scene | None, turn: Turn) -> Updates:
        """The mask and its numbers; the other views are emptied, because what they show is no longer true."""
        updates: Updates = {self.asked: turn.next()}
        if scene is None:
            return {**updates, self.message: ""}
        updates |= {self.scene: scene, self.about: panels.line(scene.about, self.language)}
        try:
            model = model_for(scene, design)
            view = predict(scene, model) if model else View(None, texts.UNTRAINED)
        except PlaygroundError as error:
            model, view = None, View(None, error.text)
        waiting = texts.WORKING if model else Text("", "")
        for name in VIEWS:
            updates |= {self.views[name]: None, self.checks[name]: panels.line(waiting, self.language)}
        return updates | {
            self.views["prediction"]: view.pixels,
            self.checks["prediction"]: panels.line(view.line, self.language),
            self.weights: panels.weights_label(scene.task, model, self.language),
            self.message: "",
        }

    def _explain(self, design: Design, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        """What takes longer than the mask: the cost, then the other views; ends when the next choice is made."""
        check = turn.watch()
        yield {self.cost: panels.cost_table(design, self.language)}
        model = model_for(scene, design) if scene else None
        if scene is None or model is None:
            return
        try:
            for name, view in explain(scene, model, check):
                check()  # no picture of the choice before under the new one
                yield {self.views[name]: view.pixels, self.checks[name]: panels.line(view.line, self.language)}
        except Superseded:
            return
        except PlaygroundError as error:
            yield {self.message: panels.message(error.text, self.language)}

    def _controls(self, design: Design) -> Updates:
        """Every control as the design has it."""
        updates: Updates = {
            self.design: design,
            self.link: design.to_link(),
            self.preset: preset_of(design),
            self.preset_line: panels.preset_line(design, self.language),
        }
        for slot in SLOT_IDS:
            updates[self.buttons[slot]] = gr.Radio(
                value=panels.slot_value(design, slot), interactive=design.applies(slot)
            )
            updates[self.lines[slot]] = panels.slot_line(design, slot, self.language)
        for name, slider in self.numbers.items():
            updates[slider] = getattr(design, name)
        return updates

    def _say(self, text: Text) -> str:
        return text.within(self.language)
