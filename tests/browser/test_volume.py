"""The room Volume in headless Chromium, which draws WebGL in software: planes, sides, masks, corrections, exports."""

import base64
import io
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
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.browser.app import chromium, started
from tests.browser.looking import PATIENCE, is_own, misplaced
from unet_playground.images.volumes import open_volume
from unet_playground.phantoms.trunk import SPACING, trunk
from unet_playground.weights import checkpoint_root

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
AXIAL, CORONAL, SAGITTAL = range(3)
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
    page.on("console", lambda one: faults.append(one.text) if one.type == "error" else None)
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


def is_shown(page: Page) -> None:
    """Wait until a volume is drawn."""
    expect(page.locator(".volume")).to_have_attribute("data-state", "shown", timeout=PATIENCE)


def example(page: Page) -> None:
    """Open the trunk that is drawn by code."""
    page.locator("#room-volume .controls button").nth(1).click()
    is_shown(page)


def given(page: Page, *files: Path) -> None:
    """Upload files."""
    page.locator("#room-volume input[type=file]").first.set_input_files([*files])


def segment(page: Page) -> None:
    """Let the present designs read the volume."""
    page.locator("#room-volume button.primary").click()
    is_read(page)


def is_read(page: Page) -> None:
    """Wait until masks are drawn and measured."""
    expect(page.locator("#room-volume .reading").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".volume .key").first).to_be_visible()


def tile(page: Page, plane: int) -> dict[str, float]:
    """Where a plane is drawn on the canvas, in CSS pixels."""
    found = "viewer.screenSlices.find((one) => one.axCorSag === plane).leftTopWidthHeight"
    left, top, width, height = _asked(page, f"[...{found}].map((one) => one / viewer.uiData.dpr)", plane)
    return {"x": left, "y": top, "width": width, "height": height}


def pixels(page: Page, plane: int) -> NDArray[np.int64]:
    """What is drawn of a plane, red, green and blue together (rows, columns), without the border with its marks."""
    drawn = _asked(page, "(viewer.drawScene(), viewer.canvas.toDataURL())")
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn.partition(",")[2]))).convert("RGB"), np.int64)
    left, top, width, height = (round(one) for one in tile(page, plane).values())
    rows, columns = max(1, height // 12), max(1, width // 12)
    return seen[top + rows : top + height - rows, left + columns : left + width - columns].sum(axis=2)


def drag(page: Page, plane: int, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag in a plane between two places, as shares of its width and height."""
    canvas, place = page.locator(".volume canvas"), tile(page, plane)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    (x, y), (to_x, to_y) = (
        (box["x"] + place["x"] + one[0] * place["width"], box["y"] + place["y"] + one[1] * place["height"])
        for one in (start, end)
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move((x + to_x) / 2, (y + to_y) / 2, steps=4)
    page.mouse.move(to_x, to_y, steps=4)
    page.mouse.up()


def tool(page: Page, id: str) -> Locator:
    """One of the buttons that say what the mouse does."""
    return page.locator(f".volume button[data-id={id}]")


def _asked(page: Page, expression: str, plane: int = 0) -> Any:
    return page.evaluate(
        f"(plane) => {{ const viewer = document.querySelector('.volume').niivue; return {expression}; }}", plane
    )


def _painted(page: Page) -> int:
    return _asked(page, "viewer.drawBitmap.reduce((sum, one) => sum + (one > 0), 0)")


def _phantom(path: Path, codes: str) -> Path:
    """A dark box whose bright corner lies towards the patient's left, front and head, its axes in another order."""
    values = np.zeros((40, 48, 32), np.float32)
    values[4:36, 4:44, 4:28] = 50
    values[6:14, 32:42, 18:26] = 400
    affine = np.diag([2.0, 2.0, 2.5, 1.0])
    affine[:3, 3] = -40, -48, -40
    image: Any = nibabel.Nifti1Image(values, affine)
    turned = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    nibabel.save(image.as_reoriented(turned), path)
    return path


SPY = """(() => {
  const said = [], own = viewer.drawText;
  viewer.drawText = function (place, text, ...more) {
    said.push([place[0], place[1], text]);
    own.call(this, place, text, ...more);
  };
  viewer.drawScene();
  delete viewer.drawText;
  const planes = viewer.screenSlices.filter((one) => one.axCorSag <= 2);
  return [said, planes.map((one) => [one.axCorSag, ...one.leftTopWidthHeight])];
})()"""
"""What NiiVue writes into the picture and where, and where its planes are."""


def _marks(page: Page, plane: int) -> dict[str, str]:
    """The letters that NiiVue writes at the four sides of a plane, as it writes them."""
    said, tiles = _asked(page, SPY)
    left, top, width, height = next(one[1:] for one in tiles if one[0] == plane)
    sides = {"left": (0, 0.5), "right": (1, 0.5), "top": (0.5, 0), "bottom": (0.5, 1)}
    places = [((x - left) / width, (y - top) / height, text) for x, y, text in said]
    inside = [one for one in places if -0.01 < one[0] < 1 and -0.01 < one[1] < 1]
    return {
        side: min(inside, key=lambda one: (one[0] - place[0]) ** 2 + (one[1] - place[1]) ** 2)[2]
        for side, place in sides.items()
    }


def _millilitres(page: Page) -> float:
    """The volume of the first class in the table."""
    cells = page.locator("#room-volume section.reading tbody tr").first.locator("td").all_text_contents()
    return next(float(cell.removesuffix(" ml")) for cell in cells if cell.endswith(" ml"))


def _saved(page: Page, name: str, path: Path) -> Path:
    """What a button of the room has the browser save."""
    with page.expect_download(timeout=PATIENCE) as found:
        page.locator("#room-volume .files").get_by_role("button", name=re.compile(name)).click()
    found.value.save_as(path)
    return path


def _loaded(path: Path) -> Any:
    return nibabel.load(path)


def _centre(seen: NDArray[np.int64]) -> tuple[float, float]:
    """(row, column) of what is brightest, as shares."""
    rows, columns = np.nonzero(seen > 600)
    return float(rows.mean() / seen.shape[0]), float(columns.mean() / seen.shape[1])


SMALL = {"path": "/", "viewport": {"width": 1024, "height": 720}}


@pytest.mark.parametrize("look", [SMALL])
@pytest.mark.parametrize("codes", ["RAS", "SLA"])
def test_left_is_left_whatever_order_the_axes_of_the_file_have(room: Page, tmp_path: Path, codes: str) -> None:
    given(room, _phantom(tmp_path / "phantom.nii.gz", codes))
    is_shown(room)
    _asked(room, "(viewer.scene.crosshairPos = viewer.vox2frac([10, 37, 22]), viewer.opts.crosshairWidth = 0)")
    up, across = _centre(pixels(room, AXIAL))
    assert up < 0.5 < across  # front is up, the patient's left is on the right
    up, across = _centre(pixels(room, CORONAL))
    assert up < 0.5 < across
    assert _marks(room, AXIAL) == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert _marks(room, CORONAL) == {"left": "R", "right": "L", "top": "S", "bottom": "I"}
    room.locator(".volume .convention input").uncheck()
    up, across = _centre(pixels(room, AXIAL))
    assert across < 0.5
    assert _marks(room, AXIAL) == {"left": "L", "right": "R", "top": "A", "bottom": "P"}


@pytest.mark.parametrize("look", [SMALL])
def test_lengths_areas_values_and_keys(room: Page, tmp_path: Path) -> None:
    given(room, _phantom(tmp_path / "phantom.nii.gz", "LPS"))
    is_shown(room)
    tool(room, "distance").click()
    drag(room, AXIAL, (0.25, 0.5), (0.75, 0.5))
    said = room.locator(".volume > .measured")
    expect(said).to_have_text(re.compile(r"^Distance: \d+\.\d mm$"))
    assert float(re.findall(r"[\d.]+", said.inner_text())[0]) == pytest.approx(40, abs=1)  # half of 40 voxels of 2 mm
    tool(room, "area").click()
    drag(room, AXIAL, (0.25, 0.25), (0.75, 0.75))
    expect(said).to_contain_text("mm²")
    across, down, area = (float(one) for one in re.findall(r"[\d.]+", said.inner_text())[:3])
    assert (across, down) == pytest.approx((40, 48), abs=3) and area == pytest.approx(across * down, abs=1)
    tool(room, "look").click()
    place, box = tile(room, AXIAL), room.locator(".volume canvas").bounding_box()
    assert box
    _asked(room, "(viewer.scene.crosshairPos = viewer.vox2frac([10, 37, 22]), viewer.drawScene())")
    room.mouse.move(box["x"] + place["x"] + place["width"] * 0.75, box["y"] + place["y"] + place["height"] * 0.22)
    expect(room.locator(".volume .pointed")).to_contain_text("400")
    expect(room.locator(".volume .pointed")).to_contain_text(re.compile("^L .* mm"))
    room.locator(".volume canvas").focus()
    before = _asked(room, "[...viewer.frac2vox(viewer.scene.crosshairPos)]")
    room.keyboard.press("ArrowUp")
    room.keyboard.press("ArrowRight")
    after = _asked(room, "[...viewer.frac2vox(viewer.scene.crosshairPos)]")
    assert [one - other for one, other in zip(after, before, strict=True)] == [-1, 0, 1]  # the patient's left, the head
    room.keyboard.press("v")
    expect(tool(room, "axial")).to_have_attribute("aria-pressed", "true")
    expect(room.locator("#room-volume")).to_be_visible()


@pytest.mark.parametrize("look", [SMALL])
def test_what_is_not_known_of_a_file_is_said_and_what_is_no_volume_refused(room: Page, tmp_path: Path) -> None:
    (tmp_path / "note.nii.gz").write_text("no volume")
    given(room, tmp_path / "note.nii.gz")
    expect(room.locator("#room-volume [role=alert].message")).to_have_text(re.compile(r"^[^.]+\..*Nothing was kept\.$"))
    expect(room.locator(".volume .stage")).to_be_hidden()
    image = _loaded(_phantom(tmp_path / "phantom.nii.gz", "RAS"))
    image.header.set_sform(None, 0)
    image.header.set_qform(None, 0)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), None, image.header), tmp_path / "lost.nii.gz")
    given(room, tmp_path / "lost.nii.gz")
    is_shown(room)
    expect(room.locator(".volume .notes")).to_contain_text("left and right are not marked")
    assert _asked(room, "viewer.opts.isOrientationTextVisible") is False


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
    whole, volume = _painted(room), _millilitres(room)
    tool(room, "brush").click()
    drag(room, AXIAL, (0.7, 0.4), (0.8, 0.4))
    more = _painted(room)
    assert more > whole
    room.locator(".volume").get_by_role("button", name="Undo").click()
    assert _painted(room) == whole
    tool(room, "erase").click()
    drag(room, AXIAL, (0.3, 0.5), (0.4, 0.5))
    left = _painted(room)
    assert left < whole
    room.locator(".volume .send").click()
    expect(room.locator("#room-volume .reading")).to_contain_text("corrected by hand")
    assert _millilitres(room) == pytest.approx(volume * left / whole, rel=0.01)
    home = _saved(room, "Mask", tmp_path / "mask.nii.gz")
    made, (source, _) = _loaded(home), trunk()
    assert np.array_equal(made.affine, np.diag([SPACING, SPACING, SPACING, 1])) and made.shape == source.shape
    assert int((np.asanyarray(made.dataobj) > 0).sum()) == left
    page = _saved(room, "Report", tmp_path / "report.html").read_text("utf-8")
    assert "not for diagnosis" in page and "by hand" in page and 'src="http' not in page
    room.set_viewport_size({"width": 1440, "height": 900})
    assert misplaced(room) == []
    assert Axe().run(room).response["violations"] == []


PHONE = {"path": "/zh?b=skip%3Dadd", "viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


@pytest.mark.long
@pytest.mark.parametrize("look", [PHONE])
def test_two_designs_are_laid_over_each_other_on_a_phone_in_chinese(room: Page) -> None:
    example(room)
    tool(room, "axial").click()
    segment(room)
    expect(room.locator("#room-volume section.reading")).to_have_count(2)
    tool(room, "B").click()
    second = _asked(room, "[...viewer.drawBitmap]")
    tool(room, "A").click()
    first = _asked(room, "[...viewer.drawBitmap]")
    tool(room, "difference").click()
    expect(room.locator(".volume .key")).to_have_count(4)
    expect(room.locator(".volume .key").nth(1)).to_have_text("仅 A")
    a, b, both = (np.array(one) for one in (first, second, _asked(room, "[...viewer.drawBitmap]")))
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
    assert _millilitres(room) > 0
    made = _loaded(_saved(room, "Mask", tmp_path / "mask.nii.gz"))
    volume = open_volume(files)
    assert np.array_equal(made.affine, volume.affine) and made.shape == volume.values.shape
    assert int((np.asanyarray(made.dataobj) > 0).sum()) == _painted(room)
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
    given(page, _phantom(tmp_path / "a.nii.gz", "RAS"), _phantom(tmp_path / "b.nii.gz", "LPS"))
    expect(page.get_by_text("more files than 1")).to_be_visible()
    page.close()
