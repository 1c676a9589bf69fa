"""Long computations: ended when nobody waits for them, looked at before they are done."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextvars import copy_context
from typing import Any

from unet_playground.lane import lane


class Watch:
    """Stands beside a long computation: may end it, and is shown coarse results. This one does neither."""

    def between(self) -> None:
        """Called between pieces of work; whatever it raises ends the computation."""

    def show(self, result: Any) -> None:
        """Is given a result that is not final yet."""


UNWATCHED = Watch()


def stream(
    compute: Callable[[Watch], Any], between: Callable[[], None] = lambda: None
) -> Generator[tuple[bool, Any], None, None]:
    """Coarse results as a computation shows them, (False, result), then its own, (True, result).

    It runs in a thread of its own while the device is free, gives way to what is urgent between its pieces of work, and
    rests from each coarse result until the next one is asked for. Closing the iterator ends it before its next piece of
    work; who closes does not wait for that, since a page is left on the loop that serves all others.

    Args:
        compute: Is given the watch that it shows to.
        between: Called between its pieces of work; whatever it raises ends the computation and is raised here.
    """
    running = _Streaming(between)
    threading.Thread(target=copy_context().run, args=(running.work, compute), daemon=True).start()
    try:
        yield from running.results()
    finally:
        running.end()


class _Ended(Exception):
    """Nobody listens to a stream any more."""


class _Streaming(Watch):
    """Hands what it is shown to another thread."""

    def __init__(self, between: Callable[[], None]):
        self.told: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._asked = threading.Semaphore(0)
        self._ended = threading.Event()
        self._between = between

    def between(self) -> None:
        if self._ended.is_set():
            raise _Ended
        self._between()
        lane.give_way()

    def show(self, result: Any) -> None:
        with lane.left():
            self.told.put(("shown", result))
            self._asked.acquire()
        self.between()

    def end(self) -> None:
        self._ended.set()
        self._asked.release()

    def work(self, compute: Callable[[Watch], Any]) -> None:
        try:
            with lane.turn():
                result = compute(self)
            self.told.put(("done", result))
        except BaseException as error:
            self.told.put(("failed", error))

    def results(self) -> Iterator[tuple[bool, Any]]:
        kind = "shown"
        while kind == "shown":
            kind, value = self.told.get()
            if kind == "failed":
                raise value
            yield kind == "done", value
            self._asked.release()
