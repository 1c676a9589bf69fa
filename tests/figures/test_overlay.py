"""Overlays are pixel for pixel, and figures say what they show."""

import re
import threading

import numpy as np
import pytest
from matplotlib.text import Text

from unet_playground import Design, Picture, PlaygroundError, load_model
from unet_playground.analysis import Attribution, EffectiveField, Target, analyses
from unet_playground.analysis.base import Result, look
from unet_playground.figures import draw, overlay, to_array, to_png
from unet_playground.inference import prepare
from unet_playground.receptive_field import receptive_field
from unet_playground.tasks import tasks

LABELS = tasks["nuclei"].make.labels
NUCLEUS = tuple(int(LABELS[1].color[at : at + 2], 16) for at in (1, 3, 5))
PICTURE = Picture.from_array(np.random.default_rng(0).integers(0, 256, (20, 26), dtype=np.uint8))
TRUTH = (PICTURE.pixels > 128).astype(np.uint8)
LANGUAGES = ("en", "zh")
SENTENCE = re.compile(r"[a-z]{2,}[,:;]? [a-z]{2,}")
"""Two English words; units, ids and abbreviations stand alone."""


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


def _result(method: str) -> object:
    """Of trained weights; a method that does not fit a design with attention is asked about the classic."""
    for design in (Design(attention="cbam"), Design()):
        model = load_model("nuclei", design)
        try:
            return look(analyses[method], model, prepare(PICTURE, model), Target(), truth=TRUTH)
        except PlaygroundError:
            continue
    raise AssertionError(f"{method} refuses both designs")


@pytest.fixture(scope="module")
def results() -> dict[str, object]:
    return {method: _result(method) for method in analyses}


@pytest.mark.parametrize("method", analyses)
def test_every_analysis_has_a_view_that_says_what_is_measured(method: str, results: dict[str, object]):
    figure = draw(results[method], PICTURE)
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    said = [axes.get_xlabel() or axes.get_ylabel() for axes in (bars or figure.axes) if axes.axison]
    assert any(said), "neither a colour bar nor axes with a label"
    assert all(axes.get_xlabel() for axes in bars)
    titles = [axes.get_title(loc=loc) for axes in figure.axes for loc in ("left", "center")]
    assert any(titles) or figure.get_suptitle()


@pytest.mark.parametrize("method", analyses)
def test_the_same_result_gives_the_same_picture(method: str, results: dict[str, object]):
    assert to_png(draw(results[method], PICTURE)) == to_png(draw(results[method], PICTURE))


@pytest.mark.parametrize("method", analyses)
def test_every_result_tells_its_numbers_and_checks_itself_in_both_languages(method: str, results: dict[str, object]):
    result: Result = results[method]  # type: ignore[assignment]
    for text in (result.facts, result.check):
        assert re.search(r"\d", text.en) or "not" in text.en.lower()
        assert text.en.endswith(".")
        assert text.zh.endswith("。")


@pytest.mark.filterwarnings("error:Glyph")
@pytest.mark.parametrize("method", analyses)
def test_every_view_speaks_chinese_in_letters_that_it_has(method: str, results: dict[str, object]):
    spoken = {language: draw(results[method], PICTURE, language) for language in LANGUAGES}
    english, chinese = ([one.get_text() for one in figure.findobj(Text)] for figure in spoken.values())
    assert not [words for words in chinese if SENTENCE.search(words)]
    assert sum(map(bool, map(SENTENCE.search, english))) > 0
    to_png(spoken["zh"])


def test_circles_that_leave_a_tiny_picture_do_not_make_it_smaller():
    small, box = np.ones((20, 26), np.float32), receptive_field(Design(depth=2), (20, 26), (10, 13))
    figure = draw(EffectiveField((10, 13), small, box, 2, 40, 0.0), PICTURE)
    assert figure.axes[0].get_xlim() == (-0.5, 25.5)
    assert figure.axes[0].get_ylim() == (19.5, -0.5)


def test_a_class_without_a_pixel_is_called_so():
    nothing = Attribution(Target(2), np.zeros((20, 26), np.float32), 0.0, 8, pixels=0)
    assert draw(nothing, PICTURE).axes[0].get_title(loc="left") == "Class 2, which has no pixel in this mask"


def test_threads_that_draw_do_not_meet(results: dict[str, object]):
    listed = list(results.values())
    alone = [to_array(draw(result, PICTURE, LANGUAGES[number % 2])) for number, result in enumerate(listed)]
    together: dict[int, np.ndarray] = {}

    def work(first: int) -> None:
        for number in range(first, len(listed), 8):
            together[number] = to_array(draw(listed[number], PICTURE, LANGUAGES[number % 2]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == len(listed)
    for number, array in together.items():
        np.testing.assert_array_equal(array, alone[number])


def test_what_is_no_result_has_no_view():
    with pytest.raises(TypeError, match="no view is registered for int"):
        draw(3, PICTURE)
