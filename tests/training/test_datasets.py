"""Where images and labels come from, and that the split never moves."""

import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.scenes import scene, write_scenes
from unet_playground.errors import MissingData, UnreadableImage
from unet_playground.images.labels import read_labels
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Sample, data_root, datasets, examples, pair, read, split, split_hash

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
        for example in examples("nuclei", part[:3]):
            assert example.objects is not None
            assert example.image.shape[1:] == example.labels.shape
            assert set(example.labels.unique().tolist()) == {0, 1}


def test_adding_images_moves_none(tmp_path: Path):
    few, many = (split("nuclei", write_scenes(tmp_path / str(count), count)) for count in (12, 20))
    for name, part in few.items():
        assert {sample.image.name for sample in part} <= {sample.image.name for sample in many[name]}


def test_the_split_depends_on_the_stem_alone():
    dataset = datasets["nuclei"].make()
    assert dataset.part(Sample(Path("a/scene-1.png"), Path("x"))) == dataset.part(Sample(Path("b/scene-1.tif"), Path()))
    for number in range(20):
        fold = zlib.crc32(f"scene-{number}".encode()) % 5
        expected = "test" if fold == 0 else "validation" if fold == 1 else "train"
        assert dataset.part(Sample(Path(f"scene-{number}.png"), Path())) == expected


def test_instance_labels_become_one_class(tmp_path: Path):
    image, labels = scene(0)
    sample = Sample(_save(tmp_path / "a.png", image), _save(tmp_path / "b.png", labels))
    (example,) = read(sample, TASK)
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


TASKS = {
    "nuclei": (474, {"train": 282, "validation": 100, "test": 92}),
    "vessels": (28, {"train": 18, "validation": 2, "test": 8}),
    "liver": (538, {"train": 305, "validation": 129, "test": 104}),
    "hippocampus": (220, {"train": 142, "validation": 43, "test": 35}),
}


@pytest.mark.parametrize("task", TASKS)
def test_no_patient_child_or_volume_is_in_two_splits(task: str, data: Path):
    dataset, parts = datasets[task].make(), split(task, data)
    groups = {name: {dataset.group(sample) for sample in part} for name, part in parts.items()}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    count, sizes = TASKS[task]
    assert sum(sizes.values()) == count
    assert {name: len(part) for name, part in parts.items()} == sizes


def test_the_vessel_test_is_the_usual_one(data: Path):
    names = [sample.name for sample in split("vessels", data)["test"]]
    assert names == [f"Image_{child}{eye}" for child in (11, 12, 13, 14) for eye in "LR"]


def test_eyes_of_a_child_and_slices_of_a_patient_are_one_group():
    for task, one, other in (("vessels", "Image_07L.jpg", "Image_07R.jpg"), ("liver", "10050_41.png", "10050_7.png")):
        dataset = datasets[task].make()
        group = dataset.group(Sample(Path(one), Path()))
        assert group == dataset.group(Sample(Path(other), Path()))
        assert dataset.part(Sample(Path(one), Path())) == dataset.part(Sample(Path(other), Path()))


@pytest.mark.parametrize("task", TASKS)
def test_real_examples_are_as_the_task_says(task: str, data: Path):
    made = tasks[task].make()
    for one in examples(task, split(task, data)["validation"][:1]):
        assert one.image.shape == (made.channels, *one.labels.shape)
        assert one.image.dtype == torch.float32
        assert one.image.min() >= 0 and one.image.max() <= 1
        assert int(one.labels.max()) < len(made.labels)


def _write_volume(path: Path, values: np.ndarray, flip: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0 if flip else 1.0, 1.0, 1.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(values[::-1] if flip else values, affine), path)
    return path


@pytest.mark.parametrize("flip", [False, True])
def test_a_volume_becomes_slices_that_look_as_radiologists_look(flip: bool, tmp_path: Path):
    """One bright voxel near the patient's right, back and foot is found on the left, and low, in a coronal slice."""
    values, labels = np.zeros((6, 7, 8), np.float32), np.zeros((6, 7, 8), np.uint8)
    values[5, 1, 2], labels[5, 1, 2] = 1000, 2
    sample = Sample(
        _write_volume(tmp_path / "images" / "v.nii.gz", values, flip),
        _write_volume(tmp_path / "labels" / "v.nii.gz", labels, flip),
    )
    slices = read(sample, tasks["hippocampus"].make())
    assert len(slices) == 7
    assert {one.group for one in slices} == {"v"}
    (found,) = [one for one in slices if one.labels.any()]
    assert found.name == "v-y1"
    assert found.labels.shape == (8, 6)
    assert found.labels[5, 0] == 2
    assert found.image[0, 5, 0] == 1


def _with_label_at(folder: Path, affine: np.ndarray | None) -> Sample:
    """A volume as scanners of LPS order store it, and a label with another affine, or with none."""
    values, own = np.zeros((6, 7, 8), np.float32), np.array([-0.7, -0.7, 3.0, 1])
    for name, array, at in (("v", values, np.diag(own)), ("v_seg", values.astype(np.uint8), affine)):
        nibabel.save(nibabel.Nifti1Image(array, at), folder / f"{name}.nii.gz")
    return Sample(folder / "v.nii.gz", folder / "v_seg.nii.gz")


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("affine", [np.eye(4), None, np.diag([-0.7, -0.7, 3.1, 1]), np.diag([0.7, 0.7, 3, 1])], ids=str)
def test_a_label_that_lies_elsewhere_than_its_image_is_refused(affine: np.ndarray | None, dims: int, tmp_path: Path):
    with pytest.raises(
        MissingData, match=r"^v_seg\.nii\.gz lies elsewhere .* save the label with the image's own"
    ) as told:
        read(_with_label_at(tmp_path, affine), tasks["hippocampus"].make(), dims=dims)
    assert str(tmp_path) not in str(told.value)


def test_a_label_may_be_turned_and_a_little_off(tmp_path: Path):
    turned = np.array([[0.702, 0, 0, -3.4], [0, -0.7, 0, 0.6], [0, 0, 3.02, -2.9], [0, 0, 0, 1]])
    assert len(read(_with_label_at(tmp_path, turned), tasks["hippocampus"].make())) == 7


@pytest.mark.parametrize("broken", ["v.nii.gz", "v_seg.nii.gz"])
def test_a_damaged_file_is_named(broken: str, tmp_path: Path):
    sample = _with_label_at(tmp_path, np.diag([-0.7, -0.7, 3, 1]))
    (tmp_path / broken).write_bytes(b"no volume")
    with pytest.raises(UnreadableImage, match=f"^{broken}: This file is no whole NIfTI") as told:
        read(sample, tasks["hippocampus"].make())
    assert told.value.text.zh.startswith(f"{broken}：")


def test_a_volume_that_is_taken_whole_is_its_slices_on_top_of_each_other(tmp_path: Path):
    values, labels = (np.zeros((6, 7, 8), kind) for kind in (np.float32, np.uint8))
    values[5, 1, 2], labels[5, 1, 2] = 1000, 2
    values[4, 1, 2] = 500
    sample = Sample(
        _write_volume(tmp_path / "images" / "v.nii.gz", values),
        _write_volume(tmp_path / "labels" / "v.nii.gz", labels),
    )
    made = tasks["hippocampus"].make()
    (whole,) = read(sample, made, dims=3)
    slices = read(sample, made)
    assert torch.equal(whole.labels, torch.stack([one.labels for one in slices]))
    assert (whole.name, whole.group, whole.image.shape) == ("v", "v", (1, 7, 8, 6))
    assert whole.labels[1, 5, 0] == 2
    assert (whole.image[0, 1, 5, 0], whole.image[0, 1, 5, 1] > 0.3) == (1, True)


def test_whole_volumes_are_not_made_of_images(tmp_path: Path):
    image, labels = scene(0)
    sample = Sample(_save(tmp_path / "a.png", image), _save(tmp_path / "b.png", labels))
    with pytest.raises(MissingData, match=r"a\.png is an image, and a design with dims=3 takes volumes"):
        read(sample, tasks["hippocampus"].make(), dims=3)


def test_real_volumes_are_taken_whole(data: Path):
    samples = split("hippocampus", data)["test"][:3]
    for one, sample in zip(examples("hippocampus", samples, training=True, dims=3), samples, strict=True):
        assert one.image.shape == (1, *one.labels.shape)
        assert one.image.min() == 0 and one.image.max() == 1
        assert one.labels.unique().tolist() == [0, 1, 2]
        assert one.group == sample.name


def test_training_slices_are_cut_in_three_directions(tmp_path: Path):
    for kind in ("images", "labels"):
        _write_volume(tmp_path / "hippocampus" / kind / "v.nii.gz", np.zeros((5, 6, 7), np.uint8))
    dataset = datasets["hippocampus"].make()
    samples = dataset.samples(tmp_path)
    assert sorted({one.labels.shape for one in examples("hippocampus", samples, training=True)}) == [
        (6, 5),
        (7, 5),
        (7, 6),
    ]
    assert len(examples("hippocampus", samples, training=True)) == 18
    assert len(examples("hippocampus", samples)) == 6


def test_labels_beyond_the_classes_are_refused(tmp_path: Path):
    image = _write_volume(tmp_path / "images" / "v.nii", np.zeros((3, 3, 3), np.float32))
    label = _write_volume(tmp_path / "labels" / "v.nii", np.full((3, 3, 3), 7, np.uint8))
    with pytest.raises(MissingData, match="go up to 7; this task has the classes 0 to 2"):
        read(Sample(image, label), tasks["hippocampus"].make())


def test_numpy_labels_are_read(tmp_path: Path):
    image, labels = scene(0)
    np.save(tmp_path / "b.npy", labels)
    (example,) = read(Sample(_save(tmp_path / "a.png", image), tmp_path / "b.npy"), TASK)
    np.testing.assert_array_equal(example.labels.numpy(), labels > 0)


def test_stems_of_volumes_have_no_half_suffix(tmp_path: Path):
    for folder, name in (("images", "a.nii.gz"), ("labels", "a_seg.nii.gz")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    (found,) = pair(tmp_path / "images", tmp_path / "labels")
    assert (found.name, found.label.name) == ("a", "a_seg.nii.gz")


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 3, 3), int), np.full((3, 3), 0.5), np.full((3, 3), -1), np.array([[None]])],
    ids=["volume", "fraction", "negative", "object"],
)
def test_numpy_files_that_hold_no_labels_are_refused(array: np.ndarray, tmp_path: Path):
    np.save(tmp_path / "b.npy", array)
    with pytest.raises(UnreadableImage, match=r"whole (numbers from 0 to 65535|and real numbers)"):
        read_labels(tmp_path / "b.npy")
