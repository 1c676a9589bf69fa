"""What is computed for the page, on every task: one channel or three, two classes or three, tiny and large."""

import re
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from unet_playground import Design, Picture, UNet, catalogues
from unet_playground.errors import Text, UnreadableImage
from unet_playground.examples import example, examples_of
from unet_playground.inference import segment
from unet_playground.model import Origin
from unet_playground.tasks import tasks
from unet_playground.ui import scene as scenes
from unet_playground.ui.layers import layer
from unet_playground.ui.scene import (
    Scene,
    attribution_methods,
    explain,
    facts_of,
    glimpse,
    model_for,
    on_equal_terms,
)
from unet_playground.weights import Card, write

DESIGN = Design(depth=2, width=4, attention="cbam", skip="attention-gate")
CJK = re.compile(r"[\u4e00-\u9fff]")
each_task = pytest.mark.parametrize("task", catalogues["task"])
Install = Callable[..., str]


@pytest.fixture
def put(checkpoints: Path) -> Install:
    """Write random weights for a task and give their hash."""
    scenes.models.cache_clear()

    def write_weights(task: str, shared: bool = False, design: Design = DESIGN) -> str:
        made = tasks[task].make
        network = UNet(design, made.channels, len(made.labels))
        card = Card(task=task, design=design.to_json(), shared=shared)
        return write(checkpoints / task / ("bank" if shared else "alone"), network.state_dict(), card).sha256

    return write_weights


def _scene(task: str, side: int = 35, truth: np.ndarray | None = None) -> Scene:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side + 1), dtype=np.uint8)
    return Scene(task, Picture.from_array(pixels), Text("a", "甲"), truth=truth)


def _facing(task: str, label: int) -> UNet:
    """A network that gives every pixel to one class, loaded for a task."""
    made = tasks[task].make
    network = UNet(Design(depth=1, width=2), made.channels, len(made.labels)).requires_grad_(False)
    network.head.weight.zero_()  # type: ignore[operator]
    network.head.bias.copy_(torch.eye(len(made.labels))[label])  # type: ignore[operator]
    network.origin = Origin(task, "solo", "0")
    return network


@each_task
@pytest.mark.parametrize("point", [None, (34, 0)])
def test_every_view_of_every_class_is_there_on_a_tiny_picture(task: str, point: tuple[int, int] | None, put: Install):
    put(task)
    for label in range(1, len(tasks[task].make.labels)):
        scene = _scene(task).asking(label=label, point=point)
        model = model_for(scene, DESIGN)
        assert model is not None
        views = dict(explain(scene, model, lambda: None))
        assert list(views) == ["field", "attribution", "flow", "attention"]
        assert glimpse(scene, model).result is not None
        del views["flow"]
        for view in views.values():
            assert view.final
            assert layer(view.result, scene.picture, "en")
            assert view.line.en.endswith(".")
            assert view.facts is not None


@pytest.mark.parametrize("method", [entry.id for entry in attribution_methods()])
def test_every_method_of_attribution_can_be_chosen(method: str, put: Install):
    put("nuclei", design=Design(depth=2, width=4))
    scene = _scene("nuclei").asking(method=method, point=(17, 17))
    model = model_for(scene, Design(depth=2, width=4))
    assert model is not None
    view = dict(explain(scene, model, lambda: None))["attribution"]
    assert view.result is not None


def test_a_method_that_does_not_fit_says_so_in_its_place(put: Install):
    put("nuclei")
    model = model_for(_scene("nuclei"), DESIGN)
    assert model is not None
    views = dict(explain(_scene("nuclei").asking(method="deep-lift"), model, lambda: None))
    assert "DeepLIFT has no rule" in views["attribution"].line.en
    assert views["field"].result is not None


def test_another_class_gets_another_answer(put: Install):
    put("hippocampus")
    model = model_for(_scene("hippocampus"), DESIGN)
    assert model is not None
    one, two = (
        dict(explain(_scene("hippocampus").asking(label=label, point=(17, 17)), model, lambda: None))["attribution"]
        for label in (1, 2)
    )
    assert one.result is not None
    assert two.result is not None
    assert not np.array_equal(one.result.arrays()["attribution"], two.result.arrays()["attribution"])


def _said(scene: Scene, model: UNet) -> Text:
    return facts_of(scene, segment(scene.picture, model))


@pytest.mark.parametrize(("label", "names"), [(1, ("anterior", "前部")), (2, ("posterior", "后部"))])
def test_every_class_is_named_with_its_area(label: int, names: tuple[str, str]):
    said = _said(_scene("hippocampus").asking(point=(3, 4)), _facing("hippocampus", label))
    assert f"{names[0]}: 100.0% of the image" in said.en
    assert f"{names[1]}：占图像 100.0%" in said.zh
    assert f"Row 3, column 4: {names[0]}" in said.en


def test_gates_are_shown_at_once_and_put_to_the_test_before_the_attribution_is_refined(put: Install):
    put("nuclei")
    model = model_for(_scene("nuclei"), DESIGN)
    assert model is not None
    assert glimpse(_scene("nuclei"), model).line.en == "No gate has been replaced yet."
    seen = [(name, view.line.en) for name, view in explain(_scene("nuclei"), model, lambda: None)]
    order = [name for name, _ in groupby(seen, itemgetter(0))]
    assert order == ["field", "attribution", "flow", "attention", "attribution"]
    assert "Dice" in dict(seen)["attention"]


def test_a_truth_of_three_classes_is_scored_class_by_class():
    truth = np.ones((35, 36), np.uint8)
    truth[:7] = 2
    # Class 1: 2 * 28 / (35 + 28) of the rows; class 2 is missed.
    said = _said(_scene("hippocampus", truth=truth), _facing("hippocampus", 1))
    assert f"Dice {(2 * 28 / 63) / 2:.3f} on this image" in said.en


@pytest.mark.parametrize(("label", "dice"), [(0, "1.000"), (1, "0.000")])
def test_an_empty_truth_is_met_by_an_empty_mask_only(label: int, dice: str):
    said = _said(_scene("liver", truth=np.zeros((35, 36), np.uint8)), _facing("liver", label))
    assert f"Dice {dice} on this image" in said.en


@each_task
def test_without_weights_there_is_no_model(task: str, checkpoints: Path):
    scenes.models.cache_clear()
    assert model_for(_scene(task), DESIGN) is None


def test_the_weights_that_were_asked_for_are_taken_where_they_exist(put: Install):
    design = Design(depth=1, width=2)
    alone, shared = put("liver", design=design), put("liver", shared=True, design=design)
    for asked, found in (("auto", alone), ("solo", alone), ("shared", shared)):
        model = model_for(_scene("liver").asking(weights=asked), design)
        assert model is not None
        assert model.origin is not None
        assert model.origin.sha256 == found


@pytest.mark.parametrize(("asked", "there"), [("solo", True), ("shared", False)])
def test_other_weights_stand_in_and_say_what_they_are(asked: str, there: bool, put: Install):
    design = Design(depth=1, width=2)
    put("liver", shared=there, design=design)
    model = model_for(_scene("liver").asking(weights=asked), design)
    assert model is not None
    assert model.origin is not None
    assert model.origin.weights == ("shared" if there else "solo")


def test_designs_are_compared_on_equal_terms(put: Install):
    one, two = Design(depth=1, width=2), Design(depth=1, width=2, skip="add")
    put("liver", design=one)
    assert on_equal_terms(_scene("liver"), [one]).weights == "auto"
    assert on_equal_terms(_scene("liver"), [one, one]).weights == "solo"
    assert on_equal_terms(_scene("liver"), [one, two]).weights == "auto"
    put("liver", shared=True)
    assert on_equal_terms(_scene("liver"), [DESIGN, DESIGN]).weights == "shared"
    assert on_equal_terms(_scene("liver").asking(weights="shared"), [one, one]).weights == "shared"


@each_task
def test_an_example_opens_with_its_truth_and_its_source(task: str):
    for shipped in examples_of(task):
        scene = Scene.of_example(shipped)
        assert scene.source == shipped.source
        assert (scene.label, scene.point, scene.weights) == (1, None, "auto")
        assert (scene.truth is None) == (shipped.label is None)
        assert f"{scene.picture.width} × {scene.picture.height} px" in scene.about.en


def test_a_question_leaves_the_image_alone():
    scene = Scene.of_example(example("hippocampus", "front"))
    asked = scene.asking(label=2).asking(point=(1, 2)).asking(weights="solo")
    assert asked.picture is scene.picture
    assert (asked.label, asked.point, asked.weights) == (2, (1, 2), "solo")


def test_a_coloured_upload_is_taken_by_a_task_of_one_channel_and_removed(tmp_path: Path, put: Install):
    put("hippocampus")
    path = tmp_path / "scan.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (31, 40, 3), dtype=np.uint8))
    scene = Scene.of_upload("hippocampus", str(path))
    assert not path.exists()
    assert scene.source is None and scene.warning is None  # nothing is known of these weights
    model = model_for(scene, DESIGN)
    assert model is not None
    assert segment(scene.picture, model).mask.shape == (31, 40)


@pytest.mark.parametrize("task", ["nuclei", "vessels", "liver", "hippocampus"])
def test_an_upload_unlike_the_training_images_is_warned_of_and_others_are_not(tmp_path: Path, task: str):
    path = tmp_path / "upload.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (200, 240), dtype=np.uint8))
    scene = Scene.of_upload(task, str(path))
    assert ("Orientation unknown" in scene.told.en) == (tasks[task].make.scan is not None)
    warning = scene.warning
    assert warning is not None and "unlike" in warning.en and tasks[task].title.zh in warning.zh
    path.write_bytes(example("liver", "lower").image.read_bytes())
    assert (Scene.of_upload(task, str(path)).warning is None) == (task == "liver")


def test_a_visitors_mask_is_the_truth_from_then_on_and_its_file_is_removed(tmp_path: Path):
    scene = Scene.of_example(example("hippocampus", "front"))
    truth = np.zeros(scene.sides, np.uint8)
    truth[:5, :7] = 2
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), truth)
    judged = scene.judged_by(str(path)).judged_by(_file(tmp_path / "again.npy", truth))
    assert not list(tmp_path.iterdir())
    assert judged.truth is not None and np.array_equal(judged.truth, truth)
    assert judged.told.en.count("your mask") == judged.told.zh.count("你的掩膜") == 1
    assert judged.id == scene.id


def test_a_mask_of_another_size_or_with_other_classes_is_refused(tmp_path: Path):
    scene = Scene.of_example(example("hippocampus", "front"))
    with pytest.raises(UnreadableImage, match="the image 36 x"):
        scene.judged_by(_file(tmp_path / "small.npy", np.zeros((3, 4), np.uint8)))
    with pytest.raises(UnreadableImage, match="go up to 7; this task has the classes 0 to 2"):
        scene.judged_by(_file(tmp_path / "other.npy", np.full(scene.sides, 7, np.uint8)))


def _file(path: Path, array: np.ndarray) -> str:
    np.save(path, array)
    return str(path)
