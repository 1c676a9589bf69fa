"""Training runs: what they write, and that a run which was broken off ends as if it had not been."""

import json
import random
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.scenes import write_cubes, write_scenes
from unet_playground import Design, UNet, load_model
from unet_playground.design import SLOT_IDS
from unet_playground.errors import PlaygroundError, UnusableWeights
from unet_playground.registry import catalogues
from unet_playground.space import draw
from unet_playground.training.datasets import datasets, examples, split
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import Bank, Objective, designs_of_bank
from unet_playground.training.recipe import Recipe
from unet_playground.training.session import Session
from unet_playground.training.start import teacher_of
from unet_playground.weights import read_card, write_card

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
    assert seen[-1] == 6 and seen == list(range(seen[0], 7))
    assert at[-1] - 2 < seen[0] <= at[-1], "at most one checkpoint interval is lost"
    assert not (tmp_path / "bank" / "resume.safetensors").exists()


def _sha(folder: Path) -> str:
    return read_card(folder / "card.json").sha256


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
    assert card["parts"] == {slot: [*catalogues[slot]] for slot in SLOT_IDS}
    assert {"steps", "size", "side", "rate", "seed"} <= set(card["recipe"])
    assert {"n", "dice", "dice_pooled", "iou", "boundary_f1", "object_f1", "intervals"} <= set(card["metrics"]["test"])
    assert card["metrics"]["validation"][-1]["step"] == 6
    assert card["recipe"]["device"] == "cpu"
    assert card["data"]["attribution"]
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


@pytest.fixture(scope="module")
def teacher(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the base design, trained alone."""
    out = tmp_path_factory.mktemp("runs") / "nuclei" / "classic"
    _session(out, scenes, shared=False).run()
    return out


def test_a_bank_starts_from_its_teachers_weights_and_says_so(scenes: Path, teacher: Path, tmp_path: Path):
    session = _session(tmp_path / "bank", scenes, recipe=replace(RECIPE, steps=1, rate=1e-12))
    session.teachers = (teacher,)
    card = session.run()
    taught, own = (load_file(folder / "weights-0.safetensors") for folder in (teacher, tmp_path / "bank"))
    for name, tensor in taught.items():
        torch.testing.assert_close(own[name], tensor, rtol=0, atol=2e-3)
    (told,) = card.recipe["teachers"]
    assert told["sha256"] == read_card(teacher / "card.json").sha256
    assert told["design"] == BASE.to_link()
    assert str(tmp_path) not in json.dumps(card.recipe)


@pytest.fixture(scope="module")
def branch(scenes: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bank of the designs without skips that starts from the bank of all designs."""
    session = _session(tmp_path_factory.mktemp("runs") / "nuclei" / "branch", scenes)
    session.base, session.only, session.start = BASE.replace(skip="none"), ("skip",), finished
    session.recipe = replace(RECIPE, steps=1, rate=1e-12)
    session.run()
    return session.out


def test_a_bank_of_some_designs_starts_from_the_bank_of_all_and_holds_no_more_than_it_needs(
    branch: Path, finished: Path
):
    own, every = (load_file(folder / "weights-0.safetensors") for folder in (branch, finished))
    assert own.keys() < every.keys()
    for name, tensor in own.items():
        torch.testing.assert_close(tensor, every[name], rtol=0, atol=2e-3)
    card = read_card(branch / "card.json")
    assert (card.shared, card.only, card.recipe["start"]["sha256"]) == (True, ("skip",), _sha(finished))
    rng, base = random.Random(1), Design.from_json(card.design)
    for design in (*designs_of_bank(base, card.only), *(draw(rng, base=base, only=card.only) for _ in range(100))):
        assert card.serves(design)
        with torch.device("meta"):
            assert {name for name, _ in UNet(design).named_parameters()} <= own.keys()
    assert not card.serves(BASE)


@pytest.mark.parametrize("wrong", ["a design", "another size", "other designs", "another task", "a bank as a teacher"])
def test_weights_to_start_from_that_do_not_fit_are_refused(
    wrong: str, scenes: Path, finished: Path, teacher: Path, branch: Path, tmp_path: Path
):
    session = _session(tmp_path / "bank", scenes)
    session.start = teacher if wrong == "a design" else branch if wrong == "other designs" else finished
    session.base = Design(depth=1, width=3) if wrong == "another size" else BASE
    session.task = "hippocampus" if wrong == "another task" else "nuclei"
    session.data = str(write_cubes(tmp_path / "data")) if wrong == "another task" else session.data
    session.teachers = (finished,) if wrong == "a bank as a teacher" else ()
    with pytest.raises(UnusableWeights, match="does not fit"):
        session.run()
    assert not (tmp_path / "bank").exists()


def test_a_training_whose_loss_is_no_number_any_more_ends_there(scenes: Path, tmp_path: Path):
    session = _session(tmp_path / "run", scenes, shared=False, recipe=replace(RECIPE, rate=1e30, clip=1e30))
    with pytest.raises(PlaygroundError, match=r"no number any more at step \d; take a smaller --rate"):
        session.run()
    assert not (tmp_path / "run" / "card.json").exists()


def test_a_bank_of_one_kind_of_block_takes_over_its_teachers_weights_alone(teacher: Path):
    bank, network = Bank(BASE, 3, 2, shared=True, only=("block",)), teacher_of(teacher)
    bank.start_from(network)
    x = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(bank.network(BASE)(x), network(x), rtol=0, atol=1e-5)
    assert not any(".residual." in name for name in bank.parameters)


@pytest.mark.parametrize("block", ["residual", "multi-scale"])
def test_other_blocks_of_a_bank_begin_as_their_teachers(teacher: Path, block: str):
    bank, network = Bank(BASE, 3, 2, shared=True), teacher_of(teacher)
    bank.start_from(network)
    x = torch.rand(1, 3, 16, 16)
    for own in (bank.network(BASE.replace(block=block)), bank.averaged(BASE.replace(block=block))):
        torch.testing.assert_close(own(x), network(x), rtol=0, atol=1e-5)


def test_teachers_lead_other_designs_to_their_features(teacher: Path):
    """After some steps on one image another design's stages are nearer to the teacher's than without being led."""
    other = BASE.replace(skip="add", up="bilinear")
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(2, 16, 16, dtype=torch.int64)
    distances = {}
    for led in (0.0, 1.0):
        bank, network = Bank(BASE, 3, 2, shared=True), teacher_of(teacher)
        bank.start_from(network)
        objective = Objective(bank, Recipe(steps=100, led=led), [network])
        optimizer = torch.optim.Adam(bank.parameters.values(), 1e-2)
        for step in range(30):
            optimizer.zero_grad()
            objective([other], images, labels, step).backward()
            optimizer.step()
        tapes = [one.trace(images).features for one in (bank.network(other), network)]
        gaps = [(tapes[0][place] - tapes[1][place]).detach() for place in ("encoder.1", "decoder.0")]
        distances[led] = sum(float(gap.square().mean()) for gap in gaps)
    assert distances[1.0] < 0.7 * distances[0.0]


def test_teachers_lead_less_and_less():
    recipe = Recipe(steps=900, led=2.0)
    weights = [recipe.led_at(step) for step in range(900)]
    assert weights[0] == 2.0
    assert weights[600:] == [0.0] * 300
    assert all(later <= earlier for earlier, later in pairwise(weights))


def test_teachers_without_weights_are_refused(scenes: Path, tmp_path: Path):
    session = _session(tmp_path / "bank", scenes)
    session.teachers = (tmp_path / "nowhere",)
    with pytest.raises(UnusableWeights, match=r"^nowhere holds no trained weights; name a folder with a card\.json"):
        session.run()


@pytest.mark.parametrize("checks", [0, 3])
def test_the_weights_that_are_best_on_validation_are_kept(checks: int, scenes: Path, tmp_path: Path):
    # A start from which the averaged weights become worse in the second half.
    wild = replace(RECIPE, steps=40, rate=0.01, smoothing=0.1, seed=4)
    session = _session(tmp_path / "nuclei" / "run", scenes, shared=False, recipe=wild)
    session.checks = checks
    session.out.mkdir(parents=True)
    (session.out / "best.safetensors").write_bytes(b"of another training")
    card = session.run()
    scores = card.metrics["validation"]
    assert [one["step"] for one in scores] == ([27, 34, 40] if checks else [])
    assert card.metrics["kept"] == (max(scores, key=lambda one: one["dice"])["step"] if checks else 40)
    assert not (session.out / "best.safetensors").exists()
    validation = examples("nuclei", split("nuclei", scenes)["validation"])
    kept = evaluate(teacher_of(session.out), validation).dice
    if checks:
        assert kept == pytest.approx(max(one["dice"] for one in scores), abs=2e-3)
        assert kept > scores[-1]["dice"] + 0.01, "the last weights were the best, which shows nothing"


def test_without_validation_the_last_weights_count(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    parts = {**split("nuclei", scenes), "validation": []}
    monkeypatch.setattr("unet_playground.training.session.split", lambda *given: parts)
    assert _session(tmp_path / "run", scenes, shared=False).run().metrics["validation"] == []


def test_a_finished_training_is_not_begun_again(scenes: Path, tmp_path: Path):
    session = _session(tmp_path / "run", scenes, shared=False)
    card, steps = session.run(), []
    again = _session(tmp_path / "run", scenes, shared=False)
    assert again.run(lambda step, total, loss: steps.append(step)) == read_card(session.out / "card.json")
    assert not steps
    others = [replace(again, recipe=replace(RECIPE, seed=1)), replace(again, base=BASE.replace(skip="add"))]
    for other in others:
        with pytest.raises(UnusableWeights, match="another training"):
            other.run()
    assert read_card(session.out / "card.json").sha256 == card.sha256


def test_a_training_goes_on_with_the_images_that_it_began_with(scenes: Path, tmp_path: Path):
    data = shutil.copytree(scenes, tmp_path / "data")
    _break_off(_session(tmp_path / "begun", data), 3)
    done = _session(tmp_path / "done", data, shared=False)
    done.run()
    for kind in ("images", "labels"):
        shutil.copy(next((data / "nuclei" / kind).iterdir()), data / "nuclei" / kind / "more.png")
    with pytest.raises(UnusableWeights, match="begun holds an unfinished training of another kind"):
        _session(tmp_path / "begun", data).run()
    with pytest.raises(UnusableWeights, match="done holds weights of another training"):
        _session(done.out, data, shared=False).run()


def test_two_trainings_into_one_folder_are_refused(scenes: Path, finished: Path, tmp_path: Path):
    told: list[str] = []

    def intrude(step: int, steps: int, loss: float) -> None:
        with pytest.raises(PlaygroundError) as caught:
            _session(tmp_path / "bank", scenes, recipe=replace(RECIPE, rate=1e-5)).run()
        told.append(str(caught.value))

    _session(tmp_path / "bank", scenes).run(intrude)
    assert {*told} == {"Another process trains into bank; wait for it, or choose another --out."}
    assert _weights(tmp_path / "bank") == _weights(finished)
    assert sorted(path.name for path in (tmp_path / "bank").iterdir()) == ["card.json", "weights-0.safetensors"]


def test_what_a_killed_training_was_just_writing_is_removed(scenes: Path, tmp_path: Path):
    _break_off(_session(tmp_path / "run", scenes, shared=False), 3)
    (tmp_path / "run" / ".resume.safetensors.abcd").write_bytes(b"half")
    _session(tmp_path / "run", scenes, shared=False).run()
    assert not [*(tmp_path / "run").glob(".*")]


def test_a_test_image_that_cannot_be_read_is_told_before_the_training(scenes: Path, tmp_path: Path):
    data = shutil.copytree(scenes, tmp_path / "data")
    split("nuclei", data)["test"][0].label.write_bytes(b"no image")
    steps: list[int] = []
    with pytest.raises(PlaygroundError):
        _session(tmp_path / "run", data, shared=False).run(lambda step, total, loss: steps.append(step))
    assert not steps


def test_a_card_from_before_a_recipe_had_a_number_is_of_the_same_training(scenes: Path, tmp_path: Path):
    session = _session(tmp_path / "run", scenes, shared=False)
    card = session.run()
    write_card(session.out, replace(card, recipe={name: one for name, one in card.recipe.items() if name != "mirrors"}))
    assert _session(tmp_path / "run", scenes, shared=False).run().sha256 == card.sha256


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


def test_a_design_for_volumes_is_trained_scored_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root, design = write_cubes(tmp_path / "data"), Design(dims=3, depth=1, width=2)
    recipe = replace(datasets["hippocampus"].make.volume_recipe, steps=2, side=16, warmup=1)
    assert recipe.mirrors
    card = Session("hippocampus", design, False, recipe, tmp_path / "hippocampus" / "solo-3d", str(root)).run()
    parts = split("hippocampus", root)
    assert card.metrics["test"]["n"] == len(parts["test"])
    monkeypatch.setenv("UNET_PLAYGROUND_CHECKPOINTS", str(tmp_path))
    model = load_model("hippocampus", design)
    assert model.origin is not None
    assert (model.origin.weights, model.origin.sha256) == ("solo", card.sha256)
    whole = examples("hippocampus", parts["test"], dims=3)
    assert evaluate(model, whole, datasets["hippocampus"].make.metrics, "group").summary() == card.metrics["test"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_what_a_cpu_does(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    weights = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("UNET_PLAYGROUND_DEVICE", device)
        _session(tmp_path / device, scenes, recipe=replace(RECIPE, precision="float32")).run()
        weights.append(load_file(tmp_path / device / "weights-0.safetensors"))
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=0, atol=5e-3)
