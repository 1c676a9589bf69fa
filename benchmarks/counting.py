"""How long it takes to count a design's cost and receptive field, warm: the classic and seeded random designs."""

import random
import time
from statistics import median

from benchmarks.measure import Verdict
from unet_playground import receptive_field as field
from unet_playground.cost import cost
from unet_playground.design import Design
from unet_playground.space import draw

DRAWN = 60


def main() -> None:
    """Time the count of every design anew, without what earlier counts left behind."""
    rng = random.Random(0)
    sizes = [Design(), Design(depth=6), Design(width=64), Design(depth=2, width=8)]
    designs = [draw(rng, base=sizes[number % len(sizes)]) for number in range(DRAWN)]
    heaviest = Design(depth=6, block="dilated", skip="nested", attention="cbam", site="fused", up="carafe")
    _milliseconds(heaviest)
    classic = median(_milliseconds(Design()) for _ in range(9))
    # Once in a while Python collects garbage in the middle of a count, for 150 ms; hence the median of three.
    others = [median(_milliseconds(design) for _ in range(3)) for design in (heaviest, *designs)]
    print(f"classic {classic:.0f} ms; {len(others)} others: median {median(others):.0f}, slowest {max(others):.0f} ms")
    verdict = Verdict()
    verdict.at_most("milliseconds to count the classic", classic, 60)
    verdict.at_most("milliseconds to count the slowest of the others", max(others), 200)
    verdict.finish()


def _milliseconds(design: Design) -> float:
    for cached in (cost, field._sketch, field._span, field._held_still, field._wiring):
        cached.cache_clear()  # type: ignore[attr-defined]
    started = time.perf_counter()
    cost(design)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
