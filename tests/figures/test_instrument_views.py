"""The views of attention, receptive fields and gradient flow say what they show, in what unit and range."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tests.analysis.models import loaded
from unet_playground import Design, Picture
from unet_playground.analysis import Target, attention_maps, effective_field, gradient_flow
from unet_playground.analysis.attention import AttentionMap, AttentionMaps, Replaced
from unet_playground.analysis.gradient_flow import Flow, GradientFlow
from unet_playground.figures import draw, to_png

PICTURE = Picture.from_array(np.random.default_rng(0).integers(0, 256, (20, 26), dtype=np.uint8))
IMAGE = torch.rand(1, 3, 20, 26, generator=torch.Generator().manual_seed(0))
SAME = Replaced(1.0, None)


def _map(name: str, values: np.ndarray, top: float, ones: float = 1.0) -> AttentionMap:
    replaced = {"mean": SAME, "ones": Replaced(ones, None), "shuffle": SAME}
    return AttentionMap(name, values.astype(np.float32), top, replaced)


def _bar_labels(figure: Figure) -> list[str]:
    return [axes.get_xlabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]


def test_every_gate_has_its_panel_on_its_own_scale_with_its_check():
    result = AttentionMaps(
        Target(),
        (
            _map("skip.0.channel", np.full(8, 0.5), 1.0),
            _map("skip.0.spatial", np.full((20, 26), 0.5), 2.0, 0.75),
            _map("skip.1.channel", np.full(16, 0.5), 1.0),
            _map("skip.1.spatial", np.full((10, 13), 1.5), 2.0),
        ),
    )
    figure = draw(result, PICTURE)
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles[0] == "skip.0.channel\nchanges nothing"
    assert titles[1] == "skip.0.spatial\nones: Dice 0.750"
    assert figure.axes[0].get_ylim() == (0, 1)
    assert len(figure.axes[0].patches) == 8
    assert [axes.images[0].get_clim() for axes in figure.axes[1:4:2]] == [(0, 2), (0, 2)]
    assert {axes.images[0].get_cmap().name for axes in figure.axes[1:4:2]} == {"blue-orange"}
    assert [label.split(";")[0] for label in _bar_labels(figure)] == ["factor, 0 to 2"]


def test_gates_of_two_ranges_have_two_colour_bars():
    maps = (_map("gate.0.alpha", np.full((20, 26), 0.5), 1.0), _map("skip.0.spatial", np.full((20, 26), 1.5), 2.0))
    figure = draw(AttentionMaps(Target(), maps), PICTURE)
    assert [axes.images[0].get_cmap().name for axes in figure.axes[:2]] == ["inferno", "blue-orange"]
    assert [label.split(";")[0] for label in _bar_labels(figure)] == ["factor, 0 to 1", "factor, 0 to 2"]


def test_a_coarse_map_lies_where_its_pixels_lie_in_the_image():
    result = AttentionMaps(Target(), (_map("skip.2.spatial", np.full((5, 7), 0.5), 1.0),))
    panel = draw(result, PICTURE).axes[0]
    assert panel.images[0].get_extent() == [-0.5, 27.5, 19.5, -0.5]
    assert panel.get_xlim() == (-0.5, 25.5)
    assert panel.get_ylim() == (19.5, -0.5)


def test_maps_that_are_not_checked_yet_say_so():
    figure = draw(
        AttentionMaps(Target(), (AttentionMap("gate.0.alpha", np.ones((20, 26), np.float32), 1.0, {}),)), PICTURE
    )
    assert figure.axes[0].get_title() == "gate.0.alpha\nnot checked yet"


def test_grad_cam_is_not_called_attention():
    figure = draw(attention_maps(loaded(Design(depth=1, width=4)), IMAGE, Target()), PICTURE)
    assert "No attention in this design. Instead: Seg-Grad-CAM of\nbottleneck" in figure.axes[0].get_title()
    assert "0 to 1 of its largest" in _bar_labels(figure)[0]


def test_a_field_has_a_bar_per_way_in_percent():
    result = effective_field(loaded(Design(depth=2, width=4)), IMAGE, Target())
    figure = draw(result, PICTURE)
    bars = next(axes for axes in figure.axes if axes.get_xlabel() == "share of the energy by way, %")
    widths = [bar.get_width() for bar in bars.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(widths, [100 * way.share for way in result.ways.values()])
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert [name.split(",")[0] for name in names] == ["skip 0", "skip 1", "the bottleneck"]
    assert "0 to 1" in _bar_labels(figure)[0]


def test_a_field_says_whose_it_is():
    model = loaded(Design(depth=1, width=4))
    inner = draw(effective_field(model, IMAGE, Target(), stage="encoder", level=1, weights="fresh", inputs=2), PICTURE)
    title = inner.axes[0].get_title(loc="left")
    assert title.startswith("encoder.1, pixel 10, 13, before training: box ")
    assert "mean of 2 inputs" in _bar_labels(inner)[0]


def test_the_flow_is_drawn_by_stage_by_way_and_by_depth():
    result = gradient_flow(loaded(Design(depth=2, width=4)), IMAGE, Target(), deepest=3)
    figure = draw(result, PICTURE)
    norms, ways, *depths = figure.axes
    assert [label.get_text() for label in norms.get_xticklabels()] == ["e0", "e1", "b", "d1", "d0"]
    np.testing.assert_allclose(np.asarray(norms.lines[0].get_ydata()), result.now.relative, rtol=1e-5)
    assert norms.get_yscale() == "log"
    assert norms.get_ylim() == (1e-5, 1e3)
    heights = np.array([bar.get_height() for bar in ways.patches]).reshape(3, 3)  # type: ignore[attr-defined]
    np.testing.assert_allclose(heights.sum(0), 100, rtol=1e-4)
    assert ways.get_ylabel() == "% of the gradient"
    assert [panel.get_title() for panel in depths] == ["1", "2", "3"]
    assert all(panel.get_ylim() == (1e-5, 1e3) for panel in depths)


def test_what_works_against_the_others_hangs_below_zero():
    ones = np.ones(3, np.float32)
    shares = {"skip-0": np.array([-0.5, 0], np.float32), "bottleneck": np.array([1.5, 1], np.float32)}
    result = GradientFlow(1.0, True, Flow(("encoder.0", "bottleneck", "decoder.0"), ones, ones, shares), ())
    ways = draw(result, PICTURE).axes[1]
    assert ways.get_ylim()[0] < -50
    assert ways.get_ylim()[1] > 150


@pytest.mark.parametrize("vanished", [0.0, 1e-9])
def test_no_gradient_at_all_can_be_drawn(vanished: float):
    values = np.full(3, vanished, np.float32)
    flow = Flow(("encoder.0", "bottleneck", "decoder.0"), values, values, {"bottleneck": np.zeros(2, np.float32)})
    assert to_png(draw(GradientFlow(0.0, True, flow, (flow,)), PICTURE))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 4)])
def test_pictures_of_any_size_can_be_drawn(size: tuple[int, int]):
    picture, image = Picture.from_array(np.zeros(size, np.uint8)), torch.rand(1, 3, *size)
    model = loaded(Design(depth=2, width=2, attention="cbam"))
    for result in (attention_maps(model, image, Target()), effective_field(model, image, Target())):
        assert to_png(draw(result, picture)) == to_png(draw(result, picture))
