"""The one-page report: everything that it must say, and nothing that it must not."""

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from unet_playground import Design, __version__, read_image
from unet_playground.errors import Text
from unet_playground.images.volumes import Volume
from unet_playground.model import Origin
from unet_playground.notice import NOTICE
from unet_playground.tasks import tasks
from unet_playground.volumes.measuring import OBJECTS, measure
from unet_playground.volumes.report import LARGEST, LISTED, report, short, three_planes
from unet_playground.volumes.segmenting import VolumeSegmentation

LABELS = tasks["liver"].make.labels


class Tags(HTMLParser):
    """Every tag that is opened, with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def volume(spaced: bool = True) -> tuple[Volume, VolumeSegmentation]:
    mask = np.zeros((24, 30, 8), np.uint8)
    mask[2:12, 5:25, 2:6] = 1
    mask[20, ::2, 1] = 1  # fifteen objects of a voxel each
    values = np.where(mask > 0, 55, -100).astype(np.float32)
    found = VolumeSegmentation(mask, mask[None] * np.uint8(255), Design(skip="add"), Origin("liver", "solo", "ab12cd"))
    return Volume(values, np.diag([1.0, 1.0, 4.0, 1.0]), "HU", spaced), found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_report_says_all_that_a_reader_needs(language: str):
    whole, found = volume()
    table = measure(whole, found.mask, LABELS, found=found, edited=True)
    note = Text("A note & more.", "一条说明。")
    page = report(table, three_planes(whole, found.mask, LABELS, (-160, 240)), [note, note], language=language)
    assert page.count(NOTICE.within(language)) == 2
    for said in (__version__, "ab12cd", "HU", "skip=add", LABELS[1].title.within(language)):
        assert said in page, said
    assert page.count("A note &amp; more." if language == "en" else note.zh) == 1
    assert ("corrected by hand" in page) == (language == "en")
    assert f"{10 * 20 * 4 * 4 / 1000 + 15 * 4 / 1000:.4g}" in page
    assert ("6 smaller objects" in page) == (language == "en")
    assert table.rows[0].components == LISTED + 6 <= OBJECTS


def test_a_report_needs_no_other_file_and_runs_nothing():
    whole, found = volume()
    page = report(measure(whole, found.mask, LABELS), three_planes(whole, found.mask, LABELS, (-160, 240)))
    tags = Tags()
    tags.feed(page)
    assert {tag for tag, _ in tags.seen}.isdisjoint({"script", "link", "iframe", "a", "object"})
    sources = [attributes["src"] for tag, attributes in tags.seen if tag == "img"]
    assert len(sources) == 3 and all(source and source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in page and "url(" not in page and "unknown" in page


def test_what_a_class_is_called_cannot_break_the_page():
    whole, found = volume()
    labels = (LABELS[0], type(LABELS[1])(Text("<b>liver</b>", "<b>肝</b>"), "#ffffff"))
    page = report(measure(whole, found.mask, labels))
    assert "<b>" not in page and "&lt;b&gt;" in page


def test_without_spacing_the_page_knows_no_millimetres():
    whole, found = volume(spaced=False)
    page = report(measure(whole, found.mask, LABELS, found=found))
    assert not re.search(r"\bmm\b|mm²|\bml\b", page.split("</style>")[1])
    assert "voxels" in page


def test_pictures_show_left_and_right_as_radiologists_look(tmp_path: Path):
    mask = np.zeros((20, 30, 10), np.uint8)
    mask[15:19, 20:28, 6:9] = 1  # the patient's right, front, head
    whole = Volume(np.zeros(mask.shape, np.float32), np.diag([1.0, 1.0, 4.0, 1.0]))
    axial, coronal, sagittal = (pixels for _, pixels in three_planes(whole, mask, LABELS, (-100, 100)))
    assert axial.shape == (30, 20, 3) and coronal.shape == (40, 20, 3) and sagittal.shape == (40, 30, 3)
    for image in (axial, coronal, sagittal):
        rows, columns = np.nonzero(image.std(2))
        assert rows.mean() < image.shape[0] / 2, "front or head is up"
        assert columns.mean() < image.shape[1] / 2, "the patient's right, or the front, is on the left"
    page = report(measure(whole, mask, LABELS), three_planes(whole, mask, LABELS, (-100, 100)))
    first = re.search(r"base64,([^\"]+)", page)
    assert first is not None
    (tmp_path / "axial.png").write_bytes(b64decode(first[1]))
    assert np.array_equal(read_image(tmp_path / "axial.png").pixels, axial)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pictures_say_which_side_is_which(language: str):
    whole, found = volume()
    for oriented, said in (
        (True, ("the patient's right is on the left", "患者右侧在左")),
        (False, ("orientation unknown", "方位未知")),
    ):
        planes = three_planes(replace(whole, oriented=oriented), found.mask, LABELS, (-100, 100))
        axial, coronal, sagittal = (title.within(language) for title, _ in planes)
        assert all(said[language == "zh"] in title for title in (axial, coronal))
        assert ("front is on the left" if language == "en" else "前方在左") in sagittal or not oriented
        assert ("unknown" in sagittal or "未知" in sagittal) != oriented


def test_large_numbers_keep_their_digits():
    mask = np.zeros((200, 200, 40), np.uint8)
    mask[30:160, 40:160] = 1  # 15600 mm²
    whole = Volume(np.where(mask, 12345, 0).astype(np.float32), np.diag([1.0, 1.0, 5.0, 1.0]), "HU")
    page = report(measure(whole, mask, LABELS))
    assert "<td>15600</td>" in page and "<td>3120</td>" in page and "12345, 12345" in page and "e+" not in page
    assert [short(one) for one in (9999.4, 9999.7, -0.01234567)] == ["9999", "10000", "-0.01235"]


def test_pictures_of_large_volumes_stay_small():
    mask = np.zeros((700, 600, 2), np.uint8)
    whole = Volume(np.zeros(mask.shape, np.float32), np.eye(4))
    for _, pixels in three_planes(whole, mask, LABELS, (0, 1)):
        assert max(pixels.shape) <= LARGEST
