"""The real app in a process of its own, and the browser that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent.parent


def chromium() -> str | None:
    """Debian's Chromium or another one that is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def started(
    limit: float = 90,
    checkpoints: Path | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The address of the app as `running` starts and stops it."""
    with running(limit, checkpoints, log, environment) as (address, _):
        yield address


@contextmanager
def running(
    limit: float = 90,
    checkpoints: Path | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, int]]:
    """Start `python app.py`, give its address and its process id, stop it.

    Args:
        limit: Seconds within which it has to answer.
        checkpoints: A folder of weights instead of the repository's.
        log: Where what it prints is kept; it is removed by default.
        environment: Variables that it is given.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    given = {"UNET_PLAYGROUND_CHECKPOINTS": str(checkpoints)} if checkpoints else {}
    kept, log = log, log or Path(os.environ.get("TMPDIR", "/tmp")) / f"unet-playground-{os.getpid()}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, **given, **(environment or {})},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, address, time.monotonic() + limit, log)
            yield address, process.pid
        finally:
            process.terminate()
            process.wait(timeout=20)
            if not kept:
                log.unlink(missing_ok=True)


def _wait(process: subprocess.Popen, address: str, until: float, log: Path) -> None:
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended by itself: {log.read_text()[-2000:]}")
        try:
            with urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the app did not answer")
