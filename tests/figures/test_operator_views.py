"""Views of parts and of shifts say what they show, the same every time."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.analysis.models import loaded
from unet_playground import Design, Picture
from unet_playground.analysis import Target
from unet_playground.analysis.operators import operators_at, worked_example
from unet_playground.analysis.shift import shift_equivariance
from unet_playground.figures import draw, to_png

PICTURE = Picture.from_array(np.random.default_rng(0).integers(0, 256, (20, 26), dtype=np.uint8))
IMAGE = torch.rand(1, 3, 20, 26, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("slot", "choice"), [("down", "max-pool"), ("down", "none"), ("up", "transposed(kernel=3)")])
def test_an_example_shows_every_number_and_the_sum_of_one_output(slot: str, choice: str):
    example = worked_example(slot, choice)
    figure = draw(example, PICTURE)
    left, right = figure.axes
    texts = [one.get_text() for one in left.texts]
    for number in example.given.ravel():
        assert f"{number:.3g}" in texts
    assert [one.get_text() for one in right.texts] == [f"{number:.3g}" for number in example.made.ravel()]
    assert figure.get_suptitle().replace("\n", " ").startswith(f"{choice}: y(")
    assert "input" in left.get_xlabel() and "output" in right.get_xlabel()
    assert to_png(figure) == to_png(draw(worked_example(slot, choice), PICTURE))


def test_the_measures_have_labelled_axes_and_name_the_parts():
    model = loaded(Design(depth=1, width=2, down="avg-pool", up="bilinear"))
    figure = draw(operators_at(model, IMAGE, Target()), PICTURE)
    assert len(figure.axes) == 4
    assert all(panel.get_xlabel() and panel.get_title() for panel in figure.axes)
    assert figure.get_suptitle() == "avg-pool and bilinear, level 0"
    assert to_png(figure) == to_png(draw(operators_at(model, IMAGE, Target()), PICTURE))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_legends_of_the_measures_lie_within_the_figure(language: str):
    figure = draw(operators_at(loaded(Design(depth=1, width=2)), IMAGE, Target()), PICTURE, language)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for legend in filter(None, (panel.get_legend() for panel in figure.axes)):
        extent = legend.get_window_extent(renderer)
        assert extent.x0 >= 0 and extent.x1 <= figure.bbox.width


def test_full_resolution_says_that_there_is_nothing():
    figure = draw(operators_at(loaded(Design(depth=1, width=2, down="none")), IMAGE, Target()), PICTURE)
    assert "No way down or up" in figure.axes[0].get_title()


@pytest.mark.parametrize("size", [(20, 26), (1, 1)])
def test_a_shift_has_a_colour_bar_with_its_range(size: tuple[int, int]):
    image = torch.rand(1, 3, *size)
    figure = draw(shift_equivariance(loaded(Design(depth=1, width=2)), image, Target(), border=3), PICTURE)
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert labels == ["change of the probability, 0 to 1 (square-root scale)"]
    assert "px" in figure.axes[0].get_title(loc="left")
    to_png(figure)
