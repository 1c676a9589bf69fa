"""Dice of the bank's designs on the test split of nuclei: the classic and seeded random legal designs.

`python -m benchmarks.bank [--designs 60] [--out FILE]` needs UNET_PLAYGROUND_DATA.
"""

import argparse
import json
import random
from pathlib import Path

from tqdm import tqdm

from benchmarks.measure import Verdict
from unet_playground.design import Design
from unet_playground.inference import load_model
from unet_playground.space import draw
from unet_playground.tasks import tasks
from unet_playground.training.datasets import data_root, read, split
from unet_playground.training.evaluate import evaluate


def main() -> None:
    """Score the designs and hold them against the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--designs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    task = tasks["nuclei"].make()
    examples = [read(sample, task) for sample in split("nuclei", data_root())["test"]]
    rng = random.Random(given.seed)
    designs = [Design(), Design(skip="none"), *(draw(rng) for _ in range(given.designs))]
    rows = []
    for design in tqdm(designs, unit="design"):
        model = load_model("nuclei", design, "shared")
        rows.append({"design": design.to_link(), **evaluate(model, examples).summary()})
    for row in rows:
        print(f"{row['dice']:.4f}  {row['boundary_f1']:.4f}  {row['design']}")
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1))
    drawn = sorted(row["dice"] for row in rows[2:])
    verdict = Verdict()
    verdict.at_least("Dice of the classic", rows[0]["dice"], 0.86)
    verdict.at_least("Dice of the classic without skips", rows[1]["dice"], 0.6)
    verdict.at_least(f"share of {len(drawn)} designs with Dice 0.75", sum(d >= 0.75 for d in drawn) / len(drawn), 0.95)
    verdict.at_least("lowest Dice of them", drawn[0], 0.6)
    verdict.finish()


if __name__ == "__main__":
    main()
