"""Five hundred mixed requests, errors among them, after as many that warm it up: memory stays flat, the store empties.

`python -m benchmarks.soak [--requests 500]` starts the app on this machine and ends it.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.crowd import Answer, Visitor, Watched, cells, png
from benchmarks.measure import Verdict
from tests.browser.app import running

WARM = 500
"""Requests before the first look at the memory: everything that is kept on purpose is there by then."""
LOOKS = 50
"""Requests among which the quietest look at the memory counts."""
KEPT = 20
"""Seconds for which the store keeps a file here."""
LINKS = ("", "skip=add", "up=bilinear", "down=none", "attention=se", "skip=nested", "block=residual")


def main() -> None:
    """Ask, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500, help=f"after {WARM} that warm it up; at least {2 * LOOKS}")
    given = parser.parse_args()
    verdict, outcomes = Verdict(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        narrow = {"UNET_PLAYGROUND_MAX_CACHE_SECONDS": str(KEPT), "TMPDIR": folder}
        with running(environment=narrow) as (address, process):
            watched, sizes = Watched(process), []
            for number in tqdm(range(WARM + given.requests), mininterval=10):
                visitor = Visitor(address, number)
                wanted, answer = _request(number, visitor)
                visitor.close()
                outcomes[f"{wanted} -> {answer.outcome}"] += 1
                if answer.outcome != wanted:
                    print(number, answer)
                if number >= WARM:
                    sizes.append(watched.bytes() / 1e3)
            left = _left_after(folder, 3 * KEPT)
    for what, times in sorted(outcomes.items()):
        print(f"  {what}: {times}")
    verdict.at_most("requests that ended otherwise than they should", _wrong(outcomes), 0)
    line = np.polyfit(range(len(sizes)), sizes, 1)[0]
    looks = f"{min(sizes) / 1e3:.0f} to {max(sizes) / 1e3:.0f} MB"
    print(f"  single looks: {looks}; line through all: {line:.1f} kB a request")
    verdict.at_most("kB of growth a request", _growth(sizes), 50)
    verdict.at_most("files that stay in the store", left, 0)
    verdict.at_most(
        "files that stay when the server has ended", len(os.listdir(folder)) if Path(folder).exists() else 0, 0
    )
    verdict.finish()


def _request(number: int, visitor: Visitor) -> tuple[str, Answer]:
    """One of the kinds of requests, and how it should end."""
    file, link = png(cells(number % 7, 128)), LINKS[number % len(LINKS)]
    model = ("nuclei", link, "auto")
    kinds: list[tuple[str, Callable[[], Answer]]] = [
        ("done", lambda: visitor.ask("segment", file, *model)),
        ("done", lambda: visitor.ask("explain", file, *model, "saliency", 1, None, False)),
        ("refused", lambda: visitor.ask("segment", b"no image", *model)),
        ("done", lambda: visitor.ask("cost", None, link, 128)),
        ("refused", lambda: visitor.ask("segment", file[:-30], *model)),
        ("done", lambda: visitor.ask("explain", file, *model, "receptive-field", 1, [20, 30], False)),
        ("refused", lambda: visitor.ask("segment", file, "nuclei", "skip=nowhere", "auto")),
        ("refused", lambda: visitor.ask("explain", file, *model, "no-such-method", 1, None, False)),
        ("refused", lambda: visitor.ask("segment", os.urandom(26_000_000), *model)),
        ("done", lambda: visitor.ask("options", None)),
    ]
    wanted, ask = kinds[number % len(kinds)]
    return wanted, ask()


def _growth(sizes: list[float]) -> float:
    """Slope of the line through the smallest size of every fifty requests.

    A single look sees mostly the last answers' arrays, 50 MB more or less; what is there even at the quietest of fifty
    looks is what stays, and a leak raises it by as much as it raises every look.
    """
    least = np.reshape(sizes[: len(sizes) // LOOKS * LOOKS], (-1, LOOKS)).min(1)
    return float(np.polyfit(range(len(least)), least, 1)[0]) / LOOKS


def _wrong(outcomes: Counter[str]) -> int:
    return sum(times for what, times in outcomes.items() if len({*what.split(" -> ")}) > 1)


def _left_after(folder: str, seconds: float) -> int:
    """Files in the store once their time is over."""
    end = time.monotonic() + seconds
    left = 1
    while left and time.monotonic() < end:
        time.sleep(1)
        left = sum(path.is_file() for path in Path(folder).glob("unet-playground-store-*/**/*"))
    return left


if __name__ == "__main__":
    main()
