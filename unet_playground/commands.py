"""Compose a U-Net from interchangeable parts, run it, look inside, train it."""

import argparse
import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from unet_playground import analysis  # noqa: F401 - registers the analyses
from unet_playground.analysis import Target, analyses
from unet_playground.cost import SLOW, times_classic
from unet_playground.cost import cost as count
from unet_playground.design import DEFAULTS, NUMBERS, SLOT_IDS, Design
from unet_playground.errors import PlaygroundError
from unet_playground.images import encode_mask, read_image
from unet_playground.inference import load_model, prepare
from unet_playground.inference import segment as run_model
from unet_playground.presets import compare, presets
from unet_playground.receptive_field import receptive_field, sides_of
from unet_playground.registry import catalogues
from unet_playground.tasks import tasks

Command = Callable[[argparse.Namespace], None]

ENVIRONMENT = """environment:
  UNET_PLAYGROUND_DATA             folder with the data sets (training, tests)
  UNET_PLAYGROUND_CHECKPOINTS      folder with trained weights (default: checkpoints/)
  UNET_PLAYGROUND_DEVICE           auto, cpu, cuda or mps (default: auto)
  UNET_PLAYGROUND_MAX_MEGAPIXELS   largest image that is read (default: 16.7)
  UNET_PLAYGROUND_MAX_FILE_MB      largest file that is read (default: 25)"""


def serve(given: argparse.Namespace) -> None:
    """Start the web app."""
    from unet_playground.ui.app import launch

    launch(given.host, given.port)


def options(given: argparse.Namespace) -> None:
    """List every slot, task, analysis and preset with its text."""
    listed = {
        id: [
            {
                "id": entry.id,
                "title": entry.title.en,
                "summary": entry.summary.en,
                "title_zh": entry.title.zh,
                "summary_zh": entry.summary.zh,
                "options": {
                    option.id: {"default": option.default, "allowed": option.allowed} for option in entry.options
                },
            }
            for entry in catalogues[id].entries()
        ]
        for id in (*SLOT_IDS, *sorted(set(catalogues) - set(SLOT_IDS)))
    }
    for preset in listed["preset"]:
        comparison = compare(preset["id"])
        preset["authors"] = comparison.summary.en if comparison else None
    lines = []
    for id, entries in listed.items():
        lines += [f"{id}:", *(f"  {entry['id']:22}{entry['summary']}" for entry in entries)]
    _tell(given, listed, "\n".join(lines))


def cost(given: argparse.Namespace) -> None:
    """Count parameters, multiply-adds and memory of a design, before any weights exist."""
    if not 1 <= given.size <= 4096:
        raise PlaygroundError(
            f"--size {given.size} is not possible; a side has 1 to 4096 pixels.",
            f"--size {given.size} 无效；边长为 1 到 4096 像素。",
        )
    design = chosen_design(given)
    counted, times = count(design, given.size), times_classic(design)
    sides = (given.size,) * design.dims
    point = given.point or [side // 2 for side in sides_of(design, sides, given.place)]
    field = receptive_field(design, sides, tuple(point), given.place)
    sums = ("parameters", "macs", "sampling", "activation_bytes", "training_bytes")
    answer = {
        "design": design.to_link(),
        "size": given.size,
        **{name: getattr(counted, name) for name in sums},
        "stages": [asdict(stage) for stage in counted.stages],
        "times_classic": round(times, 2),
        "receptive_field": {
            "place": given.place,
            "point": point,
            "low": field.low,
            "high": field.high,
            "sides": field.sides,
            "whole_image_through": field.through,
            "held_still": field.held,
        },
    }
    slow = f"; slow: a forward pass takes about {times:.0f} times as long as the classic's" if times > SLOW else ""
    _tell(
        given,
        answer,
        f"{counted.parameters:,} parameters, {counted.macs / 1e9:.2f} GMAC at {given.size} px, "
        f"{counted.activation_bytes / 1e6:.0f} MB of activations ({counted.training_bytes / 1e6:.0f} MB in training), "
        f"receptive field {' x '.join(map(str, field.sides))} px{slow}",
    )


def segment(given: argparse.Namespace) -> None:
    """Write the mask of an image."""
    picture = read_image(given.file)
    model = load_model(given.task, chosen_design(given), given.weights)
    started = time.perf_counter()
    result = run_model(picture, model)
    seconds = time.perf_counter() - started
    _write(Path(given.out), encode_mask(result.mask))
    if given.probability:
        _save(Path(given.probability), result.probability)
    labels = tasks[given.task].make.labels
    answer = {
        **_model_facts(given, model),
        "classes": [label.title.en for label in labels],
        "pixels": {label.title.en: int((result.mask == number).sum()) for number, label in enumerate(labels)},
        "notes": [note.en for note in picture.notes],
        "seconds": round(seconds, 4),
    }
    shares = ", ".join(f"{name} {pixels / result.mask.size:.1%}" for name, pixels in answer["pixels"].items())
    _tell(given, answer, f"{given.out}: {shares} ({model.origin.weights} weights, {seconds:.2f} s)")  # type: ignore[union-attr]


def explain(given: argparse.Namespace) -> None:
    """Write picture, numbers and text of one analysis of an image."""
    from unet_playground.figures import draw, to_png

    entry = analyses[given.method]
    picture = read_image(given.file)
    model = load_model(given.task, chosen_design(given), given.weights)
    target = Target(given.target, tuple(given.point) if given.point else None)
    result = entry.make(model, prepare(picture, model), target)
    out = Path(given.out)
    files = [out / f"{entry.id}.png", out / f"{entry.id}.txt"]
    _write(files[0], to_png(draw(result, picture)))
    _write(files[1], f"{entry.title.en}. {entry.summary.en}\n{result.check.en}\n".encode())
    for name, array in result.arrays().items():
        files.append(out / f"{entry.id}.{name}.npy")
        _save(files[-1], array)
    answer = {
        **_model_facts(given, model),
        "method": entry.id,
        "target": {"class": target.label, "point": target.point},
        "check": result.check.en,
        "files": [file.name for file in files],
    }
    _tell(given, answer, result.check.en)


def evaluate(given: argparse.Namespace) -> None:
    """Score a model on images with labels."""
    from unet_playground.training.datasets import pair, read
    from unet_playground.training.evaluate import evaluate as run

    model = load_model(given.task, chosen_design(given), given.weights)
    task = tasks[given.task].make()
    result = run(model, (read(sample, task) for sample in pair(Path(given.images), Path(given.labels))))
    per_image = [
        {"name": name, "dice": score.dice, "iou": score.iou, "boundary_f1": score.boundary_f1}
        for name, score in zip(result.names, result.scores, strict=True)
    ]
    summary = result.summary()
    words = ", ".join(f"{name} {value}" for name, value in summary.items())
    _tell(given, {**_model_facts(given, model), **summary, "per_image": per_image}, words)


def train(given: argparse.Namespace) -> None:
    """Train a design, or with --bank all of them; goes on where it stopped."""
    from tqdm import tqdm

    from unet_playground.training.datasets import data_root, split
    from unet_playground.training.loop import Recipe
    from unet_playground.training.session import Session

    recipe = Recipe(steps=given.steps, rate=given.rate, seed=given.seed)
    if given.epochs is not None:
        if not 0 < given.epochs < 1e6:
            raise PlaygroundError(
                "--epochs is a number above 0 and below 1000000.", "--epochs 应大于 0 且小于 1000000。"
            )
        images = len(split(given.task, data_root(given.data))["train"])
        recipe = replace(recipe, steps=math.ceil(given.epochs * images / recipe.size))
    if recipe.steps < 1:
        raise PlaygroundError("Training needs at least one step.", "训练至少需要一步。")
    start = Path(given.start) if given.start else None
    session = Session(given.task, chosen_design(given), given.bank, recipe, Path(given.out), given.data, start=start)
    bars: list[tqdm] = []

    def show(step: int, steps: int, loss: float) -> None:
        if not bars:  # a bar above a refusal would hide it
            bars.append(tqdm(total=steps, initial=step - 1, unit="step", smoothing=0.05))
        bars[0].update(step - bars[0].n)
        bars[0].set_postfix(loss=f"{loss:.3f}", refresh=False)

    try:
        card = session.run(show)
    finally:
        for bar in bars:
            bar.close()
    scores = card.metrics["test"]
    words = f"{given.out}: test Dice {scores['dice']} over {scores['n']} images"
    _tell(given, {"task": card.task, "design": session.base.to_link(), "shared": card.shared, "metrics": scores}, words)


def chosen_design(given: argparse.Namespace) -> Design:
    """The design that the flags describe."""
    if given.design and given.preset:
        raise PlaygroundError("--design and --preset were both given; give one.", "--design 与 --preset 只能给一个。")
    design = Design.from_link(given.design) if given.design else presets[given.preset or "classic"].make()
    changes = {name: getattr(given, name) for name in (*DEFAULTS, *NUMBERS)}
    return design.replace(**{name: value for name, value in changes.items() if value is not None})


def _model_facts(given: argparse.Namespace, model: Any) -> dict[str, Any]:
    return {
        "task": given.task,
        "design": model.design.to_link(),
        "weights": model.origin.weights,
        "weights_sha256": model.origin.sha256,
    }


def _tell(given: argparse.Namespace, answer: dict[str, Any], words: str) -> None:
    print(json.dumps(answer, ensure_ascii=False) if given.json else words)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise PlaygroundError(
            f"{path.name} could not be written ({error.strerror}); choose another --out.",
            f"无法写入 {path.name}（{error.strerror}）；请换一个 --out。",
        ) from None


def _save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    _write(path, buffer.getvalue())
