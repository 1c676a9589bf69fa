"""What commands share: the design that the flags describe, and how an answer is told."""

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from unet_playground.design import DEFAULTS, NUMBERS, Design
from unet_playground.errors import PlaygroundError
from unet_playground.presets import presets


def chosen_design(given: argparse.Namespace) -> Design:
    """The design that the flags describe."""
    if given.design and given.preset:
        raise PlaygroundError("--design and --preset were both given; give one.", "--design 与 --preset 只能给一个。")
    design = Design.from_link(given.design) if given.design else presets[given.preset or "classic"].make()
    changes = {name: getattr(given, name) for name in (*DEFAULTS, *NUMBERS)}
    return design.replace(**{name: value for name, value in changes.items() if value is not None})


def model_facts(given: argparse.Namespace, model: Any) -> dict[str, Any]:
    return {
        "task": given.task,
        "design": model.design.to_link(),
        "weights": model.origin.weights,
        "weights_sha256": model.origin.sha256,
    }


def tell(given: argparse.Namespace, answer: dict[str, Any], words: str) -> None:
    print(json.dumps(answer, ensure_ascii=False) if given.json else words)


def write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise PlaygroundError(
            f"{path.name} could not be written ({error.strerror}); choose another --out.",
            f"无法写入 {path.name}（{error.strerror}）；请换一个 --out。",
        ) from None


def save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    write(path, buffer.getvalue())
