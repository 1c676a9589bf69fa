"""A design has one canonical form, says why it refuses what it refuses, and survives being written down."""

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from unet_playground import Design, PlaygroundError
from unet_playground.design import DEFAULTS, SLOT_IDS
from unet_playground.errors import IllegalDesign, UnknownChoice
from unet_playground.presets import presets


def test_without_arguments_it_is_the_classic():
    assert Design() == Design(
        down="max-pool",
        block="plain",
        skip="concat",
        attention="none",
        site="skip",
        up="transposed",
        depth=4,
        width=16,
        dims=2,
    )
    assert Design() == presets["classic"].make()
    assert Design().to_link() == (
        "down=max-pool&block=plain&skip=concat&attention=none&site=skip&up=transposed&depth=4&width=16&dims=2"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"attention": "cbam(order=sequential)"}, {"attention": "cbam"}),
        ({"attention": "cbam(kernel=7,reduction=16)"}, {"attention": "cbam"}),
        ({"attention": "cbam(reduction=8,order=parallel)"}, {"attention": "cbam(order=parallel,reduction=8)"}),
        ({"attention": "cbam( order = parallel )"}, {"attention": "cbam(order=parallel)"}),
        ({"up": "bilinear/bilinear/bilinear/bilinear"}, {"up": "bilinear"}),
        ({"up": "bilinear/bilinear(kernel=3)/bilinear/bilinear"}, {"up": "bilinear"}),
        ({"attention": "none", "site": "fused"}, {"attention": "none"}),
        ({"attention": "none/none/none/none", "site": "fused"}, {}),
        ({"skip": "add(scalar=false)"}, {"skip": "add"}),
        ({"skip": ""}, {}),
    ],
)
def test_equal_networks_are_equal_designs_with_equal_links(one: dict[str, Any], other: dict[str, Any]):
    assert Design(**one) == Design(**other)
    assert hash(Design(**one)) == hash(Design(**other))
    assert Design(**one).to_link() == Design(**other).to_link()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"attention": "se", "site": "fused"}, {"attention": "se", "site": "skip"}),
        ({"up": "bilinear/transposed/transposed/transposed"}, {"up": "transposed/transposed/transposed/bilinear"}),
        ({"attention": "cbam(order=parallel)"}, {"attention": "cbam"}),
        ({"dims": 3}, {}),
    ],
)
def test_different_networks_are_different_designs_with_different_links(one: dict[str, Any], other: dict[str, Any]):
    assert Design(**one) != Design(**other)
    assert Design(**one).to_link() != Design(**other).to_link()


def test_attention_at_one_level_keeps_its_site():
    assert Design(attention="none/none/none/se", site="fused").site == "fused"


def test_levels_are_finest_first():
    design = Design(up="bilinear/bilinear/deformable/transposed(kernel=4)")
    assert [str(choice) for choice in design.levels("up")] == [
        "bilinear",
        "bilinear",
        "deformable",
        "transposed(kernel=4)",
    ]
    assert design.levels("skip") == (design.choice("skip"),) * 4
    assert "up=bilinear/bilinear/deformable/transposed(kernel%3D4)" in design.to_link()
    assert Design.from_link(design.to_link()) == design


def test_it_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Design().skip = "add"  # type: ignore[misc]
    assert Design().replace(skip="add") == Design(skip="add")


REFUSED = [
    ({"skip": "none", "attention": "se"}, "skip=none lets nothing cross"),
    ({"skip": "none", "attention": "none/none/none/cbam"}, "skip=none lets nothing cross"),
    ({"up": "bilinear/bilinear"}, "names 2 levels, but depth=4"),
    ({"up": "bilinear/bilinear/bilinear", "depth": 2}, "names 3 levels, but depth=2"),
    ({"up": "bilinear//bilinear/bilinear"}, '"" does not name one up'),
    ({"skip": "add/add/add/add"}, "skip is the same at every level"),
    ({"down": "max-pool/max-pool"}, "down is the same at every level"),
    ({"width": 64, "depth": 5}, "needs 2048 channels; at most 1024"),
    ({"width": 33, "depth": 5}, "needs 1056 channels; at most 1024"),
    ({"skip": 3}, "skip is written as text, like 'concat', not as 3"),
    ({"attention": "cbam(kernel=3,kernel=5)"}, "names the option kernel twice"),
    ({"attention": "cbam(kernel=3"}, "does not name one attention"),
    ({"depth": 0}, "depth is a whole number from 1 to 6"),
    ({"depth": 7}, "depth is a whole number from 1 to 6"),
    ({"width": 0}, "width is a whole number from 1 to 64"),
    ({"width": 65}, "width is a whole number from 1 to 64"),
    ({"dims": 1}, "dims is a whole number from 2 to 3"),
    ({"dims": 4}, "dims is a whole number from 2 to 3"),
    ({"depth": 2.5}, "depth is a whole number"),
    ({"width": "16"}, "width is a whole number"),
    ({"depth": None}, "depth is a whole number"),
    ({"depth": True}, "depth is a whole number"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=str)
def test_what_makes_no_network_is_refused_with_the_reason(changes: dict[str, Any], reason: str):
    with pytest.raises(PlaygroundError) as refusal:
        Design(**changes)
    assert reason in refusal.value.text.en
    assert refusal.value.text.en.endswith(".")
    assert "\n" not in refusal.value.text.en
    assert refusal.value.text.zh.endswith("。")


def test_the_largest_legal_networks_are_allowed():
    assert Design(width=64, depth=4).width == 64
    assert Design(width=16, depth=6).depth == 6


def test_a_link_names_what_it_changes_and_leaves_the_rest():
    assert Design.from_link("skip=add") == Design(skip="add")
    assert Design.from_link("?skip=add&depth=3") == Design(skip="add", depth=3)
    assert Design.from_link("https://host/app?lang=x?skip=add") == Design(skip="add")
    assert Design.from_link("attention=cbam(order=parallel)") == Design(attention="cbam(order=parallel)")
    assert Design.from_link("") == Design()


def test_of_the_address_of_the_page_only_the_design_is_read():
    page = "http://127.0.0.1:7860/zh?task=nuclei&example=a&weights=solo&lesson=1.2&room=atlas&view=x&b=skip%3Dadd"
    assert Design.from_link(f"{page}&__theme=dark&down=none") == Design(down="none")
    assert Design.read_link(f"{page}&down=none") == (Design(down="none"), ())
    for link in (f"{page}&skp=add", "task=nuclei&down=none"):
        with pytest.raises(UnknownChoice, match="Unknown key"):
            Design.from_link(link)


@pytest.mark.parametrize("link", ["skp=add", "skip=ad", "depth=four", "depth=2.5", "width=", "hello", "dims=9"])
def test_a_link_with_a_mistake_is_refused(link: str):
    with pytest.raises(PlaygroundError):
        Design.from_link(link)


def test_reading_a_link_keeps_what_it_can_and_reports_the_rest():
    design, ignored = Design.read_link("skip=dense&up=teleport&depth=x&color=red&attention=se")
    assert design == Design(skip="dense", attention="se")
    assert len(ignored) == 3
    for text, wrong in zip(ignored, ("teleport", "depth=x", "color"), strict=True):
        assert text.en.startswith("Ignored in the link:")
        assert wrong in text.en
        assert wrong in text.zh


@pytest.mark.parametrize(
    "design",
    [
        Design(skip="none", attention="se", site="fused"),
        Design(up="bilinear/deformable", depth=2),
        Design(width=64, depth=4),
        Design(width=1, depth=6),
        Design(width=32, depth=5, dims=3),
    ],
)
def test_reading_a_good_link_ignores_nothing_whatever_its_order(design: Design):
    pairs = design.to_link().split("&")
    for link in ("&".join(pairs), "&".join(reversed(pairs))):
        assert Design.read_link(link) == (design, ())


def test_json_carries_a_format_number_and_plain_values():
    values = Design(up="bilinear").to_json()
    assert values == {"format": 1, **DEFAULTS, "up": "bilinear", "depth": 4, "width": 16, "dims": 2}
    assert Design.from_json(values) == Design(up="bilinear")


@pytest.mark.parametrize(
    "values",
    [
        {},
        [1],
        '{"format": 1}',
        {"format": 2},
        {"format": 1, "colour": "red"},
        {"format": 1, "skip": None},
        {"format": 1, "depth": 2.5},
    ],
    ids=str,
)
def test_json_of_another_kind_is_refused(values: dict[str, Any]):
    with pytest.raises((UnknownChoice, IllegalDesign)):
        Design.from_json(values)


def test_the_slots_are_the_six_promised_ones():
    assert SLOT_IDS == ("down", "block", "skip", "attention", "site", "up")


def test_full_resolution_leaves_up_empty_and_has_one_width():
    design = Design(down="none")
    assert design.up == "none"
    assert design.widths == (16, 16, 16, 16, 16)
    assert not design.applies("up")
    assert (
        design == Design(down="none", up="none") == Design.from_link("down=none") == Design.from_link(design.to_link())
    )
    assert Design().widths == (16, 32, 64, 128, 256)


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"down": "none", "up": "bilinear"}, "has nothing to get back, because down=none keeps full resolution"),
        ({"up": "none"}, "up=none gets nothing back, but down=max-pool gives up resolution"),
        ({"attention": "se/none/se/none", "site": "bottleneck"}, "site=bottleneck is one single place"),
        ({"up": "dysample", "dims": 3}, "up=dysample is defined for images"),
    ],
)
def test_a_choice_that_cannot_apply_is_refused_with_the_reason(choices: dict[str, Any], reason: str):
    with pytest.raises(IllegalDesign, match=reason) as refusal:
        Design(**choices)
    assert refusal.value.text.zh.endswith("。")


def test_a_change_of_the_way_down_empties_or_refills_up():
    pooled = Design(up="bilinear/bilinear/carafe/carafe")
    full = pooled.replace(down="none")
    assert full.up == "none"
    assert full.replace(down="blur-pool").up == "transposed"
    assert pooled.replace(down="avg-pool").up == pooled.up
    with pytest.raises(IllegalDesign):
        pooled.replace(down="none", up="bilinear")


def test_a_link_with_an_up_that_cannot_apply_keeps_the_rest_and_reports_it():
    design, ignored = Design.read_link("down=none&skip=add&up=bilinear")
    assert design == Design(down="none", skip="add")
    assert ["up=bilinear" in text.en for text in ignored] == [True]


def test_without_a_skip_the_decoders_input_is_what_is_joined():
    inside, joined = (Design(skip="none", attention="se", site=site) for site in ("decoder", "fused"))
    assert inside.to_link() == joined.to_link()
    assert Design(attention="se", site="decoder") != Design(attention="se", site="fused")


def test_full_resolution_may_be_as_wide_as_it_likes_at_any_depth():
    assert Design(down="none", depth=6, width=64).widths == (64,) * 7
    with pytest.raises(IllegalDesign, match="at most 1024"):
        Design(depth=6, width=64)


def test_whole_numbers_may_be_numpys():
    design = Design(depth=np.int64(3), width=np.uint8(8))  # type: ignore[arg-type]
    assert design == Design(depth=3, width=8)
    assert type(design.depth) is int
