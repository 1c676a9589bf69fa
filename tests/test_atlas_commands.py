"""The commands about measured designs: tables, plots, resumption and refusals."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.rows import drawn, row
from tests.training.scenes import write_scenes
from unet_playground import Design
from unet_playground.__main__ import main
from unet_playground.atlas import Atlas, Row, read_atlas, write_atlas
from unet_playground.claims import claims as catalogue
from unet_playground.design import SLOT_IDS
from unet_playground.training.datasets import datasets
from unet_playground.training.loop import DEEP, Bank
from unet_playground.training.recipe import Recipe
from unet_playground.weights import Card, write

Capture = pytest.CaptureFixture[str]


def _run(command: str, *words: object, task: str | None = "nuclei") -> int:
    return main([command, *(["--task", task] if task else []), *map(str, words)])


def _answer(capsys: Capture, command: str, *words: object, task: str | None = "nuclei") -> dict[str, Any]:
    """The JSON that a command prints when it succeeds."""
    assert _run(command, *words, "--json", task=task) == 0
    return json.loads(capsys.readouterr().out)


def _refusal(capsys: Capture, command: str, *words: object, task: str = "nuclei") -> str:
    """The sentence that a command refuses with; a bar may stand before it."""
    assert _run(command, *words, task=task) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.rstrip().splitlines()[-1]


def _score(design: Design) -> float:
    return 0.8 + 0.03 * (design.skip == "dense") - 0.1 * (design.down == "none")


@pytest.fixture
def table(checkpoints: Path) -> Atlas:
    """120 designs with a planted effect, and two of them trained alone."""
    rng = np.random.default_rng(0)
    designs = [Design(), Design(up="bilinear"), *drawn(118)]
    rows = [row(one, _score(one) + rng.normal(0, 0.005), macs=100 + at) for at, one in enumerate(designs)]
    rows += [row(one.design, one.value("dice") + 0.01, "solo") for one in rows[:2]]
    made = Atlas(tuple(rows), ("a", "b"), ("a", "b"))
    write_atlas("nuclei", made)
    return made


def test_atlas_prints_effects_pairs_front_and_agreement(table: Atlas, capsys: Capture):
    answer = _answer(capsys, "atlas")
    assert {"rows", "effects", "interactions", "pareto", "agreement"} <= set(answer)
    assert len(answer["rows"]) == len(table.rows)
    [dense] = [one for one in answer["effects"] if (one["family"], one["option"]) == ("all", "dense")]
    assert dense["low"] < 0.03 < dense["high"]
    assert 0 < len(answer["interactions"]) <= 10
    assert set(answer["pareto"]) <= {one["design"] for one in answer["rows"]}
    assert answer["agreement"]["designs"] == 2
    assert answer["agreement"]["mean_gap"] == pytest.approx(0.01, abs=2e-4)
    assert answer["agreement"]["seed_ordered"] is None


def test_atlas_reads_as_a_table(table: Atlas, capsys: Capture):
    assert _run("atlas") == 0
    shown = capsys.readouterr().out
    for words in ("skip=dense", "down=none", "(both families)", "Pareto front of dice against macs", "the classic"):
        assert words in shown
    assert "Bank against 2 references trained alone: mean gap 0.0100" in shown
    assert "nan" not in shown.split("Bank against")[0]


def test_atlas_draws_plots(table: Atlas, tmp_path: Path, capsys: Capture):
    assert _answer(capsys, "atlas", "--out", tmp_path / "plots")["files"] == [
        "front.png",
        "front.svg",
        "effects.png",
        "effects.svg",
    ]
    for name in ("front", "effects"):
        picture = np.array(Image.open(tmp_path / "plots" / f"{name}.png").convert("RGB"))
        assert min(picture.shape[:2]) > 400
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
        assert (tmp_path / "plots" / f"{name}.svg").read_text().startswith("<?xml")


def test_a_score_that_the_task_does_not_have_is_refused(table: Atlas, capsys: Capture):
    assert main(["atlas", "--task", "nuclei", "--metric", "thick_recall"]) == 2
    assert capsys.readouterr().err == "nuclei has no thick_recall; choose one of dice.\n"


@pytest.mark.parametrize(
    ("task", "words", "reason"),
    [
        ("nuclei", "atlas", "no atlas of nuclei yet; measure it with --measure"),
        ("nuclei", "atlas --measure --designs 5", "no trained bank for nuclei"),
        ("nuclei", "atlas --measure --designs 0", "--designs is at least 1"),
        ("brains", "atlas", "Unknown task"),
        ("nuclei", "atlas --metric beauty", "Unknown metric"),
        ("nuclei", "solo --count 0", "--count and --steps are at least 1"),
        ("nuclei", "solo --steps 0", "--count and --steps are at least 1"),
        ("nuclei", "solo --rate 0", "--rate is a number above 0 and at most 1"),
        ("nuclei", "solo --weak beauty", "choose dice or dice_pooled"),
        ("nuclei", "solo --weak hd95", "--weak hd95 does not tell weak designs; choose dice or dice_pooled"),
        ("nuclei", "solo --data /nowhere", "No folder with data sets"),
        ("brains", "solo", "Unknown task"),
    ],
)
def test_commands_refuse_in_one_sentence(checkpoints: Path, task: str, words: str, reason: str, capsys: Capture):
    assert reason in _refusal(capsys, *words.split(), task=task)


def test_measuring_goes_on_where_it_stopped(checkpoints: Path, tmp_path: Path, capsys: Capture):
    base = Design(depth=1, width=2)
    average = Bank(base, 3, 2, shared=True).average
    tensors = {name: tensor for name, tensor in average.items() if not name.startswith(DEEP)}
    write(checkpoints / "nuclei" / "bank", tensors, Card("nuclei", base.to_json(), shared=True))
    flags = ["--measure", "--data", write_scenes(tmp_path / "data")]
    answer = _answer(capsys, "atlas", *flags, "--designs", 4, "--out", tmp_path)
    before = read_atlas("nuclei").rows
    assert len(answer["rows"]) == len(before) == 4
    assert answer["files"] == ["front.png", "front.svg"]
    answer = _answer(capsys, "atlas", *flags, "--designs", 6)
    after = read_atlas("nuclei").rows
    assert len(answer["rows"]) == len(after) == 6
    # A time that was measured again would not be the same.
    assert {(one.key, one.latency) for one in before} <= {(one.key, one.latency) for one in after}
    with (checkpoints / "nuclei" / "atlas.csv").open() as file:
        [header, *lines] = csv.reader(file)
    assert header[:4] == ["design", "weights", "seed", "sha256"]
    assert {"dice", "hd95", "parameters", "macs", "activation_bytes", "latency"} <= set(header)
    assert len(lines) == 6


def test_solo_trains_the_first_references(
    checkpoints: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(datasets["nuclei"].make, "recipe", Recipe(size=1, side=16, warmup=1))
    monkeypatch.setattr("unet_playground.training.solo.FOUND", 0.0)  # one step finds nothing
    monkeypatch.setattr("unet_playground.training.selection.Design", lambda: Design(depth=1, width=2))
    flags = ["--count", 1, "--steps", 1, "--data", write_scenes(tmp_path / "data")]
    assert [one["seed"] for one in _answer(capsys, "solo", *flags)["rows"]] == [0, 1]
    assert (checkpoints / "nuclei" / "solo-classic" / "weights-0.safetensors").exists()
    assert not list((checkpoints / "nuclei" / "solo-classic-seed1").glob("*.safetensors"))
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *given: pytest.fail("trained again"))
    assert _run("solo", *flags) == 0


def test_solo_trains_the_designs_that_the_bank_puts_far_below_the_classic(
    checkpoints: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(datasets["nuclei"].make, "recipe", Recipe(size=1, side=16, warmup=1))
    monkeypatch.setattr("unet_playground.training.solo.FOUND", 0.0)  # one step finds nothing
    classic = Design(depth=1, width=2)
    low, known, near = (classic.replace(skip=skip) for skip in ("none", "add", "dense"))
    bank = (row(classic, 0.9), row(low, 0.5), row(known, 0.6), row(near, 0.85))
    write_atlas("nuclei", Atlas((*bank, row(known, 0.6, "solo")), (), ()))
    flags = ["--weak", "dice", "--steps", 1, "--data", write_scenes(tmp_path / "data")]
    answer = _answer(capsys, "solo", *flags)
    assert {one["design"] for one in answer["rows"]} == {low.to_link(), known.to_link()}
    assert [path.name for path in (checkpoints / "nuclei" / "solo-skip-none").iterdir()] == ["card.json"]
    trained = read_atlas("nuclei")  # without the rows of the bank, which is not there
    write_atlas("nuclei", replace(trained, rows=(*bank, *trained.rows)))
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *given: pytest.fail("trained again"))
    assert _run("solo", *flags) == 0
    assert _run("atlas") == 0
    shown = capsys.readouterr().out
    assert "below the classic's dice of 0.9000: 2, 2 of them as weak when trained alone." in shown
    assert "skip=add: 0.6000, alone 0.6000" in shown


def test_a_failed_job_is_told_in_one_sentence(checkpoints: Path, tmp_path: Path, capsys: Capture):
    sentence = _refusal(capsys, "solo", "--data", tmp_path, "--count", 1, "--steps", 1)
    assert re.search("2 of 2 jobs failed, the first one, solo-classic, with: .*no images", sentence)


def test_claims_are_listed_with_verdicts(checkpoints: Path, capsys: Capture):
    images = {"boundary_dice": (0.5, 0.6, 0.7), "boundary_f1": (0.5, 0.6, 0.7)}
    rows: list[Row] = [row(Design(), images=images)]
    rows.append(row(Design(up="bilinear"), images={id: tuple(v - 0.1 for v in one) for id, one in images.items()}))
    write_atlas("liver", Atlas(tuple(rows), ("a", "b", "c"), ("a", "b", "c")))
    listed = {one["id"]: one for one in _answer(capsys, "claims", task=None)["claims"]}
    assert list(listed) == list(catalogue)
    blurs = listed["bilinear-blurs"]
    assert blurs["verdict"] == "supported"
    assert [one["difference"] for one in blurs["findings"]] == pytest.approx([-0.1, -0.1])
    assert listed["se-global"]["verdict"] == "not measured yet"
    assert main(["claims", "--task", ""]) == 2
    assert "Unknown" in capsys.readouterr().err
    assert _run("claims", task="liver") == 0
    assert "SUPPORTED (2 for, 0 against, 0 undecided): Bilinear" in capsys.readouterr().out
    assert all(set(SLOT_IDS) <= {part.split("=")[0] for part in one["first"].split("&")} for one in listed.values())
    assert _run("claims") == 0
    shown = capsys.readouterr().out
    assert shown.count("NOT MEASURED YET:") == len(catalogue)
    assert "up=bilinear against the classic" in shown
