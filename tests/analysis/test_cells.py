"""Cells of coarse levels lie where halving puts them: a cell begins at a multiple of what its level halves."""

from itertools import product

import pytest
import torch

from unet_playground import Design, load_model
from unet_playground.analysis import Target, analyses
from unet_playground.analysis.base import in_cells, look, step_of
from unet_playground.analysis.uncertainty.curve import Reliability

FIELD = analyses["receptive-field"]
SIDES = [(7, 33), (241, 250), (16, 1), (5, 64)]


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("step", [1, 2, 8])
def test_a_cell_holds_the_pixels_that_are_halved_into_it(sides: tuple[int, int], step: int):
    maps = torch.rand(1, 2, *sides)
    cells = (-(-sides[0] // step), -(-sides[1] // step))
    mean, most = in_cells(maps, cells), in_cells(maps, cells, largest=True)
    assert mean.shape == most.shape == (1, 2, *cells)
    for row, column in product(*map(range, cells)):
        own = maps[..., row * step : (row + 1) * step, column * step : (column + 1) * step]
        torch.testing.assert_close(mean[..., row, column], own.mean((2, 3)))
        torch.testing.assert_close(most[..., row, column], own.amax((2, 3)))


def test_at_full_resolution_and_at_the_last_level_there_is_a_step_too():
    assert step_of((33, 20), (33, 20)) == 1
    assert step_of((33, 20), (3, 2)) == 16
    assert step_of((3, 3), (1, 1)) == 4


def test_the_field_of_the_cell_that_holds_the_pixel_is_shown(checkpoints: object):
    """The last of 21 cells of 8 holds one row of 161."""
    model, image = load_model("nuclei", Design(depth=4, width=1)), torch.rand(1, 3, 161, 161)
    options = {"stage": "encoder", "level": 3, "inputs": 1}
    rows = (152, 158, 159, 160)
    first, *others, last = (look(FIELD, model, image, Target(point=(row, row)), options).theory for row in rows)
    assert others == [first, first] and last != first


def test_a_method_without_a_sign_tells_no_share_that_speaks_for_the_class(checkpoints: object):
    model, image = load_model("nuclei", Design(depth=1, width=2)), torch.rand(1, 3, 12, 12)
    said = {
        id: look(analyses[id], model, image, Target(point=(5, 5)), {"checks": False}).facts.en
        for id in ("saliency", "input-x-gradient")
    }
    assert "speaks for the class" not in said["saliency"]
    assert "speaks for the class" in said["input-x-gradient"]


def test_the_last_bin_is_told_its_share_of_the_error():
    curve = Reliability(
        confidence=torch.tensor([0.5, 0.9]).numpy(),
        accuracy=torch.tensor([0.1, 0.8]).numpy(),
        counts=torch.tensor([30.0, 70.0]).numpy(),
    )
    assert curve.last == pytest.approx(0.07 / (0.07 + 0.12), rel=1e-5)
