"""From a picture to a mask, whatever its size and type."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from unet_playground import Design, Picture, PlaygroundError, UNet, load_model, segment
from unet_playground.errors import UnknownChoice
from unet_playground.inference import ModelStore, best_device, prepare, task_of
from unet_playground.tasks import stretch

DESIGN = Design(depth=2, width=4)
PICTURES = {
    "gray": np.random.default_rng(0).integers(0, 256, (19, 30), dtype=np.uint8),
    "colour": np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8),
    "deep": np.random.default_rng(0).integers(0, 65536, (21, 5), dtype=np.uint16),
    "one pixel": np.full((1, 1), 7, np.uint8),
    "one row": np.arange(40, dtype=np.uint8)[None],
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_mask_has_the_size_of_its_image(checkpoints: Path, kind: str):
    picture = Picture.from_array(PICTURES[kind])
    result = segment(picture, load_model("nuclei", DESIGN))
    assert result.mask.shape == PICTURES[kind].shape[:2]
    assert result.mask.dtype == np.uint8
    assert result.probability.shape == (2, *result.mask.shape)
    assert result.probability.dtype == np.float32
    np.testing.assert_allclose(result.probability.sum(0), 1, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(result.mask, result.probability.argmax(0))
    assert result.probability.min() >= 0


def test_the_same_picture_gets_the_same_bits(checkpoints: Path):
    picture, model = Picture.from_array(PICTURES["colour"]), load_model("nuclei", DESIGN)
    np.testing.assert_array_equal(segment(picture, model).probability, segment(picture, model).probability)


def test_brightness_and_contrast_of_a_picture_do_not_matter():
    pixels = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    np.testing.assert_allclose(stretch(pixels), stretch(0.1 * pixels + 0.7), rtol=0, atol=1e-5)
    assert stretch(pixels).min() == 0
    assert stretch(pixels).max() == 1


def test_a_constant_picture_becomes_black_and_a_rare_bright_pixel_survives():
    assert not stretch(np.full((5, 5), 200, np.uint8)).any()
    lone = np.zeros((100, 100), np.uint8)
    lone[3, 4] = 200
    assert stretch(lone)[3, 4] == 1
    assert stretch(lone).sum() == 1


def test_a_gray_picture_is_the_same_in_three_channels(checkpoints: Path):
    model = load_model("nuclei", DESIGN)
    image = prepare(Picture.from_array(PICTURES["gray"]), model)
    assert image.shape == (1, 3, 19, 30)
    assert torch.equal(image[:, 0], image[:, 1])
    assert torch.equal(image[:, 0], image[:, 2])


def test_an_unknown_task_is_refused_with_the_known_ones(checkpoints: Path):
    for task in ("nucleus", "../nuclei", ""):
        with pytest.raises(UnknownChoice, match="nuclei"):
            load_model(task, DESIGN)


def test_a_network_without_a_task_says_how_to_get_one():
    with pytest.raises(PlaygroundError, match="load_model"):
        task_of(UNet(DESIGN))


def test_the_device_can_be_chosen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNET_PLAYGROUND_DEVICE", "cpu")
    assert best_device() == torch.device("cpu")
    for wrong in ("abacus", "cuda:9"):
        monkeypatch.setenv("UNET_PLAYGROUND_DEVICE", wrong)
        with pytest.raises(PlaygroundError, match=f"UNET_PLAYGROUND_DEVICE={wrong} is not on this machine"):
            best_device()


def test_untrained_models_are_the_same_when_threads_load_them_together(checkpoints: Path):
    alone, together = load_model("nuclei", Design()), {}

    def work(number: int) -> None:
        together[number] = load_model("nuclei", Design())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 4
    for model in together.values():
        assert all(torch.equal(one, other) for one, other in zip(model.parameters(), alone.parameters(), strict=True))


def test_a_store_gives_the_same_model_to_everyone_and_forgets_the_oldest(checkpoints: Path):
    store, found = ModelStore(size=2), []
    threads = [threading.Thread(target=lambda: found.append(store.get("nuclei", DESIGN))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(model is found[0] for model in found)
    second = store.get("nuclei", DESIGN.replace(skip="add"))
    assert store.get("nuclei", DESIGN) is found[0]
    store.get("nuclei", DESIGN.replace(skip="none"))
    assert store.get("nuclei", DESIGN) is found[0]
    assert store.get("nuclei", DESIGN.replace(skip="add")) is not second
