"""The shipped weights: cards tell the truth, banks serve every design, and the classic segments well."""

import hashlib
import json
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from unet_playground import Design, UNet, load_model
from unet_playground.atlas import read_atlas
from unet_playground.errors import UnusableWeights
from unet_playground.space import draw
from unet_playground.tasks import tasks
from unet_playground.training.datasets import datasets, examples, split, split_hash
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import designs_of_bank
from unet_playground.training.measure import measure
from unet_playground.weights import Card, checkpoint_root, read_card

CARDS = sorted(path for path in checkpoint_root().glob("*/*/card.json") if json.loads(path.read_text("utf-8"))["files"])
BANKS = [path.parent for path in CARDS if read_card(path).shared]
SOLOS = [path.parent for path in CARDS if not read_card(path).shared]
CHANGED = {"skip": "dense", "attention": "cbam", "site": "fused", "up": "deformable"}
pytestmark = pytest.mark.skipif(not BANKS, reason="needs banks in checkpoints/: train them, see README")


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.fixture(scope="module", params=BANKS, ids=_name)
def bank(request: pytest.FixtureRequest) -> Path:
    """The folder of a shipped bank."""
    return request.param


@pytest.fixture(scope="module")
def card(bank: Path) -> Card:
    return read_card(bank / "card.json")


def _designs(card: Card) -> list[Design]:
    """Designs of the bank's size that together hold every tensor, and many drawn ones."""
    rng, base, only = random.Random(0), Design.from_json(card.design), card.only
    return [*dict.fromkeys((*designs_of_bank(base, only), *(draw(rng, base=base, only=only) for _ in range(300))))]


@pytest.mark.parametrize("folder", [path.parent for path in CARDS], ids=_name)
def test_the_card_matches_the_files(folder: Path):
    card = read_card(folder / "card.json")
    assert card.task == folder.parent.name
    assert {file["name"] for file in card.files} == {path.name for path in folder.glob("*.safetensors")}
    assert card.data["attribution"] == datasets[card.task].make.source.attribution
    for file in card.files:
        content = (folder / file["name"]).read_bytes()
        assert len(content) == file["bytes"] < 10_000_000
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def test_the_card_says_what_it_is(card: Card):
    assert card.shared
    own = Design.from_json(card.design)
    assert own.replace(**{slot: getattr(Design(), slot) for slot in card.only}) == Design()
    assert card.metrics["test"]["dice"] > 0.5
    assert card.data["licence"]
    assert card.recipe["steps"] > 0


@pytest.fixture(scope="module")
def needed(card: Card) -> dict[Design, dict[str, tuple[int, ...]]]:
    """Names and shapes of the tensors of every design."""
    found = {}
    for design in _designs(card):
        task = tasks[card.task].make
        with torch.device("meta"):
            network = UNet(design, task.channels, len(task.labels))
        found[design] = {name: tuple(one.shape) for name, one in network.named_parameters()}
    return found


@pytest.fixture(scope="module")
def held(card: Card, bank: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the files."""
    found: dict[str, tuple[int, ...]] = {}
    for file in card.files:
        with safe_open(bank / file["name"], "pt") as tensors:
            found |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    return found


def test_every_design_finds_its_tensors(card: Card, needed: dict[Design, dict], held: dict[str, tuple[int, ...]]):
    assert len(needed) > (1000, 200, 200, 100)[len(card.only)]  # the more slots are alike
    for design, tensors in needed.items():
        assert card.serves(design)
        assert tensors.items() <= held.items(), design.to_link()


def test_every_tensor_serves_a_design(needed: dict[Design, dict], held: dict[str, tuple[int, ...]]):
    assert set(held) == {name for tensors in needed.values() for name in tensors}


@pytest.mark.parametrize("changes", [{}, CHANGED], ids=str)
def test_a_design_of_the_bank_is_labelled_shared(card: Card, changes: dict[str, str]):
    own = Design.from_json(card.design)
    kept = {slot: id for slot, id in changes.items() if slot not in card.only and (own.halves or slot != "up")}
    design = own.replace(**kept)
    model = load_model(card.task, design, "shared")
    assert model.origin is not None
    served = [one for one in map(read_card, CARDS) if one.shared and one.task == card.task and one.serves(design)]
    narrowest = max(served, key=lambda one: len(one.only))  # a branch comes before the bank that it grew out of
    assert card in served
    assert (model.origin.task, model.origin.weights, model.origin.sha256) == (card.task, "shared", narrowest.sha256)


@pytest.mark.parametrize("design", [Design(width=8), Design(depth=3), Design(skip="add(scalar=true)")], ids=str)
def test_another_size_is_labelled_untrained(card: Card, design: Design):
    model = load_model(card.task, design, "auto")
    assert model.origin is not None
    assert model.origin.weights == "untrained"
    with pytest.raises(UnusableWeights, match="no shared weights"):
        load_model(card.task, design, "shared")


@pytest.mark.parametrize("folder", SOLOS, ids=_name)
def test_a_design_trained_alone_is_labelled_solo(folder: Path):
    card = read_card(folder / "card.json")
    model = load_model(card.task, Design.from_json(card.design), "solo")
    assert model.origin is not None
    assert (model.origin.weights, model.origin.sha256) == ("solo", card.sha256)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: _name(path.parent))
def test_nothing_was_trained_on_the_test_images(path: Path, data: Path):
    card = read_card(path)
    for name, part in split(card.task, data).items():
        assert card.data["splits"][name] == {"n": len(part), "sha256": split_hash(part)}


def test_the_banks_own_design_segments_unseen_images_well(card: Card, data: Path):
    parts, dataset = split(card.task, data), datasets[card.task].make
    model = load_model(card.task, Design.from_json(card.design), "shared")
    result = evaluate(model, examples(card.task, parts["test"][:4]), unit=dataset.unit)
    assert result.dice > 0.7


def test_a_row_of_the_atlas_comes_out_again(data: Path):
    """Every number but the time: what a column means may have changed since a row was measured."""
    [row] = read_atlas("nuclei").find(Design(skip="dense"), "shared")
    found = measure(load_model("nuclei", row.design, "shared"), row.seed, str(data)).row
    assert {id: row.value(id) for id in found.metrics} == pytest.approx(found.metrics, abs=6e-5, nan_ok=True)
    for id, values in found.images.items():
        assert row.images[id] == pytest.approx(values, abs=6e-4, nan_ok=True)


EXACT = [
    folder for folder in SOLOS if folder.parent.name == "hippocampus" and folder.name in ("solo-classic", "solo-3d")
]


@pytest.mark.parametrize("folder", EXACT, ids=_name)
def test_a_cards_scores_come_out_again(folder: Path, data: Path):
    card = read_card(folder / "card.json")
    dataset, design = datasets[card.task].make, Design.from_json(card.design)
    model = load_model(card.task, design, "solo")
    test = examples(card.task, split(card.task, data)["test"], dims=design.dims)
    result = evaluate(model, test, dataset.metrics, dataset.unit)
    assert result.summary() == card.metrics["test"]
