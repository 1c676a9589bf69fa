"""What the browser tests do in the room Volume, and what they see there: planes, marks, masks, numbers."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.looking import PATIENCE

AXIAL, CORONAL, SAGITTAL = range(3)


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
    left, top, width, height = asked(page, f"[...{found}].map((one) => one / viewer.uiData.dpr)", plane)
    return {"x": left, "y": top, "width": width, "height": height}


def pixels(page: Page, plane: int) -> NDArray[np.int64]:
    """What is drawn of a plane, red, green and blue together (rows, columns), without the border with its marks."""
    drawn = asked(page, "(viewer.drawScene(), viewer.canvas.toDataURL())")
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn.partition(",")[2]))).convert("RGB"), np.int64)
    left, top, width, height = (round(one) for one in tile(page, plane).values())
    rows, columns = max(1, height // 12), max(1, width // 12)
    return seen[top + rows : top + height - rows, left + columns : left + width - columns].sum(axis=2)


def drag(page: Page, plane: int, *places: tuple[float, float]) -> None:
    """Drag in a plane from place to place, given as shares of its width and height."""
    canvas, place = page.locator(".volume canvas"), tile(page, plane)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    first, *others = (
        (box["x"] + place["x"] + one[0] * place["width"], box["y"] + place["y"] + one[1] * place["height"])
        for one in places
    )
    page.mouse.move(*first)
    page.mouse.down()
    for one in others:
        page.mouse.move(*one, steps=3)
    page.mouse.up()


def tool(page: Page, id: str) -> Locator:
    """One of the buttons that say what the mouse does."""
    return page.locator(f".volume button[data-id={id}]")


def asked(page: Page, expression: str, plane: int = 0) -> Any:
    return page.evaluate(
        f"(plane) => {{ const viewer = document.querySelector('.volume').niivue; return {expression}; }}", plane
    )


def painted(page: Page) -> int:
    return asked(page, "viewer.drawBitmap.reduce((sum, one) => sum + (one > 0), 0)")


def phantom(path: Path, codes: str) -> Path:
    """The patient of `turned` as a file."""
    nibabel.save(turned(codes), path)
    return path


def turned(codes: str) -> Any:
    """A dark box whose bright corner lies towards the patient's left, front and head, its axes in another order."""
    values = np.zeros((40, 48, 32), np.float32)
    values[4:36, 4:44, 4:28] = 50
    values[6:14, 32:42, 18:26] = 400
    affine = np.diag([2.0, 2.0, 2.5, 1.0])
    affine[:3, 3] = -40, -48, -40
    image: Any = nibabel.Nifti1Image(values, affine)
    order = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    return image.as_reoriented(order)


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


def marks(page: Page, plane: int) -> dict[str, str]:
    """The letters that NiiVue writes at the four sides of a plane, as it writes them."""
    said, tiles = asked(page, SPY)
    left, top, width, height = next(one[1:] for one in tiles if one[0] == plane)
    sides = {"left": (0, 0.5), "right": (1, 0.5), "top": (0.5, 0), "bottom": (0.5, 1)}
    places = [((x - left) / width, (y - top) / height, text) for x, y, text in said]
    inside = [one for one in places if -0.01 < one[0] < 1 and -0.01 < one[1] < 1]
    return {
        side: min(inside, key=lambda one: (one[0] - place[0]) ** 2 + (one[1] - place[1]) ** 2)[2]
        for side, place in sides.items()
    }


def millilitres(page: Page) -> float:
    """The volume of the first class in the table."""
    cells = page.locator("#room-volume section.reading tbody tr").first.locator("td").all_text_contents()
    return next(float(cell.removesuffix(" ml")) for cell in cells if cell.endswith(" ml"))


def saved(page: Page, name: str, path: Path) -> Path:
    """What a button of the room has the browser save."""
    with page.expect_download(timeout=PATIENCE) as found:
        page.locator("#room-volume .files").get_by_role("button", name=re.compile(name)).click()
    found.value.save_as(path)
    return path


def numbers(said: Locator) -> list[float]:
    return [float(one) for one in re.findall(r"[\d.]+", said.inner_text())]


def loaded(path: Path) -> Any:
    return nibabel.load(path)


def centre(seen: NDArray[np.int64]) -> tuple[float, float]:
    """(row, column) of what is brightest, as shares."""
    rows, columns = np.nonzero(seen > 600)
    return float(rows.mean() / seen.shape[0]), float(columns.mean() / seen.shape[1])


def is_as_in_the_patient(page: Page) -> None:
    """The bright corner stands where the patient's left, front and head are, and so do the letters."""
    asked(page, "(viewer.scene.crosshairPos = viewer.vox2frac([10, 37, 22]), viewer.opts.crosshairWidth = 0)")
    sides = {AXIAL: "RLAP", CORONAL: "RLSI", SAGITTAL: "PASI"}
    for plane, letters in sides.items():
        up, across = centre(pixels(page, plane))
        assert up < 0.5 < across
        assert "".join(marks(page, plane)[side] for side in ("left", "right", "top", "bottom")) == letters
