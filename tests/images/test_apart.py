"""Decoders run apart: what happens to one costs its own file a sentence, and nobody else anything."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sample_files import save, save_deep

from unet_playground.errors import UnreadableImage
from unet_playground.images import Picture, read_image
from unet_playground.images.apart import decoders
from unet_playground.images.labels import read_labels
from unet_playground.images.volumes import open_volume

_GRAY = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
_FILE = save(_GRAY, "PNG")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def _children() -> set[int]:
    """Process ids of this process's decoders."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid() and b"images.child" in (status.parent / "cmdline").read_bytes():
                found.add(int(status.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture
def stopped() -> Iterator[set[int]]:
    """The decoders, none of which goes on."""
    decoders().warm()
    children = _children()
    for child in children:
        os.kill(child, signal.SIGSTOP)
    yield children
    decoders().end()
    decoders.cache_clear()


def _said(source: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        read_image(source)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return caught.value.text.en


def test_a_volume_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch, stopped: set[int]) -> None:
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_VOLUME_SECONDS", "1")
    with pytest.raises(UnreadableImage, match="took longer than 1 s to decode"):
        open_volume([_FILE])
    assert _children() < stopped


def test_a_decoder_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, stopped: set[int]) -> None:
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_DECODE_SECONDS", "1")
    begun = time.perf_counter()
    assert "took longer than 1 s to decode, which is the limit" in _said(_FILE)
    assert time.perf_counter() - begun < 5
    assert np.array_equal(read_image(_FILE).pixels, _GRAY) and len(stopped & _children()) == len(stopped) - 1


def test_a_decoder_that_is_killed_costs_one_file(stopped: set[int]) -> None:
    said: list[str] = []
    asking = threading.Thread(target=lambda: said.append(_said(_FILE)))
    asking.start()
    time.sleep(0.2)
    assert asking.is_alive()
    for child in stopped:
        os.kill(child, signal.SIGKILL)
    asking.join(5)
    assert len(said) == 1 and "The decoder ended in the middle of this file" in said[0]
    assert np.array_equal(read_image(_FILE).pixels, _GRAY)


def test_a_decoder_that_is_killed_in_its_sleep_costs_nothing() -> None:
    decoders().warm()
    for child in _children():
        os.kill(child, signal.SIGKILL)
    time.sleep(0.2)
    for _ in range(4):
        assert np.array_equal(read_image(_FILE).pixels, _GRAY)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "NPY"])
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    large = save(np.zeros((3000, 3000, 3), np.uint8), kind)
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_DECODER_MB", "20")
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_FILE_MB", "30")
    assert "takes more than 20 MB to decode, which is the limit" in _said(large)
    monkeypatch.delenv("UNET_PLAYGROUND_MAX_DECODER_MB")
    assert read_image(large).pixels.shape == (3000, 3000, 3)


@pytest.mark.parametrize("channels", [3, 4])
def test_the_largest_allowed_image_is_read_within_the_limits(channels: int) -> None:
    image = np.zeros((4080, 4090, channels), np.uint16)
    image[7, 9] = 65535
    picture = read_image(save_deep(image, ".png"))
    assert picture.pixels.shape == (4080, 4090, 3) and picture.pixels[7, 9, 0] == 1 and picture.pixels.sum() == 3


def test_many_files_at_once() -> None:
    images = [np.full((30 + number, 40), number, np.uint8) for number in range(60)]

    def read(image: np.ndarray) -> Picture:
        return read_image(save(image, "PNG"))

    with ThreadPoolExecutor(20) as pool:
        for image, picture in zip(images, pool.map(read, images), strict=True):
            assert np.array_equal(picture.pixels, image)
    assert len(_children()) <= 2


def test_no_decoder_outlives_its_user() -> None:
    code = (
        "import sys, os; from unet_playground.images import read_image\n"
        "from unet_playground.images.apart import decoders\n"
        "read_image(sys.stdin.buffer.read()); decoders().warm()\n"
        "print(*[d.process.pid for d in decoders()._idle.queue], flush=True); os.kill(os.getpid(), 9)"
    )
    run = subprocess.run([sys.executable, "-c", code], input=_FILE, capture_output=True, check=False)
    pids = [int(pid) for pid in run.stdout.split()]
    assert len(pids) == 2
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/cmdline").exists() and _runs(pid) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return b"images.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_decoder_is_given_nothing_it_does_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    decoders().end()
    decoders.cache_clear()
    read_image(_FILE)
    [child] = _children()
    assert b"hunter2" not in Path(f"/proc/{child}/environ").read_bytes()
    bounds = Path(f"/proc/{child}/limits").read_text()
    assert "Max file size             0 " in bounds and "Max core file size        0 " in bounds
    # Neither PyTorch nor the page is loaded there.
    assert "libtorch" not in Path(f"/proc/{child}/maps").read_text()


def test_labels_of_any_whole_type_come_as_they_are(tmp_path: Path) -> None:
    for kind in ("int64", "int32", "uint16", "bool"):
        path = tmp_path / f"{kind}.npy"
        np.save(path, (_GRAY > 100).astype(kind) if kind == "bool" else _GRAY.astype(kind))
        assert np.array_equal(read_labels(path), _GRAY > 100 if kind == "bool" else _GRAY)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableImage, match="This NPY is damaged"):
        read_labels(path)
