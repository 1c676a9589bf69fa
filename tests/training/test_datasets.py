"""Where images and labels come from, and that the split never moves."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.scenes import scene, write_scenes
from unet_playground.errors import MissingData, UnreadableImage
from unet_playground.tasks import tasks
from unet_playground.training.augment import batch, view
from unet_playground.training.datasets import Example, Sample, data_root, datasets, pair, read, split, split_hash

COUNTS = {"train": 282, "validation": 100, "test": 92}
TEST_HASH = "d1e87fc06a300a9a92319441b4e0997fc1b26bc88f9c6af67befbefb80890d14"
TASK = tasks["nuclei"].make()


def _save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def test_the_real_split_is_the_published_one(data: Path):
    parts = split("nuclei", data)
    names = {name: [sample.image.name for sample in part] for name, part in parts.items()}
    assert sum(map(len, names.values())) == len(list((data / "nuclei" / "images").glob("*.png")))
    assert not set(names["train"]) & set(names["test"])
    assert not set(names["train"]) & set(names["validation"])
    assert not set(names["validation"]) & set(names["test"])
    for name, folds in (("test", {0}), ("validation", {1}), ("train", {2, 3, 4})):
        assert {zlib.crc32(Path(one).stem.encode()) % 5 for one in names[name]} == folds
    assert {name: len(part) for name, part in names.items()} == COUNTS
    assert split_hash(parts["test"]) == TEST_HASH


def test_every_real_image_has_a_label_of_its_size(data: Path):
    for part in split("nuclei", data).values():
        for sample in part[:3]:
            example = read(sample, TASK)
            assert example.image.shape[1:] == example.labels.shape
            assert set(example.labels.unique().tolist()) == {0, 1}


def test_adding_images_moves_none(tmp_path: Path):
    few, many = (split("nuclei", write_scenes(tmp_path / str(count), count)) for count in (12, 20))
    for name, part in few.items():
        assert {sample.image.name for sample in part} <= {sample.image.name for sample in many[name]}


def test_a_fold_depends_on_the_stem_alone():
    dataset = datasets["nuclei"].make()
    assert dataset.fold(Sample(Path("a/scene-1.png"), Path("x"))) == dataset.fold(Sample(Path("b/scene-1.tif"), Path()))
    assert dataset.fold(Sample(Path("scene-1.png"), Path())) == zlib.crc32(b"scene-1") % 5


def test_instance_labels_become_one_class(tmp_path: Path):
    image, labels = scene(0)
    sample = Sample(_save(tmp_path / "a.png", image), _save(tmp_path / "b.png", labels))
    example = read(sample, TASK)
    np.testing.assert_array_equal(example.labels.numpy(), labels > 0)
    assert example.image.shape == (3, *labels.shape)
    assert (example.image.min(), example.image.max()) == (0, 1)
    assert example.name == "a"


def test_a_label_of_another_size_is_refused(tmp_path: Path):
    image, labels = scene(0)
    sample = Sample(_save(tmp_path / "a.png", image), _save(tmp_path / "b.png", labels[1:]))
    with pytest.raises(MissingData, match=r"b\.png is 23 x 28 px, its image 24 x 28"):
        read(sample, TASK)


def test_a_fractional_label_is_refused(tmp_path: Path):
    image, labels = scene(0)
    sample = Sample(_save(tmp_path / "a.png", image), _save(tmp_path / "b.tif", labels.astype(np.float32)))
    with pytest.raises(UnreadableImage):
        read(sample, TASK)


def test_labels_belong_to_images_by_stem_alone_or_before_an_underscore(tmp_path: Path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    for name in ("a.png", "b.tif", "ab.png", "lonely.png"):
        (images / name).parent.mkdir(exist_ok=True)
        (images / name).touch()
    for name in ("a_mask.png", "b.png", "ab_label_2.png", "stranger.png", "axe.png"):
        (labels / name).parent.mkdir(exist_ok=True)
        (labels / name).touch()
    found = {sample.image.name: sample.label.name for sample in pair(images, labels)}
    assert found == {"a.png": "a_mask.png", "b.tif": "b.png", "ab.png": "ab_label_2.png"}


def test_a_label_goes_to_the_image_with_the_longest_stem(tmp_path: Path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    for folder, names in ((images, ("a.png", "a_b.png")), (labels, ("a_mask.png", "a_b_mask.png"))):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    found = {sample.image.name: sample.label.name for sample in pair(images, labels)}
    assert found == {"a.png": "a_mask.png", "a_b.png": "a_b_mask.png"}


def test_images_and_labels_may_share_a_folder(tmp_path: Path):
    for name in ("a.png", "a_mask.png"):
        (tmp_path / name).touch()
    assert [(s.image.name, s.label.name) for s in pair(tmp_path, tmp_path)] == [("a.png", "a_mask.png")]


def test_folders_without_pairs_are_refused(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(MissingData, match="No label has the stem of an image"):
        pair(tmp_path / "images", tmp_path / "labels")
    with pytest.raises(MissingData, match="no folder nowhere"):
        pair(tmp_path / "images", tmp_path / "nowhere")


def test_a_missing_data_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("UNET_PLAYGROUND_DATA", raising=False)
    for given in (None, str(tmp_path / "nowhere")):
        with pytest.raises(MissingData, match="UNET_PLAYGROUND_DATA"):
            data_root(given)
    with pytest.raises(MissingData, match="holds no images for nuclei"):
        split("nuclei", data_root(str(tmp_path)))


def _example() -> Example:
    image, labels = scene(1, side=40)
    tall = np.stack([image / 255] * 3).astype(np.float32)
    return Example("a", torch.from_numpy(tall), torch.from_numpy((labels > 0).astype(np.uint8)))


@pytest.mark.parametrize("side", [16, 32, 64])
def test_a_view_has_the_side_that_is_asked_for_and_its_labels_follow_it(side: int):
    example = _example()
    for seed in range(12):
        image, labels = view(example, side, np.random.default_rng(seed))
        assert image.shape == (3, side, side)
        assert labels.shape == (side, side)
        inside, outside = image[0][labels == 1], image[0][labels == 0]
        if min(len(inside), len(outside)) > 20:
            assert inside.mean() > outside.mean() + 0.2


def test_the_same_seed_draws_the_same_batch():
    one, other = (batch([_example()], 4, 16, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[0], batch([_example()], 4, 16, np.random.default_rng(4))[0])
    assert one[1].dtype == torch.int64
