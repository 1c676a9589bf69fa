"""The lesson strip: where a visitor stands, what it shows, and what it makes of events."""

import json
import re
from typing import Any

import numpy as np
import pytest

from unet_playground.atlas import Atlas
from unet_playground.errors import PlaygroundError, Text
from unet_playground.lessons import Measured, lessons, seen
from unet_playground.ui.lesson import KINDS, WORDS, Progress, clicked, follow, lesson_value, wanted
from unet_playground.ui.rooms import rooms

CJK = re.compile(r"[\u4e00-\u9fff]")
FIRST = "going-down"
CLICK = len(lessons[FIRST].make.steps) - 1


@pytest.fixture(scope="module")
def measured() -> Measured:
    return Measured()


def moved(progress: Progress, event: object) -> Progress:
    after = follow(progress, event)
    assert isinstance(after, Progress)
    return after


def shown(progress: Progress, measured: Measured, language: str = "en") -> dict[str, Any]:
    value = lesson_value(progress, language, measured)
    assert json.loads(json.dumps(value)) == value
    return value["open"]


def test_without_a_lesson_the_list_is_shown():
    value = lesson_value(Progress(), "zh")
    assert value["open"] is None and wanted(Progress()) is None
    assert [one["id"] for one in value["lessons"]] == list(lessons)
    assert all(CJK.search(one["title"]) and CJK.search(one["summary"]) for one in value["lessons"])


def test_a_question_is_there_before_anything_is_measured():
    class Silent(Measured):
        def once(self, key: Any, make: Any) -> Any:
            raise AssertionError(key)

    open_ = shown(Progress.at(FIRST), Silent())
    assert open_["waits"] and open_["text"] and len(open_["options"]) == 3
    assert open_["right"] is open_["told"] is open_["verdict"] is None


def test_an_answer_is_marked(measured: Measured):
    right = seen(measured, FIRST, 0).right
    for answer in range(3):
        open_ = shown(moved(Progress.at(FIRST), {"answer": answer}), measured)
        assert open_["answer"] == answer and open_["right"] == right and not open_["waits"]
        assert open_["verdict"].startswith("Right." if answer == right else "No.")
        assert "1.06" in open_["told"]


def test_the_first_answer_stands():
    progress = moved(Progress.at(FIRST), {"answer": 0})
    assert moved(progress, {"answer": 1}) == progress


def test_answers_are_kept_on_the_way_back():
    progress = moved(moved(moved(Progress.at(FIRST), {"answer": 1}), {"step": 1}), {"step": 0})
    assert progress.answer == 1


def test_what_is_told_needs_no_answer(measured: Measured):
    step = next(at for at, one in enumerate(lessons[FIRST].make.steps) if not one.asks)
    open_ = shown(Progress.at(FIRST, step), measured)
    assert open_["text"] and not open_["waits"] and open_["told"] is None


def test_a_click_is_marked_by_the_masks(measured: Measured):
    progress = Progress.at(FIRST, CLICK)
    places = seen(measured, FIRST, CLICK).places
    assert places is not None
    (hit, *_), (miss, *_) = ([(int(row), int(column)) for row, column in np.argwhere(places == one)] for one in (1, 0))
    assert shown(progress, measured)["told"] is None
    wrong = shown(clicked(progress, miss), measured)
    assert wrong["waits"] and wrong["told"] is None and wrong["verdict"]
    right = shown(clicked(clicked(progress, miss), hit), measured)
    assert not right["waits"] and right["told"]
    assert shown(clicked(progress, (9999, 0)), measured)["waits"]


def test_a_click_elsewhere_changes_nothing():
    assert clicked(Progress.at(FIRST), (1, 1)) == Progress.at(FIRST)
    assert clicked(Progress(), (1, 1)) == Progress()


def test_where_no_object_is_to_be_clicked_the_strip_says_so(measured: Measured, monkeypatch: pytest.MonkeyPatch):
    both = np.ones(int(measured.truth("nuclei", "fluorescence").instances.max()), bool)
    source = Measured()
    monkeypatch.setattr(source, "found", lambda *given: both)
    open_ = shown(Progress.at(FIRST, CLICK), source)
    assert not open_["waits"] and open_["told"] and open_["verdict"] == WORDS["none"].en


def test_what_nobody_measured_is_said():
    steps = lessons[FIRST].make.steps
    at = steps.index(vars(lessons[FIRST].make)["boundary"])
    bare = Measured(atlas=lambda task: Atlas())
    open_ = shown(Progress.at(FIRST, at).answered(0), bare, "zh")
    assert CJK.search(open_["problem"]) and not open_["waits"] and open_["right"] is None


def test_the_last_step_counts_what_was_right(measured: Measured):
    right = seen(measured, FIRST, 0).right
    assert right is not None
    progress = Progress.at(FIRST).answered(right)
    progress = moved(moved(progress, {"step": 1}), {"answer": 0})
    last = moved(progress, {"step": CLICK})
    assert shown(last, measured)["score"] == "1 of 2 predictions right"
    assert shown(progress, measured)["score"] is None


@pytest.mark.parametrize("id", lessons)
def test_the_page_is_told_what_to_show(id: str):
    for step in range(len(lessons[id].make.steps)):
        given = wanted(Progress.at(id, step))
        assert given is not None
        assert set(given) == {"task", "example", "a", "b", "slot", "room", "point"}
        assert given["room"] is None or given["room"] in rooms


@pytest.mark.parametrize("id", lessons)
def test_the_address_leads_back(id: str):
    for step in range(len(lessons[id].make.steps)):
        progress = Progress.at(id, step)
        assert Progress.read(progress.key) == progress
    assert Progress.read(id) == Progress.at(id)
    assert Progress().key == ""


@pytest.mark.parametrize("key", ["", "nothing", "going-down.0", "going-down.99", "going-down.x", "x" * 5000, "../a.1"])
def test_an_address_that_names_no_lesson_is_refused(key: str):
    with pytest.raises(PlaygroundError) as refused:
        Progress.read(key)
    assert CJK.search(refused.value.text.zh) and len(refused.value.text.en) < 500


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "close",
        {},
        {"lesson": "nothing"},
        {"lesson": 3},
        {"lesson": FIRST, "step": 1},
        {"step": -1},
        {"step": 99},
        {"step": True},
        {"step": "1"},
        {"answer": 3},
        {"answer": -1},
        {"answer": None},
        {"answer": [1, 2]},
        {1: 2},
        {"open": FIRST},
    ],
)
def test_events_that_make_no_sense_change_nothing(event: object):
    said = follow(Progress.at(FIRST), event)
    assert isinstance(said, Text) and CJK.search(said.zh)


@pytest.mark.parametrize("event", [{"step": 0}, {"answer": 0}])
def test_without_a_lesson_there_is_no_step_to_take(event: object):
    assert isinstance(follow(Progress(), event), Text)


def test_opening_and_closing():
    assert moved(Progress(), {"lesson": FIRST}) == Progress.at(FIRST)
    assert moved(Progress.at(FIRST), {"lesson": "heat-maps"}).lesson == "heat-maps"
    assert moved(Progress.at(FIRST, 2), {"close": True}) == Progress()


def test_words_are_complete_in_both_languages():
    for text in (*WORDS.values(), *KINDS.values()):
        assert CJK.search(text.zh) and not CJK.search(text.en)
        assert set(re.findall(r"\{\w+\}", text.en)) == set(re.findall(r"\{\w+\}", text.zh))
