"""Memory that is free goes back to the system. Many threads of a server would each keep what they once needed."""

import ctypes
import gc
import sys
from contextlib import suppress

_ARENA_MAX = -8
_ARENAS = 2


def share_arenas() -> None:
    """Let all threads share few heaps; to be called before there are threads. Does nothing without glibc."""
    with suppress(OSError, AttributeError):
        _libc().mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return what is free to the system, and first what is held only by itself: some tens of milliseconds.

    An answer's arrays and a model that has left the store may be in such cycles. Only glibc is asked to give back.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        _libc().malloc_trim(0)


def _libc() -> ctypes.CDLL:
    if sys.platform != "linux":
        raise OSError
    return ctypes.CDLL("libc.so.6")
