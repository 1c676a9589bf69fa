"""The folder of uploads and answers: one server's own, bounded in bytes and time, gone with it."""

import atexit
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_PREFIX = "unet-playground-store-"
_YOUNG = 60
"""Seconds for which a file is surely still wanted."""


_awaited: Counter[str] = Counter()
"""Place of an upload -> how often it was sent and not read yet: Gradio keeps equal files in one place."""
_counting = threading.Lock()


def await_readers(paths: Iterable[str]) -> None:
    """Count uploads, each of which is going to be read once."""
    with _counting:
        _awaited.update(paths)


@contextmanager
def read_once(*paths: str) -> Iterator[None]:
    """Remove uploads after what happens inside has read them; the last to have sent the same file takes it along."""
    try:
        yield
    finally:
        with _counting:
            for path in paths:
                _awaited[path] -= 1
                if _awaited[path] <= 0:
                    _remove(Path(path))


class Store:
    """A new folder that nobody else may enter, removed when this process ends; those of killed servers go now.

    Args:
        most: Bytes that it holds.
        seconds: After which a file goes.
    """

    def __init__(self, most: int, seconds: float):
        self.most, self.seconds = most, seconds
        self._coming = 0
        _sweep_killed()
        folder = TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")
        atexit.register(folder.cleanup)
        self.folder = Path(folder.name)

    @contextmanager
    def room_for(self, size: int) -> Iterator[bool]:
        """Whether it takes so many bytes beside those that are on their way; while inside, these are, too."""
        room = self.has_room(self._coming + size)
        taken = size if room else 0
        self._coming += taken
        try:
            yield room
        finally:
            self._coming -= taken

    def has_room(self, size: int) -> bool:
        """Whether it takes so many bytes more; what is older than a minute goes first, if that makes room enough."""
        files, going = sorted(self._files()), []
        over = sum(file[1] for file in files) + size - self.most
        for changed, bytes_, path in files:
            if over > 0 and changed < time.time() - _YOUNG:
                going.append(path)
                over -= bytes_
        for path in going if over <= 0 else ():
            _remove(path)
        return over <= 0

    def sweep(self) -> None:
        """Remove every file whose time is over, and folders that have been empty for a while."""
        for changed, _, path in list(self._files()):
            if changed < time.time() - self.seconds:
                _remove(path)
        for folder in filter(Path.is_dir, self.folder.iterdir()):
            with suppress(OSError):  # a file lies there, or it is gone already
                if folder.stat().st_mtime < time.time() - _YOUNG:  # else an upload may be on its way there
                    folder.rmdir()

    def keep_swept(self, also: Callable[[], object]) -> None:
        """Sweep again and again in the background.

        Args:
            also: Is called after each time.
        """

        def run() -> None:
            while True:
                time.sleep(min(60, self.seconds / 4))
                self.sweep()
                also()

        threading.Thread(target=run, daemon=True, name="sweeper").start()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Time of change, size and place of every file."""
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder, name) for name in names):
                with suppress(FileNotFoundError):  # what was read meanwhile is gone
                    found = path.stat()
                    yield found.st_mtime, found.st_size, path


def _remove(path: Path) -> None:
    """Remove a file, whoever may still have wanted to read it."""
    _awaited.pop(str(path), None)
    path.unlink(missing_ok=True)


def _sweep_killed() -> None:
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        owner = re.match(rf"{_PREFIX}(\d+)-", folder.name)
        if owner and not _runs(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True
