"""How every task prepares an image of any kind for its networks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from unet_playground import Design, load_model
from unet_playground.errors import IllegalDesign
from unet_playground.images import Picture
from unet_playground.inference import prepare, segment
from unet_playground.tasks import tasks
from unet_playground.tasks.vessels import HALF, against_neighbourhood
from unet_playground.weights import checkpoint_root, read_card

PICTURES = {
    "gray bytes": np.arange(35, dtype=np.uint8).reshape(5, 7) * 7,
    "color bytes": np.arange(105, dtype=np.uint8).reshape(5, 7, 3) * 2,
    "deep": (np.arange(35, dtype=np.uint16) * 1800).reshape(5, 7),
    "fractions": np.linspace(-3, 900, 35, dtype=np.float32).reshape(5, 7),
    "one pixel": np.full((1, 1), 9, np.uint8),
    "constant": np.full((4, 3), 0.5, np.float32),
}


@pytest.mark.parametrize("task", tasks)
@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_picture_becomes_an_input(task: str, kind: str):
    made = tasks[task].make()
    picture = Picture.from_array(PICTURES[kind])
    prepared = made.prepare(picture)
    assert prepared.shape == (made.channels, picture.height, picture.width)
    assert prepared.dtype == torch.float32
    assert prepared.isfinite().all()
    assert prepared.min() >= 0 and prepared.max() <= 1


@pytest.mark.parametrize("task", tasks)
def test_networks_for_volumes_are_there_for_some_tasks_and_take_no_picture(task: str, checkpoints: Path):
    made, design = tasks[task].make, Design(dims=3, depth=1, width=2)
    made.check_dims(Design())
    with pytest.raises(IllegalDesign, match="choose dims=2"):
        made.check_dims(design, picture=True)
    if 3 not in made.dims:
        with pytest.raises(IllegalDesign, match="choose dims=2"):
            load_model(task, design)
        return
    model = load_model(task, design)
    with pytest.raises(IllegalDesign, match="dims=3"):
        prepare(Picture.from_array(PICTURES["gray bytes"]), model)
    volume = made().prepare_volume(np.arange(60, dtype=np.float32).reshape(3, 4, 5) - 20)
    assert (volume.shape, volume.dtype) == ((made.channels, 3, 4, 5), torch.float32)
    assert (float(volume.min()), float(volume.max())) == (0, 1)
    assert torch.equal(made().prepare_volume(np.full((2, 2, 2), 7, np.float32)), torch.zeros(1, 2, 2, 2))


def test_a_volume_is_stretched_as_one():
    """Another unit changes nothing, and a dark slice stays darker than a bright one."""
    values = np.random.default_rng(0).normal(0, 1, (9, 10, 11)).astype(np.float32)
    values[4:] += 5
    made = tasks["hippocampus"].make()
    prepared = made.prepare_volume(values)
    torch.testing.assert_close(made.prepare_volume(300 + 40 * values), prepared, atol=1e-4, rtol=0)
    assert prepared[0, :4].mean() < prepared[0, 4:].mean() - 0.4


@pytest.mark.parametrize("task", tasks)
def test_classes_have_names_in_both_languages_and_colors_of_their_own(task: str):
    labels = tasks[task].make.labels
    assert len(labels) >= 2
    assert all(label.title.en and label.title.zh for label in labels)
    assert len({label.color for label in labels}) == len(labels)


def test_gray_of_an_mr_slice_has_no_unit_and_gray_of_ct_has():
    slice = np.random.default_rng(0).random((9, 9), np.float32)
    one, other = (Picture.from_array(np.clip(values, 0, 1)) for values in (0.2 + 0.5 * slice, slice))
    for task, same in (("hippocampus", True), ("liver", False)):
        made = tasks[task].make()
        assert torch.allclose(made.prepare(one), made.prepare(other), atol=1e-5) == same


def test_vessels_look_the_same_under_any_light():
    """Another gain and level per channel, as between cameras, changes the input by little."""
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.random((3, 120, 130), np.float32))
    gain, level = torch.tensor([0.9, 0.6, 0.7])[:, None, None], torch.tensor([0.05, 0.3, 0.1])[:, None, None]
    plain, lit = against_neighbourhood(image), against_neighbourhood(gain * image + level)
    assert (plain - lit).abs().max() < 0.02
    assert plain.mean() == pytest.approx(0.5, abs=0.02)


def test_local_light_is_measured_in_a_window_that_ends_at_the_border():
    image = torch.zeros(1, 1, 2 * HALF + 40)
    image[..., 0] = 1
    seen = against_neighbourhood(image)[0, 0]
    assert (seen[1 : HALF + 1] < 0.5).all()
    assert (seen[HALF + 1 :] == 0.5).all()
    assert seen[0] == 1
    mean = 1 / (HALF + 2)
    deviation = (mean - mean**2) ** 0.5
    assert seen[1] == pytest.approx(0.5 - mean / (6 * (deviation + 0.01)), abs=1e-5)


def test_a_ct_slice_in_hounsfield_units_is_seen_through_the_window_of_training():
    model = load_model("liver", Design(depth=1, width=2))
    values = np.array([[-1000.0, 0, 51, 255, 3000]], np.float32)
    shown = Picture(np.zeros((1, 5), np.uint8), 16, units="HU", values=values)
    np.testing.assert_allclose(prepare(shown, model).cpu().numpy(), [[[[0, 0, 0.2, 1, 1]]]], atol=1e-6)
    assert ["0 to 255 HU" in note.en for note in segment(shown, model).notes] == [True, False]  # the other: untrained


def test_a_slice_of_unknown_units_is_taken_for_ct_where_it_reaches_down_to_air():
    model = load_model("liver", Design(depth=1, width=2))
    values = np.array([[-1000.0, 0, 51, 255, 3000]], np.float32)
    air = Picture(np.full((1, 5), 255, np.uint8), 16, values=values)
    np.testing.assert_allclose(prepare(air, model).cpu().numpy(), [[[[0, 0, 0.2, 1, 1]]]], atol=1e-6)
    assert any("does not say that its values are HU" in note.en for note in segment(air, model).notes)
    other = Picture(np.full((1, 5), 255, np.uint8), 16, values=values + 1000)
    np.testing.assert_array_equal(prepare(other, model).cpu().numpy(), np.ones((1, 1, 1, 5)))
    assert not any("HU" in note.en for note in segment(other, model).notes)


@pytest.mark.parametrize("task", [entry.id for entry in tasks.entries() if entry.make.scan])
def test_cards_say_what_is_assumed_of_volumes(task: str):
    cards = [read_card(path) for path in (checkpoint_root() / task).glob("*/card.json")]
    scan = tasks[task].make.scan
    assert scan and cards and all(card.data["volumes"] == scan.note.en for card in cards)
