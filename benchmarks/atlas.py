"""The committed atlases against their bounds: how many designs, all pairs of options, agreement with solo training.

`python -m benchmarks.atlas [--task nuclei ...]` reads the tables only; what was not measured counts as broken.
"""

import argparse
import math
from itertools import combinations, permutations

import numpy as np

from benchmarks.bank import BOUNDS
from benchmarks.measure import Verdict
from unet_playground.atlas import WEAK, Row, agreement, alone, read_atlas, weak
from unet_playground.claims.verdict import TIMING
from unet_playground.design import SLOT_IDS, Design
from unet_playground.space import cover
from unet_playground.tasks import tasks
from unet_playground.training.selection import references

DESIGNS = 300


def main() -> None:
    """Hold every task's table against the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", nargs="*", default=list(tasks), choices=list(tasks))
    verdict = Verdict()
    chosen = parser.parse_args().task
    for task in chosen:
        _hold(verdict, task)
    if len(chosen) > 1:
        verdict.at_most("how far the ratio of two equal times is off, 95%", _timing(chosen), TIMING)
    verdict.finish()


def _hold(verdict: Verdict, task: str) -> None:
    table, (headline, _, _) = read_atlas(task), BOUNDS[task]
    bank, solo = table.of("shared"), table.of("solo")
    verdict.at_least(f"{task}: designs", len({row.design for row in bank}), DESIGNS)
    wanted, held = (set().union(*map(_pairs, designs)) for designs in (cover(Design()), [row.design for row in bank]))
    verdict.at_most(f"{task}: pairs of options that no design has", len(wanted - held), 0)
    verdict.at_most(f"{task}: designs over {WEAK} below the classic, not so alone", _weak(bank, solo, headline), 0)
    agreed = agreement(bank, references(solo), headline, table.groups)
    verdict.at_least(f"{task}: designs trained alone", agreed.designs, 12)
    verdict.at_least(f"{task}: of them with two seeds", agreed.seeded, 3)
    verdict.at_most(f"{task}: mean gap of bank and solo in {headline}", agreed.mean_gap, 0.02)
    verdict.at_most(f"{task}: worst gap of bank and solo in {headline}", agreed.worst_gap, 0.05)
    mean = agreement(bank, references(solo), "dice", table.groups)  # a pooled score has no standard error
    verdict.at_least(f"{task}: pairs that the bank orders as solo does, by Dice per image", mean.ordered, 0.75)
    every = agreement(bank, solo, headline, table.groups)
    if every.designs > agreed.designs:
        print(f"        {task}: gaps with weak designs besides: mean {every.mean_gap:.4f}, worst {every.worst_gap:.4f}")
    for row in bank:
        if row.design in weak(bank, solo, headline).alone:
            told = f"{row.value(headline):.4f}, alone {alone(row.design, solo, headline):.4f}"
            print(f"        {task}: weak, and so alone: {row.design.to_link()}: {told}")
    if headline != "dice":
        print(f"        {task}: gaps in Dice per image: mean {mean.mean_gap:.4f}, worst {mean.worst_gap:.4f}")


def _weak(bank: tuple[Row, ...], solo: tuple[Row, ...], headline: str) -> float:
    """Designs far below the bank's classic whose own training does not show the same; NaN without the classic."""
    found = weak(bank, solo, headline)
    return float("nan") if math.isnan(found.classic) else len(found.designs) - len(found.alone)


def _timing(names: list[str]) -> float:
    """From all times of the same networks, in the tables of all tasks: 95% of the ratios of two are off by less."""
    times: dict[Design, list[float]] = {}
    for task in names:
        # A time that all rows of a design hold was taken once.
        for design, latency in dict.fromkeys((row.design, row.latency) for row in read_atlas(task).rows):
            times.setdefault(design, []).append(latency)
    off = [abs(one / other - 1) for values in times.values() for one, other in permutations(values, 2)]
    return float(np.quantile(off, 0.95)) if off else float("nan")


def _pairs(design: Design) -> set[tuple[tuple[str, str], ...]]:
    return set(combinations([(slot, design.choice(slot).id) for slot in SLOT_IDS], 2))


if __name__ == "__main__":
    main()
