"""Live training: the same plan gives the same weights to the last bit, however it is paused; what it refuses."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.scenes import write_scenes
from unet_playground import Design
from unet_playground.errors import IllegalDesign, MissingData, PlaygroundError, UnknownChoice
from unet_playground.export import load_own
from unet_playground.training import live
from unet_playground.training.datasets import split
from unet_playground.training.live import DIVERGED, FINISHED, OUT_OF_TIME, STOPPED, Live, Plan, images_of
from unet_playground.training.loop import Bank

PLAN = Plan("nuclei", Design(depth=1, width=2), "cells", steps=24, size=2, side=16)


@pytest.fixture(autouse=True)
def few_small_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(live, "DRAWN", 4)
    monkeypatch.setattr(live, "DRAWN_SIDE", 32)
    images_of.cache_clear()
    yield
    images_of.cache_clear()


def _finished(plan: Plan = PLAN) -> Live:
    run = Live(plan)
    run.advance(1e9)
    return run


def test_two_runs_of_a_plan_are_equal_bit_for_bit():
    one, other = _finished(), _finished()
    assert one.ended is FINISHED
    assert one.weights() == other.weights()
    assert (one.losses, one.scores) == (other.losses, other.scores)
    assert _finished(replace(PLAN, seed=1)).weights() != one.weights()


def test_pausing_and_going_on_changes_nothing():
    run, straight = Live(PLAN), _finished()
    slices = 0
    while run.ended is None:
        run.advance(0)  # a slice is one step at least
        run.paused = True
        run.advance(1e9)
        run.paused = False
        slices += 1
    assert slices == run.step == PLAN.steps
    assert run.weights() == straight.weights()
    assert (run.losses, run.scores) == (straight.losses, straight.scores)


def test_what_breaks_a_slice_off_leaves_the_training_whole():
    run = Live(PLAN)
    calls: list[int] = []

    def between() -> None:
        calls.append(run.step)
        if len(calls) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run.advance(1e9, between)
    assert run.step == 4
    run.advance(1e9)
    assert run.weights() == _finished().weights()


def test_it_is_scored_from_the_start_to_the_last_step():
    run = _finished(replace(PLAN, steps=64))
    steps = [step for step, _ in run.scores]
    assert steps[0] == 0 and steps[-1] == 64 and steps == sorted(steps)
    assert len(run.losses) == 64 and len(run.masks) == live.SHOWN
    assert all(mask.shape == (32, 32) for mask, _ in run.masks)


def test_it_learns(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "DRAWN_SIDE", 64)
    run = _finished(replace(PLAN, design=Design(depth=2, width=8), steps=90, size=4, side=32, rate=5e-3))
    assert np.mean(run.losses[-10:]) < 0.7 * np.mean(run.losses[:10])
    assert run.scores[-1][1] > 0.8


def test_stopping_is_for_good_and_the_weights_stay():
    run = Live(PLAN)
    run.advance(0)
    before = run.weights()
    run.stop()
    run.advance(1e9)
    assert (run.step, run.ended, run.weights()) == (1, STOPPED, before)


def test_time_is_bounded():
    run = Live(PLAN)
    run.seconds = 120
    run.advance(1e9)
    assert (run.ended, run.step) == (OUT_OF_TIME.format(seconds=120), 1)


def test_a_loss_that_is_no_number_ends_it_and_its_weights_are_refused():
    run = Live(PLAN)
    run._steps = iter([1.0, float("nan")])
    run.advance(1e9)
    assert run.ended is DIVERGED
    for use in (run.network, run.weights, run.card):
        with pytest.raises(PlaygroundError, match="lower learning rate"):
            use()


def test_weights_come_back_by_load_own_and_the_card_is_of_them(tmp_path: Path):
    run = _finished()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(run.weights())
    model = load_own(path, PLAN.design, "nuclei")
    for (name, one), other in zip(model.state_dict().items(), run.network().state_dict().values(), strict=True):
        assert one.equal(other), name
    assert model.origin == run.network().origin
    card = json.loads(run.card())
    assert card["files"][0]["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert (card["task"], card["recipe"]["step"], card["recipe"]["seed"]) == ("nuclei", 24, 0)
    assert Design.from_json(card["design"]) == PLAN.design
    assert card["metrics"]["validation"][-1] == {"step": 24, "dice": round(run.scores[-1][1], 4)}


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"steps": 2001}, PlaygroundError, "choose 20 to 2000"),
        ({"size": 0}, PlaygroundError, "choose 1 to 16"),
        ({"side": 256}, PlaygroundError, "choose 16 to 128"),
        ({"rate": float("nan")}, PlaygroundError, "choose 1e-05 to 0.1"),
        ({"seed": -1}, PlaygroundError, "choose 0 to 9999"),
        ({"design": Design(dims=3)}, IllegalDesign, "dims=3"),
        ({"task": "hippocampus", "design": Design(dims=3)}, IllegalDesign, "dims=3"),
        ({"design": Design(width=64), "size": 16, "side": 128}, PlaygroundError, "the limit here is 1 GB"),
    ],
    ids=str,
)
def test_plans_out_of_bounds_are_refused(changes: dict[str, Any], error: type[PlaygroundError], said: str):
    with pytest.raises(error, match=said):
        replace(PLAN, **changes)


def test_an_unknown_source_is_refused():
    with pytest.raises(UnknownChoice):
        Live(replace(PLAN, source="cells(noise=7)"))


def test_a_task_with_more_classes_is_scored_on_those_that_are_drawn():
    run = Live(replace(PLAN, task="hippocampus", source="organs"))
    assert (run.bank.classes, run.images.classes) == (3, 2)
    truth = [one.labels.numpy() == 1 for one in run.held_out[: live.SHOWN]]
    for (mask, score), true in zip(run.masks, truth, strict=True):
        assert score == pytest.approx(2 * ((mask == 1) & true).sum() / ((mask == 1).sum() + true.sum()))


@pytest.mark.parametrize("there", [20, 2])
def test_a_data_sets_validation_images_are_held_out(there: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write_scenes(tmp_path, 40)
    for sample in split("nuclei", root)["validation"][there:]:
        sample.image.unlink()
        sample.label.unlink()
    monkeypatch.setenv("UNET_PLAYGROUND_DATA", str(root))
    monkeypatch.setattr(live, "WINDOW", 16)
    assert live.has_data()
    images = images_of("nuclei", live.DATA)
    assert not {one.name for one in images.training} & {one.name for one in images.held_out}
    assert len(images.held_out) == min(there, live.HELD_OUT)
    assert {tuple(one.labels.shape) for one in images.held_out} == {(16, 16)}
    assert {tuple(one.image.shape) for one in images.held_out} == {(3, 16, 16)}
    run = _finished(replace(PLAN, source=live.DATA))
    assert run.ended is FINISHED
    assert json.loads(run.card())["data"]["licence"] == "CC0 1.0"


def test_so_many_pixels_of_a_data_set_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UNET_PLAYGROUND_DATA", str(write_scenes(tmp_path, 40)))
    monkeypatch.setattr(live, "PIXELS", 3 * 24 * 28)
    assert len(images_of("nuclei", live.DATA).training) == 3


def test_without_data_sets_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("UNET_PLAYGROUND_DATA", raising=False)
    assert not live.has_data()
    with pytest.raises(MissingData):
        images_of("nuclei", live.DATA)


def test_what_others_build_meanwhile_changes_nothing_and_nothing_is_drawn_that_they_share():
    def drawn(_: int = 0) -> list[float]:
        bank = Bank(Design(depth=2, width=4), 3, 2, shared=False, seed=5)
        return [parameter.sum().item() for parameter in bank.parameters.values()]

    alone, before = drawn(), torch.random.get_rng_state()
    with ThreadPoolExecutor(2) as pool:
        assert all(each == alone for each in pool.map(drawn, range(30)))
    _finished()
    assert torch.equal(torch.random.get_rng_state(), before)
