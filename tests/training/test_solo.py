"""Training alone: what is kept, what is done already, and what a training that found nothing leaves."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.scenes import write_scenes
from unet_playground import Design, load_model
from unet_playground.atlas import read_atlas
from unet_playground.training.datasets import datasets
from unet_playground.training.measure import (
    GRADIENT,
    Measured,
    metrics_of,
    put,
)
from unet_playground.training.recipe import Recipe
from unet_playground.training.solo import SoloJob
from unet_playground.training.sweep import sweep
from unet_playground.weights import read_card

BASE = Design(depth=2, width=2)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_scenes(tmp_path_factory.mktemp("data"), 20))


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets["nuclei"].make, "recipe", Recipe(steps=3, size=2, side=16, warmup=1))
    monkeypatch.setattr("unet_playground.training.solo.FOUND", 0.0)  # three steps find nothing


@pytest.mark.usefixtures("_short")
def test_a_reference_is_trained_scored_and_kept(checkpoints: Path, scenes: str):
    job = SoloJob("nuclei", BASE, data=scenes)
    assert not job.done()
    assert sweep([job]) == []
    assert job.done()
    card = read_card(checkpoints / "nuclei" / "solo-classic" / "card.json")
    [row] = read_atlas("nuclei").of("solo")
    assert (card.shared, card.recipe["seed"], card.recipe["steps"]) == (False, 0, 3)
    assert {"n", "dice", "intervals", *metrics_of("nuclei")} <= set(card.metrics["test"])
    assert row.value("dice") == pytest.approx(card.metrics["test"]["dice"], abs=1e-4)
    assert row.sha256 == card.sha256[:12]
    assert row.images["dice"]
    assert load_model("nuclei", BASE, "solo").origin is not None
    # What was not asked of kept weights when they were measured is asked now.
    brief = replace(row, images={id: values for id, values in row.images.items() if id != GRADIENT})
    with_names = read_atlas("nuclei")
    put("nuclei", Measured(brief, with_names.names, with_names.groups, {}))
    assert not job.done()
    assert sweep([job]) == []
    assert job.done()


@pytest.mark.usefixtures("_short")
def test_of_a_second_seed_only_the_card_stays(checkpoints: Path, scenes: str):
    job = SoloJob("nuclei", BASE, seed=1, keeps=False, steps=2, data=scenes)
    assert sweep([job]) == []
    assert job.done()
    folder = checkpoints / "nuclei" / "solo-classic-seed1"
    assert [path.name for path in folder.iterdir()] == ["card.json"]
    card = read_card(folder / "card.json")
    assert card.files == ()
    assert (card.recipe["seed"], card.recipe["steps"]) == (1, 2)
    [row] = read_atlas("nuclei").of("solo")
    assert (row.seed, row.sha256) == (1, card.metrics["weights_sha256"][:12])


def test_designs_without_skips_are_trained_more_slowly_or_longer_where_they_need_it():
    """At the usual rate those of vessels learn to call everything background."""
    for task, changes in (("vessels", {"rate": 5e-4}), ("hippocampus", {"steps": 12000}), ("nuclei", {})):
        usual, bridgeless = (datasets[task].make.recipe_of(Design(skip=skip)) for skip in ("concat", "none"))
        assert bridgeless == replace(usual, **changes)


@pytest.mark.usefixtures("_short")
def test_a_reference_of_fewer_steps_is_trained_anew(checkpoints: Path, scenes: str):
    brief, full = SoloJob("nuclei", BASE, steps=2, data=scenes), SoloJob("nuclei", BASE, data=scenes)
    sweep([brief])
    assert brief.done()
    assert not full.done()
    assert sweep([full]) == []
    assert full.done()
    assert brief.done()
    assert replace(full, rate=1e-4).done(), "another rate is for what failed"
    assert read_card(full.folder / "card.json").recipe["steps"] == 3
    assert len(read_atlas("nuclei").of("solo")) == 1


@pytest.mark.usefixtures("_short")
def test_a_training_that_found_nothing_is_no_reference_and_can_be_given_another_rate(
    checkpoints: Path, scenes: str, monkeypatch: pytest.MonkeyPatch
):
    job = SoloJob("nuclei", BASE, data=scenes)
    with monkeypatch.context() as severe:
        severe.setattr("unet_playground.training.solo.FOUND", 2.0)
        [failure] = sweep([job])
        assert failure.reason == "The training found nothing at the rate 0.002; give another --rate."
        assert not job.done()
        assert not read_atlas("nuclei").rows
        assert not job.folder.exists(), "what found nothing serves nobody"
        [failure] = sweep([replace(job, rate=1e-4)])
        assert failure.reason == "The training found nothing at the rate 0.0001; give another --rate."
    assert sweep([replace(job, rate=1e-4)]) == []
    assert len(read_atlas("nuclei").of("solo")) == 1


@pytest.mark.usefixtures("_short")
def test_a_training_that_found_nothing_takes_no_weights_that_were_there(
    checkpoints: Path, scenes: str, monkeypatch: pytest.MonkeyPatch
):
    brief, full = SoloJob("nuclei", BASE, steps=2, data=scenes), SoloJob("nuclei", BASE, data=scenes)
    sweep([brief])
    kept = {path.name: path.read_bytes() for path in brief.folder.iterdir()}
    monkeypatch.setattr("unet_playground.training.solo.FOUND", 2.0)
    assert len(sweep([full])) == 1
    assert {path.name: path.read_bytes() for path in brief.folder.iterdir()} == kept


@pytest.mark.usefixtures("_short")
def test_an_unfinished_training_at_another_rate_is_begun_anew(
    checkpoints: Path, scenes: str, monkeypatch: pytest.MonkeyPatch
):
    """As after a loss that is no number any more: the sentence asks for a smaller rate."""
    job = SoloJob("nuclei", BASE, data=scenes)
    with monkeypatch.context() as broken:
        broken.setattr("unet_playground.training.session.Session._take_best", lambda *given: 1 / 0)
        assert len(sweep([job])) == 1
    assert (job.folder / "training" / "resume.safetensors").exists()
    assert sweep([replace(job, rate=1e-4)]) == []
    assert read_card(job.folder / "card.json").recipe["rate"] == 1e-4


@pytest.mark.usefixtures("_short")
def test_a_trained_reference_without_a_row_is_measured_but_not_trained_again(checkpoints: Path, scenes: str):
    job = SoloJob("nuclei", BASE, data=scenes)
    sweep([job])
    weights = checkpoints / "nuclei" / "solo-classic" / "weights-0.safetensors"
    written = weights.stat().st_mtime_ns
    trained = job.run()
    (checkpoints / "nuclei" / "atlas.csv").unlink()
    assert not job.done()
    assert weights.stat().st_mtime_ns == written
    job.keep(trained)
    assert job.done()
    put("nuclei", replace(trained.measured, row=replace(trained.measured.row, sha256="0" * 12)))
    assert not job.done(), "the row is of other weights"


@pytest.mark.usefixtures("_short")
def test_a_reference_trained_elsewhere_comes_home_with_its_weights(
    checkpoints: Path, scenes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    job = SoloJob("nuclei", BASE, data=scenes)
    monkeypatch.setenv("UNET_PLAYGROUND_CHECKPOINTS", str(tmp_path / "elsewhere"))
    trained = job.run()
    monkeypatch.setenv("UNET_PLAYGROUND_CHECKPOINTS", str(checkpoints))
    assert not job.done()
    job.keep(trained)
    assert job.done()
    assert load_model("nuclei", BASE, "solo").origin is not None


@pytest.mark.usefixtures("_short")
def test_a_broken_off_reference_goes_on(checkpoints: Path, scenes: str, monkeypatch: pytest.MonkeyPatch):
    job, begun = SoloJob("nuclei", BASE, data=scenes), []

    def pull(*anything: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("unet_playground.training.session.write", pull)
        with pytest.raises(KeyboardInterrupt):
            sweep([job])
    assert (job.folder / "training" / "resume.safetensors").exists()
    update = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *given: begun.append(1) or update(*given))
    assert sweep([job]) == []
    assert begun == []
    assert job.done()
