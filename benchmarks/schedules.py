"""Ways to train a bank, each given the same time: Dice of random designs on the validation split.

`python -m benchmarks.schedules --teacher FOLDER --teacher FOLDER [--task hippocampus] [--seconds 300]` needs
UNET_PLAYGROUND_DATA and, as teachers, the classic and the full-resolution classic trained alone. `--way` takes one way.
The steps are set from the time of the first forty, so the machine has to be quiet then.
"""

import argparse
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.space import change, draw
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example, data_root, datasets, examples, split
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import Bank, Trainer
from unet_playground.training.recipe import Recipe
from unet_playground.training.start import teacher_of

WAYS = {
    "alone, fair": {"led": 0.0},
    "led, fair": {},
    "led, uniform": {"schedule": "uniform"},
    "led, sandwich": {"schedule": "sandwich"},
    "led, distilled": {"schedule": "sandwich", "distil": 1.0},
}


def main() -> None:
    """Train with every way and print its scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="hippocampus")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--designs", type=int, default=24)
    parser.add_argument("--groups", type=int, default=12, help="patients, children or volumes of validation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--teacher", type=Path, action="append", default=[])
    parser.add_argument("--way", choices=WAYS, action="append", help="may be given again; all by default")
    given = parser.parse_args()
    teachers = [teacher_of(folder) for folder in given.teacher]
    parts = split(given.task, data_root())
    training = examples(given.task, parts["train"], training=True)
    validation = examples(given.task, parts["validation"])
    groups = list(dict.fromkeys(example.group for example in validation))[: given.groups]
    validation = [example for example in validation if example.group in groups]
    unit = datasets[given.task].make.unit
    rng = random.Random(1)
    designs = [Design(), *(change(Design(), **one) for one in ({"skip": "none"}, {"down": "none"}))]
    designs += [draw(rng) for _ in range(given.designs)]
    print(f"{given.task}: validation Dice of {given.designs} random designs, {given.seconds:.0f} s each")
    print(f"{'way':30}{'steps':>7}{'classic':>9}{'no skip':>9}{'full res':>9}{'mean':>8}{'lowest':>8}")
    for name in given.way or WAYS:
        changes = {"seed": given.seed, "precision": "bfloat16", **WAYS[name]}
        recipe = replace(datasets[given.task].make.bank_recipe, **changes)  # type: ignore[arg-type]
        own = teachers if recipe.led else []
        bank, steps = _train(given.task, recipe, training, given.seconds, own)
        for kind, of in (("", bank.averaged), (", last weights", bank.network)):
            scores = [evaluate(of(design).eval(), validation, ["dice"], unit).dice for design in designs]  # type: ignore[arg-type]
            print(
                f"{name + kind:30}{steps:7}{scores[0]:9.3f}{scores[1]:9.3f}{scores[2]:9.3f}"
                f"{np.mean(scores[3:]):8.3f}{min(scores[3:]):8.3f}",
                flush=True,
            )


def _train(
    task: str, recipe: Recipe, training: list[Example], seconds: float, teachers: list[UNet]
) -> tuple[Bank, int]:
    """A bank trained for about so long; the number of steps is set from the time of the first forty."""
    made = tasks[task].make()
    trial = Trainer(Bank(Design(), made.channels, len(made.labels), True, recipe.seed), recipe, training, teachers)
    started = time.monotonic()
    for _, _ in zip(range(40), trial.run(), strict=False):
        pass
    recipe = replace(recipe, steps=int(seconds / (time.monotonic() - started) * 40))
    bank = Bank(Design(), made.channels, len(made.labels), True, recipe.seed)
    for _ in Trainer(bank, recipe, training, teachers).run():
        pass
    return bank, recipe.steps


if __name__ == "__main__":
    main()
