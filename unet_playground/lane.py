"""The one lane to the device: a process computes one thing at a time, and what is urgent goes first.

Several at once would share a GPU's memory without knowing of each other, and on a CPU each would take all cores.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_URGENT = ContextVar("urgent", default=False)


@contextmanager
def urgent(is_so: bool = True) -> Iterator[None]:
    """Turns that are asked for inside go before those that are not urgent, in threads that inherit the context too."""
    token = _URGENT.set(is_so)
    try:
        yield
    finally:
        _URGENT.reset(token)


class Lane:
    """Gives turns to threads, one at a time: urgent ones first, else in the order in which they were asked for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: set[tuple[bool, int]] = set()
        self._numbers = itertools.count()
        self._holder: int | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until nobody computes; a thread that has its turn already goes on."""
        if self._mine:
            yield
            return
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def give_way(self) -> None:
        """Called by who computes, between pieces of work: all that is more urgent goes first."""
        mine = not _URGENT.get()
        if self._mine and any(patient < mine for patient, _ in list(self._waiting)):
            self._leave()
            self._enter()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Who computes waits for something else inside; others have the device meanwhile."""
        held = self._mine
        if held:
            self._leave()
        try:
            yield
        finally:
            if held:
                self._enter()

    @property
    def _mine(self) -> bool:
        return self._holder == threading.get_ident()

    def _enter(self) -> None:
        ticket = (not _URGENT.get(), next(self._numbers))
        with self._changed:
            self._waiting.add(ticket)
            try:
                self._changed.wait_for(lambda: self._holder is None and ticket == min(self._waiting))
            finally:  # who is interrupted while waiting keeps nobody waiting
                self._waiting.remove(ticket)
                self._changed.notify_all()
            self._holder = threading.get_ident()

    def _leave(self) -> None:
        with self._changed:
            self._holder = None
            self._changed.notify_all()


def at_fork(renew: Callable[[], object]) -> None:
    """Call this in every forked process: what another thread held when it was forked, nobody gives back there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def lock() -> threading.Lock:
    """A lock that is free in a forked process."""
    made = threading.Lock()
    at_fork(made._at_fork_reinit)  # type: ignore[attr-defined]
    return made


lane = Lane()
"""This process's."""
at_fork(lane.__init__)
