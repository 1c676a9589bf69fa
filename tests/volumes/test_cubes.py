"""Volumes through networks for volumes: every voxel at its place, whatever the grid, whole or in blocks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from unet_playground import Design, UNet, load_model
from unet_playground.errors import UnreadableImage
from unet_playground.images.volumes import Volume, read_label_volume, read_volume
from unet_playground.tasks import tasks
from unet_playground.training.datasets import split
from unet_playground.volumes import cubes
from unet_playground.volumes.cubes import segment_cube
from unet_playground.volumes.segmenting import View, segment_volume

MM = (1.0, 1.0, 1.0)


class Cancelled(Exception):
    """Somebody has had enough."""


@pytest.fixture
def model(checkpoints: Path) -> UNet:
    """A network with fresh weights, the same ones every time."""
    return load_model("hippocampus", Design(dims=3, depth=1, width=4), device=torch.device("cpu"))


def _checkered(*sides: int) -> NDArray[np.float32]:
    """Voxels of 0 and 1 at random: their darkest and brightest stay those in every part and with any border of 0."""
    return np.random.default_rng(0).integers(0, 2, sides).astype(np.float32)


def _zoomed(array: NDArray[Any], factors: Sequence[float], order: int = 1, **how: Any) -> NDArray[Any]:
    """SciPy's interpolation."""
    return np.asarray(ndimage.zoom(array, factors, order=order, **how))


def test_every_voxel_has_the_probability_that_the_network_gives_it(model: UNet):
    """The network sees slices from the back on, head up and the patient's right on the left."""
    values = np.random.default_rng(0).random((6, 9, 7), np.float32)
    found = segment_cube(values, MM, model)
    assert (found.shape, found.dtype) == ((3, 6, 9, 7), np.float32)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-6)
    seen = np.zeros((9, 7, 6), np.float32)
    for x, y, z in np.ndindex(6, 9, 7):
        seen[y, 6 - z, 5 - x] = values[x, y, z]
    with torch.inference_mode():
        given = model(tasks["hippocampus"].make().prepare_volume(seen)[None])[0].softmax(0).numpy()
    assert given.std() > 1e-3
    for x, y, z in np.ndindex(6, 9, 7):
        np.testing.assert_allclose(found[:, x, y, z], given[:, y, 6 - z, 5 - x], atol=1e-6)


def test_a_border_changes_nothing_far_from_it(model: UNet):
    values = _checkered(34, 36, 38)
    plain, padded = segment_cube(values, MM, model), segment_cube(np.pad(values, 6), MM, model)
    inner = (slice(None), *[slice(14, -14)] * 3)
    np.testing.assert_allclose(padded[:, 6:-6, 6:-6, 6:-6][inner], plain[inner], atol=1e-5)
    assert plain[inner].std() > 1e-3


def test_blocks_give_what_the_whole_gives(model: UNet, monkeypatch: pytest.MonkeyPatch):
    """But where a block ends and does not see what is beyond, blended there with one that does."""
    values, told = _checkered(70, 20, 70), []
    blocks = segment_cube(values, MM, model, lambda done, total: told.append((done, total)))
    monkeypatch.setattr(cubes, "BLOCK", 80)
    whole = segment_cube(values, MM, model)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    np.testing.assert_allclose(blocks.sum(0), 1, atol=1e-5)
    # From the far end on, because the network sees x and z turned round: blocks are 0 to 64 and 16 to 70.
    clear = [69 - place for place in (*range(16), *range(30, 50), *range(64, 70))]
    exact = np.ix_(range(3), clear, range(20), clear)
    np.testing.assert_allclose(blocks[exact], whole[exact], atol=1e-5)
    assert np.abs(blocks - whole).max() > 1e-3


def test_a_finer_grid_is_averaged_and_what_was_found_interpolated(model: UNet):
    """Voxels of 0.5 mm that repeat those of 1 mm have their probabilities, linear in between."""
    values = _checkered(16, 18, 20)
    fine = values.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    coarse, found = segment_cube(values, MM, model), segment_cube(fine, (0.5, 0.5, 0.5), model)
    expected = _zoomed(coarse, (1, 2, 2, 2), mode="nearest", grid_mode=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_thick_slice_keeps_its_axis(model: UNet):
    assert segment_cube(_checkered(10, 11, 4), (1, 1, 3.5), model).shape == (3, 10, 11, 4)
    assert segment_cube(_checkered(1, 1, 1), (0.1, 1, 1), model).shape == (3, 1, 1, 1)


def test_what_is_no_head_is_refused(model: UNet):
    with pytest.raises(UnreadableImage, match=r"30 x 30 x 330 mm.* up to 320 mm"):
        segment_cube(np.zeros((30, 11, 3), np.float32), (1, 2.72, 110), model)


def test_it_can_be_cancelled(model: UNet):
    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        segment_cube(_checkered(6, 6, 6), MM, model, cancel)


@pytest.mark.parametrize("spacing", [MM, (0.8, 1.25, 1.0)], ids=str)
def test_an_unseen_hippocampus_is_found_on_either_side(spacing: tuple[float, float, float], data: Path):
    """Trained weights, on the volume's own grid and on another, as it is and mirrored."""
    model = load_model("hippocampus", Design(dims=3), "solo", torch.device("cpu"))
    sample = split("hippocampus", data)["test"][0]
    values, labels = read_volume(sample.image).values, read_label_volume(sample.label)
    factors = [1 / each for each in spacing]
    values, labels = _zoomed(values, factors), _zoomed(labels, factors, order=0)
    for mirrored in (False, True):
        if mirrored:
            values, labels = values[::-1], labels[::-1]
        mask = segment_cube(values, spacing, model).argmax(0)
        for label in (1, 2):
            own, true = mask == label, labels == label
            assert 2 * (own & true).sum() / (own.sum() + true.sum()) > 0.75


def test_a_view_from_nearer_counts_as_no_longer_volume(checkpoints: Path):
    model = load_model("hippocampus", Design(dims=3, depth=1, width=1), device=torch.device("cpu"))
    volume = Volume(_checkered(3, 4, 2), np.diag([1.0, 1.0, 150.0, 1.0]))
    found = segment_volume(volume, model, view=View(scale=1.1))
    assert found.mask.shape == (3, 4, 2)
