"""One computation at a time, urgent ones first."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from unet_playground import Design, Picture, load_model, segment
from unet_playground.analysis import Target, analyses
from unet_playground.analysis.base import look
from unet_playground.analysis.watch import Watch, stream
from unet_playground.images.volumes import Volume
from unet_playground.inference import ModelStore, prepare
from unet_playground.lane import Lane, lane, urgent
from unet_playground.volumes.segmenting import VolumeSegmentation, segment_volume
from unet_playground.weights import seeded


@contextmanager
def beside(*works: Callable[[], object]) -> Iterator[None]:
    """Threads that have ended afterwards."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def waiting(lane: Lane, number: int) -> None:
    """Returns once so many threads wait."""
    end = time.monotonic() + 10
    while len(lane._waiting) < number:
        assert time.monotonic() < end
        time.sleep(0.001)


def asking(lane: Lane, order: list[str], name: str, is_urgent: bool) -> Callable[[], None]:
    def ask() -> None:
        with urgent(is_urgent), lane.turn():
            order.append(name)

    return ask


def test_urgent_ones_go_first_and_others_in_their_order():
    lane, order = Lane(), []
    with lane.turn():
        threads = []
        for number, (name, hurried) in enumerate([("first", False), ("second", False), ("urgent", True)], 1):
            threads.append(threading.Thread(target=asking(lane, order, name, hurried)))
            threads[-1].start()
            waiting(lane, number)
    for thread in threads:
        thread.join(10)
    assert order == ["urgent", "first", "second"]


def test_who_computes_gives_way_to_what_is_urgent_alone():
    lane, order = Lane(), []
    with lane.turn():
        with beside(asking(lane, order, "urgent", True)):
            waiting(lane, 1)
            lane.give_way()
            order.append("own")
        patient = threading.Thread(target=asking(lane, order, "patient", False))
        patient.start()
        waiting(lane, 1)
        lane.give_way()
        order.append("still own")
    patient.join(10)
    assert order == ["urgent", "own", "still own", "patient"]


def test_what_is_urgent_does_not_give_way_to_its_like():
    lane, order = Lane(), []
    with urgent(), lane.turn():
        other = threading.Thread(target=asking(lane, order, "other", True))
        other.start()
        waiting(lane, 1)
        lane.give_way()
        order.append("own")
    other.join(10)
    assert order == ["own", "other"]


def test_a_turn_inside_a_turn_is_the_same_and_an_error_ends_it():
    lane, order = Lane(), []
    with pytest.raises(ZeroDivisionError), lane.turn(), lane.turn():
        raise ZeroDivisionError
    with beside(asking(lane, order, "next", False)):
        pass
    assert order == ["next"]


def test_who_waits_for_something_else_leaves_the_lane():
    lane, order = Lane(), []
    with lane.turn(), lane.left(), beside(asking(lane, order, "other", False)):
        pass
    assert order == ["other"]
    with lane.left():  # of nobody's turn nothing is left
        assert not lane._mine


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_computes_whatever_others_held_when_it_was_forked():
    store, held, done = ModelStore(), threading.Event(), threading.Event()

    def hold() -> None:
        with lane.turn(), seeded(), store._lock:
            held.set()
            done.wait(60)

    with beside(hold):
        assert held.wait(10)
        child = os.fork()
        if child == 0:
            with lane.turn(), seeded(), store._lock:
                os._exit(0)
        end = time.monotonic() + 20
        while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
            time.sleep(0.01)
        if not ended[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        done.set()
    assert ended == (child, 0)


def test_masks_and_analyses_of_many_visitors_are_computed_one_after_another():
    """The network counts who is inside it; a mask gets its turn while an analysis is only partly done."""
    model = load_model("nuclei", Design(), "shared")
    picture = Picture.from_array(np.random.default_rng(0).integers(0, 255, (96, 96)).astype(np.uint8))
    image, inside, most, lock = prepare(picture, model), [0], [0], threading.Lock()

    def enter(*_: object) -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])

    def leave(*_: object) -> None:
        with lock:
            inside[0] -= 1

    def explained() -> int:
        entry = analyses["integrated-gradients"]
        found = stream(lambda watch: look(entry, model, image, Target(1, (40, 40)), watch=watch))
        return len([result for _, result in found])

    def masked() -> int:
        with urgent():
            return segment(picture, model).mask.size

    handles = [model.register_forward_pre_hook(enter), model.register_forward_hook(leave)]
    try:
        with ThreadPoolExecutor(8) as visitors:
            jobs = [visitors.submit(explained if number % 3 == 0 else masked) for number in range(12)]
            assert all(job.result(120) for job in jobs)
    finally:
        for handle in handles:
            handle.remove()
    assert most == [1]


def test_a_stream_that_nobody_asks_leaves_the_lane_to_others():
    def compute(watch: Watch) -> str:
        watch.show("coarse")
        return "final"

    model, picture = load_model("nuclei", Design(), "shared"), Picture.from_array(np.full((64, 64), 90, np.uint8))
    results = stream(compute)
    assert next(results) == (False, "coarse")
    assert segment(picture, model).mask.shape == (64, 64)  # would wait for ever
    assert list(results) == [(True, "final")]


def test_a_volume_is_read_in_turns_of_its_own_by_who_has_one():
    """Its passes are computed in another thread than that which asks for them and is told how far they are."""
    volume, model = Volume(np.zeros((24, 24, 3), np.float32), np.eye(4)), load_model("hippocampus", Design(), "shared")

    def compute(watch: Watch) -> VolumeSegmentation:
        return segment_volume(volume, model, progress=lambda *_: watch.between())

    [(final, found)] = stream(compute)
    assert final and found.mask.shape == (24, 24, 3)
