"""Long computations are looked at before they are done, rest while nobody looks, and end when nobody will."""

import threading
import time
from collections.abc import Callable

import pytest

from unet_playground.analysis.watch import Watch, stream
from unet_playground.lane import lane


class _Counting:
    """Shows 0, 1, 2 ... up to a number, which it then is."""

    def __init__(self, last: int):
        self.last = last
        self.reached = -1

    def __call__(self, watch: Watch) -> int:
        for number in range(self.last):
            watch.between()
            self.reached = number
            watch.show(number)
        return self.last


def _until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_coarse_results_come_in_order_and_the_final_one_last():
    assert list(stream(_Counting(3))) == [(False, 0), (False, 1), (False, 2), (True, 3)]


def test_nothing_is_computed_until_the_next_result_is_asked_for():
    counting = _Counting(1000)
    results = stream(counting)
    assert counting.reached == -1
    for number in range(3):
        assert next(results) == (False, number)
        assert counting.reached == number
    results.close()
    assert counting.reached == 2


def test_a_stream_that_is_left_leaves_no_thread():
    before = set(threading.enumerate())
    results = stream(_Counting(1000))
    next(results)
    results.close()
    _until(lambda: before.issuperset(threading.enumerate()))


def test_leaving_a_stream_waits_for_nobody_and_takes_nobodys_turn():
    before, taken, done = set(threading.enumerate()), threading.Event(), threading.Event()
    kept: list[bool] = []

    def compute() -> None:
        with lane.turn():
            taken.set()
            done.wait(20)
            kept.append(lane._mine)

    counting = _Counting(1000)
    results = stream(counting)
    next(results)
    threading.Thread(target=compute, daemon=True).start()
    assert taken.wait(20)
    closing = threading.Thread(target=results.close, daemon=True)
    closing.start()
    closing.join(10)
    waits = closing.is_alive()
    done.set()
    assert not waits
    _until(lambda: before.issuperset(threading.enumerate()))
    assert kept == [True] and counting.reached == 0
    assert lane._holder is None


def test_what_ends_it_is_raised_where_it_is_looked_at():
    calls = iter(range(10))

    def check() -> None:
        if next(calls) > 2:
            raise KeyError("superseded")

    with pytest.raises(KeyError, match="superseded"):
        list(stream(_Counting(1000), check))


def test_an_error_of_the_computation_is_raised_after_what_it_had_shown():
    def fail(watch: Watch) -> None:
        watch.show(1)
        raise ValueError("broken")

    results = stream(fail)
    assert next(results) == (False, 1)
    with pytest.raises(ValueError, match="broken"):
        next(results)
