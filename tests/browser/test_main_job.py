"""A visitor does the main job in headless Chromium against the real app."""

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.app import chromium, started
from unet_playground import Design, UNet
from unet_playground.weights import Card, checkpoint_root, write

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]

PATIENCE = 60_000
VIEWS = ("prediction", "attention", "field", "attribution")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the repository's bank for nuclei, random weights for hippocampus, and none for liver."""
    root = tmp_path_factory.mktemp("checkpoints")
    (root / "nuclei").symlink_to(checkpoint_root() / "nuclei")
    card = Card(task="hippocampus", design=Design().to_json(), shared=False)
    write(root / "hippocampus" / "classic", UNet(Design(), 1, 3).state_dict(), card)
    with started(checkpoints=root) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def path() -> str:
    """What is opened: the English page, unless a test says otherwise."""
    return "/"


@pytest.fixture
def page(browser: Browser, address: str, path: str) -> Iterator[Page]:
    """An open page whose first mask is there; afterwards nothing was wrong in it and nothing left this machine."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    foreign: list[str] = []
    page.on("request", lambda request: None if _is_own(request.url) else foreign.append(request.url))
    page.goto(address + path)
    expect(page.locator("#prediction img")).to_be_visible(timeout=PATIENCE)
    yield page
    page.close()
    assert faults == []
    assert foreign == []


def _is_own(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def _all_views_are_done(page: Page) -> None:
    for view in VIEWS:
        expect(page.locator(f"#{view} img")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#attribution-check")).to_contain_text(re.compile(r"^(?!Coarse).*steps"), timeout=PATIENCE)


def _choose(page: Page, slot: str, title: str) -> None:
    before = page.locator("#link textarea").input_value()
    page.locator(f"#slot-{slot} label").get_by_text(title, exact=True).click()
    expect(page.locator("#link textarea")).not_to_have_value(before, timeout=PATIENCE)


def test_choosing_parts_gives_four_pictures_from_trained_weights(page: Page) -> None:
    _all_views_are_done(page)
    expect(page.locator("#prediction-check")).to_contain_text(re.compile(r"Dice 0\.[6-9]"))
    _choose(page, "skip", "Attention gate")
    _choose(page, "attention", "CBAM")
    _choose(page, "up", "Deformable")
    _all_views_are_done(page)
    expect(page.locator("#link textarea")).to_have_value(
        "down=max-pool&block=plain&skip=attention-gate&attention=cbam&site=skip&up=deformable&depth=4&width=16&dims=2"
    )
    expect(page.locator("#weights")).to_contain_text("Shared weights")
    expect(page.locator("#attention-check")).to_contain_text("Dice")
    expect(page.locator("#cost")).to_contain_text("whole image", timeout=PATIENCE)


def test_a_clicked_pixel_re_aims_the_pictures(page: Page) -> None:
    _all_views_are_done(page)
    image = page.locator("#prediction img")
    box = image.bounding_box()
    assert box is not None
    image.click(position={"x": box["width"] / 2, "y": box["height"] / 3})
    expect(page.locator("#prediction-check")).to_contain_text("with probability", timeout=PATIENCE)
    row, column = map(int, re.findall(r"Row (\d+), column (\d+)", page.locator("#prediction-check").inner_text())[0])
    assert abs(column - 128) <= 4
    assert 50 <= row <= 120
    _all_views_are_done(page)


def test_an_uploaded_image_is_segmented_at_its_own_size(page: Page, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:97, :131]
    disc = (np.hypot(rows - 48, columns - 60) < 20).astype(np.uint16) * 30000 + 1000
    cv2.imwrite(str(tmp_path / "disc.png"), disc)
    page.locator("input[type=file]").first.set_input_files(tmp_path / "disc.png")
    expect(page.locator("#about")).to_contain_text("131 × 97 px", timeout=PATIENCE)
    size = page.locator("#prediction img").evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert size == [131, 97]


def test_a_wrong_file_gets_one_sentence_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "picture.png"
    wrong.write_text("this is no picture")
    page.locator("input[type=file]").first.set_input_files(wrong)
    expect(page.locator("#message")).to_contain_text("Nothing was kept", timeout=PATIENCE)
    assert str(tmp_path) not in page.locator("#message").inner_text()
    _choose(page, "skip", "Addition")
    expect(page.locator("#message .message")).to_have_count(0)
    _all_views_are_done(page)


def test_an_illegal_choice_says_why_and_changes_nothing(page: Page) -> None:
    _choose(page, "attention", "CBAM")
    page.locator("#slot-skip label").get_by_text("None", exact=True).click()
    expect(page.locator("#message")).to_contain_text("lets nothing cross", timeout=PATIENCE)
    expect(page.locator("#slot-skip input[value=concat]")).to_be_checked()
    expect(page.locator("#link textarea")).to_have_value(re.compile("skip=concat&attention=cbam"))


def test_full_resolution_leaves_up_empty_and_says_why(page: Page) -> None:
    page.locator("#slot-down input[value=none]").click()
    expect(page.locator("#link textarea")).to_have_value(re.compile("down=none.*up=none"), timeout=PATIENCE)
    expect(page.locator("#slot-up input:checked")).to_have_count(0)
    expect(page.locator("#slot-up input").first).to_be_disabled()
    expect(page.locator("#designer")).to_contain_text("Nothing to get back")
    expect(page.locator("#cost")).to_contain_text("1.06×", timeout=PATIENCE)
    _all_views_are_done(page)
    page.locator("#slot-down input[value=avg-pool]").click()
    expect(page.locator("#slot-up input[value=transposed]")).to_be_checked(timeout=PATIENCE)
    expect(page.locator("#slot-up input").first).to_be_enabled()


def test_the_cost_stands_stage_by_stage_and_the_authors_count_beside_a_preset(page: Page) -> None:
    page.locator(".stages summary").click()
    expect(page.locator(".stages")).to_contain_text("decoder.0")
    expect(page.locator(".stages")).to_contain_text("885,248")
    page.locator("#preset-line summary").click()
    expect(page.locator("#preset-line")).to_contain_text("7,759,521")
    _choose(page, "skip", "Dense")
    _choose(page, "block", "Residual")
    expect(page.locator("#preset-line")).to_contain_text("A design of your own", timeout=PATIENCE)


@pytest.mark.parametrize("path", ["/?block=multi-scale&skip=full-scale&up=deformable&attention=cbam&site=fused"])
def test_a_slow_design_says_so(page: Page) -> None:
    expect(page.locator("#cost .slow")).to_contain_text("times as long as the classic", timeout=PATIENCE)


def test_a_link_sets_every_control_and_a_wrong_one_is_refused(page: Page) -> None:
    link = page.locator("#link textarea")
    link.fill("skip=dense&up=bilinear/bilinear/deformable/deformable")
    link.press("Enter")
    expect(page.locator("#slot-skip input[value=dense]")).to_be_checked(timeout=PATIENCE)
    expect(page.locator("#slot-up input:checked")).to_have_count(0)
    link.fill("skip=telepathy")
    link.press("Enter")
    expect(page.locator("#message")).to_contain_text('Unknown skip "telepathy"', timeout=PATIENCE)


@pytest.mark.parametrize("path", ["/?skip=add&up=teleport"])
def test_an_address_opens_its_design_and_reports_what_it_cannot_understand(page: Page) -> None:
    expect(page.locator("#slot-skip input[value=add]")).to_be_checked(timeout=PATIENCE)
    expect(page.locator("#message")).to_contain_text('Unknown up "teleport"', timeout=PATIENCE)


def test_an_untrained_design_shows_cost_only_and_says_so(page: Page) -> None:
    link = page.locator("#link textarea")
    link.fill("width=8")
    link.press("Enter")
    expect(page.locator("#weights")).to_contain_text("Untrained weights", timeout=PATIENCE)
    expect(page.locator("#prediction img")).to_have_count(0)
    expect(page.locator("#cost")).to_contain_text("0.25×", timeout=PATIENCE)


@pytest.mark.parametrize("path", ["/zh"])
def test_the_chinese_page_does_the_same_job(page: Page) -> None:
    expect(page.locator("#prediction-check")).to_contain_text("此图 Dice", timeout=PATIENCE)
    expect(page.locator("#notice")).to_contain_text("不得用于诊断")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_is_cut_and_nothing_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_timeout(300)
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    for view in VIEWS:
        box = page.locator(f"#view-{view}").bounding_box()
        assert box is not None
        assert box["width"] >= 200
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    expect(page.locator(".notice")).to_be_in_viewport()


def test_hasty_choices_end_in_the_last_design_with_all_its_pictures(page: Page) -> None:
    for title in ("Addition", "Dense", "Concatenation", "Attention gate"):
        page.locator("#slot-skip label").get_by_text(title, exact=True).click()
    expect(page.locator("#link textarea")).to_have_value(re.compile("skip=attention-gate"), timeout=PATIENCE)
    _all_views_are_done(page)
    expect(page.locator("#attention-check")).to_contain_text("gate.", timeout=PATIENCE)
    expect(page.locator("#slot-skip input[value=attention-gate]")).to_be_checked()


def _titles(page: Page, group: str) -> list[str]:
    return [text.strip() for text in page.locator(f"#{group} label").all_inner_texts()]


def test_a_task_brings_its_own_examples_and_classes(page: Page) -> None:
    page.locator("#task input[value=hippocampus]").click()
    expect(page.locator("#about")).to_contain_text("Side view, 50 × 35 px", timeout=PATIENCE)
    assert _titles(page, "example") == ["Side view", "Front", "Middle"]
    expect(page.locator("#legend li")).to_have_text(["1anterior", "2posterior"])
    colors = page.locator("#legend i").evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
    assert len(set(colors)) == 2
    image = page.locator("#prediction img")
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [50, 35]
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    box = image.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 200
    page.locator("#class label").get_by_text("2 posterior", exact=True).click()
    expect(page.locator("#attribution-check")).to_contain_text(
        re.compile("steps|no pixel of this class"), timeout=PATIENCE
    )
    page.locator("#example label").get_by_text("Front", exact=True).click()
    expect(page.locator("#about")).to_contain_text("Front, 36 × 35 px", timeout=PATIENCE)
    expect(page.locator("#class input[value='2']")).to_be_checked()
    expect(page).to_have_url(re.compile(r"\?task=hippocampus&example=front&weights=auto&down=max-pool"))
    expect(page.locator("#header a")).to_have_attribute("href", re.compile("zh.*task=hippocampus&example=front"))
    page.locator("#task input[value=nuclei]").click()
    expect(page.locator("#legend li")).to_have_text(["nucleus"], timeout=PATIENCE)
    expect(page.locator("#class")).to_be_hidden()
    assert _titles(page, "example") == ["Fluorescence", "Bright beside dim", "Stained tissue"]


def test_a_task_without_weights_and_weights_that_do_not_exist_say_so(page: Page) -> None:
    _choose(page, "skip", "Dense")
    page.locator("#weights-choice input[value=solo]").click()
    expect(page.locator("#weights")).to_contain_text("has not been trained alone. Shared weights", timeout=PATIENCE)
    expect(page.locator("#prediction img")).to_be_visible()
    page.locator("#task input[value=liver]").click()
    expect(page.locator("#weights")).to_contain_text("for this task yet", timeout=PATIENCE)
    expect(page.locator("#weights-choice input[value=solo]")).to_be_checked()
    expect(page.locator("#prediction img")).to_have_count(0)
    expect(page.locator("#about")).to_contain_text("Upper abdomen")


@pytest.mark.parametrize("path", ["/zh?task=hippocampus&example=middle&weights=shared&colour=red"])
def test_an_address_names_task_example_and_weights(page: Page) -> None:
    expect(page.locator("#about")).to_contain_text("中段，36 × 35 像素", timeout=PATIENCE)
    expect(page.locator("#task input[value=hippocampus]")).to_be_checked()
    expect(page.locator("#example input[value=middle]")).to_be_checked()
    expect(page.locator("#weights-choice input[value=shared]")).to_be_checked()
    expect(page.locator("#weights")).to_contain_text("没有共享权重")
    expect(page.locator("#weights")).to_contain_text("独立权重")
    expect(page.locator("#message")).to_contain_text("colour")
    expect(page.locator("#legend li").first).to_contain_text("前部")
