"""What skips carry, drawn: every figure says what it shows, in what range, and always the same."""

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tests.analysis.models import loaded
from unet_playground import Design, Picture
from unet_playground.analysis import Target
from unet_playground.analysis.features import FeatureMaps, feature_maps
from unet_playground.analysis.skips import pass_through, semantic_gap, skip_redundancy, skip_surgery
from unet_playground.figures import draw, to_array, to_png
from unet_playground.figures.skips import compare

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 26), dtype=np.uint8)
CLASSIC = Design(depth=3, width=2)
PICTURE = Picture.from_array(PIXELS)
IMAGE = torch.rand(1, 3, 20, 26, generator=torch.Generator().manual_seed(1))
TRUTH = (PIXELS > 128).astype(np.uint8)
INSTRUMENTS: dict[str, Any] = {
    "redundancy": skip_redundancy,
    "surgery": skip_surgery,
    "pass-through": pass_through,
    "semantic-gap": semantic_gap,
    "feature-maps": feature_maps,
}


def _result(name: str, design: Design = CLASSIC, **context: Any) -> Any:
    torch.manual_seed(0)
    return INSTRUMENTS[name](loaded(design), IMAGE, Target(), **context)


def _texts(figure: Figure) -> str:
    shown = [*figure.findobj(lambda one: hasattr(one, "get_text"))]
    return "\n".join(one.get_text() for one in shown)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_the_same_result_gives_the_same_picture(name: str):
    assert to_png(draw(_result(name), PICTURE)) == to_png(draw(_result(name), PICTURE))


@pytest.mark.parametrize("name", ["redundancy", "pass-through", "semantic-gap"])
def test_lines_stand_on_labelled_axes_from_0_with_a_legend(name: str):
    figure = draw(_result(name), PICTURE)
    for axes in figure.axes:
        assert axes.get_title(loc="left") and axes.get_ylabel()
        assert axes.get_ylim()[0] == 0
        assert list(axes.get_xticks()) == [0, 1, 2]
    assert figure.axes[-1].get_xlabel().startswith("level (0 is the finest)")
    assert figure.legends


def test_redundancy_writes_the_effective_rank_beside_the_channels():
    result = _result("redundancy")
    panel = draw(result, PICTURE).axes[0]
    labels = [label.get_text() for label in panel.get_xticklabels()]
    assert labels == [f"{level}\n{result.rank[level]:.1f}\nof {2 * 2**level}" for level in range(3)]
    drawn = {line.get_label(): line.get_ydata() for line in panel.lines}
    np.testing.assert_array_equal(drawn["CKA with the decoder"], result.cka)
    np.testing.assert_array_equal(drawn["effective rank / channels"], result.share)


def test_surgery_shows_what_is_lost_in_blue_and_gained_in_orange():
    result = _result("surgery", truth=TRUTH)
    figure = draw(result, PICTURE)
    *pictures, bars = figure.axes
    for one, panel in zip(result.levels, pictures, strict=False):
        assert panel.get_title() == f"level {one.level}: agrees {one.agreement:.3f}"
        shown = np.rint(255 * np.asarray(panel.images[0].get_array())).astype(int)
        for region, color in ((result.mask & ~one.mask, (27, 95, 208)), (one.mask & ~result.mask, (199, 91, 0))):
            np.testing.assert_array_equal((shown == color).all(2), region)
    assert bars.get_ylabel() == "Dice, 0 to 1"
    heights = [bar.get_height() for bar in bars.patches]  # type: ignore[attr-defined]
    assert heights == [one.scores.interior for one in result.levels] + [one.scores.boundary for one in result.levels]
    assert "Replaced by zero, factor 0" in _texts(figure)


def test_without_truth_surgery_has_pictures_alone():
    assert len(draw(_result("surgery"), PICTURE).axes) == 4  # three levels in two rows of two


@pytest.mark.parametrize("name", ["redundancy", "surgery"])
def test_where_nothing_crosses_the_figure_says_so(name: str):
    figure = draw(_result(name, Design(depth=1, width=2, skip="none")), PICTURE)
    assert figure.axes[0].get_title() == "Nothing crosses in this design"


@pytest.mark.parametrize("name", ["pass-through", "semantic-gap"])
def test_where_nothing_crosses_the_other_lines_remain(name: str):
    lines = draw(_result(name, Design(depth=1, width=2, skip="none")), PICTURE).axes[0].lines
    assert lines
    assert "crosses" not in [line.get_label() for line in lines]


@pytest.mark.parametrize("name", ["redundancy", "semantic-gap"])
def test_designs_stand_side_by_side_on_one_scale(name: str):
    designs = [Design(depth=3, width=2, skip=skip) for skip in ("concat", "none", "dense")]
    figure = compare([_result(name, design) for design in designs], ["classic", "no skip", "dense"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["classic", "no skip", "dense"]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert "crosses" in _texts(figure) or "CKA by chance" in _texts(figure)
    assert to_array(figure).any()


def test_feature_maps_share_one_scale_and_show_their_own_pixels():
    maps = np.random.default_rng(0).random((20, 5, 4)).astype(np.float32)
    effects = np.linspace(2, -1e-4, 20, dtype=np.float32)
    figure = draw(FeatureMaps(Target(), "skip.2", 20, np.arange(20)[::-1], maps, effects, effects, 9), PICTURE)
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert len(panels) == 16
    assert len({axes.images[0].get_clim() for axes in panels}) == 1
    assert [axes.get_title() for axes in panels[:2]] == ["19: +2.00", "18: +1.89"]
    np.testing.assert_array_equal(panels[3].images[0].get_array(), maps[3])
    [bar] = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert bar.get_xlabel().startswith("feature, 0 to 0.99")
    assert "skip.2: channel, and its effect on the mean logit" in _texts(figure)
