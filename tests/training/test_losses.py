"""The loss against a slow version in numpy."""

import math

import numpy as np
import pytest
import torch

from unet_playground.training.losses import dice_and_cross_entropy, losses, soft_dice


def _slow(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Cross-entropy and soft Dice, one pixel after the other."""
    n, classes = logits.shape[:2]
    flat, truth = logits.reshape(n, classes, -1), labels.reshape(n, -1)
    entropies, dices = [], []
    for image in range(n):
        both, predicted, true = np.zeros(classes), np.zeros(classes), np.zeros(classes)
        for pixel in range(flat.shape[2]):
            powers = [math.exp(value) for value in flat[image, :, pixel]]
            for label in range(classes):
                probability, hit = powers[label] / sum(powers), truth[image, pixel] == label
                predicted[label] += probability
                true[label] += hit
                both[label] += probability * hit
                if hit:
                    entropies.append(-math.log(probability))
        dices += [(2 * both[k] + 1) / (predicted[k] + true[k] + 1) for k in range(1, classes)]
    return float(np.mean(entropies)), float(np.mean(dices))


@pytest.mark.parametrize(("classes", "sides"), [(2, (5, 4)), (4, (3, 6)), (3, (2, 3, 4))])
def test_the_loss_is_cross_entropy_plus_one_minus_soft_dice(classes: int, sides: tuple[int, ...]):
    logits = 2 * torch.randn(2, classes, *sides, dtype=torch.float64)
    labels = torch.randint(0, classes, (2, *sides))
    entropy, dice = _slow(logits.numpy(), labels.numpy())
    # Soft Dice is computed in float32.
    assert float(soft_dice(logits, labels)) == pytest.approx(dice, abs=1e-6)
    assert float(dice_and_cross_entropy(logits, labels)) == pytest.approx(entropy + 1 - dice, abs=1e-6)


def test_a_perfect_answer_costs_nothing_and_an_empty_image_is_no_exception():
    labels = torch.zeros(1, 8, 8, dtype=torch.int64)
    labels[0, :4] = 1
    sure = 40 * torch.stack([1 - 2 * labels, 2 * labels - 1], 1).float()
    assert float(dice_and_cross_entropy(sure, labels)) < 1e-6
    empty = torch.zeros_like(labels)
    assert float(dice_and_cross_entropy(torch.tensor([40.0, -40]).view(1, 2, 1, 1).expand(1, 2, 8, 8), empty)) < 1e-6


def test_it_falls_when_a_logit_moves_towards_the_truth():
    labels = torch.randint(0, 2, (1, 6, 6))
    logits = torch.zeros(1, 2, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(dice_and_cross_entropy(logits, labels), logits)
    assert (gradient[0, 1][labels[0] == 1] < 0).all()
    assert (gradient[0, 1][labels[0] == 0] > 0).all()


@pytest.mark.parametrize("sides", [(12, 10), (8, 9, 10)], ids=("image", "volume"))
@pytest.mark.parametrize("loss", losses)
def test_every_loss_prefers_the_truth_in_images_and_volumes(loss: str, sides: tuple[int, ...]):
    labels = torch.zeros(1, *sides, dtype=torch.int64)
    labels[0, 2:6, 2:6] = 1
    right = 8 * torch.stack([1 - 2 * labels, 2 * labels - 1], 1).float()
    values = [float(losses[loss].make(logits, labels)) for logits in (right, torch.zeros_like(right), -right)]
    assert values == sorted(values)
    assert values[0] < values[1] < values[2]
