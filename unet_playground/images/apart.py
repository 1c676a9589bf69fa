"""Decoders in processes of their own: warm, few, and each bounded in time and memory."""

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import UnreadableImage, refusal
from unet_playground.images.picture import Picture
from unet_playground.images.wire import put_together, receive, seconds_for, send
from unet_playground.limits import Limits, figure

_ROOT = str(Path(__file__).resolve().parents[2])
_START_SECONDS = 60
_KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_Answer = tuple[dict[str, Any], list[NDArray[Any]]]


class _Lost(Exception):
    """The decoder has gone; `late` says whether because its time was over."""

    def __init__(self, late: bool):
        super().__init__()
        self.late = late


class _Decoder:
    """One process that decodes; it ends with this one, which holds the other end of its pipes."""

    def __init__(self) -> None:
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        # When Python runs interactively, this package lies in the working folder, which has no name in sys.path.
        path = {"PYTHONPATH": os.pathsep.join([_ROOT, *filter(None, sys.path)]), "PYTHONSAFEPATH": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "unet_playground.images.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what libraries print may quote the file
            env={**kept, **path, **dict.fromkeys(_ONE_THREAD, "1")},
        )
        with self._ended_after(_START_SECONDS):
            receive(self.process.stdout)  # type: ignore[arg-type]

    def ask(self, said: dict[str, Any], arrays: Sequence[NDArray[Any]], limits: Limits) -> _Answer:
        with self._ended_after(seconds_for(said["what"], limits)):
            send(self.process.stdin, {**said, "limits": asdict(limits)}, arrays)  # type: ignore[arg-type]
            return receive(self.process.stdout)  # type: ignore[arg-type]

    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self.process.wait()

    @contextmanager
    def _ended_after(self, seconds: float) -> Iterator[None]:
        begun = time.monotonic()
        timer = Timer(seconds, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, EOFError, ValueError, LookupError, TypeError):
            self.end()
            raise _Lost(time.monotonic() - begun >= seconds) from None
        finally:
            timer.cancel()


class Decoders:
    """A few decoders that many threads share; each file has one for itself.

    Args:
        count: How many files are decoded at once.
    """

    def __init__(self, count: int):
        self._idle: LifoQueue[_Decoder | None] = LifoQueue()
        for _ in range(count):
            self._idle.put(None)
        self._count = count

    def warm(self) -> None:
        """Start them all, so that the first file need not wait."""
        taken = [self._idle.get() for _ in range(self._count)]
        for each in taken:
            self._idle.put(each or _Decoder())

    def picture(self, data: bytes, limits: Limits) -> Picture:
        """The picture in a file's bytes.

        Raises:
            UnreadableImage: In one sentence, for what is damaged, too large, too slow or of another kind.
        """
        return put_together(*self.ask({"what": "picture"}, [data], limits))

    def array(self, data: bytes, limits: Limits) -> NDArray[Any]:
        """The numbers of a NumPy file as they are.

        Raises:
            UnreadableImage: As `picture`.
        """
        return self.ask({"what": "array"}, [data], limits)[1][0]

    def end(self) -> None:
        """End the idle ones; the others end when this process does."""
        with suppress(Empty):
            while True:
                if each := self._idle.get_nowait():
                    each.end()

    def ask(self, said: dict[str, Any], files: Sequence[bytes | NDArray[Any]], limits: Limits) -> _Answer:
        """What a decoder answers to `said["what"]` about files.

        Raises:
            UnreadableImage: As `picture`.
        """
        arrays = [np.frombuffer(each, np.uint8) if isinstance(each, bytes) else each for each in files]
        decoder, error, answer = self._idle.get(), None, ({}, [])
        try:
            if decoder and not decoder.alive():
                decoder = decoder.end()
            decoder = decoder or _Decoder()
            answer = decoder.ask(said, arrays, limits)
            error = _refused(answer[0], limits)
            if answer[0].get("memory"):
                decoder = decoder.end()
        except _Lost as lost:
            decoder, error = None, _late(seconds_for(said["what"], limits)) if lost.late else _lost()
        finally:
            self._idle.put(decoder)
        if error:
            raise error
        return answer


@cache
def decoders() -> Decoders:
    """The decoders of this process."""
    shared = Decoders(Limits.from_environment().decoders)
    atexit.register(shared.end)
    return shared


if hasattr(os, "register_at_fork"):  # a forked process must not talk into its parent's pipes
    os.register_at_fork(after_in_child=decoders.cache_clear)


def _refused(said: dict[str, Any], limits: Limits) -> UnreadableImage | None:
    if "refused" in said:
        en, zh = said["refused"]
        return UnreadableImage(en, zh)
    if said.get("memory"):
        most = figure(limits.decoder_bytes)
        return refusal(
            f"This file takes more than {most} MB to decode, which is the limit. Resize it and try again.",
            f"解码该文件所需内存超过上限 {most} MB。请缩小后重试。",
        )
    return None


def _late(seconds: int) -> UnreadableImage:
    return refusal(
        f"This file took longer than {seconds} s to decode, which is the limit. "
        "Save it in a plainer way (an image as PNG, a volume uncompressed or as a part) and try again.",
        f"该文件的解码时间超过上限 {seconds} 秒。请以更简单的格式另存（图像存为 PNG，体数据不压缩或取一部分）后重试。",
    )


def _lost() -> UnreadableImage:
    return refusal(
        "The decoder ended in the middle of this file; files that are damaged do that. Save the image again and "
        "try again.",
        "解码程序在读取该文件时中断；损坏的文件会造成这种情况。请重新保存图像后重试。",
    )
