"""The room Train: a seat holds one training, and what is shown is of the present design."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from unet_playground import Design, Picture
from unet_playground.errors import PlaygroundError, Text
from unet_playground.training import live
from unet_playground.training.live import Live, Plan, images_of
from unet_playground.ui.bench import Bench
from unet_playground.ui.rooms import train
from unet_playground.ui.rooms.train import Seat, TrainRoom, thinned, told, value
from unet_playground.ui.scene import Scene

DESIGN = Design(depth=1, width=2)
OTHER = Design(depth=1, width=3)
PLAN = Plan("nuclei", DESIGN, "cells", steps=20, size=1, side=16)


@pytest.fixture(autouse=True)
def few_small_images(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(live, "DRAWN", 2)
    monkeypatch.setattr(live, "DRAWN_SIDE", 32)
    monkeypatch.setattr(train, "SLICE", 0.0)
    images_of.cache_clear()
    yield
    images_of.cache_clear()


@pytest.fixture
def scene() -> Scene:
    pixels = np.zeros((20, 24), np.uint8)
    return Scene("nuclei", Picture.from_array(pixels), Text("a", "甲"), truth=pixels)


@pytest.fixture(scope="module")
def room() -> TrainRoom:
    class Page:
        language = "en"

    with gr.Blocks():
        return TrainRoom(Page())  # type: ignore[arg-type]


def _choices(room: TrainRoom, **changes: Any) -> list[Any]:
    """The values of all controls as they are at first, but for some."""
    numbers = {name: changes.get(name, bound.default) for name, bound in live.BOUNDS.items()}
    knobs = [knob.value for knobs in room.knobs.values() for knob in knobs.values()]
    return [changes.get("source", "cells"), *numbers.values(), *knobs]


def test_a_training_that_nobody_comes_to_leaves_memory(monkeypatch: pytest.MonkeyPatch):
    idle, busy = Seat(), Seat()
    for seat in (idle, busy):
        seat.take(Live(PLAN))
    now = train.time.monotonic()
    monkeypatch.setattr(train.time, "monotonic", lambda: now + train.SECONDS - 1)
    Seat.clear_idle()
    assert idle.run and busy.current(PLAN.design, PLAN.task)
    monkeypatch.setattr(train.time, "monotonic", lambda: now + train.SECONDS + 1)
    Seat.clear_idle()
    assert idle.run is None and busy.run is not None
    monkeypatch.setattr(train.time, "monotonic", lambda: now + 3 * train.SECONDS)
    Seat.clear_idle()
    assert busy.run is None


def _started(room: TrainRoom, scene: Scene, **changes: Any) -> tuple[Seat, dict[Any, Any]]:
    seat = Seat()
    *_, last = room._start(seat, Bench(DESIGN), scene, *_choices(room, steps=20, size=1, side=16, **changes))
    return seat, last


def _active(updates: dict[Any, Any], room: TrainRoom) -> bool:
    return updates[room.timer].active


def test_a_training_goes_on_by_slices_to_its_end(room: TrainRoom, scene: Scene):
    seat, updates = _started(room, scene)
    assert _active(updates, room) and not updates[room.start].interactive and updates[room.halt].interactive
    for step in range(1, 21):
        updates = room._slice(seat, Bench(DESIGN), scene)
        assert f"Step {step} of 20" in updates[room.line]
    assert not _active(updates, room) and updates[room.start].interactive and not updates[room.halt].interactive
    assert live.FINISHED.en in updates[room.line]


def test_the_controls_make_the_plan(room: TrainRoom, scene: Scene):
    seat, _ = _started(room, scene, source="vessels", rate=0.01, seed=7)
    assert seat.run is not None
    assert seat.run.plan == replace(PLAN, source="vessels", rate=0.01, seed=7)


def test_a_refusal_is_said_and_start_stays(room: TrainRoom, scene: Scene):
    seat = Seat()
    *_, last = room._start(seat, Bench(DESIGN), scene, *_choices(room, steps=5000))
    assert "choose 20 to 2000" in last[room.line] and last[room.start].interactive
    [last] = room._start(seat, Bench(DESIGN), None, *_choices(room))
    assert train.NO_IMAGE.en in last[room.line] and seat.run is None


def test_pause_go_on_and_stop(room: TrainRoom, scene: Scene):
    seat, _ = _started(room, scene)
    paused = room._pause(seat, Bench(DESIGN), scene)
    assert not _active(paused, room) and paused[room.pause].value == train.GO_ON.en
    room._slice(seat, Bench(DESIGN), scene)
    assert seat.run is not None and seat.run.step == 0
    assert _active(room._pause(seat, Bench(DESIGN), scene), room)
    stopped = room._stop(seat, Bench(DESIGN), scene)
    assert not _active(stopped, room) and stopped[room.use].interactive
    assert live.STOPPED.en in stopped[room.line]


def test_another_design_or_task_lets_the_training_wait_out_of_sight(room: TrainRoom, scene: Scene):
    seat, _ = _started(room, scene)
    for bench, one in ((Bench(OTHER), scene), (Bench(DESIGN), scene.asking(task="liver")), (Bench(DESIGN), None)):
        away = room._slice(seat, bench, one)
        assert away[room.chart] is None and "waits at step 0" in away[room.line]
        assert not _active(away, room) and not away[room.use].interactive and away[room.start].interactive
    [back] = room.refresh(Bench(DESIGN), scene, lambda: None, seat)
    assert back[room.chart] is not None and back[room.pause].value == train.GO_ON.en


def test_the_weights_are_used_on_the_image(room: TrainRoom, scene: Scene):
    seat, _ = _started(room, scene)
    used = room._use(seat, Bench(DESIGN), scene)
    assert "weights of step 0" in used[room.used] and "data:image/png" in used[room.used]
    assert seat.run is not None
    seat.run.stop(live.DIVERGED)
    assert "lower learning rate" in room._use(seat, Bench(DESIGN), scene)[room.used]


def test_only_the_last_trainings_of_all_visitors_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train, "KEPT", 2)
    monkeypatch.setattr(Seat, "_taken", [])
    seats, run = [deepcopy(Seat()) for _ in range(3)], Live(PLAN)
    for seat in seats:
        seat.take(run)
    assert [seat.run is run for seat in seats] == [False, True, True]
    seats[1].take(run)  # a seat is taken once, however often it starts
    assert [seat.run is run for seat in seats] == [False, True, True]
    with pytest.raises(PlaygroundError, match="start it again"):
        train.weights(seats[0])


def test_what_the_script_draws():
    run = Live(PLAN)
    assert told(Seat(), None).en.startswith("Nothing is trained")
    assert value(None, "en") is None
    first = value(run, "zh")
    assert first is not None and first["loss"] == [] and first["dice"] == [[0, round(run.scores[0][1], 4)]]
    run.advance(1e9)
    drawn = value(run, "zh")
    assert drawn is not None and drawn["steps"] == 20 and len(drawn["loss"]) == 20
    assert [one["dice"] for one in drawn["examples"]] == [f"Dice {dice:.3f}" for _, dice in run.masks]
    assert all(one[kind].startswith("data:image/png") for one in drawn["examples"] for kind in ("mask", "truth"))
    assert drawn["words"]["loss"] == "损失"


@pytest.mark.parametrize(
    ("losses", "most", "points"),
    [
        ([], 4, []),
        ([2.0, 1.0], 4, [[1, 2.0], [2, 1.0]]),
        ([4.0, 2.0, 1.0, 1.0, 0.5], 3, [[2, 3.0], [4, 1.0], [5, 0.5]]),
        ([1.0, float("nan")], 4, [[1, 1.0]]),
    ],
)
def test_a_long_curve_is_thinned(losses: list[float], most: int, points: list[list[float]]):
    assert thinned(losses, most) == points
