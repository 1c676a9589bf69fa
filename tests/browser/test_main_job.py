"""A visitor does the main job in headless Chromium against the real app."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.app import chromium
from tests.browser.looking import (
    VIEWS,
    all_views_are_done,
    choose,
    follow,
    is_quick,
    line_of,
    misplaced,
    opened,
    option_of,
    pane_of,
    slot_of,
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]


def test_choosing_parts_gives_four_pictures_from_trained_weights(page: Page) -> None:
    expect(line_of(page, "prediction")).to_contain_text(re.compile(r"Dice 0\.[6-9]"))
    is_quick(page)
    choose(page, "skip", "attention-gate")
    choose(page, "attention", "cbam")
    choose(page, "up", "deformable")
    all_views_are_done(page)
    expect(page.locator("#link textarea")).to_have_value(
        "down=max-pool&block=plain&skip=attention-gate&attention=cbam&site=skip&up=deformable&depth=4&width=16&dims=2"
    )
    expect(page.locator("#cost .weights")).to_contain_text("Shared weights")
    expect(line_of(page, "attention")).to_contain_text("Dice")
    expect(page.locator("#cost")).to_contain_text("whole image")
    assert page.locator("#attention select option").count() == 12


def test_every_option_of_the_touched_slot_is_fanned_out_and_a_press_adopts_it(page: Page) -> None:
    blades = page.locator("#fan .blade")
    expect(blades).to_have_count(9)
    expect(page.locator("#fan .blade[data-id=full-scale] .number").first).to_have_text(re.compile(r"0\.\d{3}"))
    expect(page.locator("#fan .blade[aria-pressed=true]")).to_have_attribute("data-id", "concat")
    page.locator("#fan .blade[data-id=dense]").click()
    expect(option_of(page, "skip", "dense")).to_have_attribute("aria-checked", "true")
    choose(page, "up", "bilinear")
    expect(page.locator("#fan .blade")).to_have_count(8)


def test_two_designs_stand_side_by_side_after_three_clicks(page: Page, browser: Browser) -> None:
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#designer .card")).to_have_count(2)
    option_of(page, "skip", "none").click()
    expect(line_of(page, "prediction")).to_contain_text(re.compile(r"A: .*Dice 0\.\d+.*B: .*Dice 0\.\d+"))
    expect(page).to_have_url(re.compile(r"skip=concat.*&b=.*skip%3Dnone"))
    expect(page.locator("#prediction .range")).to_contain_text("only A")
    expect(page.locator("#cost tr.a")).to_have_count(3)
    expect(page.locator("#cost tr.b")).to_have_count(3)
    expect(slot_of(page, "skip")).to_contain_text("Concatenation")
    copy = browser.new_page()
    copy.goto(page.url)
    expect(option_of(copy, "skip", "none")).to_have_attribute("aria-checked", "true")
    expect(copy.locator("#designer .card")).to_have_count(2)
    expect(line_of(copy, "prediction")).to_contain_text("B: ")
    copy.close()


def test_a_clicked_pixel_re_aims_the_pictures(page: Page) -> None:
    all_views_are_done(page)
    canvas = page.locator("#prediction canvas.over")
    box = canvas.bounding_box()
    assert box is not None
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 3})
    expect(line_of(page, "prediction")).to_contain_text("with probability")
    row, column = map(int, re.findall(r"Row (\d+), column (\d+)", line_of(page, "prediction").inner_text())[0])
    assert abs(column - 128) <= 2
    assert abs(row - 256 / 3) <= 2
    all_views_are_done(page)
    page.locator("#tools .whole").click()
    expect(line_of(page, "prediction")).to_contain_text("Click a pixel")


def test_values_stand_under_the_pointer_and_layers_switch_without_the_server(page: Page) -> None:
    all_views_are_done(page)
    asked: list[str] = []
    # Gradio's script asks now and then whether the app still lives.
    page.on("request", lambda request: None if request.url.endswith("/app_id") else asked.append(request.url))
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
    all_views_are_done(page)
    expect(page.locator("#tools .modes button").get_by_text("errors")).to_be_disabled()


def test_a_large_image_gets_its_mask_and_why_it_gets_nothing_else(page: Page, tmp_path: Path) -> None:
    cv2.imwrite(
        str(tmp_path / "large.png"), np.tile(np.array([[20, 200]], np.uint8).repeat(50, 0).repeat(50, 1), (22, 11))
    )
    page.locator("input[type=file]").first.set_input_files(tmp_path / "large.png")
    expect(page.locator("#about")).to_contain_text("1100 × 1100 px")
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
    expect(pane_of(page, "attribution")).to_have_attribute("data-state", "refused")
    expect(page.locator("#cost .weights")).to_contain_text("weights")


def test_an_uploaded_mask_judges_an_uploaded_image(page: Page, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:97, :131]
    disc = np.hypot(rows - 48, columns - 60) < 20
    cv2.imwrite(str(tmp_path / "disc.png"), disc.astype(np.uint8) * 200 + 20)
    cv2.imwrite(str(tmp_path / "mask.png"), disc.astype(np.uint8) * 255)
    cv2.imwrite(str(tmp_path / "small.png"), disc[:50].astype(np.uint8))
    page.locator("input[type=file]").first.set_input_files(tmp_path / "disc.png")
    expect(page.locator("#about")).to_contain_text("131 × 97 px")
    page.locator("input[type=file]").nth(1).set_input_files(tmp_path / "small.png")
    expect(page.locator("#message")).to_contain_text("This mask has 131 x 50 pixels, the image 131 x 97")
    page.locator("input[type=file]").nth(1).set_input_files(tmp_path / "mask.png")
    expect(page.locator("#about")).to_contain_text("Judged by your mask")
    expect(line_of(page, "prediction")).to_contain_text(re.compile(r"Dice [01]\.\d+"))
    expect(page.locator("#message .message")).to_have_count(0)
    page.locator("#tools .modes button").get_by_text("errors").click()
    expect(page.locator("#prediction .key").first).to_contain_text("missed")


def test_a_wrong_file_gets_one_sentence_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "picture.png"
    wrong.write_text("this is no picture")
    page.locator("input[type=file]").first.set_input_files(wrong)
    expect(page.locator("#message")).to_contain_text("Nothing was kept")
    assert str(tmp_path) not in page.locator("#message").inner_text()
    choose(page, "skip", "add")
    expect(page.locator("#message .message")).to_have_count(0)
    all_views_are_done(page)


def test_an_illegal_choice_says_why_and_changes_nothing(page: Page) -> None:
    choose(page, "attention", "cbam")
    none = option_of(page, "skip", "none")
    expect(none).to_have_attribute("aria-disabled", "true")
    none.click(force=True)
    expect(slot_of(page, "skip")).to_contain_text("lets nothing cross")
    expect(option_of(page, "skip", "concat")).to_have_attribute("aria-checked", "true")
    expect(page).to_have_url(re.compile("skip=concat&attention=cbam"))


def test_full_resolution_leaves_up_empty_and_says_why(page: Page) -> None:
    option_of(page, "down", "none").click()
    expect(page).to_have_url(re.compile("down=none.*up=none"))
    expect(slot_of(page, "up").locator("[aria-checked=true]")).to_have_count(0)
    expect(option_of(page, "up", "bilinear")).to_have_attribute("aria-disabled", "true")
    expect(slot_of(page, "up")).to_contain_text("Nothing to get back")
    expect(page.locator("#cost")).to_contain_text("1.06×")
    all_views_are_done(page)
    option_of(page, "down", "avg-pool").click()
    expect(option_of(page, "up", "transposed")).to_have_attribute("aria-checked", "true")


def test_the_cost_stands_stage_by_stage_and_the_authors_count_beside_a_preset(page: Page) -> None:
    page.locator(".stages summary").click()
    expect(page.locator(".stages")).to_contain_text("decoder.0")
    expect(page.locator(".stages")).to_contain_text("885,248")
    page.locator("#preset-line summary").click()
    expect(page.locator("#preset-line")).to_contain_text("7,759,521")
    choose(page, "skip", "dense")
    choose(page, "block", "residual")
    expect(page.locator("#preset-line")).to_contain_text("A design of your own")


@pytest.mark.parametrize("path", ["/?block=multi-scale&skip=full-scale&up=deformable&attention=cbam&site=fused"])
def test_a_slow_design_says_so(page: Page) -> None:
    expect(page.locator("#cost .slow")).to_contain_text("times as long as the classic")


def test_a_link_sets_every_control_and_a_wrong_one_is_refused(page: Page) -> None:
    follow(page, "skip=dense&up=bilinear/bilinear/deformable/deformable")
    expect(option_of(page, "skip", "dense")).to_have_attribute("aria-checked", "true")
    expect(slot_of(page, "up").locator("[aria-checked=true]")).to_have_count(0)
    follow(page, "skip=telepathy")
    expect(page.locator("#message")).to_contain_text('Unknown skip "telepathy"')


def test_undo_brings_the_design_before_back(page: Page) -> None:
    choose(page, "skip", "add")
    page.keyboard.press("u")
    expect(option_of(page, "skip", "concat")).to_have_attribute("aria-checked", "true")


@pytest.mark.parametrize("path", ["/?skip=add&up=teleport"])
def test_an_address_opens_its_design_and_reports_what_it_cannot_understand(page: Page) -> None:
    expect(option_of(page, "skip", "add")).to_have_attribute("aria-checked", "true")
    expect(page.locator("#message")).to_contain_text('Unknown up "teleport"')


def test_an_untrained_design_shows_cost_only_and_says_so(page: Page) -> None:
    follow(page, "width=8")
    expect(page.locator("#cost .weights")).to_contain_text("Untrained weights")
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "refused")
    expect(page.locator("#prediction .refused")).to_contain_text("shapes and cost only")
    expect(page.locator("#cost")).to_contain_text("0.25×")


@pytest.mark.parametrize("path", ["/zh"])
def test_the_chinese_page_does_the_same_job(page: Page) -> None:
    expect(line_of(page, "prediction")).to_contain_text("此图 Dice")
    expect(page.locator("#notice")).to_contain_text("不得用于诊断")
    assert page.evaluate("document.fonts.check('14px \"Noto Sans SC\"', '下采样')")
    choose(page, "skip", "add")
    assert "/zh?" in page.url


def test_the_way_to_the_lessons_keeps_the_page_as_it_is(page: Page) -> None:
    choose(page, "skip", "add")
    page.evaluate("window.kept = true")
    page.locator("#switches a[href='#lesson']").click()
    expect(page.locator("#lesson")).to_be_in_viewport()
    assert page.evaluate("window.kept")
    assert "skip=add" in page.url


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_is_cut_and_nothing_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_timeout(300)
    assert misplaced(page) == []
    for view in ("designer", "diagram", "cost", *VIEWS):
        if width < 640 and view in VIEWS:
            page.locator("#tools .tabs button").nth(VIEWS.index(view)).click()
        box = page.locator(f"#{view}").bounding_box()
        assert box is not None, view
        assert box["width"] >= 190
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    expect(page.locator(".notice")).to_be_in_viewport()


def test_hasty_choices_end_in_the_last_design_with_all_its_pictures_on_a_slow_machine(page: Page) -> None:
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 2})
    is_quick(page)
    for hasty in (("add", "dense", "concat", "attention-gate"), ("dense", "concat", "add")):
        for id in hasty:
            option_of(page, "skip", id).click()
        expect(page).to_have_url(re.compile(f"skip={hasty[-1]}"))
        all_views_are_done(page)
        expect(option_of(page, "skip", hasty[-1])).to_have_attribute("aria-checked", "true")


def test_a_choice_that_the_server_has_no_room_for_is_taken_back(browser: Browser, address: str) -> None:
    context = browser.new_context()  # whose console may tell of refusals
    page = opened(context, address)
    is_quick(page)
    told = {"detail": "Too many computations wait here already. 此处等待的计算过多。"}
    page.route("**/queue/join*", lambda route: route.fulfill(status=429, json=told))
    option_of(page, "skip", "dense").click()
    expect(page.locator(".toast-body").first).to_contain_text("此处等待的计算过多")
    expect(option_of(page, "skip", "concat")).to_have_attribute("aria-checked", "true", timeout=2000)
    expect(page.locator("body")).not_to_have_class(re.compile("stale"))
    page.locator("#task label").get_by_text("Hippocampus").click()
    expect(page.locator("#task label.selected")).to_contain_text("Nuclei")
    page.unroute("**/queue/join*")
    choose(page, "skip", "dense")
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
    context.close()
