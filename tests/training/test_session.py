"""Training runs: what they write, and that a run which was broken off ends as if it had not been."""

import json
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.scenes import write_scenes
from unet_playground import Design, UNet, load_model
from unet_playground.errors import UnusableWeights
from unet_playground.parts.layers import JoinedConvolution
from unet_playground.space import draw
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example
from unet_playground.training.loop import Bank, Recipe, Trainer, designs_of_bank
from unet_playground.training.session import Session
from unet_playground.weights import read_card

BASE = Design(depth=1, width=2)
RECIPE = Recipe(steps=6, size=2, side=16, warmup=2)


class PulledPlug(Exception):
    """The power is gone."""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data"))


def _session(out: Path, scenes: Path, shared: bool = True, recipe: Recipe = RECIPE) -> Session:
    return Session("nuclei", BASE, shared, recipe, out, str(scenes), every=2)


def _break_off(session: Session, at: int) -> None:
    def pull(step: int, steps: int, loss: float) -> None:
        if step == at:
            raise PulledPlug

    with pytest.raises(PulledPlug):
        session.run(pull)


@pytest.fixture(scope="module")
def finished(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bank that was trained without interruption."""
    out = tmp_path_factory.mktemp("runs") / "nuclei" / "bank"
    _session(out, scenes).run()
    return out


def _weights(folder: Path) -> bytes:
    return (folder / "weights-0.safetensors").read_bytes()


@pytest.mark.parametrize("at", [(1,), (5,), (3, 6)], ids=str)
def test_a_broken_off_training_ends_as_if_it_had_not_been(
    at: tuple[int, ...], scenes: Path, finished: Path, tmp_path: Path
):
    for step in at:
        _break_off(_session(tmp_path / "bank", scenes), step)
        assert not (tmp_path / "bank" / "card.json").exists()
    seen: list[int] = []
    _session(tmp_path / "bank", scenes).run(lambda step, steps, loss: seen.append(step))
    assert _weights(tmp_path / "bank") == _weights(finished)
    assert seen == list(range({1: 1, 5: 5, 6: 5}[at[-1]], 7))
    assert not (tmp_path / "bank" / "resume.safetensors").exists()


def test_another_seed_gives_other_weights(scenes: Path, finished: Path, tmp_path: Path):
    _session(tmp_path / "bank", scenes, recipe=Recipe(steps=6, size=2, side=16, warmup=2, seed=1)).run()
    assert _weights(tmp_path / "bank") != _weights(finished)


def test_an_unfinished_training_of_another_kind_is_not_continued(scenes: Path, tmp_path: Path):
    _break_off(_session(tmp_path / "run", scenes), 3)
    with pytest.raises(UnusableWeights, match="run holds an unfinished training of another kind"):
        _session(tmp_path / "run", scenes, shared=False).run()


def test_a_damaged_checkpoint_is_refused(scenes: Path, tmp_path: Path):
    _break_off(_session(tmp_path / "run", scenes), 3)
    path = tmp_path / "run" / "resume.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnusableWeights):
        _session(tmp_path / "run", scenes).run()


def test_the_card_says_what_the_weights_are(finished: Path):
    card = json.loads((finished / "card.json").read_text("utf-8"))
    assert {"format", "task", "design", "shared", "files", "recipe", "data", "metrics", "versions"} <= set(card)
    assert card["format"] == 2
    assert (card["task"], card["shared"], card["design"]) == ("nuclei", True, BASE.to_json())
    assert {"steps", "size", "side", "rate", "seed"} <= set(card["recipe"])
    assert set(card["metrics"]["test"]) == {"n", "dice", "dice_pooled", "iou", "boundary_f1"}
    assert card["data"]["licence"]
    assert card["data"]["address"].startswith("https://")
    assert sum(part["n"] for part in card["data"]["splits"].values()) == 12
    assert all(len(part["sha256"]) == 64 for part in card["data"]["splits"].values())
    assert set(card["files"][0]) == {"name", "bytes", "sha256"}
    assert card["versions"]["torch"] == torch.__version__


def test_the_bank_holds_every_tensor_of_every_design_and_nothing_of_the_training(finished: Path):
    held = {name: tuple(tensor.shape) for name, tensor in load_file(finished / "weights-0.safetensors").items()}
    needed: dict[str, tuple[int, ...]] = {}
    rng = random.Random(0)
    for design in (*designs_of_bank(BASE), *(draw(rng, base=BASE) for _ in range(300))):
        with torch.device("meta"):
            network = UNet(design)
        needed |= {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    assert held == needed


@pytest.mark.parametrize("shared", [True, False])
def test_training_can_start_from_trained_weights_and_says_so(
    shared: bool, scenes: Path, finished: Path, tmp_path: Path
):
    still = replace(RECIPE, steps=1, rate=1e-12)
    session = _session(tmp_path / "on", scenes, shared, still)
    session.start = finished
    card = session.run()
    before, after = (load_file(folder / "weights-0.safetensors") for folder in (finished, tmp_path / "on"))
    assert set(after) <= set(before)
    for name, tensor in after.items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=1e-3)
    assert card.recipe["start"]["sha256"] == read_card(finished / "card.json").sha256
    assert card.recipe["start"]["recipe"]["steps"] == RECIPE.steps
    assert str(tmp_path) not in json.dumps(card.recipe)


def test_a_start_without_weights_is_refused(scenes: Path, tmp_path: Path):
    session = _session(tmp_path / "on", scenes)
    session.start = tmp_path / "nowhere"
    with pytest.raises(UnusableWeights):
        session.run()


def test_a_trained_bank_serves_another_design(finished: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNET_PLAYGROUND_CHECKPOINTS", str(finished.parent.parent))
    model = load_model("nuclei", BASE.replace(skip="dense", up="deformable", attention="cbam", site="fused"))
    assert model.origin is not None
    assert model.origin.weights == "shared"
    assert model(torch.rand(1, 3, 9, 7)).shape == (1, 2, 9, 7)


def test_a_design_can_be_trained_alone(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    card = _session(tmp_path / "nuclei" / "solo", scenes, shared=False).run()
    assert not card.shared
    monkeypatch.setenv("UNET_PLAYGROUND_CHECKPOINTS", str(tmp_path))
    model = load_model("nuclei", BASE, "solo")
    assert model.origin is not None
    assert (model.origin.weights, model.origin.sha256) == ("solo", card.sha256)
    with pytest.raises(UnusableWeights):
        load_model("nuclei", BASE.replace(skip="add"), "solo")


def _trainer(steps: int, **changes: object) -> Trainer:
    task, rng = tasks["nuclei"].make(), np.random.default_rng(0)
    labels = np.zeros((32, 32), np.uint8)
    labels[8:20, 8:24] = 1
    image = (0.1 * rng.random((3, 32, 32)) + 0.8 * labels).astype(np.float32)
    example = Example("a", torch.from_numpy(image), torch.from_numpy(labels))
    bank = Bank(Design(depth=1, width=4), task.channels, 2, shared=False)
    return Trainer(bank, Recipe(steps=steps, size=4, side=32, warmup=5, **changes), [example])  # type: ignore[arg-type]


def test_training_makes_the_loss_small():
    losses = list(_trainer(60, rate=1e-2).run())
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_filters_stay_mean_free_while_training():
    trainer = _trainer(3)
    list(trainer.run())
    joined = [m for m in trainer.bank.network(trainer.bank.base).modules() if isinstance(m, JoinedConvolution)]
    means = [w.mean((1, 2, 3)).abs().max() for m in joined for name, w in m.weight.items() if name != "image"]
    assert len(means) >= 5
    assert max(means) < 1e-7


def test_networks_of_a_bank_share_its_parameters():
    bank = Bank(BASE, 3, 2, shared=True)
    one, other = bank.network(BASE), bank.network(BASE.replace(skip="dense"))
    assert one.head.weight is other.head.weight is bank.parameters["head.weight"]


def test_the_rate_rises_and_then_falls_to_zero():
    recipe = Recipe(steps=1000, rate=1.0, warmup=100)
    rates = [recipe.rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert 95 <= int(np.argmax(rates)) <= 100
    assert rates[-1] < 1e-5
    assert all(later <= earlier for earlier, later in pairwise(rates[100:]))
