"""The loop: what it minimises, at which rate, and what its designs share."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.training.scenes import cube
from unet_playground import Design
from unet_playground.parts.layers import JoinedConvolution
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Example
from unet_playground.training.loop import Bank, Trainer
from unet_playground.training.recipe import Recipe


def test_training_on_volumes_makes_the_loss_small():
    values, labels = cube(0)
    example = Example("v", torch.from_numpy(values / 320)[None], torch.from_numpy(labels))
    bank = Bank(Design(dims=3, depth=1, width=4), 1, 3, shared=False)
    recipe = Recipe(steps=60, size=2, side=16, warmup=5, rate=1e-2, turns=False)
    losses = list(Trainer(bank, recipe, [example]).run())
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def _trainer(steps: int, **changes: object) -> Trainer:
    task, rng = tasks["nuclei"].make(), np.random.default_rng(0)
    labels = np.zeros((32, 32), np.uint8)
    labels[8:20, 8:24] = 1
    image = (0.1 * rng.random((3, 32, 32)) + 0.8 * labels).astype(np.float32)
    example = Example("a", torch.from_numpy(image), torch.from_numpy(labels))
    bank = Bank(Design(depth=1, width=4), task.channels, 2, shared=False)
    return Trainer(bank, Recipe(steps=steps, size=4, side=32, warmup=5, **changes), [example])  # type: ignore[arg-type]


def test_training_makes_the_loss_small():
    losses = list(_trainer(60, rate=1e-2).run())
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_filters_stay_mean_free_while_training():
    trainer = _trainer(3)
    list(trainer.run())
    joined = [m for m in trainer.bank.network(trainer.bank.base).modules() if isinstance(m, JoinedConvolution)]
    means = [w.mean((1, 2, 3)).abs().max() for m in joined for name, w in m.weight.items() if name != "image"]
    assert len(means) >= 5
    assert max(means) < 1e-7


def test_networks_of_a_bank_share_its_parameters():
    bank = Bank(Design(depth=1, width=2), 3, 2, shared=True)
    one, other = bank.network(bank.base), bank.network(bank.base.replace(skip="dense"))
    assert one.head.weight is other.head.weight is bank.parameters["head.weight"]


def test_the_rate_rises_and_then_falls_to_zero():
    recipe = Recipe(steps=1000, rate=1.0, warmup=100)
    rates = [recipe.rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert 95 <= int(np.argmax(rates)) <= 100
    assert rates[-1] < 1e-5
    assert all(later <= earlier for earlier, later in pairwise(rates[100:]))


@pytest.mark.parametrize("change", ["precision=float32", "precision=bfloat16", "loss=cl-dice", "loss=boundary"])
def test_training_goes_in_half_the_precision_and_with_every_loss(change: str):
    losses = list(_trainer(40, rate=1e-2, **dict([change.split("=")])).run())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_no_list_of_all_steps_is_made():
    assert not hasattr(_trainer(10**6)._batches().batch_sampler, "__len__")
