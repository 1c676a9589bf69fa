"""Losses side by side: the classic trained alone by each, scored on the validation split.

`python -m benchmarks.losses [--task vessels] [--steps 2500] [--seeds 1]` needs UNET_PLAYGROUND_DATA. The table in
CONTRIBUTING under "Decisions" comes from it.
"""

import argparse
from dataclasses import replace

import numpy as np

from unet_playground.design import Design
from unet_playground.tasks import tasks
from unet_playground.training.datasets import data_root, datasets, examples, split
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import Bank, Trainer
from unet_playground.training.losses import losses
from unet_playground.training.measure import metrics_of


def main() -> None:
    """Train with every loss and print its scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="vessels", choices=list(tasks))
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    dataset, task = datasets[given.task].make, tasks[given.task].make()
    parts = split(given.task, data_root())
    training = examples(given.task, parts["train"], training=True)
    validation = examples(given.task, parts["validation"])
    metrics = metrics_of(given.task)
    print(f"{given.task}: validation split after {given.steps} steps, mean of {given.seeds} seeds")
    print(f"{'loss':24}", *(f"{metric:>15}" for metric in metrics))
    for loss in losses:
        scores = []
        for seed in range(given.seeds):
            recipe = replace(dataset.recipe, steps=given.steps, loss=loss, seed=seed, precision="bfloat16")
            alone = Bank(Design(), task.channels, len(task.labels), False, seed)
            for _ in Trainer(alone, recipe, training).run():
                pass
            model = alone.averaged(Design()).eval()
            result = evaluate(model, validation, metrics, dataset.unit)  # type: ignore[arg-type]
            scores.append([np.nanmean(result.values[metric]) for metric in metrics])
        print(f"{loss:24}", *(f"{score:15.4f}" for score in np.mean(scores, axis=0)), flush=True)


if __name__ == "__main__":
    main()
