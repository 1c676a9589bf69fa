"""How much gradient reaches the stage that gets least."""

import numpy as np
import pytest
import torch

from unet_playground import Design, UNet
from unet_playground.analysis import Target, gradient_flow
from unet_playground.training.gradients import weakest_gradient

BASE = Design(depth=2, width=2)


@pytest.mark.parametrize("change", [{}, {"skip": "nested"}, {"down": "none", "up": "none"}, {"skip": "none"}], ids=str)
def test_the_weakest_gradient_is_what_the_instrument_shows(change: dict[str, str]):
    torch.manual_seed(0)
    model = UNet(BASE.replace(width=4, **change)).eval()
    image, labels = torch.rand(3, 24, 20), (torch.rand(24, 20) > 0.5).to(torch.uint8)
    flow = gradient_flow(model, image[None], Target(1), deepest=0, truth=labels.numpy()).now
    assert weakest_gradient(model, image, labels) == pytest.approx(flow.relative[:-1].min(), rel=1e-4)


def test_of_a_large_image_the_middle_is_asked_and_without_a_gradient_there_is_no_number():
    model = UNet(BASE).eval()
    image, labels = torch.rand(3, 200, 132), torch.zeros(200, 132, dtype=torch.uint8)
    middle = (..., slice(36, 164), slice(2, 130))
    assert weakest_gradient(model, image, labels) == weakest_gradient(model, image[middle], labels[middle])
    for parameter in model.parameters():
        parameter.data.zero_()
    assert np.isnan(weakest_gradient(model, image, labels))
