"""Ends what a script asked for, once it is cancelled or nobody is there any more; until then it gives way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from unet_playground.analysis.watch import Watch
from unet_playground.errors import PlaygroundError
from unet_playground.lane import lane

_GONE: ContextVar[Callable[[], bool] | None] = ContextVar("gone", default=None)


@contextmanager
def ended_when(gone: Callable[[], bool]) -> Iterator[None]:
    """What is computed inside, in threads that are started there too, may ask whether its caller has gone."""
    token = _GONE.set(gone)
    try:
        yield
    finally:
        _GONE.reset(token)


class Attended(Watch):
    """Ends the computation of a caller who has gone; it is made where the caller is known."""

    def __init__(self) -> None:
        self._gone = _GONE.get()

    def between(self) -> None:
        """See `Watch`.

        Raises:
            PlaygroundError: The caller has gone.
        """
        if self._gone and self._gone():
            raise PlaygroundError("This was cancelled; ask again.", "已取消；请重新提交。")
        lane.give_way()
