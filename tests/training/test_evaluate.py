"""Evaluation asks the metrics about each image or volume, and says what they amount to."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from unet_playground import Design, load_model
from unet_playground.errors import MissingData, UnknownChoice, UnreadableImage
from unet_playground.images.volumes import open_volume
from unet_playground.training.datasets import Example, Sample
from unet_playground.training.evaluate import Case, Evaluation, compare, evaluate, segmented
from unet_playground.training.metrics import GENERAL, Truth, mean_interval, score
from unet_playground.volumes.segmenting import segment_volume


def _example(name: str, inside: int, group: str = "", size: tuple[int, int] = (5, 8)) -> Example:
    labels = np.zeros(size, np.uint8)
    labels.flat[:inside] = 1
    return Example(name, torch.rand(3, *size), torch.from_numpy(labels), group)


def _case(name: str, group: str, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    predicted, labels = rng.integers(0, 3, (2, 6, 9)).astype(np.uint8)
    return Case(name, group, predicted, Truth(labels))


@pytest.fixture
def result() -> Evaluation:
    return compare([_case(f"{child}{eye}", child, ord(child) + ord(eye)) for child in "abcd" for eye in "LR"], 3)


def test_scores_are_means_over_images_unless_pooled(all_nucleus: Design):
    model = load_model("nuclei", all_nucleus)
    result = evaluate(model, [_example("a", 10), _example("b", 40), _example("c", 0)])
    dices = [2 * 10 / 50, 1.0, 0.0]
    assert result.names == result.groups == ("a", "b", "c")
    assert result.values["dice"] == pytest.approx(dices)
    assert result.dice == pytest.approx(np.mean(dices))
    summary = result.summary()
    assert summary["n"] == 3
    assert summary["dice"] == round(float(np.mean(dices)), 4)
    assert summary["dice_pooled"] == round(2 * 50 / (120 + 50), 4)
    assert summary["iou"] == round(float(np.mean([0.25, 1, 0])), 4)


def test_masks_are_compared_at_the_size_of_each_image(install: Callable[..., object]):
    model = load_model("nuclei", Design(depth=2, width=4))
    images = [Example(str(n), torch.rand(3, n, n + 3), torch.randint(0, 2, (n, n + 3)).byte()) for n in (1, 6, 17)]
    result = evaluate(model, images)
    for at, example in enumerate(images):
        mask = model(example.image[None]).argmax(1)[0].numpy().astype(np.uint8)
        for id in GENERAL:
            expected = score(id, mask, Truth(example.labels.numpy()), 2)
            assert result.values[id][at] == pytest.approx(expected, nan_ok=True)


def test_the_metrics_that_were_asked_for_are_scored_and_dice_in_any_case(all_nucleus: Design):
    model, examples = load_model("nuclei", all_nucleus), [_example("a", 10), _example("b", 20)]
    assert tuple(evaluate(model, examples).values) == GENERAL
    assert tuple(evaluate(model, examples, ["cldice", "hd95", "cldice"]).values) == ("dice", "cldice", "hd95")
    assert tuple(evaluate(model, examples, []).values) == ("dice",)
    with pytest.raises(UnknownChoice, match="dize"):
        evaluate(model, examples, ["dize"])


def test_instances_reach_the_metrics(all_nucleus: Design):
    example = _example("a", 40)
    objects = torch.arange(40, dtype=torch.int32).reshape(5, 8) // 20 + 1
    whole, two = (Example("a", example.image, example.labels, "", one) for one in (None, objects))
    model = load_model("nuclei", all_nucleus)
    assert evaluate(model, [whole], ["merges"]).values["merges"] == (0.0,)
    assert evaluate(model, [two], ["merges"]).values["merges"] == (1.0,)


def test_the_slices_of_a_group_are_scored_as_one_volume(all_nucleus: Design):
    model = load_model("nuclei", all_nucleus)
    examples = [_example("x1", 10, "x"), _example("y1", 40, "y"), _example("x2", 0, "x"), _example("x3", 20, "x")]
    result = evaluate(model, examples, ["dice", "boundary_f1"], unit="group")
    assert result.names == result.groups == ("x", "y")
    assert result.values["dice"] == pytest.approx([2 * 30 / (120 + 30), 1.0])
    assert result.summary()["n"] == 2
    # All pixels are predicted, so no slice is empty, and the boundaries of three slices of three are missing.
    assert result.values["boundary_f1"] == (0.0, 1.0)
    assert result.summary()["dice_pooled"] == evaluate(model, examples).summary()["dice_pooled"]


def test_instances_of_slices_are_stacked(all_nucleus: Design):
    objects = torch.arange(40, dtype=torch.int32).reshape(5, 8) // 20 + 1
    slices = [Example(n, torch.rand(3, 5, 8), torch.ones(5, 8).byte(), "x", objects) for n in ("1", "2")]
    assert evaluate(load_model("nuclei", all_nucleus), slices, ["merges"], "group").values["merges"] == (1.0,)


def test_small_images_that_are_segmented_together_keep_their_order_and_their_masks(install: Callable[..., object]):
    model = load_model("nuclei", Design(depth=2, width=4))
    sides = [(9, 7)] * 5 + [(300, 200)] * 2 + [(7, 9), (9, 7)]
    given = [
        Example(str(number), torch.rand(3, *side), torch.randint(0, 2, side).byte())
        for number, side in enumerate(sides)
    ]
    together = evaluate(model, given)
    assert together.names == tuple(map(str, range(len(sides))))
    assert len({counts[0].predicted for counts in together.counts}) > 3
    for number, example in enumerate(given):
        assert evaluate(model, [example]).counts[0] == together.counts[number]


def test_slices_of_other_sizes_make_no_volume(all_nucleus: Design):
    examples = [_example("x1", 3, "x"), _example("x2", 3, "x", (5, 9))]
    with pytest.raises(MissingData, match="images of x differ in size"):
        evaluate(load_model("nuclei", all_nucleus), examples, unit="group")


def test_the_summary_is_plain_json_rounded_to_four_digits(result: Evaluation):
    summary = json.loads(json.dumps(result.summary(), allow_nan=False))
    assert set(summary) == {"n", "dice_pooled", "intervals", *GENERAL}
    assert list(summary)[:3] == ["n", "dice", "dice_pooled"]
    for id in GENERAL:
        known = [value for value in result.values[id] if not np.isnan(value)]
        assert summary[id] == (round(float(np.mean(known)), 4) if known else None)
    assert summary["large_recall"] is None


def test_the_summary_has_an_interval_of_every_mean(result: Evaluation):
    summary = result.summary()
    assert set(summary["intervals"]) == {"dice_pooled", *GENERAL}
    for id in ("dice", "dice_pooled", "iou", "hd95"):
        low, high = summary["intervals"][id]
        assert low < summary[id] < high
    assert summary["intervals"]["large_recall"] == [None, None]
    expected = mean_interval(result.values["dice"], result.groups)
    assert summary["intervals"]["dice"] == pytest.approx(expected, abs=1e-4)
    assert summary == result.summary()


def test_intervals_draw_whole_groups(result: Evaluation):
    single = Evaluation(result.names, ("a",) * 8, result.values, result.counts)
    assert set(map(tuple, single.summary()["intervals"].values())) == {(None, None)}
    alone = Evaluation(result.names, result.names, result.values, result.counts)
    for id in ("dice", "dice_pooled"):
        assert alone.summary()["intervals"][id] != result.summary()["intervals"][id]
    assert alone.summary()["dice"] == result.summary()["dice"]


def test_rows_of_images_are_plain_json(result: Evaluation):
    rows = json.loads(json.dumps(result.per_image(), allow_nan=False))
    assert [row["name"] for row in rows] == list(result.names)
    assert set(rows[0]) == {"name", "group", *GENERAL}
    assert [row["dice"] for row in rows] == list(result.values["dice"])
    assert rows[0]["large_recall"] is None


@pytest.mark.parametrize(("task", "dims"), [("liver", 2), ("hippocampus", 2), ("hippocampus", 3)])
def test_the_mask_that_is_scored_is_the_one_that_is_written(task: str, dims: int, checkpoints: Path, tmp_path: Path):
    """On an uneven, turned grid, with a voxel that is no number."""
    values = np.random.default_rng(0).normal(100, 150, (24, 18, 7)).astype(np.float32)
    values[3, 4, 5] = np.nan
    affine = np.array([[0.0, -0.8, 0, 7], [1.4, 0, 0, -5], [0, 0, 3.0, 3], [0, 0, 0, 1]])
    image, label = tmp_path / "scan.nii.gz", tmp_path / "truth.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, affine), image)
    model = load_model(task, Design(depth=2, width=4, dims=dims))
    mask = segment_volume(open_volume([image]), model).mask
    nibabel.save(nibabel.Nifti1Image(mask, affine), label)
    assert 0.01 < (mask > 0).mean() < 0.99
    (case,) = segmented([Sample(image, label)], model)
    np.testing.assert_array_equal(case.predicted, case.truth.labels)
    assert compare([case], model.classes).values["dice"] == (1.0,)


def _volumes(folder: Path, affine: np.ndarray | None) -> Sample:
    """A volume that grows to the left and back, and a label with another affine, or with none."""
    values = np.random.default_rng(0).normal(100, 150, (10, 9, 8)).astype(np.float32)
    image, label = folder / "scan.nii.gz", folder / "truth.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 2.0, 1.0])), image)
    nibabel.save(nibabel.Nifti1Image((values > 100).astype(np.uint8), affine), label)
    return Sample(image, label)


@pytest.mark.parametrize("affine", [np.eye(4), None, np.diag([-1.0, -1.0, 2.1, 1.0])], ids=str)
def test_a_label_that_lies_elsewhere_than_its_image_is_not_scored(
    affine: np.ndarray | None, checkpoints: Path, tmp_path: Path
):
    model = load_model("hippocampus", Design(depth=1, width=2))
    with pytest.raises(
        MissingData, match=r"^truth\.nii\.gz lies elsewhere .* save the label with the image's own affine"
    ):
        list(segmented([_volumes(tmp_path, affine)], model))


@pytest.mark.parametrize("broken", ["image", "label"])
@pytest.mark.parametrize("task", ["nuclei", "hippocampus"])
def test_a_damaged_file_is_named(task: str, broken: str, checkpoints: Path, tmp_path: Path):
    sample = _volumes(tmp_path, np.diag([-1.0, -1.0, 2.0, 1.0]))
    if task == "nuclei":
        sample = Sample(tmp_path / "scan.png", tmp_path / "truth.png")
        for path in (sample.image, sample.label):
            Image.fromarray(np.zeros((9, 8), np.uint8)).save(path)
    path: Path = getattr(sample, broken)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UnreadableImage, match=f"^{path.name}: ") as told:
        list(segmented([sample], load_model(task, Design(depth=1, width=2))))
    assert told.value.text.zh.startswith(f"{path.name}：")
