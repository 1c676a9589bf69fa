"""What scripts can ask the running app: `/options`, `/cost`, `/segment`, `/explain`. They need no session."""

import io
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import numpy as np
from gradio.events import api
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from unet_playground.analysis import Target, analyses
from unet_playground.analysis.base import Result, check_size, look
from unet_playground.cost import cost as count
from unet_playground.cost import times_classic
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.figures import draw, to_png
from unet_playground.images import Picture, encode_mask, read_image
from unet_playground.inference import Segmentation, prepare, remarks
from unet_playground.inference import segment as run_model
from unet_playground.lane import lane
from unet_playground.model import Origin, UNet
from unet_playground.registry import catalogues
from unet_playground.tasks import tasks
from unet_playground.ui.ending import Attended
from unet_playground.ui.scene import models
from unet_playground.ui.store import read_once
from unet_playground.ui.zero import device_here, on_gpu
from unet_playground.volumes.quality import unusual

METHOD = "integrated-gradients"
"""The analysis that is made where none is named."""
P = ParamSpec("P")
R = TypeVar("R")


def add_endpoints(lane: dict[str, Any]) -> None:
    """Add the endpoints to the app that is being built.

    Args:
        lane: How many run at once, and with what else, as events take it.
    """
    with gr.Column(visible=False):
        file, answer = gr.File(label="image"), gr.File(label="answer")
        task = gr.Textbox("nuclei", label="task")
        design, weights = gr.Textbox("", label="design"), gr.Textbox("auto", label="weights")
        method, label = gr.Textbox(METHOD, label="method"), gr.Number(1, label="label", precision=0)
        point, whole = gr.JSON(None, label="point"), gr.Checkbox(False, label="whole")
        numbers, facts = gr.File(label="arrays"), gr.JSON(label="facts")
        model = [file, task, design, weights]
        for run, inputs, outputs in (
            (_told(segment), model, [answer, facts]),
            (_told(explain), [*model, method, label, point, whole], [answer, numbers, facts]),
        ):
            button = gr.Button(run.__name__)
            button.click(run, inputs, outputs, api_name=run.__name__, **lane)
    api(_told(options), api_name="options")
    api(_told(cost), api_name="cost")


def options() -> dict[str, list[dict[str, str]]]:
    """Every slot, task, analysis and preset: id, title and summary of each choice."""
    return {
        id: [{"id": one.id, "title": one.title.en, "summary": one.summary.en} for one in catalogue.entries()]
        for id, catalogue in catalogues.items()
    }


def cost(design: str = "", size: int = 256) -> dict[str, Any]:
    """Parameters, multiply-adds and bytes of a design link for one image of size x size, 1 to 4096 pixels."""
    if not isinstance(size, int) or not 1 <= size <= 4096:
        raise PlaygroundError(
            f"size {size} is not possible; a side has 1 to 4096 pixels.", f"size {size} 无效；边长为 1 到 4096 像素。"
        )
    if not isinstance(design, str | None):
        raise PlaygroundError(
            'design is a link like "skip=dense", or empty for the classic.',
            "design 为设计链接，例如 “skip=dense”；留空则为经典设计。",
        )
    read = Design.from_link(design or "")
    counted = count(read, size)
    sums = {name: getattr(counted, name) for name in ("parameters", "macs", "activation_bytes", "training_bytes")}
    stages = [asdict(stage) for stage in counted.stages]
    return {"design": read.to_link(), "size": size, "times_classic": times_classic(read), **sums, "stages": stages}


def segment(file: str | None, task: str, design: str | None, weights: str) -> tuple[str, dict[str, Any]]:
    """The mask of an image as a PNG of class numbers, of the image's own height and width, and facts on it."""
    picture = _picture(file)
    result, facts = _masked(picture, tasks[task].id, Design.from_link(design or ""), weights)
    labels = tasks[task].make.labels
    facts["classes"] = [one.title.en for one in labels]
    facts["pixels"] = {one.title.en: int((result.mask == number).sum()) for number, one in enumerate(labels)}
    warning = unusual(picture, tasks[task].id)
    facts["notes"] = [note.en for note in (*picture.notes, *result.notes, *filter(None, [warning]))]
    return _cached(encode_mask(result.mask), "mask.png"), facts


def explain(
    file: str | None,
    task: str,
    design: str | None,
    weights: str,
    method: str | None,
    label: int | None,
    point: Any,
    whole: bool,
) -> tuple[str, str, dict[str, Any]]:
    """One analysis of an image: its picture, its arrays (.npz) and its main numbers with their check."""
    choice, target = analyses.parse(method or METHOD), Target(1 if label is None else int(label), _point(point), whole)
    picture = _picture(file)
    check_size(picture)
    result, facts = _looked(picture, tasks[task].id, Design.from_link(design or ""), weights, str(choice), target)
    arrays = io.BytesIO()
    np.savez(arrays, **result.arrays())  # type: ignore[arg-type]
    notes = (*picture.notes, *filter(None, [unusual(picture, tasks[task].id)]))
    facts["notes"] = [*(note.en for note in notes), *facts["notes"]]
    facts |= {"method": str(choice), "facts": result.facts.en, "check": result.check.en}
    return (
        _cached(to_png(draw(result, picture)), f"{choice.id}.png"),
        _cached(arrays.getvalue(), f"{choice.id}.npz"),
        facts,
    )


@on_gpu
def _masked(picture: Picture, task: str, design: Design, weights: str) -> tuple[Segmentation, dict[str, Any]]:
    model = models().get(task, design, weights).to(device_here())
    return run_model(picture, model, Attended().between), _facts(model)


@on_gpu
def _looked(
    picture: Picture, task: str, design: Design, weights: str, method: str, target: Target
) -> tuple[Result, dict[str, Any]]:
    choice, model = analyses.parse(method), models().get(task, design, weights).to(device_here())
    image, options = prepare(picture, model), dict(choice.options)
    with lane.turn():
        result = look(analyses[choice.id], model, image, target, options, watch=Attended())
    return result, {**_facts(model), "notes": [note.en for note in remarks(picture, model)]}


def _told(run: Callable[P, R]) -> Callable[P, R]:
    """The same endpoint, whose refusals reach the caller as one sentence."""

    @wraps(run)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return run(*args, **kwargs)
        except PlaygroundError as error:
            # A page would show it as HTML; here none does, and a script reads it as it is.
            raise gr.Error(error.text.en, visible=False, print_exception=False) from None

    return guarded


def _picture(file: str | None) -> Picture:
    """What was sent; it is read once and removed."""
    if file is None:
        raise PlaygroundError(
            "No image was sent; send a PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM, NIfTI or NPY file.",
            "没有收到图像；请发送 PNG、JPEG、TIFF、BMP、WebP、GIF、DICOM、NIfTI 或 NPY 文件。",
        )
    with read_once(file):
        return read_image(file)


def _point(given: Any) -> tuple[int, int] | None:
    if given is None:
        return None
    if isinstance(given, list) and len(given) == 2 and all(isinstance(one, int) for one in given):
        return given[0], given[1]
    raise PlaygroundError("point is [row, column] in pixels, or null.", "point 为 [行, 列]（像素），或 null。")


def _facts(model: UNet) -> dict[str, Any]:
    origin: Origin = model.origin  # type: ignore[assignment]
    return {"task": origin.task, "design": model.design.to_link(), "weights": origin.weights}


def _cached(content: bytes, name: str) -> str:
    """A file that the app serves for a few minutes and then deletes."""
    return save_bytes_to_cache(content, name, get_upload_folder())
