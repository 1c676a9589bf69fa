"""The command line does what it promises and says in one sentence what it cannot do."""

import errno
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training.scenes import scene, write_cubes, write_scenes
from unet_playground import Design, catalogues
from unet_playground.__main__ import main
from unet_playground.commands.shared import write
from unet_playground.cost import cost
from unet_playground.design import SLOT_IDS
from unet_playground.errors import PlaygroundError
from unet_playground.limits import listed

SMALL = ["--depth", "1", "--width", "2"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "secret-folder" / "scan.png"
    path.parent.mkdir()
    Image.fromarray(scene(0)[0]).save(path)
    return path


def _answer(capsys: Capture, *words: object) -> dict[str, Any]:
    """The JSON that a command prints when it succeeds."""
    assert main([*map(str, words), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("\n") == 1
    return json.loads(printed.out)


def test_volumes_are_trained_on_and_scored_whole_or_slice_by_slice(capsys: Capture, tmp_path: Path, checkpoints: Path):
    root, hippocampus = write_cubes(tmp_path / "data"), ["--task", "hippocampus", *SMALL]
    out = checkpoints / "hippocampus" / "solo-3d"
    brief = ["--steps", 1, "--side", 16, "--data", root, "--out", out]
    assert main(["train", *hippocampus, "--dims", "3", *map(str, brief)]) == 0
    assert re.search(r"test Dice 0\.\d+ over \d volumes", capsys.readouterr().out)
    recipe = json.loads((out / "card.json").read_text())["recipe"]
    assert (recipe["size"], recipe["mirrors"], recipe["side"]) == (2, True, 16)
    folders = ["--images", root / "hippocampus" / "images", "--labels", root / "hippocampus" / "labels"]
    for dims, weights in ((2, "untrained"), (3, "solo")):
        answer = _answer(capsys, "evaluate", *hippocampus, "--dims", dims, *folders)
        assert (answer["weights"], answer["n"]) == (weights, 12)
        assert [one["name"] for one in answer["per_image"]] == sorted(f"cube-{number}" for number in range(12))


def _refusal(capsys: Capture, *words: object) -> str:
    """The sentence that a command refuses with: exit status 2, one line on stderr, nothing on stdout."""
    try:
        status = main([*map(str, words)])
    except SystemExit as stop:
        status = stop.code
    printed = capsys.readouterr()
    assert status == 2
    assert printed.out == ""
    assert printed.err.endswith(".\n")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    assert "secret-folder" not in printed.err
    return printed.err.strip()


def test_options_lists_every_catalogue_with_its_texts(capsys: Capture):
    listed = _answer(capsys, "options")
    assert list(listed)[:6] == list(SLOT_IDS)
    assert {"task", "analysis", "preset"} <= set(listed)
    for id, entries in listed.items():
        assert [entry["id"] for entry in entries] == list(catalogues[id])
        assert all(entry["title"] and entry["summary"] for entry in entries)
    assert all(entry["address"] and entry["licence"] and entry["attribution"] for entry in listed["dataset"])


def test_options_reads_as_a_table(capsys: Capture):
    assert main(["options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "skip:" in lines
    assert any(line.split()[:1] == ["attention-gate"] for line in lines)


def test_cost_counts_the_design_that_the_flags_describe(capsys: Capture):
    counted = _answer(capsys, "cost", "--skip", "dense", "--up", "bilinear(kernel=1)", "--width", 8, "--size", 64)
    design = Design(skip="dense", up="bilinear(kernel=1)", width=8)
    assert counted["design"] == design.to_link()
    assert counted["parameters"] == cost(design, 64).parameters
    assert counted["macs"] == cost(design, 64).macs
    assert counted["activation_bytes"] == cost(design, 64).activation_bytes
    assert counted["receptive_field"]["sides"] == [64, 64]


def test_flags_change_a_link_or_a_preset(capsys: Capture):
    assert _answer(capsys, "cost", "--design", "skip=add&width=8", "--width", 4)["design"] == (
        Design(skip="add", width=4).to_link()
    )
    changed = _answer(capsys, "cost", "--preset", "attention-unet", "--up", "transposed")["design"]
    assert changed == Design(skip="attention-gate").to_link()
    assert _answer(capsys, "cost", "--preset", "unet-2015")["design"] == Design().to_link()


def test_segment_writes_labels_of_the_size_of_the_image(
    capsys: Capture, image: Path, tmp_path: Path, all_nucleus: Design
):
    out, probability = tmp_path / "new" / "mask.png", tmp_path / "p.npy"
    words = ["segment", image, "--task", "nuclei", "--out", out, "--probability", probability, *SMALL]
    answer = _answer(capsys, *words)
    mask = np.array(Image.open(out))
    assert mask.shape == (24, 28)
    assert mask.dtype == np.uint8
    assert (mask == 1).all()
    assert np.load(probability).shape == (2, 24, 28)
    assert np.load(probability).dtype == np.float32
    assert {"task", "design", "weights", "classes", "pixels", "seconds"} <= set(answer)
    assert (answer["task"], answer["design"]) == ("nuclei", all_nucleus.to_link())
    assert answer["weights"] == "solo"
    assert answer["classes"] == ["background", "nucleus"]
    assert answer["pixels"] == {"background": 0, "nucleus": 24 * 28}


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = tmp_path / "keep.zip"
    kept.write_bytes(b"good")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PlaygroundError, match=r"keep.zip could not be written .*; choose another --to"):
        write(kept, b"new", "--to")
    assert kept.read_bytes() == b"good" and [*tmp_path.iterdir()] == [kept]


def test_nothing_that_is_read_or_written_is_written_over(capsys: Capture, image: Path, tmp_path: Path):
    content, series = image.read_bytes(), tmp_path / "series"
    series.mkdir()
    for name in ("scan.nii.gz", "1.dcm"):
        (series / name).write_bytes(b"patient")
    task, same = ["--task", "nuclei"], image.parent / ".." / image.parent.name / image.name
    refusals = {
        "--out scan.png is a file that is read": ["segment", image, *task, "--out", same],
        "--out scan.nii.gz is": ["segment", series / "scan.nii.gz", *task, "--out", series / "scan.nii.gz"],
        "--out 1.dcm is": ["segment", series, *task, "--out", series / "1.dcm"],
        "--out and --probability are both m.png": [
            *("segment", image, *task, "--out", tmp_path / "m.png", "--probability", tmp_path / "m.png")
        ],
        "--out and --measurements are both m.nii": [
            *("segment", series, *task, "--out", tmp_path / "m.nii", "--measurements", tmp_path / "m.nii")
        ],
        "--out saliency.png is a file that is read": [
            *("explain", image.rename(image.with_name("saliency.png")), *task, "--method", "saliency"),
            *("--out", image.parent),
        ],
    }
    for reason, words in refusals.items():
        image.with_name("saliency.png").write_bytes(content)
        image.write_bytes(content)
        assert reason in _refusal(capsys, *words)
    assert image.read_bytes() == content and (series / "1.dcm").read_bytes() == b"patient"


def test_segment_says_when_weights_are_untrained(capsys: Capture, image: Path, tmp_path: Path, checkpoints: Path):
    answer = _answer(capsys, "segment", image, "--task", "nuclei", "--out", tmp_path / "m.png", *SMALL)
    assert answer["weights"] == "untrained"


FITTING: dict[str, list[object]] = {"deep-lift": [*SMALL], "disagreement": []}
"""For methods that do not fit any design: one without gates; one that a bank serves."""


@pytest.mark.parametrize("method", catalogues["analysis"])
@pytest.mark.parametrize("point", [(), ("--point", 3, 20)])
def test_explain_writes_picture_numbers_and_text(
    capsys: Capture,
    image: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    method: str,
    point: tuple[object, ...],
):
    out = tmp_path / "explained"
    words = [*FITTING.get(method, ["--attention", "cbam", *SMALL]), "--method", method, "--out", out, *point]
    if SMALL[0] in words:
        request.getfixturevalue("checkpoints")
    answer = _answer(capsys, "explain", image, "--task", "nuclei", *words)
    assert answer["method"] == method
    assert answer["target"] == {"class": 1, "point": list(point[1:]) or None, "whole": False, "region": None}
    assert answer["facts"] in (out / f"{method}.txt").read_text("utf-8")
    assert sorted(path.name for path in out.iterdir()) == sorted(answer["files"])
    assert {f"{method}.png", f"{method}.txt"} < set(answer["files"])
    assert answer["check"] in (out / f"{method}.txt").read_text("utf-8")
    picture = Image.open(out / f"{method}.png")
    assert min(picture.size) > 300
    assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 10
    arrays = [np.load(path) for path in out.glob("*.npy")]
    assert arrays
    assert all(array.dtype == np.float32 for array in arrays)


def test_explain_tells_what_was_looked_at(capsys: Capture, tmp_path: Path, checkpoints: Path):
    Image.fromarray(scene(0)[0].astype(np.int32) * 1000).save(tmp_path / "wide.tif")
    words = ["explain", tmp_path / "wide.tif", "--task", "nuclei", *SMALL, "--method", "saliency", "--out", tmp_path]
    notes = " ".join(_answer(capsys, *words)["notes"])
    assert "Values were scaled" in notes and "No weights were trained for this design" in notes
    assert main([*map(str, words)]) == 0
    assert capsys.readouterr().out.strip().endswith(notes)


def test_signs_that_an_encoding_lacks_are_written_as_numbers(monkeypatch: pytest.MonkeyPatch):
    narrow = io.TextIOWrapper(io.BytesIO(), "cp1252", write_through=True)
    monkeypatch.setattr("sys.stdout", narrow)
    assert main(["options", "--json"]) == 0
    assert json.loads(narrow.buffer.getvalue().decode("cp1252"))["task"][0]["title_zh"]  # type: ignore[attr-defined]


def test_evaluate_scores_a_known_case(capsys: Capture, tmp_path: Path, all_nucleus: Design):
    # The installed weights call every pixel a nucleus: Dice is 2 true / (true + all).
    shares = {"plain": 60, "suffixed": 120, "empty": 0}
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name, inside in shares.items():
        labels = np.zeros((10, 12), np.uint16)
        labels.flat[:inside] = 1 + np.arange(inside) % 300
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (10, 12), np.uint8)).save(
            tmp_path / "images" / f"{name}.png"
        )
        suffix = "_label_7" if name == "suffixed" else ""
        Image.fromarray(labels).save(tmp_path / "labels" / f"{name}{suffix}.png")
    (tmp_path / "labels" / "nobody.png").write_bytes(b"a label without an image is not even opened")
    words = ["--images", tmp_path / "images", "--labels", tmp_path / "labels", *SMALL]
    answer = _answer(capsys, "evaluate", "--task", "nuclei", *words)
    assert answer["left_out"] == 1
    dices = {"plain": 2 * 60 / 180, "suffixed": 1.0, "empty": 0.0}
    assert {one["name"]: one["dice"] for one in answer["per_image"]} == pytest.approx(dices)
    assert answer["n"] == 3
    assert answer["dice"] == pytest.approx(np.mean(list(dices.values())), abs=1e-4)
    assert answer["dice_pooled"] == pytest.approx(2 * 180 / (180 + 360), abs=1e-4)
    assert answer["iou"] == pytest.approx((0.5 + 1 + 0) / 3, abs=1e-4)
    assert {"boundary_f1"} <= set(answer)


def test_train_writes_weights_that_segment_uses(
    capsys: Capture, image: Path, tmp_path: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
):
    root, out = write_scenes(tmp_path / "data"), checkpoints / "nuclei" / "mine"
    assert main(["train", "--task", "nuclei", "--data", str(root), "--steps", "1", "--out", str(out), *SMALL]) == 0
    assert "test Dice" in capsys.readouterr().out
    assert json.loads((out / "card.json").read_text())["recipe"]["steps"] == 1
    answer = _answer(capsys, "segment", image, "--task", "nuclei", "--out", tmp_path / "m.png", *SMALL)
    assert answer["weights"] == "solo"


SEGMENT = ["--task", "nuclei", "--out", "{tmp}/m.png"]
REFUSED = [
    (["segment", "{tmp}/secret-folder/missing.png", *SEGMENT], "missing.png"),
    (["segment", "{tmp}/secret-folder/attic", *SEGMENT], "No file called attic can be opened"),
    (["segment", "{text}", *SEGMENT], "other kinds are not read"),
    (["segment", "{cut}", *SEGMENT], "damaged, cut short"),
    (["segment", "{image}", "--task", "brains", "--out", "{tmp}/m.png"], "Unknown task"),
    (["segment", "{image}", *SEGMENT, "--weights", "best"], "choose auto, shared or solo"),
    (["segment", "{image}", *SEGMENT, "--weights", "shared"], "There are no shared weights"),
    (["segment", "{image}", "--task", "nuclei", "--out", "{tmp}/secret-folder/attic.png"], "could not be written"),
    (["segment", "{image}", "--task", "nuclei", "--out", "{tmp}/secret-folder/m.jpg"], "its name ends with .png"),
    (["segment", "{image}", *SEGMENT, "--measurements", "{tmp}/m.csv"], "belongs to the mask of a volume"),
    (["segment", "{image}", *SEGMENT, "--volume", "0"], "--volume belongs to the mask of a volume"),
    (["segment", "{image}", *SEGMENT[:-1], "{tmp}/m.nii", "--probability", "{tmp}/p.npy"], "to the mask of an image"),
    (["segment", "{image}", "--task", "nuclei", "--out", "{image}/m.png"], "could not be written"),
    (["segment", "{image}", *SEGMENT, "--dims", "3"], "dims=3 does not fit this task"),
    (
        ["segment", "{image}", "--task", "hippocampus", "--dims", "3", "--out", "{tmp}/m.png"],
        "takes whole volumes, and this is an image: choose dims=2, or",
    ),
    (["segment", "{image}"], "--task"),
    (["segment", "{image}", *SEGMENT, "--skip", "teleport"], "Unknown skip"),
    (["cost", "--design", "colour=red"], "Unknown key"),
    (["cost", "--design", "skip=none&attention=se"], "lets nothing cross"),
    (["cost", "--preset", "huge"], "Unknown preset"),
    (["cost", "--preset", "classic", "--design", "skip=add"], "give one"),
    (["cost", "--attention", "cbam(order=sideways)"], "order can be sequential, parallel"),
    (["cost", "--depth", "9"], "depth is a whole number from 1 to 6"),
    (["cost", "--design", f"depth={'9' * 1900}"], "9... is not possible"),
    (["cost", "--design", f"depth={'9' * 5000}"], "at most 2000"),
    (["cost", "--depth", "two"], "--depth"),
    (["cost", "--size", "0"], "--size 0"),
    (["cost", "--size", "5000"], "--size 5000"),
    (["cost", "--colour", "red"], "--colour"),
    (["paint"], "paint"),
    ([], "COMMAND"),
    (["explain", "{image}", *SEGMENT, "--method", "magic"], "Unknown analysis"),
    (["explain", "{image}", *SEGMENT, "--method", "attention", "--target", "7"], "Class 7 does not exist"),
    (["explain", "{image}", *SEGMENT, "--method", "receptive-field", "--point", "99", "0"], "outside the image"),
    (
        ["explain", "{image}", *SEGMENT, "--method", "attention", "--region", "3", "3", "2", "9"],
        "ends before it begins",
    ),
    (["explain", "{image}", *SEGMENT, "--method", "attention", "--region", "0", "0", "99", "9"], "outside the image"),
    (["explain", "{image}", *SEGMENT, "--method", "attention", "--whole"], "name the pixel with --point"),
    (
        [
            *("explain", "{image}", *SEGMENT, "--method", "attention", "--point", "3", "3"),
            *("--region", "0", "0", "2", "9"),
        ],
        "--region and --point were both given",
    ),
    (["explain", "{image}", *SEGMENT, "--method", "deep-lift", "--attention", "se"], "DeepLIFT has no rule"),
    (["explain", "{image}", *SEGMENT, "--method", "surgery(treatment=swap)"], "second image"),
    (["explain", "{image}", *SEGMENT, "--method", "disagreement"], "no trained bank"),
    (["explain", "{large}", *SEGMENT, "--method", "saliency"], "analyses take up to 1.1 Mpx"),
    (["explain", "{image}", *SEGMENT, "--method", "attention", "--truth", "{text}"], "other kinds are not read"),
    (["explain", "{image}", *SEGMENT, "--method", "integrated-gradients(steps=one)"], "steps can be"),
    (["evaluate", "--task", "nuclei", "--images", "{tmp}/secret-folder", "--labels", "{tmp}/no"], "no folder no"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--data", "{tmp}/nowhere"], "No folder with data sets"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--steps", "0", "--data", "{tmp}"], "--steps 0 is too small"),
    (
        ["train", "--task", "nuclei", "--out", "{image}", "--steps", "1", "--data", "{tmp}/data", "--width", "1"],
        "scan.png",
    ),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--epochs", "nan", "--data", "{tmp}/data"], "epochs"),
    (["train", "--task", "brains", "--out", "{tmp}/run", "--data", "{tmp}"], "Unknown"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--epochs", "1", "--steps", "9"], "give one of them"),
    (["train", "--task", "nuclei", "--out", "", "--data", "{tmp}/data"], "--out is empty"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--schedule", "fair"], "--schedule belongs to --bank"),
    (["solo", "--task", "nuclei", "--workers", "0", "--data", "{tmp}/data"], "--workers is at least 1"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--every", "0"], "--every 0 is too small"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--seed", "-1"], "--seed -1 is too small"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--rate", "nan"], "--rate is a number above 0"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--weights", "solo"], "--weights"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--only", "skip", "--data", "{tmp}/data"], "belong to --bank"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--bank", "--only", "sky"], "--only"),
    (["train", "--task", "nuclei", "--out", "{tmp}/run", "--bank", "--skip", "none"], "add --only skip"),
    (
        ["train", "--task", "nuclei", "--out", "{tmp}/run", "--bank", "--only", "block", "--block", "dilated(rates=2)"],
        "in brackets",
    ),
]


@pytest.mark.parametrize(("words", "reason"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_input_is_refused_in_one_sentence(
    capsys: Capture, image: Path, tmp_path: Path, checkpoints: Path, words: list[str], reason: str
):
    text, cut = image.with_name("notes.png"), image.with_name("cut.png")
    for name in ("attic", "attic.png"):
        (image.parent / name).mkdir()
    write_scenes(tmp_path / "data")
    large = tmp_path / "large.png"
    Image.new("L", (1200, 1000)).save(large)
    text.write_text("Dear diary")
    cut.write_bytes(image.read_bytes()[:200])
    places = {"tmp": tmp_path, "image": image, "text": text, "cut": cut, "large": large}
    refusal = _refusal(capsys, *(word.format(**places) for word in words))
    assert reason in refusal


def test_a_label_of_another_size_is_refused(capsys: Capture, tmp_path: Path, all_nucleus: Design):
    for folder, side in (("images", 10), ("labels", 11)):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((side, 10), np.uint8)).save(tmp_path / folder / "a.png")
    words = ["--images", tmp_path / "images", "--labels", tmp_path / "labels", *SMALL]
    assert "a label has the size of its image" in _refusal(capsys, "evaluate", "--task", "nuclei", *words)


def test_images_and_volumes_in_one_folder_are_refused(capsys: Capture, tmp_path: Path, all_nucleus: Design):
    labels, words = write_cubes(tmp_path) / "hippocampus", []
    for folder in ("images", "labels"):
        Image.fromarray(np.zeros((10, 10), np.uint8)).save(labels / folder / "a.png")
        words += [f"--{folder}", labels / folder]
    refusal = _refusal(capsys, "evaluate", "--task", "nuclei", *words, *SMALL)
    assert "give each kind a folder of its own" in refusal


def test_help_lists_the_environment(capsys: Capture):
    with pytest.raises(SystemExit) as stop:
        main(["serve", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for name in ("DATA", "CHECKPOINTS", "DEVICE", "PROFILE"):
        assert f"UNET_PLAYGROUND_{name}" in shown
    for variable, about, public, local in listed():
        assert re.search(rf"{variable} +{re.escape(about)} \({public}; local: {local}\)", shown)


def test_login_without_a_terminal_says_so(capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    def closed() -> str:
        raise EOFError

    monkeypatch.setattr("unet_playground.commands.looking.getpass", closed)
    assert "start the command in a terminal" in _refusal(capsys, "login", "alice")
