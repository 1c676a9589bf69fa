"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from unet_playground.errors import PlaygroundError


@contextmanager
def alone(folder: Path, name: str, busy: PlaygroundError) -> Iterator[None]:
    """Hold a folder, which is made, for one purpose; where it is left empty it is removed.

    Args:
        folder: Any.
        name: Of the purpose.
        busy: Raised where another process holds the folder for it.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise busy from None
    try:
        yield
    finally:
        with suppress(OSError):  # before it is released, else it may be another's; Windows removes it by itself
            Path(lock.lock_file).unlink()
        lock.release()
        with suppress(OSError):  # what else is there stays
            folder.rmdir()
