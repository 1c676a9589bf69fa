"""Evaluation averages over images what the metrics say of each."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from unet_playground import Design, load_model
from unet_playground.training.datasets import Example
from unet_playground.training.evaluate import evaluate
from unet_playground.training.metrics import score


def _example(name: str, inside: int) -> Example:
    labels = np.zeros((5, 8), np.uint8)
    labels.flat[:inside] = 1
    return Example(name, torch.rand(3, 5, 8), torch.from_numpy(labels))


def test_scores_are_means_over_images_unless_pooled(all_nucleus: Design):
    model = load_model("nuclei", all_nucleus)
    result = evaluate(model, [_example("a", 10), _example("b", 40), _example("c", 0)])
    dices = [2 * 10 / 50, 1.0, 0.0]
    assert result.names == ("a", "b", "c")
    assert [one.dice for one in result.scores] == pytest.approx(dices)
    assert result.summary()["n"] == 3
    assert result.summary()["dice"] == round(float(np.mean(dices)), 4)
    assert result.summary()["dice_pooled"] == round(2 * 50 / (120 + 50), 4)
    assert result.summary()["iou"] == round(float(np.mean([0.25, 1, 0])), 4)


def test_masks_are_compared_at_the_size_of_each_image(install: Callable[..., object]):
    model = load_model("nuclei", Design(depth=2, width=4))
    images = [Example(str(n), torch.rand(3, n, n + 3), torch.randint(0, 2, (n, n + 3)).byte()) for n in (1, 6, 17)]
    result = evaluate(model, images)
    for example, one in zip(images, result.scores, strict=True):
        mask = model(example.image[None]).argmax(1)[0].numpy().astype(np.uint8)
        assert one == score(mask, example.labels.numpy(), 2)
