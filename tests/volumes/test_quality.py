"""Doubt at every voxel, and the warning of what no training image resembles."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.training.scenes import write_cubes, write_scenes
from unet_playground import Design, Picture, load_model, read_image
from unet_playground.__main__ import main
from unet_playground.examples import examples
from unet_playground.images.volumes import Volume, open_volume
from unet_playground.model import Origin
from unet_playground.tasks import tasks
from unet_playground.training.datasets import split
from unet_playground.volumes.quality import distance, entropy, unusual, unusual_volume
from unet_playground.volumes.segmenting import VolumeSegmentation, segment_volume
from unet_playground.volumes.usual import fit, keep, usual_of

SMALL = Design(depth=2, width=4)


def found(*foreground: NDArray) -> VolumeSegmentation:
    chances = np.stack([np.rint(255 * each).astype(np.uint8) for each in foreground])
    return VolumeSegmentation(np.zeros(chances.shape[1:], np.uint8), chances, Design(), Origin("liver", "solo", ""))


def test_entropy_is_none_where_sure_and_all_where_undecided():
    chance = np.array([0, 0.5, 1, 0.11]).reshape(4, 1, 1)
    doubt = entropy(found(chance)).ravel()
    assert doubt[[0, 2]] == pytest.approx([0, 0])
    assert doubt[1] == pytest.approx(1, abs=1e-3)
    assert doubt[3] == pytest.approx(0.5, abs=0.02)  # 0.11 and 0.89 hold half a bit
    third = np.full((1, 1, 1), 1 / 3)
    assert entropy(found(third, third)).item() == pytest.approx(1, abs=1e-3)
    assert entropy(found(third * 0, third * 3)).item() == pytest.approx(0)


def chest(side: int = 512) -> NDArray[np.uint8]:
    """A drawing in the manner of a chest radiograph: dark lungs, a bright middle, ribs and a diaphragm."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    image = 0.75 - 0.25 * (x**2 + y**2)
    for middle in (-0.42, 0.42):
        lung = np.hypot((x - middle) / 0.34, (y + 0.05) / 0.66)
        image -= 0.5 / (1 + np.exp(18 * (lung - 1)))
    image += 0.25 * np.exp(-((x / 0.12) ** 2)) + 0.3 * np.exp(-(((x - 0.12) / 0.25) ** 2 + ((y - 0.3) / 0.3) ** 2))
    for number in range(9):
        curve = y - (-0.8 + 0.17 * number) - 0.35 * (np.abs(x) - 0.45) ** 2
        image += 0.08 * np.exp(-((curve / 0.025) ** 2)) * (np.abs(x) > 0.12)
    image += 0.35 / (1 + np.exp(-30 * (y - 0.62 + 0.2 * np.abs(x))))
    noise = np.random.default_rng(1).normal(0, 0.015, image.shape)
    return np.rint(255 * np.clip(image + noise, 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("task", tasks)
def test_a_chest_radiograph_is_flagged(task: str):
    said = unusual(Picture.from_array(chest()), task)
    assert said is not None
    assert "unlike" in said.en and tasks[task].title.en in said.en and tasks[task].title.zh in said.zh


@pytest.mark.parametrize("task", tasks)
def test_noise_is_flagged(task: str):
    noise = Picture.from_array(np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8))
    assert unusual(noise, task) is not None


@pytest.mark.parametrize("task", ["vessels", "liver", "hippocampus"])  # photographs of nuclei have empty corners
def test_an_even_image_is_flagged(task: str):
    assert unusual(Picture.from_array(np.full((200, 200), 128, np.uint8)), task) is not None


def test_a_radiograph_from_a_scanner_is_flagged(data: Path):
    picture = read_image(data / "dicom_seg/highdicom/dx_image.dcm")
    assert unusual(picture, "nuclei") is not None


@pytest.mark.parametrize("image", [one for one in examples() if one.label], ids=lambda one: one.id)
def test_few_shipped_examples_are_flagged(image):
    far = distance([image.read()], image.task)
    assert far is not None and far[0] < 3


@pytest.mark.parametrize("task", ["nuclei", "vessels", "liver"])
def test_unseen_images_of_the_task_are_mostly_not_flagged(data: Path, task: str):
    samples = split(task, data)["test"]
    chosen = samples[:: max(1, len(samples) // 12)]
    far = distance([read_image(sample.image) for sample in chosen], task)
    assert far is not None
    assert (far > 1).mean() <= 0.2


def test_a_ct_is_usual_for_the_liver_and_noise_is_not(data: Path):
    model = load_model("liver", Design())
    whole = open_volume([data / "volumes/ct_dicom_j2k"])
    assert unusual_volume(whole, segment_volume(whole, model), model) is None
    noise = np.random.default_rng(0).normal(100, 300, (128, 128, 4)).astype(np.float32)
    other = Volume(noise, np.diag([3.0, 3.0, 3.0, 1.0]), "HU")
    assert unusual_volume(other, segment_volume(other, model), model) is not None


def cloud(n: int, seed: int) -> NDArray[np.float32]:
    """Features of two kinds, each around a middle of its own."""
    noise = np.random.default_rng(seed).normal(size=(n, 2, 6))
    return (noise + np.array([[5], [-5]])).astype(np.float32)


@pytest.mark.parametrize("held_out", [200, 5])
@pytest.mark.parametrize("kind", [0, 1])
def test_what_is_far_from_every_training_image_in_one_kind_of_features_is_unusual(held_out: int, kind: int):
    usual = fit(cloud(300, 1), np.arange(300), cloud(held_out, 2), "")
    assert (usual.distance(cloud(400, 3)) > 1).mean() < 0.08
    beyond = cloud(20, 4)
    beyond[:, kind] += 4
    assert (usual.distance(beyond) > 1).all()


def test_nothing_is_said_where_nothing_is_known(checkpoints: Path):
    picture = Picture.from_array(np.zeros((32, 32), np.uint8))
    assert unusual(picture, "nuclei") is None
    (checkpoints / "nuclei").mkdir()
    keep(fit(cloud(80, 1), np.arange(80), cloud(60, 2), "of other weights"), "nuclei")
    assert unusual(picture, "nuclei") is None
    (checkpoints / "nuclei" / "usual.safetensors").write_bytes(b"damaged")
    assert usual_of("nuclei") is None


def test_the_command_refuses_a_folder_without_validation_images(
    tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture
):
    root = write_scenes(tmp_path / "data")
    for sample in split("nuclei", root)["validation"]:
        sample.image.unlink()
    assert main(["usual", "--task", "nuclei", "--data", str(root)]) == 2
    printed = capsys.readouterr().err
    assert "no validation images for nuclei" in printed
    assert printed.count("\n") == 1


def test_the_command_learns_from_a_folder_of_images(tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture):
    (checkpoints / "nuclei").mkdir()
    root = write_cubes(write_scenes(tmp_path / "data", 60))
    assert main(["usual", "--task", "nuclei", "--data", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["flagged"]) == {"train", "validation", "test", "hippocampus"}
    assert told["bytes"] == (checkpoints / "nuclei/usual.safetensors").stat().st_size < 1_000_000
    flagged, count = told["flagged"]["train"]
    assert flagged < count / 4
    # The network is untrained here, and still an even image is none of these scenes.
    far = distance([Picture.from_array(np.full((24, 28), 200, np.uint8))], "nuclei")
    assert far is not None and far[0] > 1
