"""One drawing per part."""

import xml.etree.ElementTree as ElementTree

import pytest

from unet_playground.design import SLOT_IDS
from unet_playground.errors import UnknownChoice
from unet_playground.registry import Chinese, catalogues
from unet_playground.ui.glyphs import FOLDER, glyph

PARTS = [(slot, id) for slot in SLOT_IDS for id in catalogues[slot]]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("slot", "id"), PARTS)
def test_every_part_has_a_drawing_in_the_colour_of_its_surroundings(slot: str, id: str):
    assert (FOLDER / slot / f"{id}.svg").is_file()
    drawing = ElementTree.fromstring(glyph(slot, id))
    assert drawing.tag == f"{SVG}svg"
    assert drawing.get("viewBox") == "0 0 24 24"
    assert drawing.get("aria-hidden") == "true"
    colours = {element.get(name) for element in drawing.iter() for name in ("fill", "stroke")}
    assert colours <= {None, "none", "currentColor"}
    assert {element.tag.removeprefix(SVG) for element in drawing.iter()} <= {"svg", "g", "path", "rect", "circle"}


def test_no_two_drawings_are_equal():
    assert len({glyph(slot, id) for slot, id in PARTS}) == len(PARTS)


def test_no_drawing_is_left_over():
    assert {(file.parent.name, file.stem) for file in FOLDER.glob("*/*.svg")} == set(PARTS)


@pytest.mark.parametrize(("id", "letters"), [("halved", "H"), ("my-own-part", "MOP"), ("a-b-c-d", "ABC")])
def test_a_part_without_a_file_is_drawn_as_its_initials(id: str, letters: str):
    catalogue = catalogues["skip"]
    catalogue.register(id, title="Own", zh=Chinese("自制", "自制。"))(type("Own", (), {"__doc__": "Own."}))
    try:
        drawing = ElementTree.fromstring(glyph("skip", id))
    finally:
        catalogue.unregister(id)
    assert "".join(drawing.itertext()).strip() == letters


def test_what_is_no_part_has_no_drawing():
    with pytest.raises(UnknownChoice):
        glyph("skip", "../../examples/examples")
