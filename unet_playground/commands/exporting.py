"""The command that takes a design home."""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path

from unet_playground.commands.shared import chosen_design, model_facts, tell, write
from unet_playground.errors import PlaygroundError
from unet_playground.export import design_json, onnx, standalone
from unet_playground.model import UNet
from unet_playground.weights import load

FORMATS: dict[str, Callable[[UNet], bytes]] = {
    "pytorch": standalone,
    "onnx": onnx,
    "json": lambda model: design_json(model.design),
}
ENDINGS = {".zip": "pytorch", ".onnx": "onnx", ".json": "json"}
"""What is written where no format is named, by the ending of the file's name."""


def export(given: argparse.Namespace) -> None:
    """Write a design to take home: PyTorch code with its weights (.zip), ONNX (.onnx) or the choice alone (.json)."""
    path = Path(given.to)
    format = given.format or ENDINGS.get(path.suffix.lower())
    if format is None:
        endings = ", ".join(ENDINGS)
        raise PlaygroundError(
            f'--to "{path.name}" does not say what to write; its name ends with one of {endings}, or --format says it.',
            f"--to “{path.name}” 未说明要写什么；文件名须以 {endings} 之一结尾，或用 --format 指定。",
        )
    model = load(given.task, chosen_design(given), given.weights)
    content = FORMATS[format](model)
    write(path, content, "--to")
    facts, sha256 = model_facts(given, model), hashlib.sha256(content).hexdigest()
    answer = {**facts, "file": path.name, "files": [path.name], "bytes": len(content), "sha256": sha256}
    tell(given, answer, f"{path.name}: {len(content) / 1e6:.2f} MB, {facts['weights']} weights")
