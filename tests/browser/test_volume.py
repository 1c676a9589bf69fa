"""The room Volume in headless Chromium, which draws WebGL in software: planes, sides, masks, corrections, exports."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.app import chromium, started
from tests.browser.looking import PATIENCE, is_own, misplaced
from tests.browser.volumes import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    asked,
    centre,
    drag,
    example,
    given,
    is_as_in_the_patient,
    is_shown,
    loaded,
    marks,
    millilitres,
    numbers,
    painted,
    phantom,
    pixels,
    saved,
    segment,
    tile,
    tool,
    turned,
)
from tests.volumes.volume_samples import CODES, file, packed, slices
from unet_playground.images.volumes import open_volume
from unet_playground.phantoms.trunk import SPACING, trunk
from unet_playground.weights import checkpoint_root

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
KEPT = "async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app as on one's own machine, with weights for liver alone."""
    root = tmp_path_factory.mktemp("checkpoints")
    (root / "liver").symlink_to(checkpoint_root() / "liver")
    with started(checkpoints=root, environment={"UNET_PLAYGROUND_PROFILE": "local"}) as address:
        yield address


@pytest.fixture(scope="module")
def drawing(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium(), args=SOFTWARE)
    yield browser
    browser.close()


@pytest.fixture
def look() -> dict[str, Any]:
    """How the page is looked at: wide, light and English, unless a test says otherwise."""
    return {"path": "/", "viewport": {"width": 1440, "height": 900}}


@pytest.fixture
def room(drawing: Browser, local: str, look: dict[str, Any]) -> Iterator[Page]:
    """The page with the open room; afterwards nothing was wrong in it, left this machine or stayed in the browser."""
    page = drawing.new_page(**{name: value for name, value in look.items() if name != "path"})
    faults: list[str] = []
    offline = "ERR_INTERNET_DISCONNECTED"  # which a test may want
    page.on("console", lambda one: faults.append(one.text) if one.type == "error" and offline not in one.text else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda one: None if is_own(one.url) else faults.append(one.url))
    page.goto(local + look["path"])
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=volume]").click()
    yield page
    kept = page.evaluate(
        "async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]"
    )
    page.close()
    assert faults == []
    assert kept == [0, 0, 0]


SMALL = {"path": "/", "viewport": {"width": 1024, "height": 720}}


@pytest.mark.parametrize("look", [SMALL])
@pytest.mark.parametrize("codes", ["RAS", "SLA"])
def test_left_is_left_whatever_order_the_axes_of_the_file_have(room: Page, tmp_path: Path, codes: str) -> None:
    given(room, phantom(tmp_path / "phantom.nii.gz", codes))
    is_shown(room)
    is_as_in_the_patient(room)
    room.locator(".volume .convention input").uncheck()
    assert centre(pixels(room, AXIAL))[1] < 0.5
    assert marks(room, AXIAL) == {"left": "L", "right": "R", "top": "A", "bottom": "P"}


@pytest.mark.long
@pytest.mark.parametrize("look", [SMALL])
@pytest.mark.parametrize("kind", ["nii.gz", "zip"])
def test_left_is_left_for_all_orders_of_axes_in_nifti_and_dicom(room: Page, tmp_path: Path, kind: str) -> None:
    for codes in CODES:
        path = tmp_path / f"{codes}.{kind}"
        image = turned(codes)
        values = np.asanyarray(image.dataobj).astype(np.int16)
        if kind == "zip":
            path.write_bytes(packed({f"{at}.dcm": file(one) for at, one in enumerate(slices(values, image.affine))}))
        else:
            nibabel.save(image, path)
        room.evaluate("document.querySelector('.volume').dataset.state = ''")
        given(room, path)
        is_shown(room)
        is_as_in_the_patient(room)


@pytest.mark.parametrize("look", [SMALL])
def test_lengths_areas_values_and_keys(room: Page, tmp_path: Path) -> None:
    given(room, phantom(tmp_path / "phantom.nii.gz", "LPS"))
    is_shown(room)
    tool(room, "distance").click()
    drag(room, AXIAL, (0.25, 0.5), (0.75, 0.5))
    said = room.locator(".volume > .measured")
    expect(said).to_have_text(re.compile(r"^Distance: \d+\.\d mm$"))
    assert float(re.findall(r"[\d.]+", said.inner_text())[0]) == pytest.approx(40, abs=1)  # half of 40 voxels of 2 mm
    tool(room, "ellipse").click()
    drag(room, AXIAL, (0.25, 0.25), (0.5, 0.5), (0.75, 0.75))
    expect(said).to_contain_text("Ellipse")
    area, mean, spread, voxels = numbers(said)
    assert area == pytest.approx(np.pi * 20 * 24, rel=0.01)  # a quarter of 80 x 96 mm and of what a circle leaves
    assert (mean, spread) == (50, 0) and voxels * 4 == pytest.approx(area, rel=0.03)
    assert room.locator(".volume polygon").get_attribute("points")
    tool(room, "outline").click()
    drag(room, CORONAL, (0.2, 0.2), (0.8, 0.2), (0.8, 0.7))  # a half of 48 x 40 mm; the last side closes itself
    expect(said).to_contain_text("Outline")
    assert numbers(said)[0] == pytest.approx(960, rel=0.01)
    room.locator(".volume canvas").focus()
    room.keyboard.press("ArrowUp")
    assert room.locator(".volume polygon").get_attribute("points") == ""  # it belongs to the slice before
    tool(room, "look").click()
    place, box = tile(room, AXIAL), room.locator(".volume canvas").bounding_box()
    assert box
    asked(room, "(viewer.scene.crosshairPos = viewer.vox2frac([10, 37, 22]), viewer.drawScene())")
    room.mouse.move(box["x"] + place["x"] + place["width"] * 0.75, box["y"] + place["y"] + place["height"] * 0.22)
    expect(room.locator(".volume .pointed")).to_contain_text("400")
    expect(room.locator(".volume .pointed")).to_contain_text(re.compile("^L .* mm"))
    room.locator(".volume canvas").focus()
    before = asked(room, "[...viewer.frac2vox(viewer.scene.crosshairPos)]")
    room.keyboard.press("ArrowUp")
    room.keyboard.press("ArrowRight")
    after = asked(room, "[...viewer.frac2vox(viewer.scene.crosshairPos)]")
    assert [one - other for one, other in zip(after, before, strict=True)] == [-1, 0, 1]  # the patient's left, the head
    room.keyboard.press("v")
    expect(tool(room, "axial")).to_have_attribute("aria-pressed", "true")
    expect(room.locator("#room-volume")).to_be_visible()
    slider = room.get_by_label("Slice")
    expect(slider).to_have_value(str(round(after[2]) + 1))
    slider.fill("3")
    assert asked(room, "viewer.frac2vox(viewer.scene.crosshairPos)[2]") == 2


@pytest.mark.parametrize("look", [SMALL])
def test_what_is_not_known_of_a_file_is_said_and_what_is_no_volume_refused(room: Page, tmp_path: Path) -> None:
    (tmp_path / "note.nii.gz").write_text("no volume")
    whole = phantom(tmp_path / "phantom.nii.gz", "RAS").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.zip").write_bytes(packed({"note.txt": b"no volume"}))
    refused = room.locator("#room-volume [role=alert].message")
    for name, why in {"note.nii.gz": "no volume", "cut.nii.gz": "damaged", "text.zip": "no volume"}.items():
        given(room, tmp_path / name)
        expect(refused).to_have_text(re.compile(rf"^[^.]*{why}[^.]*\..*Nothing was kept\.$"))
        expect(room.locator(".volume .stage")).to_be_hidden()
    image = loaded(tmp_path / "phantom.nii.gz")
    image.header.set_sform(None, 0)
    image.header.set_qform(None, 0)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), None, image.header), tmp_path / "lost.nii.gz")
    given(room, tmp_path / "lost.nii.gz")
    is_shown(room)
    expect(room.locator(".volume .notes")).to_contain_text("left and right are not marked")
    assert asked(room, "viewer.opts.isOrientationTextVisible") is False
    expect(refused).to_have_count(0)
    given(room, tmp_path / "note.nii.gz")
    expect(refused).to_be_visible()
    expect(room.locator("#room-volume")).to_contain_text("40 × 48 × 32 voxels")  # what was open stays so
    expect(room.locator(".volume canvas")).to_be_visible()
    expect(room.locator("#room-volume .number")).to_have_count(0)
    values = np.asanyarray(image.dataobj)
    nibabel.save(nibabel.Nifti1Image(np.stack([values, values * 2], -1), np.eye(4)), tmp_path / "two.nii.gz")
    given(room, tmp_path / "two.nii.gz")
    expect(room.locator(".volume .notes")).to_contain_text("Volume 1 of 2 is used.")
    room.locator("#room-volume .number input").click()
    room.get_by_role("option", name="2 / 2").click()
    expect(room.locator(".volume .notes")).to_contain_text("Volume 2 of 2 is used.")
    is_shown(room)
    assert asked(room, "viewer.volumes[0].global_max") == 800


@pytest.mark.parametrize("look", [SMALL])
def test_a_volume_is_segmented_looked_at_corrected_measured_and_taken_home(room: Page, tmp_path: Path) -> None:
    example(room)
    bare = {plane: pixels(room, plane) for plane in (AXIAL, CORONAL, SAGITTAL)}
    assert all(seen.std() > 30 for seen in bare.values())
    tool(room, "axial").click()  # one plane is drawn sooner than all and the space
    bare[AXIAL] = pixels(room, AXIAL)
    room.locator("#room-volume button.primary").click()
    expect(room.locator("#room-volume progress")).to_be_visible()
    room.locator("#room-volume").get_by_role("button", name="Stop").click()
    expect(room.locator("#room-volume")).to_contain_text("Stopped; nothing was changed.")
    expect(room.locator("#room-volume section.reading")).to_have_count(0)
    segment(room)
    laid = pixels(room, AXIAL)
    assert (laid != bare[AXIAL]).mean() > 0.05
    room.locator(".volume .key").first.click()
    assert (pixels(room, AXIAL) != laid).mean() > 0.05
    room.locator(".volume .key").first.click()
    assert (pixels(room, AXIAL) == laid).all()
    room.locator(".volume select").first.select_option("bone")
    assert (pixels(room, AXIAL) != laid).mean() > 0.2
    whole, volume = painted(room), millilitres(room)
    tool(room, "brush").click()
    drag(room, AXIAL, (0.7, 0.4), (0.8, 0.4))
    more = painted(room)
    assert more > whole
    room.locator(".volume").get_by_role("button", name="Undo").click()
    assert painted(room) == whole
    tool(room, "erase").click()
    drag(room, AXIAL, (0.3, 0.5), (0.4, 0.5))
    left = painted(room)
    assert left < whole
    expect(room.locator(".volume .pending")).to_be_visible()
    expect(room.locator("#room-volume .files")).to_have_attribute("inert", "")  # they would lack the correction
    tool(room, "look").click()
    room.context.set_offline(True)
    room.locator(".volume .send").click()  # there, whichever tool is chosen
    expect(room.locator(".away")).to_be_visible()
    expect(room.locator(".volume .pending")).to_be_visible()  # it waits
    room.context.set_offline(False)
    expect(room.locator("#room-volume .reading")).to_contain_text("corrected by hand")
    expect(room.locator(".volume .pending")).to_be_hidden()
    for button in ("#room-volume button.primary", "#room-volume .controls button >> nth=1"):
        room.locator(button).click()
        expect(room.locator("#room-volume [role=alert].message")).to_contain_text("discard the masks corrected by hand")
    assert millilitres(room) == pytest.approx(volume * left / whole, rel=0.01)
    home = saved(room, "Mask", tmp_path / "mask.nii.gz")
    made, (source, _) = loaded(home), trunk()
    assert np.array_equal(made.affine, np.diag([SPACING, SPACING, SPACING, 1])) and made.shape == source.shape
    assert int((np.asanyarray(made.dataobj) > 0).sum()) == left
    page = saved(room, "Report", tmp_path / "report.html").read_text("utf-8")
    assert "not for diagnosis" in page and "by hand" in page and 'src="http' not in page
    for asked_before in (False, True):
        room.locator("#room-volume button.primary").click()  # the second time it begins
        expect(room.locator("#room-volume [role=alert].message")).to_have_count(0 if asked_before else 1)
    expect(room.locator("#room-volume progress")).to_be_visible()
    tool(room, "brush").click()
    drag(room, AXIAL, (0.7, 0.4), (0.8, 0.4))
    drawn = painted(room)
    assert drawn > left
    expect(room.locator("#room-volume [role=alert].message")).to_contain_text("so they stay")  # the run has ended
    expect(room.locator(".volume .pending")).to_be_hidden()
    assert painted(room) == drawn
    made = np.asanyarray(loaded(saved(room, "Mask", tmp_path / "drawn.nii.gz")).dataobj)
    assert int((made > 0).sum()) == drawn
    room.set_viewport_size({"width": 1440, "height": 900})
    assert misplaced(room) == []
    assert Axe().run(room).response["violations"] == []


PHONE = {"path": "/zh?b=skip%3Dadd", "viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


@pytest.mark.parametrize("look", [PHONE, PHONE | {"path": "/"}])
def test_on_a_phone_a_volume_stands_within_the_screen(room: Page, tmp_path: Path) -> None:
    given(room, phantom(tmp_path / "phantom.nii.gz", "LPS"))
    is_shown(room)
    assert misplaced(room) == []
    assert room.evaluate("document.documentElement.scrollWidth") == 390
    edge = "document.querySelector('{}').getBoundingClientRect().right"
    assert room.evaluate(edge.format(".volume-room .method")) <= room.evaluate(edge.format(".volume-room"))
    is_as_in_the_patient(room)


@pytest.mark.long
@pytest.mark.parametrize("look", [PHONE])
def test_two_designs_are_laid_over_each_other_on_a_phone_in_chinese(room: Page) -> None:
    example(room)
    tool(room, "axial").click()
    segment(room)
    expect(room.locator("#room-volume section.reading")).to_have_count(2)
    tool(room, "B").click()
    second = asked(room, "[...viewer.drawBitmap]")
    tool(room, "A").click()
    first = asked(room, "[...viewer.drawBitmap]")
    tool(room, "difference").click()
    expect(room.locator(".volume .key")).to_have_count(4)
    expect(room.locator(".volume .key").nth(1)).to_have_text("仅 A")
    a, b, both = (np.array(one) for one in (first, second, asked(room, "[...viewer.drawBitmap]")))
    assert np.array_equal(both, np.select([(a == b) & (a > 0), (a > 0) & (b == 0), (b > 0) & (a == 0)], [1, 2, 3], 0))
    assert 0 < (both > 1).sum() < (both == 1).sum()
    expect(tool(room, "brush")).to_be_disabled()
    assert misplaced(room) == []
    assert Axe().run(room).response["violations"] == []


@pytest.mark.skipif("UNET_PLAYGROUND_DATA" not in os.environ, reason="UNET_PLAYGROUND_DATA names no folder")
@pytest.mark.parametrize("look", [SMALL])
@pytest.mark.parametrize("name", ["ct_dicom_j2k", "example_ct.nii.gz"])
def test_a_real_ct_goes_through_from_file_to_file(room: Page, tmp_path: Path, name: str) -> None:
    given_as = Path(os.environ["UNET_PLAYGROUND_DATA"]) / "volumes" / name
    files = sorted(given_as.iterdir()) if given_as.is_dir() else [given_as]
    given(room, *files)
    is_shown(room)
    assert pixels(room, AXIAL).std() > 30
    tool(room, "axial").click()
    segment(room)
    assert millilitres(room) > 0
    made = loaded(saved(room, "Mask", tmp_path / "mask.nii.gz"))
    volume = open_volume(files)
    assert np.array_equal(made.affine, volume.affine) and made.shape == volume.values.shape
    assert int((np.asanyarray(made.dataobj) > 0).sum()) == painted(room)
    if len(files) > 1:
        with room.expect_download(timeout=PATIENCE) as found:
            room.locator("#room-volume .files input[type=file]").set_input_files(files)
        found.value.save_as(tmp_path / "mask.dcm")
        assert pydicom.dcmread(tmp_path / "mask.dcm").Modality == "SEG"


def test_a_public_page_takes_one_file(drawing: Browser, address: str, tmp_path: Path) -> None:
    page = drawing.new_page(viewport=SMALL["viewport"])
    page.goto(address)
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=volume]").click()
    expect(page.get_by_text("a DICOM series as one ZIP")).to_be_visible()
    assert page.locator("#room-volume input[type=file]").first.get_attribute("multiple") is None
    given(page, phantom(tmp_path / "a.nii.gz", "RAS"))
    is_shown(page)
    page.close()
