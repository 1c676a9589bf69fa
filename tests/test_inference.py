"""From a picture to a mask, whatever its size and type."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unet_playground import Design, Picture, PlaygroundError, UNet, load_model, segment
from unet_playground.errors import IllegalDesign, UnknownChoice
from unet_playground.inference import TILES, ModelStore, _by_tiles, best_device, prepare, spans, task_of
from unet_playground.limits import Limits
from unet_playground.phantoms import draw
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


def test_a_mask_of_random_weights_says_so(checkpoints: Path, all_nucleus: Design):
    picture = Picture.from_array(PICTURES["gray"])
    [note] = segment(picture, load_model("nuclei", DESIGN)).notes
    assert "random" in note.en
    assert segment(picture, load_model("nuclei", all_nucleus)).notes == ()


def test_arguments_of_another_type_are_refused_with_the_way_to_the_right_one(checkpoints: Path):
    with pytest.raises(TypeError, match="from_link"):
        load_model("nuclei", "skip=dense")  # type: ignore[arg-type]
    model = load_model("nuclei", DESIGN)
    with pytest.raises(TypeError, match="from_array"):
        segment(PICTURES["gray"], model)  # type: ignore[arg-type]


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
    alone = load_model("nuclei", DESIGN)
    two = 2 * sum(each.nbytes for each in (*alone.parameters(), *alone.buffers()))
    store, found = ModelStore(replace(Limits(), store_bytes=two + 100)), []
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


def test_a_store_refuses_what_is_too_large_before_it_is_built(checkpoints: Path, monkeypatch: pytest.MonkeyPatch):
    def build(*_: Any) -> None:
        raise AssertionError("built")

    monkeypatch.setattr("unet_playground.inference.load_model", build)
    huge = Design(depth=6, width=16, skip="nested")
    with pytest.raises(IllegalDesign, match=r"million parameters; the limit is 1 million. Choose a smaller width"):
        ModelStore(replace(Limits(), parameters=1_000_000)).get("nuclei", huge)
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_ACTIVATION_MB", "1")
    with pytest.raises(IllegalDesign, match=r"MB of activations for 256 x 256 px; the limit is 1 MB"):
        ModelStore().get("nuclei", Design(width=64))


@pytest.mark.parametrize("length", [1, 100, 768, 769, 895, 896, 897, 1408, 1409, 1500, 5000])
@pytest.mark.parametrize("side", TILES)
def test_tiles_cover_every_pixel_once(length: int, side: int):
    total = torch.zeros(length)
    for span, weight in spans(length, side):
        assert span.start % 64 == 0 and span.stop - span.start <= side and (weight >= 0).all()
        total[span] += weight
    assert torch.allclose(total, torch.ones(length))


@pytest.mark.parametrize("changes", [{}, {"down": "none"}, {"attention": "scse"}, {"skip": "nested"}])
def test_tiles_give_the_mask_of_the_whole_image_without_seams(changes: dict[str, str]):
    model = load_model("nuclei", Design().replace(**changes), "shared")
    with torch.inference_mode():
        image = prepare(Picture.from_array(draw("cells", (450, 650), 1).pixels), model)
        whole, tiled = _by_tiles(image, model, 1000), _by_tiles(image, model, 256)
    assert (whole.mask == tiled.mask).mean() > 0.999
    apart = np.abs(whole.probability - tiled.probability)[1]
    assert apart.mean() < 0.002
    # Where a tile ends nothing jumps that does not jump in the whole image.
    for axis, length in enumerate(apart.shape):
        steps = np.abs(np.diff(tiled.probability[1], axis=axis)) - np.abs(np.diff(whole.probability[1], axis=axis))
        ends = [span.stop - 1 for span, _ in spans(length, 256)[:-1]]
        assert np.take(steps, ends, axis=axis).mean() < 0.002
    np.testing.assert_allclose(tiled.probability.sum(0), 1, rtol=0, atol=1e-5)


def test_a_large_picture_is_computed_by_tiles(checkpoints: Path):
    model, sizes = load_model("nuclei", DESIGN), []
    model.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[-2:])))
    large = Picture.from_array(np.random.default_rng(0).integers(0, 256, (1300, 1000), dtype=np.uint8))
    assert segment(large, model).mask.shape == (1300, 1000)
    assert len(sizes) == 4 and max(map(max, sizes)) <= 768


@pytest.mark.parametrize(("failures", "note"), [(1, "in smaller pieces"), (2, "in smaller pieces"), (5, "on the CPU")])
def test_too_little_memory_of_a_gpu_costs_a_second_try(checkpoints: Path, failures: int, note: str):
    model, left = load_model("nuclei", DESIGN), [failures]

    def forward(*_: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    picture = Picture.from_array(np.random.default_rng(0).integers(0, 256, (600, 900), dtype=np.uint8))
    expected = segment(picture, model)
    model.register_forward_pre_hook(forward)
    found = segment(picture, model)
    assert note in found.notes[0].en and found.notes[1:] == expected.notes
    assert (found.mask == expected.mask).mean() > 0.98  # of an untrained network
    assert segment(picture, model).notes == expected.notes


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_mask_of_the_cpu():
    picture = Picture.from_array(draw("cells", (450, 650), 1).pixels)
    masks = [segment(picture, load_model("nuclei", Design(), device=torch.device(one))).mask for one in ("cpu", "cuda")]
    assert (masks[0] == masks[1]).mean() > 0.995
