"""How long a design takes from the bank's files to a network that is ready to run."""

import random
import time
from statistics import median

from benchmarks.measure import Verdict
from unet_playground.inference import load_model
from unet_playground.space import draw


def main() -> None:
    """Load seeded random designs one after the other."""
    rng = random.Random(0)
    designs = [draw(rng) for _ in range(40)]
    load_model("nuclei", designs[0], "shared")  # the first one reads the hash of the files and fills PyTorch's caches
    seconds = []
    for design in designs:
        started = time.perf_counter()
        load_model("nuclei", design, "shared")
        seconds.append(time.perf_counter() - started)
    print(f"{len(seconds)} designs: median {1000 * median(seconds):.0f} ms, slowest {1000 * max(seconds):.0f} ms")
    verdict = Verdict()
    verdict.at_most("median milliseconds to load a design", 1000 * median(seconds), 100)
    verdict.finish()


if __name__ == "__main__":
    main()
