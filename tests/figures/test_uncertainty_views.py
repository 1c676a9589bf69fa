"""Views of uncertainty have ranges that do not depend on the result, and say its main numbers."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.analysis.models import loaded
from unet_playground import Design, Picture
from unet_playground.analysis import Target
from unet_playground.analysis.uncertainty import augmented, calibration, entropy
from unet_playground.analysis.uncertainty.ensemble import summarised
from unet_playground.figures import draw, to_png

PICTURE = Picture.from_array(np.random.default_rng(0).integers(0, 256, (20, 26), dtype=np.uint8))


def _result(name: str, seed: int = 1, size: tuple[int, int] = (20, 26)) -> Any:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    if name == "disagreement":
        seen = [np.stack([1 - one, one]).astype(np.float32) for one in image[0].numpy()]
        return summarised(seen, [Design(), Design(depth=3), Design(depth=2)], Target(), np.ones(size, bool), own=7)
    torch.manual_seed(0)
    model, truth = loaded(Design(depth=1, width=2)), np.zeros(size, np.uint8)
    return {"entropy": entropy, "augmented": augmented, "calibration": calibration}[name](
        model, image, Target(), truth=truth
    )


@pytest.mark.parametrize(("name", "top"), [("entropy", 1.0), ("augmented", 0.5), ("disagreement", 0.5)])
@pytest.mark.parametrize("seed", [1, 2])
def test_maps_have_one_fixed_range_and_a_colour_bar_that_states_it(name: str, top: float, seed: int):
    figure = draw(_result(name, seed), PICTURE)
    assert figure.axes[0].images[0].get_clim() == (0, top)
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert len(labels) == 1 and f"{top:g}" in labels[0]


@pytest.mark.parametrize("name", ["augmented", "disagreement"])
def test_the_range_of_the_area_stands_below_the_map(name: str):
    result = _result(name)
    words = draw(result, PICTURE).axes[1].get_xlabel()
    low, middle, high = np.min(result.areas), np.median(result.areas), np.max(result.areas)
    assert words == f"class 1, % of the image: {low:.0f} to {high:.0f} px, middle {middle:.0f} px"


def test_a_curve_has_labelled_axes_and_its_error_in_the_title():
    result = _result("calibration")
    curve, pixels = draw(result, PICTURE).axes
    assert f"{result.measured.error:.4f}" in curve.get_title(loc="left")
    assert curve.get_ylabel() and pixels.get_xlabel() and pixels.get_ylabel()
    line = curve.lines[1]
    filled = result.measured.counts > 0
    np.testing.assert_allclose(np.asarray(line.get_ydata()), result.measured.accuracy[filled])


@pytest.mark.parametrize("name", ["entropy", "augmented", "disagreement", "calibration"])
@pytest.mark.parametrize("size", [(20, 26), (1, 1)])
def test_the_same_result_gives_the_same_picture(name: str, size: tuple[int, int]):
    one, other = (to_png(draw(_result(name, size=size), PICTURE)) for _ in range(2))
    assert one == other
