"""Dice of each task's trained weights on its test split: the classic alone and from the bank, and random designs.

`python -m benchmarks.bank [--task nuclei ...] [--designs 200] [--anew] [--out FILE]` needs UNET_PLAYGROUND_DATA.
Scores of random designs that the atlas holds for these very weights are taken from it; `--anew` measures all of them.
"""

import argparse
import json
import random
from pathlib import Path

from tqdm import tqdm

from benchmarks.measure import Verdict
from unet_playground.atlas import WEAK, alone, read_atlas
from unet_playground.design import Design
from unet_playground.errors import UnusableWeights
from unet_playground.inference import load_model
from unet_playground.space import draw
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example, data_root, datasets, examples, split
from unet_playground.training.evaluate import evaluate
from unet_playground.training.measure import is_current

BOUNDS = {
    "nuclei": ("dice", 0.91, 0.90),
    "vessels": ("dice", 0.80, 0.78),
    "liver": ("dice_pooled", 0.95, 0.94),
    "hippocampus": ("dice", 0.86, 0.84),
}
"""Task -> its headline, and what the classic must reach alone and from the bank."""


def main() -> None:
    """Score the designs of every task and hold them against the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", nargs="*", default=list(tasks), choices=list(tasks))
    parser.add_argument("--designs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    designs = [Design(), *(draw(rng) for _ in range(given.designs))]
    verdict = Verdict()
    found = {task: _hold(verdict, task, designs, given.anew) for task in given.task}
    if given.out:
        given.out.write_text(json.dumps(found, indent=1))
    verdict.finish()


def _hold(verdict: Verdict, task: str, designs: list[Design], anew: bool) -> list[dict]:
    """Score a task's designs, the classic first, and hold them against the bounds."""
    test = examples(task, split(task, data_root())["test"])
    headline, bound, shared = BOUNDS[task]
    rows = [_row(task, designs[0], "shared", test)]
    for design in tqdm(designs[1:], desc=task, unit="design"):
        rows.append((None if anew else _known(task, design)) or _row(task, design, "shared", test))
    print(f"{task}: {sum(row['known'] for row in rows)} of {len(rows)} designs from the atlas, the others measured now")
    for row in sorted(rows, key=lambda row: row[headline]):
        print(f"{row[headline]:.4f}  {row['boundary_f1']:.4f}  {row['design']}")
    try:
        solo = _row(task, Design(), "solo", test)
        verdict.at_least(f"{task}: {headline} of the classic, trained alone", solo[headline], bound)
    except UnusableWeights as error:
        print(error)
    classic = rows[0][headline]
    verdict.at_least(f"{task}: {headline} of the classic, from the bank", classic, shared)
    low = [design for design, row in zip(designs, rows, strict=True) if row[headline] < classic - WEAK]
    trained = read_atlas(task).of("solo")
    unlike = [one for one in low if not alone(one, trained, headline) < classic - WEAK]
    verdict.at_most(f"{task}: of {len(rows)} designs, over {WEAK} below the classic, not so alone", len(unlike), 0)
    return rows


def _row(task: str, design: Design, weights: str, test: list[Example]) -> dict:
    model = load_model(task, design, weights)
    result = evaluate(model, test, ("dice", "boundary_f1"), datasets[task].make.unit)
    return {"design": design.to_link(), "weights": weights, "known": False, **result.summary()}


def _known(task: str, design: Design) -> dict | None:
    """What the atlas holds of a design, if it was measured with the weights that serve it now."""
    for row in read_atlas(task).find(design, "shared"):
        if is_current(task, row):
            return {"design": design.to_link(), "weights": "shared", "known": True, **row.metrics}
    return None


if __name__ == "__main__":
    main()
