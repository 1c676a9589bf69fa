"""The command `export` writes what the file's name says."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.export.networks import BASE, unpacked
from unet_playground import Design, UNet
from unet_playground.__main__ import main


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["export", "--task", "nuclei", *map(str, words), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def test_the_command_writes_what_the_name_says(capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoints: Path):
    small = ["--design", BASE.to_link()]
    answer = _run(capsys, *small, "--to", tmp_path / "design.zip")
    assert (answer["weights"], answer["bytes"]) == ("untrained", (tmp_path / "design.zip").stat().st_size)
    folder = unpacked((tmp_path / "design.zip").read_bytes(), tmp_path / "out")
    assert load_file(folder / "weights.safetensors").keys() == UNet(BASE).state_dict().keys()
    _run(capsys, *small, "--to", tmp_path / "design.json")
    assert Design.from_json(json.loads((tmp_path / "design.json").read_text("utf-8"))) == BASE


def test_the_command_writes_onnx(capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoints: Path):
    _run(capsys, "--depth", 1, "--width", 2, "--to", tmp_path / "design.onnx")
    assert (tmp_path / "design.onnx").stat().st_size > 1000


def test_the_command_writes_what_its_format_says(capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoints: Path):
    words = ["--design", BASE.to_link(), "--format"]
    answer = _run(capsys, *words, "json", "--out", tmp_path / "design.zip")
    assert answer["files"] == ["design.zip"] == [answer["file"]]
    assert Design.from_json(json.loads((tmp_path / "design.zip").read_text("utf-8"))) == BASE
    _run(capsys, *words, "pytorch", "--out", tmp_path / "design")
    assert (tmp_path / "design").read_bytes().startswith(b"PK")


def test_the_command_refuses_other_endings(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["export", "--task", "nuclei", "--to", str(tmp_path / "design.exe")]) == 2
    printed = capsys.readouterr()
    assert ".zip, .onnx, .json" in printed.err
    assert str(tmp_path) not in printed.err
