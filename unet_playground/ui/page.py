"""The page in one language: which event calls what."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.examples import example
from unet_playground.inference import prepare, segment
from unet_playground.model import UNet
from unet_playground.tasks import tasks
from unet_playground.ui import fan, marks, panels, texts
from unet_playground.ui.address import Address, first_example
from unet_playground.ui.bench import FIRST_SLOT, Bench
from unet_playground.ui.designer import designer, edit
from unet_playground.ui.drawing import drawing, learned_of
from unet_playground.ui.furnished import Furnished, Updates
from unet_playground.ui.layers import prediction
from unet_playground.ui.lesson import Progress, clicked, follow, lesson_value, wanted
from unet_playground.ui.requests import given, question_of
from unet_playground.ui.scene import (
    AUTO,
    Scene,
    Superseded,
    Turn,
    explain,
    facts_of,
    glimpse,
    model_for,
    on_equal_terms,
    too_large,
)
from unet_playground.ui.thumbnails import thumbnails
from unet_playground.ui.viewer import pane, shown, toolbar

Question = dict[str, Any]

UNKNOWN = (256, 256)
"""Sides in pixels for which a design is drawn where there is no image."""
QUICK = {"concurrency_id": "quick", "concurrency_limit": 1}


class Page(Furnished):
    """One visitor's page; all of its events are methods that return what changes.

    Args:
        app: The app that the page belongs to.
        language: "en" or "zh".
        other: Address of the page in the other language.
    """

    def __init__(self, app: gr.Blocks, language: str, other: str):
        super().__init__(language, other)
        self.app = app
        self.named = [self.task, self.example, self.weights, self.bench_link, self.lesson_key]
        self._connect()

    def listen(self, event: Any, run: Callable[..., Iterator[Updates]], *inputs: Any) -> None:
        """Let an event change the design, the image or the question.

        Every choice is heard with what it sent. If Gradio kept the last one back until the one before is answered, it
        would repeat the first event's data for it, or ask with the value that this answer has put back meanwhile.

        Args:
            event: Of a component.
            run: Is given the values of `inputs`, then bench, scene and turn, and what `shown` yields is its answer.
            inputs: Components.
        """
        quick = {**self.slow, **QUICK, "js": marks.STALE, "trigger_mode": "multiple"}
        heard = event(run, [*inputs, *self.held], self._outputs(), **quick)
        heard.then(None, self.named, js=marks.FRESH, show_progress="hidden")
        chosen = [self.task, self.example, self.weights]
        heard.failure(None, chosen, chosen, js=marks.BACK, show_progress="hidden")

    def _connect(self) -> None:
        """Every choice answers at once; the rest streams in until its `Turn` is over (what Gradio cancels is dead)."""
        drawn = [self.message, self.diagram, self.fan, self.cost, *self.views.values(), self.outdated]
        told = {**self.slow, "trigger_mode": "multiple"}
        self.asked.change(self._explain, [self.asked, *self.held, self.room], drawn, **told)
        self.furnish()
        for room in self.rooms.values():
            room.connect(self)
        for part in (self.designer, self.fan):
            self.listen(part.input, self._choose)
        for part in (self.tools, *self.views.values()):
            self.listen(part.input, self._ask, self.progress, self.task, self.example)
        self.listen(self.lesson.input, self._learn, self.progress)
        self.listen(self.link.submit, self._follow, self.link)
        self.listen(self.task.input, self._choose_task, self.task)
        self.listen(self.example.input, self._show_example, self.task, self.example)
        self.listen(self.upload.upload, self._show_upload, self.task, self.upload)
        self.listen(self.truth.upload, self._judge, self.truth)
        self.listen(self.weights.input, self._choose_weights, self.weights)
        quick = {**self.slow, **QUICK, "js": marks.opening(self.language)}
        opened = self.app.load(self._open, [self.turn], self._outputs(), **quick)
        opened.then(None, self.named, js=marks.FRESH, show_progress="hidden")

    def _outputs(self) -> list[Any]:
        drawn = [self.designer, self.diagram, self.fan, self.tools, *self.views.values(), self.cost]
        looked_at = [self.task, self.example, self.weights, self.link, self.bench_link, self.preset_line]
        taught = [self.progress, self.lesson, self.lesson_key, self.room, self.nav]
        return [self.bench, self.scene, self.asked, self.message, self.about, *drawn, *looked_at, *taught]

    def _choose(self, bench: Bench, scene: Scene | None, turn: Turn, event: gr.EventData) -> Iterator[Updates]:
        """A choice in the designer or the fan; a refusal says why and puts the controls back."""
        sent = given(event)
        if "compare" in sent:
            yield from self.shown(bench.compared(sent["compare"] is True), scene, turn, scene)
        elif "edit" in sent:
            yield from self.shown(bench.turned_to(str(sent["edit"])), scene, turn, scene)
        elif "bench" in sent:
            yield from self._edited(lambda: bench.brought_back(sent["bench"]), bench, scene, turn)
        else:
            yield from self._edited(lambda: edit(bench.edited, sent), bench, scene, turn)

    def _follow(self, link: str, bench: Bench, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        yield from self._edited(lambda: Design.from_link(link), bench, scene, turn)

    def _edited(
        self, make: Callable[[], Design | Bench | Text], bench: Bench, scene: Scene | None, turn: Turn
    ) -> Iterator[Updates]:
        try:
            changed = make()
            after = bench.holding(changed) if isinstance(changed, Design) else changed
            for design in after.designs if isinstance(after, Bench) else ():
                tasks[scene.task if scene else next(iter(tasks))].make.check_dims(design, picture=True)
        except PlaygroundError as error:
            after = error.text
        if isinstance(after, Text):
            yield {**self._controls(bench), self.message: panels.message(after, self.language)}
            return
        yield from self.shown(after, scene, turn, scene)

    def _ask(
        self,
        progress: Progress,
        task: str,
        example: str | None,
        bench: Bench,
        scene: Scene | None,
        turn: Turn,
        event: gr.EventData,
    ) -> Iterator[Updates]:
        """The same image is asked something else: a pixel, a class, another method. A click may answer a lesson."""
        question = question_of(given(event), scene)
        if scene is None:
            yield {**self._clear(task, turn), self.message: panels.message(texts.NO_IMAGE, self.language)}
        if scene is None or question is None:
            return
        yield from self.shown(bench, scene.asking(**question), turn)
        state = wanted(progress)
        if question.get("point") and state and progress.awaits_click:
            if (task, example, bench.a, bench.b) == tuple(state[one] for one in ("task", "example", "a", "b")):
                yield self._taught(clicked(progress, question["point"]))
            else:
                yield {self.message: panels.message(texts.ELSEWHERE, self.language)}

    def _learn(
        self, progress: Progress, bench: Bench, scene: Scene | None, turn: Turn, event: gr.EventData
    ) -> Iterator[Updates]:
        """The lesson moves on; a step sets the page up, an answer is marked."""
        moved = follow(progress, given(event))
        if isinstance(moved, Text):
            yield {self.message: panels.message(moved, self.language)}
            return
        state = wanted(moved)
        if state and (moved.lesson, moved.step) != (progress.lesson, progress.step):
            yield from self._staged(moved, state, _kept(scene), turn)
        yield self._taught(moved)

    def _staged(self, progress: Progress, state: Question, asked: Question, turn: Turn) -> Iterator[Updates]:
        """The page as a step of a lesson wants it."""
        bench = Bench(state["a"], state["b"], "B" if state["b"] else "A", state["slot"] or FIRST_SLOT)
        # Steps are marked with the weights that are shown unless others are asked for.
        question = {**asked, "weights": AUTO, "point": state["point"], "label": 1}
        room = {self.room: state["room"], self.nav: self._menu(state["room"]), self.weights: AUTO}
        opening = self._show_task(state["task"], state["example"], question, bench, turn)
        yield from _saying({self.task: state["task"], self.progress: progress, **room}, opening)

    def _taught(self, progress: Progress) -> Updates:
        """The strip, and what the address says of it."""
        told = lesson_value(progress, self.language)
        return {self.progress: progress, self.lesson: told, self.lesson_key: progress.key}

    def _choose_weights(self, kind: str, bench: Bench, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        yield from self.shown(bench, scene.asking(weights=kind) if scene else None, turn)

    def _open(self, turn: Turn, request: gr.Request) -> Iterator[Updates]:
        """What the address names; what it names wrongly is reported and left out."""
        address = Address.read(request.query_params)
        asked = {"weights": address.weights}
        said: Updates = {}
        if address.ignored:
            reasons = Text(" ".join(text.en for text in address.ignored), "".join(text.zh for text in address.ignored))
            said[self.message] = panels.message(reasons, self.language)
        if state := wanted(address.progress):
            opening = self._staged(address.progress, state, asked, turn)
        else:
            opening = self._show_task(address.task, address.example, asked, address.bench, turn)
            said |= {self.task: address.task, self.weights: address.weights, self.room: address.room}
            if address.room:  # else one that the visitor has opened meanwhile would close
                said[self.nav] = self._menu(address.room)
        yield from _saying(said, opening)
        yield self._taught(address.progress)

    def _choose_task(self, task: str, bench: Bench, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        yield from self._show_task(task, first_example(task), {**_kept(scene), "label": 1}, bench, turn)

    def _show_task(self, task: str, id: str | None, asked: Question, bench: Bench, turn: Turn) -> Iterator[Updates]:
        """One of a task's examples; nothing where it has none."""
        offered = {self.example: gr.Radio(**self._examples(task, id))}
        if id is None:
            yield {**self._controls(bench), **self._clear(task, turn), **offered}
            return
        yield from _saying(offered, self._begin(_shipped(task, id), asked, bench, turn))

    def _show_example(self, task: str, id: str, bench: Bench, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        yield from self._begin(_shipped(task, id), _kept(scene), bench, turn)

    def _show_upload(self, task: str, path: str, bench: Bench, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        for updates in self._begin(lambda: Scene.of_upload(task, path), _kept(scene), bench, turn):
            yield {**updates, self.example: None} if self.scene in updates else updates

    def _judge(self, path: str, bench: Bench, scene: Scene | None, turn: Turn) -> Iterator[Updates]:
        """A visitor's own mask is the truth of the image that is shown."""
        if scene is None:
            yield {self.message: panels.message(texts.NO_IMAGE, self.language)}
            return
        yield from self._begin(lambda: scene.judged_by(path), {}, bench, turn)

    def _begin(self, make: Callable[[], Scene], asked: Question, bench: Bench, turn: Turn) -> Iterator[Updates]:
        """Look at another image with the same question; what is wrong with it is said, and the old one stays."""
        try:
            scene = make().asking(**asked)
        except PlaygroundError as error:
            yield {self.message: panels.message(error.text, self.language)}
            return
        yield from self.shown(bench, scene, turn)

    def shown(self, bench: Bench, scene: Scene | None, turn: Turn, seen: Scene | None = None) -> Iterator[Updates]:
        """First the design with its cost, then its mask; the other pictures are emptied: they are no longer true.

        The mask of a large image comes with what takes long.

        Args:
            bench: The designs.
            scene: The image, and what is asked about it.
            turn: The visitor's.
            seen: What the page shows already: if it is this scene, nothing but the designs is new.
        """
        language, task = self.language, scene.task if scene else next(iter(tasks))
        first: Updates = {**self._controls(bench), self.message: "", self.scene: scene}
        first[self.cost] = panels.cost_table(bench, task, language)
        if scene is None:  # there was none, or nobody came for so long that it was given up
            first[self.diagram] = drawing(bench.edited, UNKNOWN, task, language, bench.other)
            yield {**first, **self._clear(task, turn), self.message: panels.message(texts.NO_IMAGE, language)}
            return
        number = turn.next()
        first[self.diagram] = drawing(bench.edited, scene.sides, task, language, bench.other)
        if scene is not seen:
            first[self.tools] = toolbar(scene, scene.labels, language)
            first[self.about] = panels.about(scene.told, scene.source, language)
            first[self.about] += panels.message(scene.warning, language)
        yield first
        if too_large(scene):  # nobody else waits for a mask that takes long
            awaited = {view: self._busy(name, scene.method) for name, view in self.views.items()}
            yield {**awaited, self.fan: None, self.asked: number}
            return
        yield self._predicted(bench, scene)
        yield {**self._glimpsed(bench, scene), self.asked: number}

    def _busy(self, name: str, method: str) -> dict[str, Any]:
        """A picture on its way."""
        return pane(name, "busy", self.language, line=texts.WORKING, **self._offered(name, method))

    def _predicted(self, bench: Bench, scene: Scene, between: Callable[[], None] = lambda: None) -> Updates:
        """The masks of the designs; what else is shown of the edited one waits."""
        language = self.language
        try:
            even = on_equal_terms(scene, bench.designs)
            models = [model_for(even, one) for one in bench.designs]
            refusal = panels.untrained(scene.task)
        except PlaygroundError as error:
            models, refusal = [None], error.text
        own = models[-1] if bench.editing == "B" else models[0]
        known = [model for model in models if model is not None]
        first = (
            self._masks(scene, known, between) if len(known) == len(models) else {"state": "refused", "line": refusal}
        )
        state, line = ("busy", texts.WORKING) if "drawn" in first else ("empty", Text("", ""))
        others = {name: self._offered(name, scene.method) for name in self.views if name != "prediction"}
        return {
            self.views["prediction"]: pane("prediction", language=language, **first),
            **{self.views[name]: pane(name, state, language, line=line, **more) for name, more in others.items()},
            self.cost: self._cost(bench, scene, own),
            self.fan: None,
        }

    def _glimpsed(self, bench: Bench, scene: Scene) -> Updates:
        """Attention, which comes with the mask; what is wrong stands in the mask's place already."""
        try:
            model = model_for(on_equal_terms(scene, bench.designs), bench.edited)
        except PlaygroundError:
            return {}
        return (
            {self.views["attention"]: shown("attention", glimpse(scene, model), scene, self.language)} if model else {}
        )

    def _masks(self, scene: Scene, models: list[UNet], between: Callable[[], None]) -> Question:
        """The prediction of one network, or of two."""
        found = [segment(scene.picture, model, between) for model in models]
        lines = [facts_of(scene, one, alone=len(found) == 1) for one in found]
        said = lines[0]
        if len(lines) > 1:
            said = Text(*(f"A: {a} | B: {b}" for a, b in zip(*((one.en, one.zh) for one in lines), strict=True)))
        drawn = prediction(found[0], found[1] if len(found) > 1 else None, scene.truth)
        return {"state": "done", "line": said, "drawn": drawn}

    def _explain(
        self, asked: int, bench: Bench, scene: Scene | None, turn: Turn, room: str | None
    ) -> Iterator[Updates]:
        """What takes longer than a small image's mask; ends when the next choice is made."""
        check = turn.watch(asked)
        try:
            check()
            if room:
                yield {self.outdated: asked}
            if scene and too_large(scene):
                yield self._predicted(bench, scene, check)
            even = on_equal_terms(scene, bench.designs) if scene else None
            model = model_for(even, bench.edited) if even else None
            if scene and model:
                yield from self._explained(bench, scene, model, check)
        except Superseded:
            return
        except PlaygroundError as error:
            yield {self.message: panels.message(error.text, self.language)}

    def _explained(self, bench: Bench, scene: Scene, model: UNet, check: Callable[[], None]) -> Iterator[Updates]:
        """The drawing's pictures and weights, the views as they get ready; the fan before the last strokes."""
        drawn = drawing(bench.edited, scene.sides, scene.task, self.language, bench.other)
        for name, view in explain(scene, model, check):
            check()  # no picture of the choice before under the new one
            if not drawn["pictures"] and name == "flow":
                drawn = {**drawn, "pictures": thumbnails(drawn, model, prepare(scene.picture, model))}
            if weights := learned_of(drawn, view.result):
                drawn = {**drawn, "weights": {**drawn["weights"], **weights}}
                yield {self.diagram: drawn}
            if name in self.views:
                more = self._offered(name, scene.method)
                yield {self.views[name]: shown(name, view, scene, self.language, **more)}
            if name == "attention" and view.final:
                for blades in fan.fan(scene, bench.edited, bench.slot, check):
                    yield {self.fan: fan.value(blades, scene, bench.slot, self.language)}

    def _cost(self, bench: Bench, scene: Scene, model: UNet | None) -> str:
        label = panels.weights_label(scene.task, scene.weights, model, self.language)
        return panels.cost_table(bench, scene.task, self.language, label)

    def _clear(self, task: str, turn: Turn) -> Updates:
        """No image."""
        language = self.language
        empty = {view: pane(name, "empty", language, **self._offered(name)) for name, view in self.views.items()}
        labels = tasks[task].make.labels
        said = {self.about: panels.line(texts.EMPTY, language), self.tools: toolbar(None, labels, language)}
        # Where the example stayed chosen, choosing it once more would be no event.
        gone = {self.scene: None, self.message: "", self.fan: None, self.example: None}
        return {self.asked: turn.next(), **gone, **empty, **said}

    def _controls(self, bench: Bench) -> Updates:
        """Every control as the designs have it."""
        return {
            self.bench: bench,
            self.designer: designer(bench.a, bench.b, bench.editing, self.language),
            self.link: bench.edited.to_link(),
            self.bench_link: bench.to_link(),
            self.preset_line: panels.preset_line(bench.edited, self.language),
        }


def _kept(scene: Scene | None) -> Question:
    """What is asked about the image so far, as far as another image can be asked it."""
    return {name: getattr(scene, name) for name in ("label", "weights", "method")} if scene else {}


def _saying(more: Updates, answers: Iterator[Updates]) -> Iterator[Updates]:
    """Answers of which the first says more.

    Said again later, it could undo what the visitor has pressed since: a task that an old answer put back looks chosen,
    and pressing what looks chosen is no event.
    """
    for one in answers:
        yield {**one, **more}
        more = {}


def _shipped(task: str, id: str) -> Callable[[], Scene]:
    return lambda: Scene.of_example(example(task, id))
