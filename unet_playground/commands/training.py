"""Commands that train and score."""

import argparse
import math
from dataclasses import replace
from pathlib import Path

from unet_playground.commands.shared import check_rate, chosen_design, model_facts, tell
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.images.volumes import is_volume
from unet_playground.inference import load_model
from unet_playground.training.datasets import data_root, datasets, examples, pair, split
from unet_playground.training.evaluate import compare, segmented
from unet_playground.training.losses import losses
from unet_playground.training.recipe import Recipe
from unet_playground.training.schedules import schedules
from unet_playground.training.session import Session

BOUNDS = {"steps": (1, 10**7), "size": (1, 4096), "side": (16, 4096), "every": (1, 10**7), "seed": (0, 2**63 - 1)}
"""Flag -> the lowest and the highest number that training takes."""


def evaluate(given: argparse.Namespace) -> None:
    """Score a model on images with labels; intervals take every file for independent of the others."""
    model = load_model(given.task, chosen_design(given), given.weights)
    folders = (Path(given.images), Path(given.labels))
    samples = pair(*folders)
    if len({is_volume(sample.image) for sample in samples}) > 1:
        raise PlaygroundError(
            "The folder holds images and volumes, which are not scored alike; give each kind a folder of its own.",
            "文件夹中既有图像又有体数据，两者评分方式不同；请分放在两个文件夹中。",
        )
    result = compare(segmented(samples, model), model.classes, datasets[given.task].make.metrics)
    summary = result.summary()
    ends = {name: f" [{low}, {high}]" for name, (low, high) in summary["intervals"].items() if low is not None}
    words = ", ".join(f"{name} {value}{ends.get(name, '')}" for name, value in summary.items() if name != "intervals")
    facts = model_facts(given, model)
    words += f" ({facts['weights']} weights)"
    used = {path.resolve() for sample in samples for path in (sample.image, sample.label)}
    there = {path.resolve() for folder in folders for path in folder.iterdir() if path.is_file()}
    if left := len(there - used):
        words += f"; files without a partner, left out: {left}"
    tell(given, {**facts, **summary, "left_out": left, "per_image": result.per_image()}, words)


def train(given: argparse.Namespace) -> None:
    """Train a design, or with --bank all of them; goes on where it stopped."""
    from tqdm import tqdm

    design = chosen_design(given)
    _check_flags(given)
    recipe = _recipe(given, design)
    session = Session(given.task, design, given.bank, recipe, Path(given.out), given.data, given.every)
    session.teachers = tuple(Path(folder) for folder in given.teacher)
    session.only, session.start = tuple(given.only), Path(given.start) if given.start else None
    bars: list[tqdm] = []

    def show(step: int, steps: int, loss: float) -> None:
        if not bars:  # a bar above a refusal would hide it
            bars.append(tqdm(total=steps, initial=step - 1, unit="step", smoothing=0.05))
        bars[0].update(step - bars[0].n)
        bars[0].set_postfix(loss=f"{loss:.3f}", refresh=False)

    try:
        card = session.run(show)
    finally:
        for bar in bars:
            bar.close()
    scores = card.metrics.get("test")
    if scores is None:
        return  # another process tells
    unit = {"image": "images", "group": "volumes"}[datasets[card.task].make.unit]
    words = f"{given.out}: test Dice {scores['dice']} over {scores['n']} {unit}"
    tell(given, {"task": card.task, "design": session.base.to_link(), "shared": card.shared, "metrics": scores}, words)


def _check_flags(given: argparse.Namespace) -> None:
    """Refuse flags that would say nothing."""
    if not given.out:
        raise PlaygroundError(
            "--out is empty; name the folder for the weights.", "--out 为空；请指定存放权重的文件夹。"
        )
    if given.epochs is not None and given.steps is not None:
        raise PlaygroundError(
            "--epochs and --steps both say how long to train; give one of them.",
            "--epochs 与 --steps 都用于指定训练时长；请只给出其中一个。",
        )
    if given.schedule is not None and not given.bank:
        raise PlaygroundError(
            "--schedule belongs to --bank; leave it out to train one design.",
            "--schedule 只用于 --bank；训练单个设计时请省略。",
        )


def _recipe(given: argparse.Namespace, design: Design) -> Recipe:
    """The recipe of the task's data set, changed by the flags."""
    dataset = datasets[given.task].make
    names = ("steps", "size", "side", "rate", "seed", "loss", "schedule", "precision")
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    recipe = replace(dataset.bank_recipe if given.bank else dataset.recipe_of(design), **changes)
    recipe = replace(recipe, loss=losses[recipe.loss].id, schedule=schedules[recipe.schedule].id)
    _check_bounds(recipe, given.every)
    if given.epochs is not None:
        if not 0 < given.epochs < 1e6:
            raise PlaygroundError(
                "--epochs is a number above 0 and below 1000000.", "--epochs 应大于 0 且小于 1000000。"
            )
        samples = split(given.task, data_root(given.data))["train"]
        seen = len(examples(given.task, samples, training=True, dims=design.dims))  # volumes are seen slice by slice
        recipe = replace(recipe, steps=math.ceil(given.epochs * seen / recipe.size))
        _check_bounds(recipe, given.every)
    check_rate(recipe.rate)
    return recipe


def _check_bounds(recipe: Recipe, every: int) -> None:
    numbers = {**vars(recipe), "every": every}
    for name, (lowest, highest) in BOUNDS.items():
        number = numbers[name]
        if not lowest <= number <= highest:
            en, zh = ("small", "小") if number < lowest else ("large", "大")
            raise PlaygroundError(
                f"--{name} {number} is too {en}; choose a whole number from {lowest} to {highest}.",
                f"--{name} {number} 太{zh}；请取 {lowest} 至 {highest} 的整数。",
            )
