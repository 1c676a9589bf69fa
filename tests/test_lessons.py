"""Lessons: every step stands on a legal page, speaks both languages, and is marked by what is measured."""

import re
from dataclasses import replace
from string import Formatter

import numpy as np
import pytest

from unet_playground.atlas import Atlas, read_atlas
from unet_playground.cost import cost
from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import Text
from unet_playground.examples import example
from unet_playground.inference import ModelStore
from unet_playground.lessons import TOPICS, Measured, NotMeasured, Step, designs_of_lessons, lessons, seen, stand_of
from unet_playground.lessons.measure import ZONES
from unet_playground.lessons.slot import between, nearest
from unet_playground.parts.block import dilation_rates
from unet_playground.tasks import tasks
from unet_playground.weights import kinds_of

CJK = re.compile(r"[\u4e00-\u9fff]")
STEPS = [(id, number) for id in lessons for number in range(len(lessons[id].make.steps))]
each_step = pytest.mark.parametrize(("id", "number"), STEPS)
each_lesson = pytest.mark.parametrize("id", lessons)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return Measured()


def step_of(id: str, number: int) -> Step:
    return lessons[id].make.steps[number]


def number_of(id: str, name: str) -> int:
    lesson = lessons[id].make
    return lesson.steps.index(getattr(lesson, name))


def texts_of(step: Step) -> list[Text]:
    return [step.text, *step.options, *([step.told] if step.told else [])]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_ten_lessons_cover_every_topic():
    assert len(lessons) >= 10
    assert {topic for id in lessons for topic in lessons[id].make.topics} == set(TOPICS)


@each_lesson
def test_a_lesson_predicts_first_tells_in_between_and_checks_last(id: str):
    kinds = [step.kind for step in lessons[id].make.steps]
    assert kinds[0] == "predict" and kinds[-1] == "check"
    assert {"reveal", "explain"} & set(kinds)
    assert 5 <= len(kinds) <= 9


@each_step
def test_every_step_stands_on_a_legal_page(id: str, number: int):
    stand = stand_of(id, number)
    picture = example(stand.task, stand.example).read()
    for design in (stand.a, stand.second):
        assert Design.from_link(design.to_link()) == design
        tasks[stand.task].make.check_dims(design)
    assert stand.slot in SLOT_IDS
    if stand.point:
        assert 0 <= stand.point[0] < picture.height and 0 <= stand.point[1] < picture.width


@each_step
def test_every_text_is_complete_in_both_languages(id: str, number: int):
    step = step_of(id, number)
    for text in texts_of(step):
        assert text.en and text.zh
        assert not CJK.search(text.en)
        assert fields(text.en) == fields(text.zh)
    assert CJK.search(step.text.zh)
    assert not step.asks or not fields(step.text.en), "a question is there before anything is measured"
    assert step.asks == (step.kind in ("predict", "check")) == bool(step.options or step.clicks)
    assert len({option.en for option in step.options}) == len({option.zh for option in step.options})


@each_step
def test_every_answer_is_measured_and_told(id: str, number: int, measured: Measured):
    step, found = step_of(id, number), seen(measured, id, number)
    if step.options:
        assert found.right in range(len(step.options))
    if step.clicks:
        truth = measured.truth(stand_of(id, number).task, stand_of(id, number).example)
        assert found.places is not None and found.places.shape == truth.labels.shape
    for language in ("en", "zh"):
        said = found.fill(step.told or step.text, language)
        assert not re.search(r"[{}]|\bnan\b|\binf\b", said), said
        assert language == "zh" or not CJK.search(said), said


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("going-down", "boundary"),
        ("every-scale", "blocks"),
        ("which-channel", "table"),
        ("which-channel", "sentences"),
        ("where-to-attend", "best"),
        ("shorter-roads", "better"),
        ("coming-back-up", "worst"),
    ],
)
def test_without_an_atlas_a_step_says_so(id: str, name: str):
    with pytest.raises(NotMeasured) as refused:
        seen(Measured(atlas=lambda task: Atlas()), id, number_of(id, name))
    assert CJK.search(refused.value.text.zh) and not CJK.search(refused.value.text.en)


def test_without_trained_weights_a_step_says_so(measured: Measured):
    with pytest.raises(NotMeasured, match="no trained weights"):
        measured.mask("nuclei", "fluorescence", Design(width=3))


@pytest.mark.parametrize(
    ("id", "name"), [("holes-in-the-grid", "context"), ("where-to-attend", "liver"), ("every-scale", "replaces")]
)
def test_exchanged_scores_exchange_the_answer(id: str, name: str, measured: Measured):
    number = number_of(id, name)
    stand = stand_of(id, number)
    other = {stand.a: stand.second, stand.second: stand.a}

    def exchanged(task: str) -> Atlas:
        atlas = read_atlas(task)
        return replace(atlas, rows=tuple(replace(row, design=other.get(row.design, row.design)) for row in atlas.rows))

    before, after = (seen(one, id, number).right for one in (measured, Measured(atlas=exchanged)))
    assert (before, after) in {(0, 1), (1, 0), (2, 2)}  # what is not told apart is not told apart either way


@pytest.mark.parametrize("task", [task for task in tasks if read_atlas(task).rows])
def test_the_designs_of_lessons_are_measured_image_by_image(task: str):
    asked = [design for design in designs_of_lessons() if "shared" in kinds_of(task, design)]
    assert len(asked) > 20
    for design in asked:
        assert all(row.images for row in read_atlas(task).find(design, "shared")), design.to_link()
        assert read_atlas(task).find(design, "shared"), design.to_link()


def test_another_cost_is_another_answer(measured: Measured):
    def dear(design: Design):
        found = cost(design)
        times = 1 if design.halves else 3
        return replace(found, stages=tuple(replace(stage, macs=times * stage.macs) for stage in found.stages))

    number = number_of("going-down", "cheaper")
    one, other = (seen(source, "going-down", number) for source in (measured, Measured(count=dear)))
    assert other.right == 2 != one.right
    assert other.numbers["mac"] == pytest.approx(3 * one.numbers["mac"])


class Classics(ModelStore):
    """Gives every design the same network."""

    def get(self, task: str, design: Design, weights: str = "auto"):
        return super().get(task, Design(), weights)


def test_another_network_is_another_answer(measured: Measured):
    same = Measured(Classics())
    shift, missed = (number_of("going-down", name) for name in ("shift", "missed"))
    assert seen(measured, "going-down", shift).right == 1
    assert seen(same, "going-down", shift).right == 3
    places = [seen(source, "going-down", missed).places for source in (measured, same)]
    assert places[0] is not None and places[0].any()
    assert places[1] is not None and not places[1].any()


def test_a_click_may_miss_a_nucleus_by_a_few_pixels_of_background_but_not_hit_another(measured: Measured):
    number = number_of("going-down", "missed")
    stand, places = stand_of("going-down", number), seen(measured, "going-down", number).places
    numbers = measured.truth(stand.task, stand.example).instances
    assert places is not None and numbers is not None
    pairs = ((stand.a, stand.second), (stand.second, stand.a))
    found, other = (measured.found(stand.task, stand.example, *pair) for pair in pairs)
    right = np.isin(numbers, np.flatnonzero(found != other) + 1)
    row, column = np.argwhere(right)[0]
    assert places[right].all()
    assert places[row : row + 6, column - 5 : column].any()
    assert not places[(numbers > 0) & ~right].any()


def test_the_whole_image_tells_what_hangs_on_the_weights_and_a_window_only_where_it_is(measured: Measured):
    whole, window = (seen(measured, "heat-maps", number_of("heat-maps", name)) for name in ("randomised", "place"))
    assert whole.right == 2 and max(map(abs, whole.numbers.values())) < 0.3
    assert window.right == 1 and abs(window.numbers["inside"]) < 0.3


def test_rates_are_said_as_they_are_at_the_finest_and_at_the_coarsest_level():
    for name in ("price", "filled"):
        step = step_of("holes-in-the-grid", number_of("holes-in-the-grid", name))
        for said in (step.told or step.text).en, (step.told or step.text).zh:
            for level in (0, Design().depth):
                assert re.search("(, |、)".join(map(str, dilation_rates("hybrid", level))), said)


def test_aligned_corners_leave_one_pixel_in_its_place(measured: Measured):
    numbers = seen(measured, "what-crosses", number_of("what-crosses", "alignment")).numbers
    assert (numbers["still"], round(numbers["end"], 2)) == (17, 1.5)


def test_nothing_is_measured_twice(measured: Measured):
    number = number_of("heat-maps", "randomised")
    assert seen(measured, "heat-maps", number) is seen(measured, "heat-maps", number)


def test_found_objects_are_counted_by_half_of_their_pixels(measured: Measured):
    task, id = "nuclei", "fluorescence"
    numbers = measured.truth(task, id).instances
    mask = measured.mask(task, id, Design())
    found = measured.found(task, id, Design())
    shares = [float((mask[numbers == number] > 0).mean()) for number in range(1, numbers.max() + 1)]
    assert found.tolist() == [share >= 0.5 for share in shares]


def test_zones_part_the_image(measured: Measured):
    zones = measured.wrong("nuclei", "fluorescence", Design())
    stacked = np.stack([zones[name] for name in ZONES])
    assert (stacked.sum(0) == 1).all()


def test_an_image_nobody_drew_has_no_truth(measured: Measured):
    with pytest.raises(NotMeasured, match="Nobody"):
        measured.truth("nuclei", "stained")


@pytest.mark.parametrize(("value", "option"), [(0.5, 0), (0.9, 1), (1.4, 1), (1.5, 2), (9, 2)])
def test_between(value: float, option: int):
    assert between(value, 0.9, 1.5) == option


@pytest.mark.parametrize(("value", "option"), [(1, 0), (5.4, 0), (5.6, 1), (39, 2)])
def test_nearest_by_ratio(value: float, option: int):
    assert nearest(value, 3, 10, 40) == option
