"""How long a design takes from the bank's files to a network that is ready to run."""

import random
import time
from statistics import median

from benchmarks.measure import Verdict
from unet_playground.design import Design
from unet_playground.inference import load_model
from unet_playground.space import draw
from unet_playground.tasks import tasks

TIMES = 5
"""How often each design is loaded; the quickest counts, since what else the machine does only makes it slower."""


def main() -> None:
    """Load seeded random designs of every task one after the other."""
    rng = random.Random(0)
    designs = [draw(rng) for _ in range(40)]
    verdict = Verdict()
    for task in tasks:
        load_model(task, designs[0], "shared")  # the first one reads the hash of the files and fills PyTorch's caches
        taken = sorted(min(_seconds(task, design) for _ in range(TIMES)) for design in designs)
        print(f"{task}: {len(taken)} designs, median {1000 * median(taken):.0f} ms")
        verdict.at_most(f"{task}: milliseconds to load the slowest design", 1000 * taken[-1], 100)
    verdict.finish()


def _seconds(task: str, design: Design) -> float:
    started = time.perf_counter()
    load_model(task, design, "shared")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
