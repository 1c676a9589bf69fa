"""Masks of volumes: on the volume's own grid, whatever that is."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unet_playground import Design, Picture, load_model, segment
from unet_playground.errors import PlaygroundError
from unet_playground.images.volumes import Volume, plane, read_label_volume, read_volume
from unet_playground.tasks import tasks
from unet_playground.training.datasets import datasets
from unet_playground.volumes.segmenting import EVERY, View, _awaited, segment_volume, views_of

ORIENTATIONS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))
MODEL = load_model("hippocampus", Design(depth=2, width=4))
"""Untrained: it finds something everywhere."""
LIVER = 5


def scene(sides: tuple[int, int, int] = (22, 26, 18)) -> NDArray[np.float32]:
    """Smooth noise, which no mirror and no turn leaves alike."""
    coarse = torch.from_numpy(np.random.default_rng(3).random((1, 1, 6, 7, 5)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, sides, mode="trilinear")[0, 0]
    return (900 * fine).numpy()


def laid(values: NDArray[np.float32], axes: tuple[int, ...], signs: tuple[int, ...]) -> Volume:
    """The volume of canonical values whose native axes follow `axes` of the patient, up or down."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    native = values.transpose(axes)
    for i, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, i] = sign
        if sign < 0:
            native = np.flip(native, i)
            affine[axis, 3] = values.shape[axis] - 1
    return Volume(np.ascontiguousarray(native), affine)


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_every_orientation_gives_the_same_mask(axes: tuple[int, ...], signs: tuple[int, ...]):
    values = scene()
    upright = segment_volume(Volume(values, np.eye(4)), MODEL)
    volume = laid(values, axes, signs)
    found = segment_volume(volume, MODEL)
    assert len(np.unique(upright.mask)) > 1
    assert found.mask.shape == volume.values.shape
    assert np.array_equal(volume.canonical(found.mask), upright.mask)
    for own, other in zip(found.foreground, upright.foreground, strict=True):
        assert np.array_equal(volume.canonical(own), other)


def test_a_slice_has_the_mask_that_it_has_as_a_picture():
    volume = Volume(scene(), np.eye(4))
    found = segment_volume(volume, MODEL)
    cut, masks = plane(volume.values, 1), plane(found.mask, 1)
    for image, mask in zip(cut, masks, strict=True):
        alone = segment(Picture.from_array(image), MODEL).mask
        # Several at once are added up in another order than one alone.
        assert (alone == mask).mean() > 0.999


def test_probabilities_sum_to_one_and_lead_to_the_mask():
    found = segment_volume(Volume(scene(), np.eye(4)), MODEL)
    chances = np.stack([found.probability(label) for label in range(3)])
    assert np.abs(chances.sum(0) - 1).max() < 0.01
    own = np.take_along_axis(chances, found.mask[None].astype(int), 0)[0]
    assert (own >= chances.max(0) - 0.01).all()


def test_a_coarser_grid_of_the_same_patient_has_the_same_mask_there():
    fine = scene((48, 30, 48))
    values = fine.reshape(24, 2, 30, 24, 2).mean((1, 4))
    affine = np.diag([2.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = 0.5, 0, 0.5
    coarse = segment_volume(Volume(np.ascontiguousarray(values), affine), MODEL).probability(1)
    whole = segment_volume(Volume(fine, np.eye(4)), MODEL).probability(1)
    whole = whole.reshape(24, 2, 30, 24, 2).mean((1, 4))
    in_place = np.corrcoef(coarse.ravel(), whole.ravel())[0, 1]
    assert in_place > 0.8
    for axis in (0, 2):
        beside = np.corrcoef(np.roll(coarse, 1, axis).ravel(), whole.ravel())[0, 1]
        assert beside < in_place - 0.1


def test_a_mirrored_view_is_mirrored_back():
    values = scene((20, 8, 20))
    other = segment_volume(Volume(np.ascontiguousarray(values[::-1]), np.eye(4)), MODEL)
    found = segment_volume(Volume(values, np.eye(4)), MODEL, view=View(mirrored=True))
    assert np.array_equal(found.mask, other.mask[::-1])


@pytest.mark.parametrize(("task", "dims", "mirrors"), [("liver", 2, 0), ("hippocampus", 2, 0), ("hippocampus", 3, 1)])
def test_views_mirror_only_where_training_did(task: str, dims: int, mirrors: int):
    model = load_model(task, Design(dims=dims))
    assert sum(view.mirrored for view in views_of(model)) == mirrors
    recipe = datasets[task].make.recipe_of(Design(dims=dims))
    assert recipe.mirrors == bool(mirrors)


@pytest.mark.parametrize("task", [id for id in tasks if tasks[id].make.scan is None])
def test_a_task_of_pictures_refuses_a_volume_in_one_sentence(task: str):
    with pytest.raises(PlaygroundError, match="no slices of volumes; choose Liver or Hippocampus") as error:
        segment_volume(Volume(scene(), np.eye(4)), load_model(task, Design()))
    assert str(error.value).endswith("Nothing was kept.")


def test_a_spacing_that_would_make_huge_slices_is_refused():
    with pytest.raises(PlaygroundError, match="Check its spacing"):
        segment_volume(Volume(scene(), np.diag([1e4, 1, 1e4, 1])), MODEL)


def test_progress_comes_in_order_and_what_it_raises_ends_the_work():
    told: list[tuple[int, int]] = []
    segment_volume(Volume(scene(), np.eye(4)), MODEL, progress=lambda *done: told.append(done))
    assert told[0] == (0, 26) and told[-1] == (26, 26)
    assert told == sorted(told)

    class Cancelled(Exception):
        pass

    def cancel(done: int, slices: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        segment_volume(Volume(scene(), np.eye(4)), MODEL, progress=cancel)


def test_a_long_pass_is_told_of_while_it_runs():
    told: list[float] = []
    with ThreadPoolExecutor(1) as aside:
        assert _awaited(aside.submit(lambda: time.sleep(3 * EVERY) or 7), lambda: told.append(time.monotonic())) == 7
        assert len(told) >= 2
        with pytest.raises(TimeoutError):
            _awaited(aside.submit(_late), lambda: None)


def _late() -> None:
    raise TimeoutError


def test_what_a_file_does_not_say_is_said():
    plain = Volume(scene((20, 6, 20)), np.eye(4))
    vague = Volume(plain.values, np.eye(4), spaced=False, oriented=False)
    extra = {note.en for note in segment_volume(vague, MODEL).notes} - {
        note.en for note in segment_volume(plain, MODEL).notes
    }
    assert len(extra) == 2 and any("cube" in note for note in extra) and any("left" in note for note in extra)
    turn = np.eye(4)
    turn[:2, :2] = [[0.9, -0.436], [0.436, 0.9]]
    assert any("oblique" in note.en for note in segment_volume(Volume(plain.values, turn), MODEL).notes)
    liver = segment_volume(vague, load_model("liver", Design()))
    assert any("256" not in note.en and "HU" in note.en for note in liver.notes)
    assert any("1.5 mm" in note.en for note in liver.notes)


def test_values_that_are_no_numbers_do_no_harm():
    values = scene((20, 6, 20))
    values[3, 2, 5], values[4] = np.nan, np.inf
    found = segment_volume(Volume(values, np.eye(4)), MODEL)
    assert found.mask.shape == values.shape and found.mask.max() < 3


def test_the_liver_of_a_ct_is_found(data: Path):
    volume = read_volume(data / "volumes/example_ct.nii.gz")
    truth = read_label_volume(data / "volumes/example_seg_fast_force_split.nii.gz") == LIVER
    span = slice(70, 110, 4)
    part = Volume(np.ascontiguousarray(volume.values[..., span]), volume.affine @ np.diag([1, 1, 4.0, 1]), "HU")
    found, true = segment_volume(part, load_model("liver", Design())).mask == 1, truth[..., span]
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9


def test_a_network_of_volumes_takes_the_volume_as_one():
    model = load_model("hippocampus", Design(dims=3, depth=2, width=4))
    values, told = scene((80, 30, 20)), []
    found = segment_volume(Volume(values, np.eye(4)), model, progress=lambda *done: told.append(done))
    assert len(np.unique(found.mask)) > 1 and told[-1] == (2, 2)
    volume = laid(values, (2, 0, 1), (-1, 1, -1))
    assert np.array_equal(volume.canonical(segment_volume(volume, model).mask), found.mask)

    class Cancelled(Exception):
        pass

    def cancel(done: int, blocks: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        segment_volume(volume, model, progress=cancel)
