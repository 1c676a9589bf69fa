"""A visitor does the main job in headless Chromium against the real app."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.browser.app import chromium, started
from unet_playground import Design, UNet
from unet_playground.weights import Card, checkpoint_root, write

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]

PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)
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
    expect(_pane(page, "prediction")).to_have_attribute("data-state", re.compile("done|refused"))
    yield page
    page.close()
    assert faults == []
    assert foreign == []


def _is_own(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def _pane(page: Page, name: str) -> Locator:
    return page.locator(f"#{name} .pane")


def _line(page: Page, name: str) -> Locator:
    return page.locator(f"#{name} .pane > .line")


def _slot(page: Page, slot: str) -> Locator:
    return page.locator(f"#designer [data-slot={slot}]")


def _option(page: Page, slot: str, id: str) -> Locator:
    return _slot(page, slot).locator(f"[data-id={id}]")


def _all_views_are_done(page: Page) -> None:
    for view in VIEWS:
        expect(_pane(page, view)).to_have_attribute("data-state", "done")
    assert not page.locator("body.stale").count()


def _choose(page: Page, slot: str, id: str) -> None:
    _option(page, slot, id).click()
    expect(page).to_have_url(re.compile(rf"[?&]{slot}={id}(&|$)"))


def _follow(page: Page, link: str) -> None:
    box = page.locator("#link textarea")
    box.fill(link)
    box.press("Enter")


def test_choosing_parts_gives_four_pictures_from_trained_weights(page: Page) -> None:
    expect(_line(page, "prediction")).to_contain_text(re.compile(r"Dice 0\.[6-9]"))
    _choose(page, "skip", "attention-gate")
    _choose(page, "attention", "cbam")
    _choose(page, "up", "deformable")
    _all_views_are_done(page)
    expect(page.locator("#link textarea")).to_have_value(
        "down=max-pool&block=plain&skip=attention-gate&attention=cbam&site=skip&up=deformable&depth=4&width=16&dims=2"
    )
    expect(page.locator("#cost .weights")).to_contain_text("Shared weights")
    expect(_line(page, "attention")).to_contain_text("Dice")
    expect(page.locator("#cost")).to_contain_text("whole image")
    assert page.locator("#attention select option").count() == 12


def test_every_option_of_the_touched_slot_is_fanned_out_and_a_press_adopts_it(page: Page) -> None:
    blades = page.locator("#fan .blade")
    expect(blades).to_have_count(9)
    expect(page.locator("#fan .blade[data-id=full-scale] .number").first).to_have_text(re.compile(r"0\.\d{3}"))
    expect(page.locator("#fan .blade[aria-pressed=true]")).to_have_attribute("data-id", "concat")
    page.locator("#fan .blade[data-id=dense]").click()
    expect(_option(page, "skip", "dense")).to_have_attribute("aria-checked", "true")
    _choose(page, "up", "bilinear")
    expect(page.locator("#fan .blade")).to_have_count(8)


def test_two_designs_stand_side_by_side_after_three_clicks(page: Page, browser: Browser) -> None:
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#designer .card")).to_have_count(2)
    _option(page, "skip", "none").click()
    expect(_line(page, "prediction")).to_contain_text(re.compile(r"A: .*Dice 0\.\d+.*B: .*Dice 0\.\d+"))
    expect(page).to_have_url(re.compile(r"skip=concat.*&b=.*skip%3Dnone"))
    expect(page.locator("#prediction .range")).to_contain_text("only A")
    expect(page.locator("#cost tr.a")).to_have_count(3)
    expect(page.locator("#cost tr.b")).to_have_count(3)
    expect(_slot(page, "skip")).to_contain_text("Concatenation")
    copy = browser.new_page()
    copy.goto(page.url)
    expect(_option(copy, "skip", "none")).to_have_attribute("aria-checked", "true")
    expect(copy.locator("#designer .card")).to_have_count(2)
    expect(_line(copy, "prediction")).to_contain_text("B: ")
    copy.close()


def test_a_clicked_pixel_re_aims_the_pictures(page: Page) -> None:
    _all_views_are_done(page)
    canvas = page.locator("#prediction canvas.over")
    box = canvas.bounding_box()
    assert box is not None
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 3})
    expect(_line(page, "prediction")).to_contain_text("with probability")
    row, column = map(int, re.findall(r"Row (\d+), column (\d+)", _line(page, "prediction").inner_text())[0])
    assert abs(column - 128) <= 2
    assert abs(row - 256 / 3) <= 2
    _all_views_are_done(page)
    page.locator("#tools .whole").click()
    expect(_line(page, "prediction")).to_contain_text("Click a pixel")


def test_values_stand_under_the_pointer_and_layers_switch_without_the_server(page: Page) -> None:
    _all_views_are_done(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    canvas = page.locator("#prediction canvas.over")
    canvas.focus()
    for _ in range(3):
        canvas.press("ArrowRight")
    expect(page.locator("#prediction .value")).to_have_text(re.compile(r"\(128, 131\) (nucleus \d\.\d\d|background)"))
    expect(page.locator("#field .value")).to_have_text(re.compile(r"\(128, 131\) \d"))
    before = canvas.evaluate("one => one.toDataURL()")
    page.locator("#tools .modes button").get_by_text("errors").click()
    expect(page.locator("#prediction .range")).to_contain_text("missed")
    assert canvas.evaluate("one => one.toDataURL()") != before
    page.keyboard.press("t")
    expect(page.locator("#tools .modes button").get_by_text("truth")).to_have_attribute("aria-pressed", "true")
    canvas.press("+")
    assert page.evaluate("window.unetViewer.zoom") > 1
    assert asked == []


def test_an_uploaded_image_is_segmented_at_its_own_size(page: Page, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:97, :131]
    disc = (np.hypot(rows - 48, columns - 60) < 20).astype(np.uint16) * 30000 + 1000
    cv2.imwrite(str(tmp_path / "disc.png"), disc)
    page.locator("input[type=file]").first.set_input_files(tmp_path / "disc.png")
    expect(page.locator("#about")).to_contain_text("131 × 97 px")
    page.wait_for_function("window.unetViewer.image?.width === 131 && window.unetViewer.image.height === 97")
    _all_views_are_done(page)
    expect(page.locator("#tools .modes button").get_by_text("errors")).to_be_disabled()


def test_a_wrong_file_gets_one_sentence_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "picture.png"
    wrong.write_text("this is no picture")
    page.locator("input[type=file]").first.set_input_files(wrong)
    expect(page.locator("#message")).to_contain_text("Nothing was kept")
    assert str(tmp_path) not in page.locator("#message").inner_text()
    _choose(page, "skip", "add")
    expect(page.locator("#message .message")).to_have_count(0)
    _all_views_are_done(page)


def test_an_illegal_choice_says_why_and_changes_nothing(page: Page) -> None:
    _choose(page, "attention", "cbam")
    none = _option(page, "skip", "none")
    expect(none).to_have_attribute("aria-disabled", "true")
    none.click(force=True)
    expect(_slot(page, "skip")).to_contain_text("lets nothing cross")
    expect(_option(page, "skip", "concat")).to_have_attribute("aria-checked", "true")
    expect(page).to_have_url(re.compile("skip=concat&attention=cbam"))


def test_full_resolution_leaves_up_empty_and_says_why(page: Page) -> None:
    _option(page, "down", "none").click()
    expect(page).to_have_url(re.compile("down=none.*up=none"))
    expect(_slot(page, "up").locator("[aria-checked=true]")).to_have_count(0)
    expect(_option(page, "up", "bilinear")).to_have_attribute("aria-disabled", "true")
    expect(_slot(page, "up")).to_contain_text("Nothing to get back")
    expect(page.locator("#cost")).to_contain_text("1.06×")
    _all_views_are_done(page)
    _option(page, "down", "avg-pool").click()
    expect(_option(page, "up", "transposed")).to_have_attribute("aria-checked", "true")


def test_the_cost_stands_stage_by_stage_and_the_authors_count_beside_a_preset(page: Page) -> None:
    page.locator(".stages summary").click()
    expect(page.locator(".stages")).to_contain_text("decoder.0")
    expect(page.locator(".stages")).to_contain_text("885,248")
    page.locator("#preset-line summary").click()
    expect(page.locator("#preset-line")).to_contain_text("7,759,521")
    _choose(page, "skip", "dense")
    _choose(page, "block", "residual")
    expect(page.locator("#preset-line")).to_contain_text("A design of your own")


@pytest.mark.parametrize("path", ["/?block=multi-scale&skip=full-scale&up=deformable&attention=cbam&site=fused"])
def test_a_slow_design_says_so(page: Page) -> None:
    expect(page.locator("#cost .slow")).to_contain_text("times as long as the classic")


def test_a_link_sets_every_control_and_a_wrong_one_is_refused(page: Page) -> None:
    _follow(page, "skip=dense&up=bilinear/bilinear/deformable/deformable")
    expect(_option(page, "skip", "dense")).to_have_attribute("aria-checked", "true")
    expect(_slot(page, "up").locator("[aria-checked=true]")).to_have_count(0)
    _follow(page, "skip=telepathy")
    expect(page.locator("#message")).to_contain_text('Unknown skip "telepathy"')


def test_undo_brings_the_design_before_back(page: Page) -> None:
    _choose(page, "skip", "add")
    page.keyboard.press("u")
    expect(_option(page, "skip", "concat")).to_have_attribute("aria-checked", "true")


@pytest.mark.parametrize("path", ["/?skip=add&up=teleport"])
def test_an_address_opens_its_design_and_reports_what_it_cannot_understand(page: Page) -> None:
    expect(_option(page, "skip", "add")).to_have_attribute("aria-checked", "true")
    expect(page.locator("#message")).to_contain_text('Unknown up "teleport"')


def test_an_untrained_design_shows_cost_only_and_says_so(page: Page) -> None:
    _follow(page, "width=8")
    expect(page.locator("#cost .weights")).to_contain_text("Untrained weights")
    expect(_pane(page, "prediction")).to_have_attribute("data-state", "refused")
    expect(page.locator("#prediction .refused")).to_contain_text("shapes and cost only")
    expect(page.locator("#cost")).to_contain_text("0.25×")


@pytest.mark.parametrize("path", ["/zh"])
def test_the_chinese_page_does_the_same_job(page: Page) -> None:
    expect(_line(page, "prediction")).to_contain_text("此图 Dice")
    expect(page.locator("#notice")).to_contain_text("不得用于诊断")
    assert page.evaluate("document.fonts.check('14px \"Noto Sans SC\"', '下采样')")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_is_cut_and_nothing_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_timeout(300)
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    for view in ("designer", "diagram", "cost", *VIEWS):
        if width < 640 and view in VIEWS:
            page.locator("#tools .tabs button").nth(VIEWS.index(view)).click()
        box = page.locator(f"#{view}").bounding_box()
        assert box is not None, view
        assert box["width"] >= 190
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    expect(page.locator(".notice")).to_be_in_viewport()


def test_hasty_choices_end_in_the_last_design_with_all_its_pictures(page: Page) -> None:
    for id in ("add", "dense", "concat", "attention-gate"):
        _option(page, "skip", id).click()
    expect(page).to_have_url(re.compile("skip=attention-gate"))
    _all_views_are_done(page)
    expect(page.locator("#attention .aside")).to_contain_text("gate.")
    expect(_option(page, "skip", "attention-gate")).to_have_attribute("aria-checked", "true")


def test_a_node_of_the_drawing_opens_its_room_and_escape_leads_back(page: Page) -> None:
    _all_views_are_done(page)
    page.locator("#diagram [data-id='encoder.1']").first.click()
    room = page.locator("#room-layers")
    expect(room).to_be_visible(timeout=PATIENCE)
    expect(room.locator(".figure img").first).to_be_visible(timeout=PATIENCE)
    expect(room.locator(".figure").first).to_contain_text("encoder.1")
    expect(page.locator("#panes")).to_be_hidden()
    _choose(page, "skip", "add")
    expect(room).to_be_visible()
    page.keyboard.press("Escape")
    expect(room).to_be_hidden()
    expect(page.locator("#panes")).to_be_visible()


def test_every_room_of_instruments_shows_both_designs(page: Page) -> None:
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#designer .card")).to_have_count(2)
    for id in ("skips", "operators", "uncertainty"):
        page.locator(".rooms-menu summary").click()
        page.locator(f".rooms-menu [data-room={id}]").click()
        figures = page.locator(f"#room-{id} .figure")
        expect(figures.nth(1).locator("img")).to_be_visible(timeout=PATIENCE)
        expect(figures.nth(0)).to_contain_text("Design A")
        expect(figures.nth(1)).to_contain_text("Design B")


def _titles(page: Page, group: str) -> list[str]:
    return [text.strip() for text in page.locator(f"#{group} label").all_inner_texts()]


def test_a_task_brings_its_own_examples_and_classes(page: Page) -> None:
    page.locator("#task label").get_by_text("Hippocampus").click()
    expect(page.locator("#about")).to_contain_text("Side view, 50 × 35 px")
    assert _titles(page, "example") == ["Side view", "Front", "Middle"]
    expect(page.locator("#prediction .key")).to_have_text(["1anterior", "2posterior"])
    colors = page.locator("#prediction .key i").evaluate_all("all => all.map(one => one.style.background)")
    assert len(set(colors)) == 2
    page.wait_for_function("window.unetViewer.image?.width === 50 && window.unetViewer.image.height === 35")
    page.locator("#tools select").select_option("2")
    expect(_line(page, "attribution")).to_contain_text(re.compile("steps|no pixel of this class"))
    page.locator("#example label").get_by_text("Front", exact=True).click()
    expect(page.locator("#about")).to_contain_text("Front, 36 × 35 px")
    expect(page.locator("#tools select")).to_have_value("2")
    expect(page).to_have_url(re.compile(r"\?task=hippocampus&example=front&weights=auto&down=max-pool"))
    expect(page.locator("#switches a[lang]")).to_have_attribute(
        "href", re.compile("zh.*task=hippocampus&example=front")
    )
    page.locator("#task label").get_by_text("Nuclei").click()
    expect(page.locator("#prediction .key")).to_have_text(["nucleus"])
    expect(page.locator("#tools select")).to_have_count(0)
    assert _titles(page, "example") == ["Fluorescence", "Bright beside dim", "Stained tissue"]


def test_a_task_without_weights_and_weights_that_do_not_exist_say_so(page: Page) -> None:
    _choose(page, "skip", "dense")
    page.locator("#weights-choice input[value=solo]").click()
    label = page.locator("#cost .weights")
    expect(label).to_contain_text("has not been trained alone. Shared weights")
    expect(_pane(page, "prediction")).to_have_attribute("data-state", "done")
    page.locator("#task label").get_by_text("Liver").click()
    expect(label).to_contain_text("for this task yet")
    expect(page.locator("#weights-choice input[value=solo]")).to_be_checked()
    expect(_pane(page, "prediction")).to_have_attribute("data-state", "refused")
    expect(page.locator("#about")).to_contain_text("Upper abdomen")


@pytest.mark.parametrize("path", ["/zh?task=hippocampus&example=middle&weights=shared&colour=red"])
def test_an_address_names_task_example_and_weights(page: Page) -> None:
    expect(page.locator("#about")).to_contain_text("中段，36 × 35 像素")
    expect(page.locator("#task label.selected")).to_contain_text("海马")
    expect(page.locator("#example label.selected")).to_contain_text("中段")
    expect(page.locator("#weights-choice input[value=shared]")).to_be_checked()
    expect(page.locator("#cost .weights")).to_contain_text("没有共享权重")
    expect(page.locator("#cost .weights")).to_contain_text("独立权重")
    expect(page.locator("#message")).to_contain_text("colour")
    expect(page.locator("#prediction .key").first).to_contain_text("前部")


def test_a_lesson_sets_the_page_up_asks_and_marks_by_what_was_measured(page: Page) -> None:
    page.locator("#lesson .list button").first.click()
    expect(page.locator(".lesson.open")).to_contain_text("Lesson 1 of")
    expect(page).to_have_url(re.compile(r"lesson=going-down\.1"))
    answers = page.locator("#lesson .answers button")
    for _ in range(3):
        if answers.count():
            break
        page.locator("#lesson .next").click()
    answers.first.click()
    expect(page.locator("#lesson .answers")).to_contain_text(re.compile("."))
    expect(page.locator("#lesson [data-key=next]")).not_to_have_attribute("aria-disabled", "true")
    page.locator("#lesson .close").click()
    expect(page.locator("#lesson .list")).to_be_visible()


@pytest.mark.parametrize("path", ["/zh?lesson=what-crosses.2&task=moon"])
def test_an_address_opens_a_lesson_at_its_step(page: Page) -> None:
    expect(page.locator(".lesson.open")).to_contain_text("课")
    expect(page).to_have_url(re.compile(r"lesson=what-crosses\.2"))
    expect(page.locator("#message")).to_contain_text("moon")


def test_the_atlas_opens_a_measured_design_and_a_claim_its_pair(page: Page) -> None:
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=atlas]").click()
    expect(page.locator("#room-atlas svg").first).to_be_visible()
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=claims]").click()
    page.locator("#room-claims .claim button").first.click()
    expect(page.locator("#designer .card")).to_have_count(2)


def test_a_short_training_runs_and_can_be_stopped(page: Page) -> None:
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=train]").click()
    room = page.locator("#room-train")
    room.get_by_role("button", name=re.compile("Start")).click()
    expect(room.locator(".train svg").first).to_be_visible()
    expect(room).to_contain_text(re.compile(r"Step [1-9]\d* of"))
    room.get_by_role("button", name=re.compile("Stop")).click()
    expect(room.get_by_role("button", name=re.compile("Start"))).to_be_enabled()


def test_the_design_can_be_taken_along(page: Page, tmp_path: Path) -> None:
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=export]").click()
    with page.expect_download(timeout=PATIENCE) as found:
        page.locator("#room-export").get_by_role("button", name=re.compile("PyTorch")).click()
    found.value.save_as(tmp_path / "design.zip")
    with zipfile.ZipFile(tmp_path / "design.zip") as packed:
        assert {"model.py", "weights.safetensors", "design.json", "card.json"} <= {*packed.namelist()}
