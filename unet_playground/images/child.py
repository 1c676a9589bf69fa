"""What runs in a decoder's process: `python -m unet_playground.images.child`, fed through its pipes."""

import os
import signal
import sys
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import PlaygroundError
from unet_playground.images import decoders
from unet_playground.images.arrays import read_array
from unet_playground.images.kinds import decode, formats, guarded
from unet_playground.images.segmentation_file import write_segmentation
from unet_playground.images.volume_files import decode_volume
from unet_playground.images.wire import receive, seconds_for, send, taken_apart
from unet_playground.limits import Limits

_GRACE = 5
_MOST_FILES = 32


def main() -> None:
    """Answer requests until the other side closes the pipe."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    formats()
    decoders.warm()
    taken = _bound()
    send(answers, {"ready": True})
    with suppress(EOFError, BrokenPipeError):
        while True:
            said, arrays = receive(questions)
            limits = Limits(**said["limits"])
            _end_after(seconds_for(said["what"], limits) + _GRACE)
            _bound_memory(taken + limits.decoder_bytes)
            answer = _answer(said, arrays, limits)
            del arrays
            _bound_memory(None)  # the answer is not larger than its image, and a memory error would break it off
            send(answers, *answer)
            _end_after(0)


def _answer(
    said: dict[str, Any], arrays: list[NDArray[Any]], limits: Limits
) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    try:
        mask = arrays.pop(0) if said["what"] == "segmentation" else None
        files = _bytes_of(arrays)
        if mask is not None:
            return {}, [np.frombuffer(write_segmentation(files, mask, said, limits), np.uint8)]
        if said["what"] == "array":
            return {}, [guarded("NPY", read_array, files[0], limits)]
        if said["what"] == "volume":
            return decode_volume(files, said["number"], limits).apart()
        return taken_apart(decode(files[0], limits))
    except PlaygroundError as error:
        return {"refused": [error.text.en, error.text.zh]}, []
    except MemoryError:
        return {"memory": True}, []


def _bytes_of(arrays: list[NDArray[Any]]) -> list[bytes]:
    """The arrays' bytes; the list is emptied on the way, so that few are held twice."""
    files = []
    while arrays:
        files.append(arrays.pop(0).tobytes())
    return files


def _bound() -> int:
    """Take what a decoder never needs from this process: writing, many open files, core dumps. Returns its size."""
    if sys.platform == "win32":
        return 0
    import resource

    for kind, most in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, _MOST_FILES)):
        resource.setrlimit(kind, (most, most))
    with suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _bound_memory(size: int | None) -> None:
    if sys.platform == "linux":
        import resource

        none = resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_AS, (none if size is None else size, none))


def _end_after(seconds: int) -> None:
    """End this process later, if nobody else does; 0 takes it back."""
    if sys.platform != "win32":
        signal.alarm(seconds)


if __name__ == "__main__":
    main()
