"""The shipped bank of nuclei: its card tells the truth, it serves every design, and the classic segments well."""

import hashlib
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from unet_playground import Design, UNet, load_model
from unet_playground.errors import UnusableWeights
from unet_playground.space import draw
from unet_playground.tasks import tasks
from unet_playground.training.datasets import read, split, split_hash
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import designs_of_bank
from unet_playground.weights import Card, checkpoint_root, read_card

FOLDER = checkpoint_root() / "nuclei" / "bank"
pytestmark = pytest.mark.skipif(
    not (FOLDER / "card.json").is_file(), reason="needs checkpoints/nuclei/bank: train it with `make train`"
)


@pytest.fixture(scope="module")
def card() -> Card:
    return read_card(FOLDER / "card.json")


def _designs(base: Design) -> list[Design]:
    """Designs of the bank's size that together hold every tensor, and many drawn ones."""
    rng = random.Random(0)
    return [*dict.fromkeys((*designs_of_bank(base), *(draw(rng, base=base) for _ in range(300))))]


def test_the_card_matches_the_files(card: Card):
    assert {file["name"] for file in card.files} == {path.name for path in FOLDER.glob("*.safetensors")}
    for file in card.files:
        content = (FOLDER / file["name"]).read_bytes()
        assert len(content) == file["bytes"] < 10_000_000
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def test_the_card_says_what_it_is(card: Card):
    assert card.shared
    assert Design.from_json(card.design) == Design()
    assert card.metrics["test"]["n"] == card.data["splits"]["test"]["n"]
    assert card.data["licence"]
    assert card.recipe["steps"] > 0


@pytest.fixture(scope="module")
def needed(card: Card) -> dict[Design, dict[str, tuple[int, ...]]]:
    """Names and shapes of the tensors of every design."""
    found = {}
    for design in _designs(Design.from_json(card.design)):
        with torch.device("meta"):
            found[design] = {name: tuple(one.shape) for name, one in UNet(design).named_parameters()}
    return found


@pytest.fixture(scope="module")
def held(card: Card) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the files."""
    found: dict[str, tuple[int, ...]] = {}
    for file in card.files:
        with safe_open(FOLDER / file["name"], "pt") as tensors:
            found |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    return found


def test_every_design_finds_its_tensors(card: Card, needed: dict[Design, dict], held: dict[str, tuple[int, ...]]):
    assert len(needed) > 1000
    for design, tensors in needed.items():
        assert card.serves(design)
        assert tensors.items() <= held.items(), design.to_link()


def test_every_tensor_serves_a_design(needed: dict[Design, dict], held: dict[str, tuple[int, ...]]):
    assert set(held) == {name for tensors in needed.values() for name in tensors}


@pytest.mark.parametrize("design", [Design(), Design(skip="dense", attention="cbam", up="deformable")], ids=str)
def test_a_design_of_the_bank_is_labelled_shared(card: Card, design: Design):
    model = load_model("nuclei", design, "shared")
    assert model.origin is not None
    assert (model.origin.task, model.origin.weights, model.origin.sha256) == ("nuclei", "shared", card.sha256)


@pytest.mark.parametrize("design", [Design(width=8), Design(depth=3), Design(skip="add(scalar=true)")], ids=str)
def test_another_size_is_labelled_untrained(design: Design):
    model = load_model("nuclei", design, "auto")
    assert model.origin is not None
    assert model.origin.weights == "untrained"
    with pytest.raises(UnusableWeights, match="no shared weights"):
        load_model("nuclei", design, "shared")


def test_the_bank_was_not_trained_on_the_test_images(card: Card, data: Path):
    parts = split("nuclei", data)
    for name, part in parts.items():
        assert card.data["splits"][name] == {"n": len(part), "sha256": split_hash(part)}


def test_the_classic_segments_unseen_images_well(data: Path):
    task, model = tasks["nuclei"].make(), load_model("nuclei", Design(), "shared")
    result = evaluate(model, (read(sample, task) for sample in split("nuclei", data)["test"][:6]))
    assert result.dice > 0.8
