"""What the view of an attribution says."""

from dataclasses import replace

import numpy as np
import pytest

from unet_playground import Picture
from unet_playground.analysis import Attribution, Target
from unet_playground.analysis.attribution import Curves
from unet_playground.errors import Text
from unet_playground.figures import draw, to_png

PICTURE = Picture.from_array(np.random.default_rng(0).integers(0, 256, (20, 26), dtype=np.uint8))
VALUES = np.random.default_rng(1).normal(size=(20, 26)).astype(np.float32)
SHARES = np.linspace(0, 1, 5, dtype=np.float32)
CURVES = Curves(SHARES, 1 - SHARES, SHARES, (1 - SHARES) ** 2, Text("black", "黑色"))
RESULT = Attribution(Target(1, (3, 4)), VALUES, float(VALUES.sum()), 8)


def _title(result: Attribution) -> str:
    return draw(result, PICTURE).axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (Target(1), "its whole mask"),
        (Target(1, (3, 4)), "pixel 3, 4"),
        (Target(1, (3, 4), whole=True), "object at pixel 3, 4"),
        (Target(1, box=(1, 2, 3, 4)), "region of rows 1-3, columns 2-4"),
    ],
)
def test_the_title_says_what_was_asked_and_the_gap(target: Target, asked: str):
    assert _title(replace(RESULT, target=target)) == f"Class 1, {asked}; gap 0.0%"


def test_the_title_of_a_method_that_promises_no_sum_has_no_gap():
    assert _title(replace(RESULT, complete=False)) == "Class 1, pixel 3, 4"
    title = _title(replace(RESULT, complete=False, kept=0.25))
    assert title == "Class 1, pixel 3, 4;\nof the whole image 0.25 kept when weights are shuffled"


def test_the_colours_are_symmetric_and_the_bar_says_unit_and_range():
    figure = draw(RESULT, PICTURE)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high
    (bar,) = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert bar.get_xlabel() == f"attribution in logits, ± 99.5th percentile ({high:.3g})"


def test_curves_stand_below_with_their_areas():
    figure = draw(replace(RESULT, curves=CURVES), PICTURE)
    panel = figure.axes[-1]
    legend = panel.get_legend()
    assert legend is not None
    areas = CURVES.areas
    assert [text.get_text() for text in legend.get_texts()] == [
        f"brought in, area {areas['insertion']:.2f}",
        f"random, {areas['random']:.2f}",
        f"replaced, {areas['deletion']:.2f}",
    ]
    assert "% of the image" in panel.get_xlabel()
    assert len(figure.axes) == len(draw(RESULT, PICTURE).axes) + 1


def test_the_same_result_gives_the_same_bytes():
    result = replace(RESULT, curves=CURVES)
    assert to_png(draw(result, PICTURE)) == to_png(draw(result, PICTURE))
