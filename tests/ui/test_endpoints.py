"""Scripts ask the running app: masks are exact, refusals are one sentence, nothing is kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.browser.app import started
from unet_playground import Design, UNet, catalogues, load_model, read_image
from unet_playground import segment as run_model
from unet_playground.errors import PlaygroundError
from unet_playground.inference import LARGEST_WHOLE
from unet_playground.ui.ending import ended_when
from unet_playground.ui.endpoints import explain, segment
from unet_playground.weights import Card, write

DESIGN = Design(depth=1, width=2)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The app with one small network of nuclei, and a client that keeps what it fetches in a folder of the test."""
    root = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(3)
    write(root / "nuclei" / "mine", UNet(DESIGN).state_dict(), Card("nuclei", DESIGN.to_json(), shared=False))
    with started(checkpoints=root) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("UNET_PLAYGROUND_CHECKPOINTS", str(root))
        yield Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("fetched")))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "cells.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (23, 31), dtype=np.uint8))
    return path


def _ask(client: Client, image: Path | None, name: str, *words: object) -> tuple:
    given = handle_file(str(image)) if image else None
    return client.predict(given, "nuclei", DESIGN.to_link(), *(words or ("auto",)), api_name=name)


def test_a_mask_is_that_of_the_library_pixel_for_pixel(client: Client, image: Path):
    path, facts = _ask(client, image, "/segment")
    expected = run_model(read_image(image), load_model("nuclei", DESIGN)).mask
    np.testing.assert_array_equal(cv2.imread(path, cv2.IMREAD_UNCHANGED), expected)
    assert (facts["task"], facts["design"], facts["weights"]) == ("nuclei", DESIGN.to_link(), "solo")
    assert facts["pixels"] == {name: int((expected == n).sum()) for n, name in enumerate(("background", "nucleus"))}


def test_an_analysis_comes_as_picture_arrays_and_numbers(client: Client, image: Path):
    picture, arrays, facts = _ask(client, image, "/explain", "auto", "receptive-field", 1, [3, 4], False)
    assert cv2.imread(picture) is not None
    with np.load(arrays) as found:
        assert found["energy"].shape == (23, 31)
    assert facts["method"] == "receptive-field"
    assert facts["check"].endswith(".")
    assert facts["notes"] == _ask(client, image, "/segment")[1]["notes"]


def test_an_analysis_tells_what_was_looked_at(client: Client, tmp_path: Path):
    np.save(tmp_path / "wide.npy", np.arange(600, dtype=np.int32).reshape(20, 30))
    given, design = handle_file(str(tmp_path / "wide.npy")), Design(depth=2, width=2).to_link()
    words = (given, "nuclei", design, "auto", "saliency", 1, None, False)
    notes = " ".join(client.predict(*words, api_name="/explain")[-1]["notes"])
    assert "Values were scaled" in notes and "No weights were trained for this design" in notes


def test_options_and_cost_need_no_image(client: Client):
    listed = client.predict(api_name="/options")
    assert [one["id"] for one in listed["skip"]] == list(catalogues["skip"])
    counted = client.predict("skip=dense", 128, api_name="/cost")
    assert counted["parameters"] == sum(one.numel() for one in UNet(Design(skip="dense")).parameters())


@pytest.mark.parametrize("size", [None, "256", 25.5, 0, 5000])
def test_a_cost_of_no_possible_size_is_refused(client: Client, size: object):
    with pytest.raises(AppError, match="a side has 1 to 4096 pixels"):
        client.predict("skip=dense", size, api_name="/cost")


@pytest.mark.parametrize("design", [5, ["skip=dense"]])
def test_a_cost_of_no_link_is_refused(client: Client, design: object):
    with pytest.raises(AppError, match='design is a link like "skip=dense"'):
        client.predict(design, 128, api_name="/cost")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("shared",), "There are no shared weights"),
        (("auto", "magic", 1, None, False), 'Unknown analysis "magic"'),
        (("auto", "attention", 7, None, False), "Class 7 does not exist"),
        (("auto", "attention", 1, "here", False), "point is [row, column]"),
        (("auto", "attention", 1, [99, 0], False), "outside the image"),
    ],
)
def test_a_wrong_question_gets_one_sentence(client: Client, image: Path, words: tuple, reason: str):
    with pytest.raises(AppError) as refusal:
        _ask(client, image, "/segment" if len(words) == 1 else "/explain", *words)
    assert reason in str(refusal.value)
    assert "Traceback" not in str(refusal.value)


def test_without_an_image_and_with_a_wrong_one_it_says_so(client: Client, tmp_path: Path):
    with pytest.raises(AppError, match="No image was sent"):
        _ask(client, None, "/segment")
    (tmp_path / "notes.png").write_text("Dear diary")
    with pytest.raises(AppError, match="other kinds are not read"):
        _ask(client, tmp_path / "notes.png", "/segment")


def test_the_endpoints_are_documented(client: Client):
    described = json.loads(json.dumps(client.view_api(return_format="dict", print_info=False)))
    assert {"/options", "/cost", "/segment", "/explain"} == set(described["named_endpoints"])


def test_an_endpoint_ends_once_its_caller_has_gone(client: Client, tmp_path: Path):
    large, small = tmp_path / "large.png", tmp_path / "small.png"
    for path, side in ((large, LARGEST_WHOLE**0.5 + 50), (small, 20)):
        cv2.imwrite(str(path), np.zeros((int(side), int(side)), np.uint8))
    with ended_when(lambda: True):
        with pytest.raises(PlaygroundError, match="cancelled"):
            segment(str(large), "nuclei", DESIGN.to_link(), "auto")
        with pytest.raises(PlaygroundError, match="cancelled"):
            explain(str(small), "nuclei", DESIGN.to_link(), "auto", "saliency", 1, None, False)
