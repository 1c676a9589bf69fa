"""The page in one language: which event calls what."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.examples import example
from unet_playground.presets import preset_of, presets
from unet_playground.space import change
from unet_playground.ui import panels, texts
from unet_playground.ui.address import WRITE, Address, first_example
from unet_playground.ui.layout import VIEWS, Layout
from unet_playground.ui.scene import Scene, Superseded, Turn, View, explain, model_for, predict

Updates = dict[Any, Any]
Edit = Callable[[Design, Any], Design | Text]
Question = dict[str, Any]

QUICK = {"concurrency_id": "quick", "concurrency_limit": 1}
SLOW = {"concurrency_id": "slow", "concurrency_limit": 1}
MARK_STALE = "(...inputs) => { document.body.classList.add('stale'); return inputs; }"
"""Fades the pictures the moment a choice is made: what they show is no longer true."""
MARK_FRESH = f"(...inputs) => {{ document.body.classList.remove('stale'); ({WRITE})(...inputs); }}"
"""Undoes that and puts what is shown into the address."""


class Page(Layout):
    """One visitor's page; all of its events are methods that return what changes.

    Args:
        app: The app that the page belongs to.
        language: "en" or "zh".
        other: Address of the page in the other language.
    """

    def __init__(self, app: gr.Blocks, language: str, other: str):
        super().__init__(language, other)
        self.app = app
        self._connect()

    def _connect(self) -> None:
        """Every choice answers at once with design and mask; the rest streams in, and the next choice ends it.

        It ends by `Turn`, not by Gradio's `cancels`: an event that was cancelled in mid-run did not start again.
        """
        self.asked.change(
            self._explain,
            [self.task, self.design, self.scene, self.turn],
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
            shown = [self.task, self.example, self.weights, self.link]
            listen(run, inputs, **common).then(None, shown, js=MARK_FRESH, show_progress="hidden")

    def _events(self) -> Iterator[tuple[Any, Callable[..., Updates], list[Any]]]:
        """What a visitor can do, what it calls, and with which inputs."""
        held = [self.design, self.scene, self.turn]
        for slot, buttons in self.buttons.items():
            edit = self._editor(lambda design, id, slot=slot: change(design, **{slot: id}), buttons)
            yield buttons.input, edit, [buttons, *held]
        for name, slider in self.numbers.items():
            edit = self._editor(lambda design, value, name=name: design.replace(**{name: int(value)}), slider)
            yield slider.release, edit, [slider, *held]
        yield self.preset.input, self._editor(lambda design, id: presets[id].make(), self.preset), [self.preset, *held]
        yield self.link.submit, self._editor(lambda design, link: Design.from_link(link)), [self.link, *held]
        yield self.task.input, self._choose_task, [self.task, *held]
        yield self.example.input, self._show_example, [self.task, self.example, *held]
        yield self.upload.upload, self._show_upload, [self.task, self.upload, *held]
        yield self.views["prediction"].select, self._probe, held
        yield self.whole.click, self._ask_class, held
        yield self.label.input, self._asker("label", self.label), [self.label, *held]
        yield self.weights.input, self._asker("weights", self.weights), [self.weights, *held]
        for name, asked in (("attribution", "method"), ("instrument", "instrument")):
            chooser = self.choosers[name]
            yield chooser.input, self._asker(asked, chooser), [chooser, *held]
        yield self.app.load, self._open, [self.turn]

    def _outputs(self) -> list[Any]:
        pictures = [*self.views.values(), *self.checks.values(), self.about, self.legend, self.origin]
        looked_at = [self.task, self.example, self.label, self.weights, *self.choosers.values()]
        choices = [
            self.preset,
            self.preset_line,
            *self.buttons.values(),
            *self.lines.values(),
            *self.numbers.values(),
            self.link,
            self.cost,
        ]
        return [self.design, self.scene, self.asked, self.message, *looked_at, *pictures, *choices]

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

    def _asker(self, name: str, control: Any) -> Callable[..., Updates]:
        """An event that asks the same image something else; its control is left alone, as by `_editor`."""

        def run(value: Any, design: Design, scene: Scene | None, turn: Turn) -> Updates:
            updates = self._predict(design, scene.asking(**{name: value}) if scene else None, turn)
            updates.pop(control, None)
            return updates

        return run

    def _open(self, turn: Turn, request: gr.Request) -> Updates:
        """What the address names; what it names wrongly is reported and left out."""
        address = Address.read(request.query_params)
        asked = {"weights": address.weights}
        updates = {
            **self._controls(address.design),
            self.task: address.task,
            **self._show_task(address.task, address.example, asked, address.design, turn),
        }
        if address.ignored:
            reasons = Text(" ".join(text.en for text in address.ignored), "".join(text.zh for text in address.ignored))
            updates[self.message] = panels.message(reasons, self.language)
        return updates

    def _choose_task(self, task: str, design: Design, scene: Scene | None, turn: Turn) -> Updates:
        return self._show_task(task, first_example(task), {**_question(scene), "label": 1}, design, turn)

    def _show_task(self, task: str, id: str | None, asked: Question, design: Design, turn: Turn) -> Updates:
        """One of a task's examples; nothing where it has none."""
        shown = self._begin(_shipped(task, id), asked, design, turn) if id else self._clear(task, turn)
        return {
            **shown,
            self.example: gr.Radio(**self._examples(task, id)),
            self.label: gr.Radio(**self._classes(task)),
        }

    def _show_example(self, task: str, id: str, design: Design, scene: Scene | None, turn: Turn) -> Updates:
        return self._begin(_shipped(task, id), _question(scene), design, turn)

    def _show_upload(self, task: str, path: str, design: Design, scene: Scene | None, turn: Turn) -> Updates:
        updates = self._begin(lambda: Scene.of_upload(task, path), _question(scene), design, turn)
        return {**updates, self.example: None} if self.scene in updates else updates

    def _begin(self, make: Callable[[], Scene], asked: Question, design: Design, turn: Turn) -> Updates:
        """Look at another image with the same question; what is wrong with it is said, and the old one stays."""
        try:
            scene = make().asking(**asked)
        except PlaygroundError as error:
            return {self.message: panels.message(error.text, self.language)}
        return self._predict(design, scene, turn)

    def _probe(self, design: Design, scene: Scene, turn: Turn, event: gr.SelectData) -> Updates:
        column, row = event.index
        return self._predict(design, scene.asking(point=(int(row), int(column))), turn)

    def _ask_class(self, design: Design, scene: Scene | None, turn: Turn) -> Updates:
        return self._predict(design, scene.asking(point=None), turn) if scene else {}

    def _clear(self, task: str, turn: Turn) -> Updates:
        """No image."""
        empty = dict.fromkeys(self.views.values()) | dict.fromkeys(
            [*self.checks.values(), self.origin, self.message], ""
        )
        said = {
            self.about: panels.line(texts.EMPTY, self.language),
            self.legend: panels.legend(task, None, self.language),
        }
        return {self.asked: turn.next(), self.scene: None, **empty, **said}

    def _predict(self, design: Design, scene: Scene | None, turn: Turn) -> Updates:
        """The mask and its numbers; the other views are emptied, because what they show is no longer true."""
        updates: Updates = {self.asked: turn.next(), self.link: design.to_link(), self.message: ""}
        if scene is None:
            return updates
        try:
            model = model_for(scene, design)
            view = predict(scene, model) if model else View(None, panels.untrained(scene.task))
        except PlaygroundError as error:
            model, view = None, View(None, error.text)
        for name in VIEWS:
            waiting = texts.NO_INSTRUMENT if name == "instrument" and not scene.instrument else texts.WORKING
            line = panels.line(waiting, self.language) if model else ""
            updates |= {self.views[name]: None, self.checks[name]: line}
        return updates | {
            self.scene: scene,
            self.about: panels.about(scene.about, scene.source, self.language),
            self.legend: panels.legend(scene.task, scene.picture, self.language),
            self.label: scene.label,
            self.weights: scene.weights,
            self.choosers["attribution"]: scene.method,
            self.choosers["instrument"]: scene.instrument,
            self.views["prediction"]: view.pixels,
            self.checks["prediction"]: panels.line(view.line, self.language),
            self.origin: panels.weights_label(scene.task, scene.weights, model, self.language),
        }

    def _explain(self, task: str, design: Design, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        """What takes longer than the mask: the cost, then the other views; ends when the next choice is made."""
        check = turn.watch()
        yield {self.cost: panels.cost_table(design, task, self.language)}
        try:
            model = model_for(scene, design) if scene else None
            if scene is None or model is None:
                return
            for name, view in explain(scene, model, check):
                check()  # no picture of the choice before under the new one
                yield {self.views[name]: view.pixels, self.checks[name]: panels.read_out(view, self.language)}
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


def _question(scene: Scene | None) -> Question:
    """What is asked about the image so far, as far as another image can be asked it."""
    return {name: getattr(scene, name) for name in ("label", "weights", "method", "instrument")} if scene else {}


def _shipped(task: str, id: str) -> Callable[[], Scene]:
    return lambda: Scene.of_example(example(task, id))
