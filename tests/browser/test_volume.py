"""The room Volume in headless Chromium, which draws WebGL in software: planes, sides, masks, corrections, exports."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.app import chromium, started
from tests.browser.looking import PATIENCE, is_own, misplaced
from unet_playground.ui.study import EXAMPLE
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
def drawing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
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
    path = look.pop("path")
    page = drawing.new_page(**look)
    faults: list[str] = []
    page.on("console", lambda one: faults.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda one: None if is_own(one.url) else faults.append(one.url))
    page.goto(local + path)
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
    """Open the shipped CT."""
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
    """What is drawn of a plane, gray (rows, columns), without its borders, where marks stand."""
    box, place = page.locator(".volume canvas").bounding_box(), tile(page, plane)
    assert box
    clip = {**place, "x": box["x"] + place["x"], "y": box["y"] + place["y"]}
    seen = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"), np.int64)
    rows, columns = (max(1, side // 12) for side in seen.shape[:2])
    return seen[rows:-rows, columns:-columns].sum(axis=2)


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
    image = nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 2.5, 1.0]))
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
    inside = [((x - left) / width, (y - top) / height, text) for x, y, text in said]
    return {
        side: min(inside, key=lambda one: (one[0] - place[0]) ** 2 + (one[1] - place[1]) ** 2)[2]
        for side, place in sides.items()
    }


def _millilitres(page: Page) -> float:
    """The volume of the first class in the table."""
    cells = page.locator("#room-volume section.reading tbody tr").first.locator("td").all_text_contents()
    heads = page.locator("#room-volume section.reading thead th").all_text_contents()
    return float(cells[next(at for at, head in enumerate(heads) if "ml" in head)])


def _saved(page: Page, name: str, path: Path) -> Path:
    """What a button of the room has the browser save."""
    with page.expect_download(timeout=PATIENCE) as found:
        page.locator("#room-volume .files").get_by_role("button", name=re.compile(name)).click()
    found.value.save_as(path)
    return path


def _centre(seen: NDArray[np.int64]) -> tuple[float, float]:
    """(row, column) of what is brightest, as shares."""
    rows, columns = np.nonzero(seen > 600)
    return float(rows.mean() / seen.shape[0]), float(columns.mean() / seen.shape[1])


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SLA"])
def test_left_is_left_whatever_order_the_axes_of_the_file_have(room: Page, tmp_path: Path, codes: str) -> None:
    given(room, _phantom(tmp_path / "phantom.nii.gz", codes))
    is_shown(room)
    _asked(room, "viewer.opts.crosshairWidth = 0")
    _asked(room, "(viewer.scene.crosshairPos = viewer.vox2frac([10, 37, 22]), viewer.drawScene())")
    up, across = _centre(pixels(room, AXIAL))
    assert up < 0.5 < across  # front is up, the patient's left is on the right
    up, across = _centre(pixels(room, CORONAL))
    assert up < 0.5 < across
    assert _marks(room, AXIAL) == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    room.locator(".volume .convention input").uncheck()
    up, across = _centre(pixels(room, AXIAL))
    assert across < 0.5
    assert _marks(room, AXIAL) == {"left": "L", "right": "R", "top": "A", "bottom": "P"}


def test_a_volume_is_segmented_looked_at_corrected_measured_and_taken_home(room: Page, tmp_path: Path) -> None:
    example(room)
    bare = {plane: pixels(room, plane) for plane in (AXIAL, CORONAL, SAGITTAL)}
    assert all(seen.std() > 30 for seen in bare.values())
    room.locator("#room-volume button.primary").click()
    expect(room.locator("#room-volume progress")).to_be_visible()
    is_read(room)
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
    drag(room, AXIAL, (0.2, 0.5), (0.3, 0.5))
    left = _painted(room)
    assert left < whole
    room.locator(".volume .send").click()
    expect(room.locator("#room-volume .reading")).to_contain_text("corrected by hand")
    assert _millilitres(room) == pytest.approx(volume * left / whole, rel=0.01)
    home = _saved(room, "Mask", tmp_path / "mask.nii.gz")
    made, source = nibabel.load(home), nibabel.load(EXAMPLE)
    assert np.array_equal(made.affine, source.affine) and made.shape == source.shape
    assert int((np.asanyarray(made.dataobj) > 0).sum()) == left
    assert misplaced(room) == []
    assert Axe().run(room).response["violations"] == []
