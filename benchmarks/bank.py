"""Dice of a task's trained weights on its test split: the classic alone and from the bank, and random designs.

`python -m benchmarks.bank [--task nuclei] [--designs 200] [--out FILE]` needs UNET_PLAYGROUND_DATA.
"""

import argparse
import json
import random
from pathlib import Path

from tqdm import tqdm

from benchmarks.measure import Verdict
from unet_playground.atlas import WEAK
from unet_playground.design import Design
from unet_playground.errors import UnusableWeights
from unet_playground.inference import load_model
from unet_playground.space import draw
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example, data_root, datasets, examples, split
from unet_playground.training.evaluate import evaluate

BOUNDS = {
    "nuclei": ("dice", 0.91, 0.90),
    "vessels": ("dice", 0.80, 0.78),
    "liver": ("dice_pooled", 0.95, 0.94),
    "hippocampus": ("dice", 0.86, 0.84),
}
"""Task -> its headline, and what the classic must reach alone and from the bank."""


def main() -> None:
    """Score the designs and hold them against the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="nuclei", choices=list(tasks))
    parser.add_argument("--designs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    test = examples(given.task, split(given.task, data_root())["test"])
    headline, alone, shared = BOUNDS[given.task]
    rng = random.Random(given.seed)
    designs = [Design(), Design(skip="none"), Design(down="none"), *(draw(rng) for _ in range(given.designs))]
    rows = [_row(given.task, design, "shared", test) for design in tqdm(designs, unit="design")]
    for row in sorted(rows, key=lambda row: row[headline]):
        print(f"{row[headline]:.4f}  {row['boundary_f1']:.4f}  {row['design']}")
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1))
    verdict = Verdict()
    try:
        solo = _row(given.task, Design(), "solo", test)
        verdict.at_least(f"{headline} of the classic, trained alone", solo[headline], alone)
    except UnusableWeights as error:
        print(error)
    verdict.at_least(f"{headline} of the classic, from the bank", rows[0][headline], shared)
    drawn = [row[headline] for row in rows[3:]]
    verdict.at_least(f"lowest of {len(drawn)} designs", min(drawn), rows[0][headline] - WEAK)
    verdict.finish()


def _row(task: str, design: Design, weights: str, test: list[Example]) -> dict:
    model = load_model(task, design, weights)
    result = evaluate(model, test, ("dice", "boundary_f1"), datasets[task].make.unit)
    return {"design": design.to_link(), "weights": weights, **result.summary()}


if __name__ == "__main__":
    main()
