"""Every part keeps the promises of its slot: each one alone, each option, and every pair of parts."""

import pytest

from tests.contracts.checks import (
    check_autocast,
    check_copy,
    check_gradients,
    check_independence,
    check_sides,
    check_texts,
    check_written_forms,
    signal_ratio,
)
from unet_playground import Design, catalogues
from unet_playground.design import SLOT_IDS
from unet_playground.errors import IllegalDesign
from unet_playground.parts import Place
from unet_playground.registry import Choice, Entry
from unet_playground.space import cover, neighbours, option_variants

BASE = Design(depth=2, width=4)
SOLID = BASE.replace(dims=3)


def _unique(*designs: Design) -> list[Design]:
    return list(dict.fromkeys(designs))


def _name(design: Design) -> str:
    return ",".join(getattr(design, slot) for slot in SLOT_IDS)


def _named(entry: Entry) -> str:
    return entry.id


FLAT = _unique(BASE, *neighbours(BASE), *option_variants(BASE), *cover(BASE))
VOLUMES = _unique(SOLID, *neighbours(SOLID), *neighbours(SOLID.replace(attention="se")), *option_variants(SOLID))
ENTRIES = [entry for catalogue in catalogues.values() for entry in catalogue.entries()]
PARTS = [entry for slot in SLOT_IDS for entry in catalogues[slot].entries()]
each_design = pytest.mark.parametrize("design", FLAT, ids=_name)
each_volume = pytest.mark.parametrize("design", VOLUMES, ids=_name)


@pytest.mark.parametrize("slot", SLOT_IDS)
@pytest.mark.parametrize("designs", [FLAT, VOLUMES], ids=["images", "volumes"])
def test_no_part_is_left_out_of_these_tests(slot: str, designs: list[Design]):
    tried = {choice.id for design in designs if design.applies(slot) for choice in design.levels(slot)}
    dims = designs[0].dims
    assert tried == {entry.id for entry in catalogues[slot].entries() if dims in getattr(entry.make, "dims", (2, 3))}


def test_a_part_that_is_not_defined_for_volumes_is_refused_by_name():
    for up in ("carafe", "dysample"):
        with pytest.raises(IllegalDesign, match=f"up={up} is defined for images"):
            Design(dims=3, up=up)


def test_every_value_of_every_option_is_tried():
    choices = [design.choice(slot) for design in FLAT for slot in SLOT_IDS]
    tried = {(choice.id, *pair) for choice in choices for pair in choice.options}
    for entry in PARTS:
        for option in entry.options:
            for value in set(option.choices or option.ends) - {option.default}:
                assert (entry.id, option.id, value) in tried


@each_design
def test_logits_have_the_sides_of_the_image(design: Design):
    check_sides(design, (1, 1, 1), (1, 1, 30), (1, 33, 47), (5, 8, 6))


@each_volume
def test_logits_have_the_sides_of_the_volume(design: Design):
    check_sides(design, (1, 1, 1, 1), (2, 9, 17, 12))


def test_deep_networks_take_a_single_pixel():
    for design in neighbours(Design(depth=6, width=2)):
        check_sides(design, (1, 1, 1), (1, 3, 2))


@each_design
def test_gradients_reach_every_parameter(design: Design):
    check_gradients(design)


@each_volume
def test_gradients_reach_every_parameter_of_a_volume_network(design: Design):
    check_gradients(design, side=12)


@each_design
def test_a_deep_copy_is_equal_and_independent(design: Design):
    check_copy(design)


@each_design
def test_evaluation_is_deterministic_and_ignores_the_rest_of_the_batch(design: Design):
    check_independence(design)


@each_design
def test_bfloat16_autocast_stays_close_to_float32(design: Design):
    check_autocast(design)


@each_design
def test_a_design_survives_link_and_json(design: Design):
    check_written_forms(design)


@pytest.mark.parametrize("entry", ENTRIES, ids=_named)
def test_texts_are_complete_in_both_languages(entry: Entry):
    check_texts(entry)


@pytest.mark.parametrize("entry", [entry for entry in PARTS if entry.paper], ids=_named)
def test_the_lesson_of_a_part_says_more_than_its_summary(entry: Entry):
    assert len(entry.lesson.en) > len(entry.summary.en)
    assert entry.lesson.zh != entry.summary.zh
    assert entry.formula


@pytest.mark.parametrize("slot", SLOT_IDS)
def test_parts_with_options_name_their_paper(slot: str):
    assert all(entry.paper for entry in catalogues[slot].entries() if entry.options)


def _attentions() -> list[Choice]:
    plain = [Choice(entry.id) for entry in catalogues["attention"].entries()]
    return plain + [
        design.choice("attention") for design in option_variants(BASE) if design.choice("attention").options
    ]


@pytest.mark.parametrize("choice", _attentions(), ids=str)
@pytest.mark.parametrize("channels", [1, 4, 64])
@pytest.mark.parametrize("dims", [2, 3])
def test_attention_starts_close_to_passing_its_input(choice: Choice, channels: int, dims: int):
    part = catalogues["attention"][choice.id].make(channels, Place(0, 2, dims), **dict(choice.options))
    assert 0.5 < signal_ratio(part, channels, dims) < 1.5
