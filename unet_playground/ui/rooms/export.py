"""The room Export: what there is to take home of the present design, and weights that are brought along."""

import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from unet_playground import __version__
from unet_playground.errors import PlaygroundError, Text
from unet_playground.export import design_json, load_own, onnx, standalone
from unet_playground.export.file import model_file
from unet_playground.figures import draw, overlay, to_png
from unet_playground.figures.atlas import to_svg
from unet_playground.images import encode_mask
from unet_playground.images.writer import encode_png
from unet_playground.inference import segment
from unet_playground.model import UNet
from unet_playground.notice import NOTICE
from unet_playground.registry import Chinese
from unet_playground.training.metrics import Truth, dice
from unet_playground.ui import panels, texts
from unet_playground.ui.layers import address
from unet_playground.ui.rooms.base import Room, Updates, rooms
from unet_playground.ui.scene import Scene, Superseded, Turn, explain, model_for, on_equal_terms
from unet_playground.ui.store import read_once

if TYPE_CHECKING:
    from unet_playground.ui.bench import Bench
    from unet_playground.ui.layout import Layout
    from unet_playground.ui.page import Page

File = tuple[str, bytes]
"""Name and content."""

LANE = {"concurrency_id": "export", "concurrency_limit": 1}
UNTRAINED = Text(
    "This design has no trained weights to take home, only its JSON: train it in the room Train, or choose width 16, "
    "depth 4 and default part options.",
    "此设计没有可导出的训练权重，只能导出其 JSON：请在“训练”中训练它，或选择宽度 16、深度 4 和部件的默认选项。",
)
TITLES = {
    "mask": Text("Mask (.png)", "掩膜（.png）"),
    "zip": Text("PyTorch file with weights (.zip)", "PyTorch 文件与权重（.zip）"),
    "onnx": Text("ONNX file (.onnx)", "ONNX 文件（.onnx）"),
    "json": Text("Design (.json)", "设计（.json）"),
    "figures": Text("Figures as PNG and SVG (.zip)", "图像：PNG 与 SVG（.zip）"),
}
HINTS = {
    "mask": Text(
        "Of this image, in its own size. Every pixel is its class number, 0 for background, so it looks almost black.",
        "此图像的掩膜，与图像同样大小。像素值即类别编号，0 为背景，因此看上去几乎全黑。",
    ),
    "zip": Text(
        "One readable file with just the classes of this design; it needs PyTorch and safetensors alone.",
        "一个可读的文件，只含此设计所用的类；仅需 PyTorch 与 safetensors。",
    ),
    "onnx": Text(
        "For any runtime; takes images of any size. Writing it takes up to minutes.",
        "可用于任何运行时，接受任意大小的图像。生成需要数十秒至数分钟。",
    ),
    "json": Text("The choice of parts alone.", "仅部件的选择。"),
    "figures": Text(
        "Mask, prediction, attention, receptive field and attribution of this image, computed anew.",
        "此图像的掩膜、预测、注意力、感受野与归因，将重新计算。",
    ),
}
"""What each file is, by the id of its button."""
USE = Text("Three lines of use", "三行代码即可使用")
OWN = Text("Your own weights (.safetensors)", "你自己的权重（.safetensors）")
OWN_HINT = Text(
    "Weights of this design that you trained, named as in the exported file. They are read once and not kept.",
    "你为此设计训练的权重，张量名与导出文件相同。仅读取一次，不保留。",
)
OWN_MASK = Text("Mask with your own weights.", "使用你的权重得到的掩膜。")
PRESS = "() => setTimeout(() => document.querySelector('#file-{id}:not(.empty)')?.click(), 100)"
"""Has the browser save what was made."""


class Download:
    """A button that makes a file when it is pressed, and has the browser save it.

    Args:
        id: Of the button, once a page.
        title: Its words; or the button itself, for a file that is made of others.
    """

    def __init__(self, id: str, title: str | gr.UploadButton):
        self.id = id
        self.button = gr.Button(title, size="sm") if isinstance(title, str) else title
        self.file = gr.DownloadButton("", elem_id=f"file-{id}", elem_classes="empty")

    def connect(
        self, make: Callable[..., File], inputs: list[Any], line: gr.HTML, language: str, lane: dict[str, Any]
    ) -> None:
        """Make the file of the values of `inputs`; a refusal stands in `line`."""

        def run(*values: Any) -> Iterator[Updates]:
            yield {line: panels.line(texts.WORKING, language)}
            try:
                name, content = make(*values)
                path = save_bytes_to_cache(content, name, get_upload_folder())
                yield {line: "", self.file: gr.DownloadButton(value=path, elem_classes=[])}
            except PlaygroundError as error:
                told = panels.message(error.text, language)
                yield {line: told, self.file: gr.DownloadButton(value=None, elem_classes="empty")}
            except Superseded:
                yield {line: "", self.file: gr.DownloadButton(value=None, elem_classes="empty")}

        event = self.button.upload if isinstance(self.button, gr.UploadButton) else self.button.click
        pressed = event(run, inputs, [self.file, line], **lane)
        pressed.then(None, js=PRESS.format(id=self.id), show_progress="hidden")


@rooms.register("export", title="Export", zh=Chinese("导出", "把当前掩膜与设计带回家，或带来你自己的权重。"))
class ExportRoom(Room):
    """The present mask and design to take home, and weights of your own to bring along."""

    def __init__(self, page: "Layout"):
        super().__init__(page)
        with gr.Column(elem_classes="export-room", min_width=0):
            with gr.Row(elem_classes="files"):
                self.files = {id: self._offered(id) for id in TITLES}
            self.line = gr.HTML("", padding=False)
            self.use = gr.HTML("", padding=False)
            self.upload = gr.UploadButton(self._say(OWN), file_types=[".safetensors"], size="sm")
            gr.HTML(panels.line(OWN_HINT, self.language), padding=False)
            self.own = gr.HTML("", padding=False)

    def _offered(self, id: str) -> Download:
        with gr.Column(min_width=210, elem_classes="file"):
            offered = Download(id, self._say(TITLES[id]))
            gr.HTML(panels.line(HINTS[id], self.language), padding=False)
        return offered

    @property
    def outputs(self) -> list[Any]:
        """What is said of the design; what was brought along for another one goes."""
        return [self.line, self.use, self.own]

    def refresh(
        self, bench: "Bench", scene: Scene | None, check: Callable[[], None], *values: Any
    ) -> Iterator[Updates]:
        """The lines that use the exported file, or why there is none."""
        yield {self.line: "", self.use: "", self.own: ""}
        check()
        try:
            yield {self.use: used(model_of(bench, scene), self.language)}
        except PlaygroundError as error:
            yield {self.line: panels.message(error.text, self.language)}

    def connect(self, page: "Page") -> None:
        """A button a file, and the upload."""
        spoken = partial(figures, language=self.language)
        # ONNX takes up to minutes: nobody's pictures wait for it.
        alone = {**page.slow, **LANE}
        made = {"mask": predicted, "zip": zipped, "onnx": exchanged, "json": chosen, "figures": spoken}
        for id, make in made.items():
            self.files[id].connect(make, page.held, self.line, self.language, alone)
        self.upload.upload(self._bring, [self.upload, page.bench, page.scene], [self.own], **page.slow)

    def _bring(self, path: str, bench: "Bench", scene: Scene | None) -> Iterator[Updates]:
        try:
            yield {self.own: brought(path, bench, scene, self.language)}
        except PlaygroundError as error:
            yield {self.own: panels.message(error.text, self.language)}


def model_of(bench: "Bench", scene: Scene | None) -> UNet:
    """The trained network of the edited design, with the weights that the page shows it with.

    Raises:
        PlaygroundError: There is no image, or the design has no trained weights.
    """
    model = model_for(on_equal_terms(_some(scene), bench.designs), bench.edited)
    if model is None:
        raise PlaygroundError(UNTRAINED.en, UNTRAINED.zh)
    return model


def predicted(bench: "Bench", scene: Scene | None, turn: Turn) -> File:
    """The mask of the edited design."""
    model = model_of(bench, scene)
    return "mask.png", encode_mask(segment(_some(scene).picture, model).mask)


def zipped(bench: "Bench", scene: Scene | None, turn: Turn) -> File:
    """The design as one PyTorch file with its weights."""
    model = model_of(bench, scene)
    return f"unet-{_some(scene).task}.zip", standalone(model)


def exchanged(bench: "Bench", scene: Scene | None, turn: Turn) -> File:
    """The design in ONNX."""
    model = model_of(bench, scene)
    return f"unet-{_some(scene).task}.onnx", onnx(model)


def chosen(bench: "Bench", scene: Scene | None, turn: Turn) -> File:
    """The choice of parts."""
    return "design.json", design_json(bench.edited)


def figures(bench: "Bench", scene: Scene | None, turn: Turn, language: str = "en") -> File:
    """The pictures of the edited design as PNG and SVG, and its mask, in a zip.

    Args:
        bench: The designs.
        scene: The image.
        turn: The visitor's.
        language: Of the words in the pictures.

    Raises:
        PlaygroundError: There is no image, or the design has no trained weights.
        Superseded: The next choice was made meanwhile.
    """
    scene, model = _some(scene), model_of(bench, scene)
    mask = segment(scene.picture, model).mask
    laid = overlay(scene.picture, mask, scene.labels)
    files = {"mask.png": encode_mask(mask), "prediction.png": encode_png(laid), "prediction.svg": _framed(laid)}
    for name, view in explain(scene, model, turn.watch()):
        if view.result is not None and view.final:
            drawn = draw(view.result, scene.picture, language)
            files |= {f"{name}.png": to_png(drawn), f"{name}.svg": to_svg(drawn)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.txt", _about(model, scene))
        for name, content in files.items():
            archive.writestr(name, content)
    return "figures.zip", packed.getvalue()


def _about(model: UNet, scene: Scene) -> str:
    """What the pictures are of, and what they are not for."""
    origin = model.origin
    asked = {"method": scene.method, "class": scene.label, "point": scene.point or "none"}
    lines = [
        f"U-Net Playground {__version__}. {NOTICE.en}.",
        f"design: {model.design.to_link()}",
        *([f"task: {origin.task}; weights: {origin.weights}, sha256 {origin.sha256}"] if origin else []),
        *(f"{name}: {value}" for name, value in asked.items()),
    ]
    return "\n".join(lines) + "\n"


def used(model: UNet, language: str) -> str:
    """The three lines that use the exported PyTorch file."""
    return f"<h3>{USE.within(language)}</h3><pre class='use'>{escape(model_file(model).use)}</pre>"


def brought(path: str, bench: "Bench", scene: Scene | None, language: str) -> str:
    """The mask that a visitor's own weights make of the image; their file is read once and removed.

    Raises:
        PlaygroundError: There is no image, or the weights are not of the edited design.
    """
    with read_once(path):
        scene = _some(scene)
        model = load_own(path, bench.edited, scene.task)
    return masked(scene, model, OWN_MASK, language)


def masked(scene: Scene, model: UNet, told: Text, language: str) -> str:
    """A picture of the mask that a network makes of the image, and a line under it, with its Dice where known.

    Args:
        scene: The image.
        model: For the image's task.
        told: What it is.
        language: Of the words.
    """
    mask = segment(scene.picture, model).mask
    said = escape(told.within(language))
    if scene.truth is not None:
        score = dice(mask, Truth(scene.truth), len(scene.labels))
        said += f" {texts.DICE.within(language).format(dice=score)}"
    line = f'<figcaption class="line">{said}</figcaption>'
    picture = address(overlay(scene.picture, mask, scene.labels))
    return f'<figure class="masked"><img src="{picture}" alt="{said}">{line}</figure>'


def _some(scene: Scene | None) -> Scene:
    if scene is None:
        raise PlaygroundError(texts.NO_IMAGE.en, texts.NO_IMAGE.zh)
    return scene


def _framed(pixels: Any) -> bytes:
    """RGB pixels (h, w, 3) as SVG, every one of them a square of side 1."""
    height, width = pixels.shape[:2]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f'<image href="{address(pixels)}" width="{width}" height="{height}" style="image-rendering: pixelated"/></svg>'
    ).encode()
