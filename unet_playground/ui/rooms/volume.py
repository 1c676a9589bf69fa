"""The room Volume: a volume in three planes, what designs make of it, corrected by hand, measured and taken home."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from unet_playground.analysis.watch import Watch, stream
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, Text
from unet_playground.limits import Limits
from unet_playground.model import UNet
from unet_playground.registry import Chinese
from unet_playground.tasks import tasks
from unet_playground.ui import panels
from unet_playground.ui import volume_texts as words
from unet_playground.ui.component import component
from unet_playground.ui.findings import mask_file, numbers, page_of, segmentation, slices, tables
from unet_playground.ui.requests import given
from unet_playground.ui.rooms.base import Room, Updates, rooms
from unet_playground.ui.rooms.export import Download
from unet_playground.ui.scene import Superseded, equal_weights, trained
from unet_playground.ui.study import GONE, LEVELS, Answer, Desk, Study, of_example, of_upload, packed, remarks, windows
from unet_playground.volumes.quality import unusual_volume
from unet_playground.volumes.report import short
from unet_playground.volumes.segmenting import AS_IT_IS, segment_volume, views_of
from unet_playground.weights import WeightStore, stores

if TYPE_CHECKING:
    from unet_playground.ui.bench import Bench
    from unet_playground.ui.layout import Layout
    from unet_playground.ui.page import Page

PAUSE = 0.3
"""Seconds between two words on how far it is."""
READING = {"concurrency_id": "reading", "concurrency_limit": 1}
LANE = {"concurrency_id": "volume", "concurrency_limit": 1}
SETTLED = "(drawing) => { document.dispatchEvent(new CustomEvent('measured', { detail: drawing })); }"
"""Tells the browser which drawing was measured; none, where it was refused or never came."""


@rooms.register("volume", title="Volume", zh=Chinese("体数据", "三个平面中的体数据：分割、手动修正、测量与导出。"))
class VolumeRoom(Room):
    """A volume in three planes: segmented, corrected by hand, measured, exported."""

    def __init__(self, page: "Layout"):
        super().__init__(page)
        self.several = Limits.from_environment().files > 1
        self.desk = gr.State(Desk())
        with gr.Column(elem_classes="volume-room", min_width=0):
            with gr.Row(elem_classes="controls"):
                self.upload = gr.UploadButton(self._say(words.OPEN), file_count=self._count, size="sm", min_width=60)
                self.sample = gr.Button(self._say(words.SAMPLE), size="sm", min_width=60)
                offered = networks(self.language)
                self.network = gr.Radio(
                    offered, value=offered[0][1], label=self._say(words.NETWORK), elem_classes="method", min_width=60
                )
                self.views = gr.Checkbox(False, label=self._say(words.VIEWS), container=False, min_width=60)
                self.start = gr.Button(
                    self._say(words.SEGMENT), variant="primary", size="sm", min_width=60, interactive=False
                )
                stop = {"elem_classes": "halt", "interactive": False}
                self.halt = gr.Button(self._say(words.STOP), size="sm", min_width=60, **stop)
            self.line = gr.HTML(self._told(None), padding=False)
            self.refused = gr.HTML("", padding=False)
            self.number = gr.Dropdown([], label=self._say(words.NUMBER), visible=False, elem_classes="number")
            self.view = component("volume", self._value(None))
            self.table = gr.HTML("", padding=False)
            self.measured = gr.Textbox("", visible=False)
            with gr.Row(elem_classes="files", visible=False) as self.files:
                self.which = gr.Radio(
                    ["A"], value="A", label=self._say(words.WHICH), visible=False, elem_classes="method"
                )
                self.made = {id: Download(f"volume-{id}", self._say(title)) for id, title in words.FILES.items()}
                series = {"file_count": self._count, "visible": self.several}
                self.seg = Download("volume-seg", gr.UploadButton(self._say(words.SEG), size="sm", **series))
            self.saved = gr.HTML("", padding=False)

    def connect(self, page: "Page") -> None:
        """What takes long has lanes of its own, so that nobody's pictures wait for it."""
        lane, quick = {**page.slow, **LANE}, {**page.slow, "concurrency_id": "quick"}
        reading = {**page.slow, **READING}
        shown = [self.line, self.refused, self.number, self.view, self.table, self.files, self.which, self.saved]
        shown += [self.start, self.halt]
        self.upload.upload(self._upload, [self.desk, self.upload], shown, **lane)
        self.sample.click(self._sample, self.desk, shown, **lane)
        self.number.input(self._choose, [self.desk, self.number], shown, **lane)
        self.start.click(self._segment, [self.desk, page.bench, self.network, self.views], shown, **reading)
        self.halt.click(self._stop, self.desk, self.halt, **quick)
        # Every correction is heard: of two in a row Gradio would ask again with what the first one sent.
        told = [*shown, self.measured]
        corrected = self.view.input(self._correct, self.desk, told, **{**lane, "trigger_mode": "multiple"})
        corrected.success(None, self.measured, None, js=SETTLED, show_progress="hidden")
        corrected.failure(None, None, None, js=SETTLED, show_progress="hidden")
        self.view.tick(self._hold, self.desk, None, **quick)
        report = partial(page_of, language=self.language)
        makers = {"nifti": mask_file, "pngs": slices, "csv": numbers, "report": report}
        for id, download in self.made.items():
            download.connect(makers[id], [self.desk, self.which], self.saved, self.language, lane)
        self.seg.connect(segmentation, [self.desk, self.which, self.seg.button], self.saved, self.language, lane)

    def _sample(self, desk: Desk) -> Iterator[Updates]:
        yield from self._opening(desk, "example", of_example)

    def _upload(self, desk: Desk, paths: list[str] | str) -> Iterator[Updates]:
        yield from self._opening(desk, "file", partial(of_upload, [paths] if isinstance(paths, str) else paths))

    def _choose(self, desk: Desk, number: int) -> Iterator[Updates]:
        """Another volume of the same file."""
        yield from self._opening(desk, f"volume {number}", lambda: desk.open.other(number))

    def _opening(self, desk: Desk, by: str, make: Callable[[], Study]) -> Iterator[Updates]:
        """Another volume; what is wrong with it is said, and the old one stays."""
        if not desk.may_replace(by):
            yield {self.number: gr.Dropdown(value=desk.open.volume.number), **self._refusal(words.REPLACES)}
            return
        yield {self.line: panels.line(words.READING, self.language), self.refused: ""}
        try:
            study = make()
            desk.take(study)
            yield self._laid(study)
        except PlaygroundError as error:
            yield {self.line: self._told(desk.study), **self._refusal(error.text)}

    def _segment(self, desk: Desk, bench: "Bench", network: str, views: bool) -> Iterator[Updates]:
        """The designs of the bench read the volume; what a hand has corrected goes only at the second asking."""
        if not desk.may_replace("masks"):
            yield self._refusal(words.REPLACES)
            return
        desk.stopped, study = False, desk.study
        yield {self.refused: ""}
        try:
            study, task = desk.open, network.split()[0]
            answers = yield from self._read(desk, study, bench, network, views)
            yield {self.line: panels.line(words.MEASURING, self.language)}
            read = study.read_by(task, answers)
            if desk.lay(read, before=study):
                yield self._laid(read)
            else:
                yield from self._left(desk, read, {self.line: self._told(desk.study), **self._refusal(words.KEPT)})
        except Superseded:
            yield from self._left(desk, study, {self.line: panels.line(words.STOPPED, self.language)})
        except PlaygroundError as error:
            yield {self.line: self._told(desk.study), **self._refusal(error.text), **self._buttons(desk.study)}

    def _read(
        self, desk: Desk, study: Study, bench: "Bench", network: str, views: bool
    ) -> Generator[Updates, None, dict[str, Answer]]:
        """What every design says of the volume; on the way, how far it is."""
        task, dims = network.split()
        designs, answers = [replace(design, dims=int(dims)) for design in bench.designs], {}
        weights = equal_weights(task, designs)
        for name, design in zip("AB", designs, strict=False):
            model = trained(task, design, weights)
            if model is None:
                untrained = panels.untrained(task)
                raise PlaygroundError(untrained.en, untrained.zh)
            for final, told in stream(partial(_answer, study, model, views), partial(_go_on, desk)):
                if final:
                    answers[name] = told
                else:
                    yield self._busy(name, *told)
        return answers

    def _busy(self, name: str, done: int, slices: int) -> Updates:
        said = words.PROGRESS.format(name=name, done=done, slices=slices)
        bar = f'<progress max="{slices}" value="{done}" aria-label="{escape(said.within(self.language))}"></progress>'
        told = panels.line(said, self.language) + bar
        return {self.line: told, self.start: gr.Button(interactive=False), self.halt: gr.Button(interactive=True)}

    def _stop(self, desk: Desk) -> Updates:
        desk.stopped = True
        return {self.halt: gr.Button(interactive=False)}

    def _correct(self, desk: Desk, event: gr.EventData) -> Iterator[Updates]:
        """The browser hands back a mask that a hand has corrected: it is measured, or it is said why not."""
        sent, told = given(event), {}
        try:
            name, mask = sent.get("design"), sent.get("mask")
            study = desk.of_run(sent.get("volume"), sent.get("run"))
            if study and isinstance(name, str) and name in study.readings and isinstance(mask, str):
                late, changed = study is not desk.study, study.corrected(name, mask)
                if desk.lay(changed) and late:
                    told = {**self._laid(changed), **self._refusal(words.KEPT)}
                elif desk.study is changed:
                    told = {self.table: tables(changed, self.language), self.refused: ""}
            yield {**told, self.measured: str(sent.get("drawing")) if told else ""}
        except PlaygroundError as error:
            yield {**self._refusal(error.text), self.measured: ""}

    def _hold(self, desk: Desk) -> None:
        """Somebody draws and asks for nothing meanwhile: the volume stays."""
        desk.go_on()

    def _laid(self, study: Study) -> Updates:
        """A volume with what there is of it."""
        names = [*study.readings]
        return {
            self.line: self._told(study),
            self.refused: "",
            self.saved: "",
            self.number: gr.Dropdown(
                [(f"{one + 1} / {study.volume.volumes}", one) for one in range(study.volume.volumes)],
                value=study.volume.number,
                visible=study.volume.volumes > 1,
            ),
            self.view: self._value(study),
            self.table: tables(study, self.language),
            self.files: gr.Row(visible=bool(names)),
            self.which: gr.Radio(names or ["A"], value="A", visible=len(names) > 1),
            **self._buttons(study),
        }

    def _buttons(self, study: Study | None) -> Updates:
        return {self.start: gr.Button(interactive=study is not None), self.halt: gr.Button(interactive=False)}

    def _left(self, desk: Desk, study: Study | None, said: Updates) -> Iterator[Updates]:
        """The end of a reading that changed nothing; of another volume that was opened meanwhile is spoken already."""
        if desk.study is None:  # others needed the place
            yield {self.line: self._told(None), **self._refusal(GONE), **self._buttons(None)}
        elif study and desk.study.id == study.id:
            yield {**said, **self._buttons(desk.study)}

    def _refusal(self, text: Text) -> Updates:
        return {self.refused: panels.message(text, self.language)}

    @property
    def _count(self) -> Literal["single", "multiple"]:
        return "multiple" if self.several else "single"

    def _told(self, study: Study | None) -> str:
        """The volume's size, and what is to be known of it and of its masks; without one, what to do."""
        if study is None:
            return panels.line(words.IDLE if self.several else words.IDLE_PUBLIC, self.language)
        volume, answers = study.volume, [one.answer for one in study.readings.values()]
        notes = [note for one in answers for note in one.found.notes]
        text = words.SIZE if volume.spaced else words.UNSIZED
        shape, spacing = (" × ".join(map(short, row)) for row in (volume.values.shape, volume.spacing))
        said = " ".join(dict.fromkeys(note.within(self.language) for note in notes))
        told = panels.about(text.format(shape=shape, spacing=spacing, notes=said), study.source, self.language)
        return told + "".join(panels.message(text, self.language) for text in {one.warning for one in answers})

    def _value(self, study: Study | None) -> dict[str, Any]:
        """What the browser draws."""
        said = {name: text.within(self.language) for name, text in words.WORDS.items()}
        if study is None:
            return {"words": said, "volume": None, "masks": {}, "doubts": {}, "labels": [], "run": ""}
        return {
            "words": said,
            "volume": {
                "id": study.id,
                "url": f"gradio_api/file={study.picture}",
                "units": study.volume.units,
                "spaced": study.volume.spaced,
                "oriented": study.volume.oriented,
                "editable": study.editable,
                "presets": windows(study.volume, self.language),
                "notes": " ".join(remarks(study.volume, self.language)),
            },
            "doubts": {name: packed(one.doubt, study.volume) for name, one in study.readings.items()},
            "masks": {name: packed(one.mask, study.volume) for name, one in study.readings.items()},
            "labels": [{"title": one.title.within(self.language), "color": one.color} for one in study.labels[1:]],
            "levels": LEVELS,
            "run": study.run,
        }


def networks(language: str) -> list[tuple[str, str]]:
    """What can read volumes: title and value, a task and how many dimensions its networks have."""
    listed = [(entry, dims) for entry in tasks.entries() if entry.make.scan for dims in entry.make.dims]
    known = [one for one in listed if one[1] == 2 or any(map(partial(_serves, one[1]), stores(one[0].id)))]
    kinds = {2: "", 3: words.WORDS["render"].within(language)}
    return [(f"{entry.title.within(language)} {kinds[dims]}".strip(), f"{entry.id} {dims}") for entry, dims in known]


def _serves(dims: int, store: WeightStore) -> bool:
    return store.card.serves(Design(dims=dims))


def _answer(study: Study, model: UNet, views: bool, watch: Watch) -> Answer:
    """What a model says of a volume and, where that is wanted, of other views of it; tells how far it is."""
    shows = (AS_IT_IS, *views_of(model)) if views else (AS_IT_IS,)
    said = 0.0

    def progress(number: int, done: int, slices: int) -> None:
        nonlocal said
        watch.between()
        if time.monotonic() > said + PAUSE:
            watch.show((number * slices + done, len(shows) * slices))
            said = time.monotonic()

    found, *others = (
        segment_volume(study.volume, model, view=view, progress=partial(progress, number))
        for number, view in enumerate(shows)
    )
    return Answer(model, found, tuple(others), unusual_volume(study.volume, found, model))


def _go_on(desk: Desk) -> None:
    if not desk.go_on():
        raise Superseded
