"""Commands that look: the app, lists, cost, masks, analyses."""

import argparse
import logging
import time
from dataclasses import asdict
from getpass import getpass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground import analysis, phantoms  # noqa: F401 - registers what `options` lists
from unet_playground.analysis import Target, analyses
from unet_playground.analysis.base import check_size, look
from unet_playground.commands import volumes
from unet_playground.commands.shared import check_apart, chosen_design, model_facts, save, tell, write
from unet_playground.cost import SLOW, times_classic
from unet_playground.cost import cost as count
from unet_playground.design import SLOT_IDS
from unet_playground.errors import PlaygroundError
from unet_playground.images import encode_mask, read_image
from unet_playground.images.volumes import is_volume
from unet_playground.inference import load_model, prepare, remarks
from unet_playground.inference import segment as run_model
from unet_playground.limits import PROFILE, listed
from unet_playground.presets import compare
from unet_playground.receptive_field import receptive_field, sides_of
from unet_playground.registry import catalogues
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Sample, datasets, read
from unet_playground.volumes.quality import unusual

_WIDTH = 39
ENVIRONMENT = "\n".join(
    f"  {variable:<{_WIDTH}}{about}"
    for variable, about in (
        ("UNET_PLAYGROUND_DATA", "folder with the data sets (training, tests)"),
        ("UNET_PLAYGROUND_CHECKPOINTS", "folder with trained weights (default: checkpoints/)"),
        ("UNET_PLAYGROUND_DEVICE", "auto, cpu, cuda or mps (default: auto)"),
        (PROFILE, "whose limits hold: public (default) or local"),
        ("UNET_PLAYGROUND_LOGIN", "who may come in, written by the command `login` (default: everybody)"),
        *((variable, f"{about} ({public}; local: {local})") for variable, about, public, local in listed()),
    )
)


def serve(given: argparse.Namespace) -> None:
    """Start the web app."""
    from unet_playground.ui.app import launch

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("unet_playground.audit").setLevel(logging.INFO)
    launch(given.host, given.port)


def login(given: argparse.Namespace) -> None:
    """Ask for a password and print the login that UNET_PLAYGROUND_LOGIN takes; the password itself is kept nowhere."""
    from unet_playground.ui.login import hashed

    try:
        password = getpass()
    except EOFError:
        raise PlaygroundError(
            "No password was given; start the command in a terminal and type one.",
            "没有输入密码；请在终端中运行此命令并输入密码。",
        ) from None
    print(hashed(given.name, password))


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
    for dataset in listed["dataset"]:
        source = datasets[dataset["id"]].make.source
        dataset |= {name: getattr(source, name) for name in ("address", "licence", "attribution", "sha256")}
    lines = []
    for id, entries in listed.items():
        wide = max(22, *(len(entry["id"]) + 1 for entry in entries))
        lines += [f"{id}:", *(f"  {entry['id']:{wide}}{entry['summary']}" for entry in entries)]
    tell(given, listed, "\n".join(lines))


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
    tell(
        given,
        answer,
        f"{counted.parameters:,} parameters, {counted.macs / 1e9:.2f} GMAC at {given.size} px, "
        f"{counted.activation_bytes / 1e6:.0f} MB of activations ({counted.training_bytes / 1e6:.0f} MB in training), "
        f"receptive field of {given.place} {' x '.join(map(str, field.sides))} px{slow}",
    )


def segment(given: argparse.Namespace) -> None:
    """Write the mask of an image, or of a volume where the name of the output ends like one's."""
    if volumes.is_for_volumes(given.out):
        return volumes.segment(given)
    _check_output(given)
    check_apart({"--out": given.out, "--probability": given.probability}, [given.file])
    picture = read_image(given.file)
    model = load_model(given.task, chosen_design(given), given.weights)
    started = time.perf_counter()
    result = run_model(picture, model)
    seconds = time.perf_counter() - started
    write(Path(given.out), encode_mask(result.mask))
    if given.probability:
        save(Path(given.probability), result.probability, "--probability")
    labels, warning = tasks[given.task].make.labels, unusual(picture, given.task)
    answer = {
        **model_facts(given, model),
        "classes": [label.title.en for label in labels],
        "pixels": {label.title.en: int((result.mask == number).sum()) for number, label in enumerate(labels)},
        "notes": [note.en for note in (*picture.notes, *result.notes, *filter(None, [warning]))],
        "seconds": round(seconds, 4),
    }
    shares = ", ".join(f"{name} {pixels / result.mask.size:.1%}" for name, pixels in answer["pixels"].items())
    words = f"{given.out}: {shares} ({model.origin.weights} weights, {seconds:.2f} s)"  # type: ignore[union-attr]
    tell(given, answer, " ".join([words, *answer["notes"]]))


def _check_output(given: argparse.Namespace) -> None:
    """Refuse a name that does not say what to write, and what only volumes have."""
    out = Path(given.out)
    if out.suffix.lower() != ".png":
        endings = ", ".join(volumes.KINDS)
        raise PlaygroundError(
            f'--out "{out.name}" does not say what to write; its name ends with .png, for a volume with one of '
            f"{endings}.",
            f"--out “{out.name}” 未说明要写什么；文件名须以 .png 结尾，体数据则以 {endings} 之一结尾。",
        )
    for flag in ("measurements", "volume"):
        if getattr(given, flag) is not None:
            raise PlaygroundError(
                f"--{flag} belongs to the mask of a volume; --out {out.name} asks for that of an image. Leave it out.",
                f"--{flag} 只用于体数据的掩膜；--out {out.name} 要求图像的掩膜。请去掉它。",
            )


def explain(given: argparse.Namespace) -> None:
    """Write picture, numbers and text of one analysis of an image."""
    from unet_playground.figures import draw, to_png

    choice, target = analyses.parse(given.method), _target(given)
    entry = analyses[choice.id]
    _check_folder(given, entry.id)
    picture = read_image(given.file)
    check_size(picture)
    model = load_model(given.task, chosen_design(given), given.weights)
    truth = _truth(given) if given.truth else None
    other = prepare(read_image(given.other), model) if given.other else None
    result = look(entry, model, prepare(picture, model), target, dict(choice.options), truth=truth, other=other)
    out = Path(given.out)
    files = [out / f"{entry.id}.png", out / f"{entry.id}.txt"]
    write(files[0], to_png(draw(result, picture)))
    write(files[1], f"{entry.title.en}. {entry.summary.en}\n{result.facts.en}\n{result.check.en}\n".encode())
    for name, array in result.arrays().items():
        files.append(out / f"{entry.id}.{name}.npy")
        save(files[-1], array)
    notes = (*picture.notes, *remarks(picture, model), *filter(None, [unusual(picture, given.task)]))
    answer = {
        **model_facts(given, model),
        "method": entry.id,
        "options": dict(choice.options),
        "target": {"class": target.label, "point": target.point, "whole": target.whole, "region": target.box},
        "facts": result.facts.en,
        "check": result.check.en,
        "notes": [note.en for note in notes],
        "files": [file.name for file in files],
    }
    tell(given, answer, " ".join([result.facts.en, result.check.en, *answer["notes"]]))


def _target(given: argparse.Namespace) -> Target:
    """What is asked about; flags that contradict each other, or would do nothing, are refused."""
    if given.region and given.point:
        raise PlaygroundError("--region and --point were both given; give one.", "--region 与 --point 只能给一个。")
    if given.whole and not given.point:
        raise PlaygroundError(
            "--whole asks for the object at a pixel; name the pixel with --point, or leave --whole out.",
            "--whole 表示某一像素所在的整个物体；请用 --point 指定像素，或去掉 --whole。",
        )
    return Target(given.target, _tuple(given.point), given.whole, _tuple(given.region))


def _check_folder(given: argparse.Namespace, id: str) -> None:
    """Refuse a folder in which a file that is read has the name of one that is written."""
    for source in filter(None, (given.file, given.truth, given.other)):
        name = Path(source).name
        if name.startswith(f"{id}.") and name.endswith((".png", ".txt", ".npy")):
            check_apart({"--out": str(Path(given.out) / name)}, [source])


def _tuple(numbers: list[int] | None) -> Any:
    return tuple(numbers) if numbers else None


def _truth(given: argparse.Namespace) -> NDArray[np.uint8]:
    """The classes of the label image beside the image that is looked at."""
    name = Path(given.file).name
    if is_volume(name):
        raise PlaygroundError(
            f"{name} is a volume, of which one slice is looked at, and --truth takes the labels of an image; save the "
            "slice and its labels as images, or leave --truth out.",
            f"{name} 是体数据，只查看其中一个切片，而 --truth 需要图像的标注；请把该切片及其标注另存为图像，"
            "或去掉 --truth。",
        )
    [one] = read(Sample(Path(given.file), Path(given.truth)), tasks[given.task].make())
    return one.labels.numpy()
