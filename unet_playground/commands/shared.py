"""What commands share: the design that the flags describe, and how an answer is told."""

import argparse
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unet_playground.design import DEFAULTS, NUMBERS, Design
from unet_playground.errors import PlaygroundError
from unet_playground.presets import presets
from unet_playground.weights import replace_file


def chosen_design(given: argparse.Namespace) -> Design:
    """The design that the flags describe."""
    if given.design and given.preset:
        raise PlaygroundError("--design and --preset were both given; give one.", "--design 与 --preset 只能给一个。")
    design = Design.from_link(given.design) if given.design else presets[given.preset or "classic"].make()
    changes = {name: getattr(given, name) for name in (*DEFAULTS, *NUMBERS)}
    return design.replace(**{name: value for name, value in changes.items() if value is not None})


def check_rate(rate: float | None) -> None:
    if rate is not None and not 0 < rate <= 1:
        raise PlaygroundError("--rate is a number above 0 and at most 1.", "--rate 应大于 0 且不超过 1。")


def model_facts(given: argparse.Namespace, model: Any) -> dict[str, Any]:
    return {
        "task": given.task,
        "design": model.design.to_link(),
        "weights": model.origin.weights,
        "weights_sha256": model.origin.sha256,
    }


def tell(given: argparse.Namespace, answer: dict[str, Any], words: str) -> None:
    print(json.dumps(answer, ensure_ascii=False) if given.json else words)


def check_apart(outputs: Mapping[str, str | None], inputs: Sequence[str]) -> None:
    """Refuse, before anything is computed, what would be written over an input or over another output.

    Args:
        outputs: Flag -> path; None where the flag was not given.
        inputs: Files, or folders of files.
    """
    taken: dict[str, str] = {}
    for flag, path in outputs.items():
        if path is None:
            continue
        place, name = os.path.realpath(path), Path(path).name
        if os.path.exists(place) and any(Path(place).is_relative_to(os.path.realpath(each)) for each in inputs):
            raise PlaygroundError(
                f"{flag} {name} is a file that is read, and would be written over; choose another {flag}.",
                f"{flag} {name} 是要读取的文件，会被覆盖；请换一个 {flag}。",
            )
        if place in taken:
            raise PlaygroundError(
                f"{taken[place]} and {flag} are both {name}, and only one of them would be left; choose another "
                f"{flag}.",
                f"{taken[place]} 与 {flag} 都是 {name}，只会留下其中一个；请换一个 {flag}。",
            )
        taken[place] = flag


def write(path: Path, content: bytes, flag: str = "--out") -> None:
    """Write a file, and where that fails leave what was there.

    Args:
        path: Its folder is made where it is missing.
        content: Of the file.
        flag: What the path was given with.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise PlaygroundError(
            f"{path.name} could not be written ({error.strerror}); choose another {flag}.",
            f"无法写入 {path.name}（{error.strerror}）；请换一个 {flag}。",
        ) from None


def save(path: Path, array: np.ndarray, flag: str = "--out") -> None:
    """Write an array as .npy, like `write`."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write(path, buffer.getvalue(), flag)
