"""Overlays are pixel for pixel, and figures say what they show."""

import threading
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from unet_playground import Design, Picture, catalogues, load_model
from unet_playground.analysis import Attribution, EffectiveField, Target
from unet_playground.figures import draw, overlay, to_array, to_png
from unet_playground.inference import prepare
from unet_playground.receptive_field import receptive_field
from unet_playground.tasks import tasks

LABELS = tasks["nuclei"].make.labels
NUCLEUS = tuple(int(LABELS[1].color[at : at + 2], 16) for at in (1, 3, 5))
PICTURE = Picture.from_array(np.random.default_rng(0).integers(0, 256, (20, 26), dtype=np.uint8))


def test_an_overlay_fills_and_outlines_exactly_the_mask():
    mask = np.zeros((20, 26), np.uint8)
    mask[5:10, 6:12] = 1
    shown = overlay(PICTURE, mask, LABELS, opacity=0.5)
    gray = np.repeat(PICTURE.pixels[..., None], 3, axis=2)
    assert shown.shape == (20, 26, 3)
    np.testing.assert_array_equal(shown[mask == 0], gray[mask == 0])
    np.testing.assert_array_equal(shown[5, 6:12], [NUCLEUS] * 6)
    np.testing.assert_array_equal(shown[5:10, 11], [NUCLEUS] * 5)
    inner = np.rint((gray[6:9, 7:11].astype(np.float32) + np.array(NUCLEUS)) / 2)
    np.testing.assert_array_equal(shown[6:9, 7:11], inner)


def test_an_empty_mask_leaves_the_picture_and_the_picture_itself_stays():
    before = PICTURE.pixels.copy()
    shown = overlay(PICTURE, np.zeros((20, 26), np.uint8), LABELS)
    np.testing.assert_array_equal(shown[..., 0], before)
    overlay(PICTURE, np.ones((20, 26), np.uint8), LABELS, point=(0, 0))
    np.testing.assert_array_equal(PICTURE.pixels, before)


@pytest.mark.parametrize("point", [(0, 0), (19, 25), (10, 3)])
def test_a_cross_marks_its_pixel(point: tuple[int, int]):
    shown = overlay(PICTURE, np.zeros((20, 26), np.uint8), LABELS, point=point)
    assert shown[point].tolist() == [255, 255, 255]


def _result(method: str, attention: str = "cbam") -> object:
    model = load_model("nuclei", Design(depth=2, width=4, attention=attention))
    return catalogues["analysis"][method].make(model, prepare(PICTURE, model), Target())


def _figure(method: str, attention: str = "cbam") -> Figure:
    return draw(_result(method, attention), PICTURE)


@pytest.mark.parametrize("method", catalogues["analysis"])
def test_every_analysis_has_a_view_with_a_labelled_colour_bar(method: str, checkpoints: Path):
    figure = _figure(method)
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert len(labels) == 1
    assert labels[0]


@pytest.mark.parametrize("method", catalogues["analysis"])
def test_the_same_result_gives_the_same_picture(method: str, checkpoints: Path):
    assert to_png(_figure(method)) == to_png(_figure(method))


def test_a_design_without_attention_gets_a_view_that_says_so(checkpoints: Path):
    figure = _figure("attention", attention="none")
    assert "No attention" in figure.axes[0].get_title()


def test_circles_that_leave_a_tiny_picture_do_not_make_it_smaller():
    small, box = np.ones((20, 26), np.float32), receptive_field(Design(depth=2), (20, 26), (10, 13))
    figure = draw(EffectiveField((10, 13), small, box, 2, 40, 0.0), PICTURE)
    assert figure.axes[0].get_xlim() == (-0.5, 25.5)
    assert figure.axes[0].get_ylim() == (19.5, -0.5)


def test_a_class_without_a_pixel_is_called_so():
    nothing = Attribution(Target(2), np.zeros((20, 26), np.float32), 0.0, 8, pixels=0)
    assert draw(nothing, PICTURE).axes[0].get_title(loc="left") == "Class 2, which has no pixel in this mask"


def test_threads_that_draw_do_not_meet(checkpoints: Path):
    results = [_result(method) for method in catalogues["analysis"]]
    alone = [to_array(draw(result, PICTURE)) for result in results]
    together: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        together[number] = to_array(draw(results[number % len(results)], PICTURE))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 6
    for number, array in together.items():
        np.testing.assert_array_equal(array, alone[number % len(alone)])


def test_what_is_no_result_has_no_view():
    with pytest.raises(TypeError, match="no view is registered for int"):
        draw(3, PICTURE)
