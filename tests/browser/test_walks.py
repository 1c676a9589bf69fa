"""Hasty, forgetful and unlucky visitors walk through the page; each walk ends in one bench shown everywhere."""

import re
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.app import chromium
from tests.browser.looking import (
    VIEWS,
    all_views_are_done,
    choose,
    ends_right,
    is_quick,
    is_written,
    line_of,
    opened,
    option_of,
    pane_of,
    said_of,
    visit,
)
from unet_playground.design import Design
from unet_playground.examples import example
from unet_playground.ui.bench import Bench
from unet_playground.ui.scene import Scene

pytestmark = [
    pytest.mark.long,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine"),
]
CHOICES = "#designer [role=radio]:not([aria-disabled=true], [aria-checked=true])"
IDS = "all => all.map(one => [one.closest('[data-slot]').dataset.slot, one.dataset.id])"
REMEMBER = """name => {
  const pane = document.querySelector(`#${name} .pane`), noted = (window.noted = []);
  const note = () => noted.push(`${pane.dataset.state} ${pane.querySelector("select").value}`);
  new MutationObserver(note).observe(pane, { attributeFilter: ["data-state"] });
}"""
"""Writes down every state that a picture is in from now on, and its method."""
SAMPLE = """() => {
  const moving = (window.moving = new Set());
  const look = () => {
    for (const one of document.getAnimations()) if (one.playState === "running") moving.add(one.animationName ?? "");
    requestAnimationFrame(look);
  };
  look();
}"""
"""Writes down the name of everything that moves from now on."""


def picture_of(folder: Path) -> Path:
    """A bright disc of 131 x 97 px as a file."""
    rows, columns = np.mgrid[:97, :131]
    disc = (np.hypot(rows - 48, columns - 60) < 20).astype(np.uint16) * 30000 + 1000
    cv2.imwrite(str(folder / "disc.png"), disc)
    return folder / "disc.png"


def shown_disc(folder: Path) -> Scene:
    """That picture as the page has to see it."""
    return Scene.of_upload("nuclei", str(picture_of(folder)))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_of_choices_in_every_slot_ends_in_the_last_one(page: Page, seed: int) -> None:
    is_quick(page)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 2})
    chance = Random(seed)
    for _ in range(8):
        offered = [one for one in page.locator(CHOICES).evaluate_all(IDS) if one[0] != "block"]
        option_of(page, *chance.choice(offered)).click(force=True)
        page.wait_for_timeout(chance.choice((0, 40, 200)))
    choose(page, "block", "residual")
    assert ends_right(page).a.block == "residual"


def test_a_double_click_on_an_option_chooses_once(page: Page) -> None:
    is_quick(page)
    option_of(page, "skip", "add").dblclick()
    is_written(page, "skip", "add")
    assert ends_right(page).a == Design(skip="add")
    page.keyboard.press("u")
    is_written(page, "skip", "concat")
    expect(page.get_by_role("button", name="Nothing to undo yet")).to_be_visible()
    assert ends_right(page).a == Design()


def test_a_double_click_on_compare_leaves_the_page_of_one_mind(page: Page) -> None:
    is_quick(page)
    compare = page.get_by_role("button", name="Compare")
    compare.dblclick()
    option_of(page, "up", "bilinear").click()
    is_written(page, "up", "bilinear")
    bench = ends_right(page)
    assert bench.edited == Design(up="bilinear")
    expect(compare).to_have_attribute("aria-pressed", str(bench.b is not None).lower())
    compare.click()
    expect(page.locator("#designer .card")).to_have_count(3 - len(bench.designs))


def test_a_storm_of_undoing_leads_back_to_the_start(page: Page) -> None:
    is_quick(page)
    made = [("skip", "add"), ("up", "bilinear"), ("block", "residual"), ("skip", "dense"), ("up", "nearest")]
    for slot, id in made:
        choose(page, slot, id)
    for pause in (0, 300, 0, 150, 600):
        page.keyboard.press("u")
        page.wait_for_timeout(pause)
    expect(page.get_by_role("button", name="Nothing to undo yet")).to_be_visible()
    expect(page).to_have_url(re.compile("block=plain&skip=concat.*&up=transposed"))
    assert ends_right(page).a == Design()


def test_a_picture_uploaded_in_mid_run_stays_for_the_choices_after_it(page: Page, tmp_path: Path) -> None:
    option_of(page, "skip", "dense").click()
    page.locator("input[type=file]").first.set_input_files(picture_of(tmp_path))
    expect(page.locator("#about")).to_contain_text("Your image, 131 × 97 px")
    assert ends_right(page, shown_disc(tmp_path)).a == Design(skip="dense")
    expect(page.locator("#example label.selected")).to_have_count(0)
    choose(page, "up", "bilinear")
    assert ends_right(page, shown_disc(tmp_path)).a == Design(skip="dense", up="bilinear")


def test_a_wrong_file_in_mid_run_is_refused_in_a_sentence_and_the_old_image_stays(page: Page, tmp_path: Path) -> None:
    is_quick(page)
    (tmp_path / "picture.png").write_text("this is no picture")
    image = page.evaluate("window.unetViewer.value.image.id")
    choose(page, "skip", "add")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "picture.png")
    expect(page.locator("#message .message")).to_have_text(re.compile(r"^[^/\\\n]+\. Nothing was kept\.$"))
    expect(line_of(page, "prediction")).to_have_text(
        said_of(Scene.of_example(example("nuclei", "fluorescence")), Bench(Design(skip="add")))
    )
    assert page.evaluate("window.unetViewer.value.image.id") == image
    choose(page, "up", "bilinear")
    assert ends_right(page).a == Design(skip="add", up="bilinear")


def test_a_later_choice_cancels_a_slow_attribution(page: Page) -> None:
    all_views_are_done(page)
    page.evaluate(REMEMBER, "attribution")
    page.locator("#attribution select").select_option("occlusion")
    expect(pane_of(page, "attribution")).to_have_attribute("data-state", re.compile("busy|coarse"))
    choose(page, "skip", "add")
    is_quick(page)
    assert ends_right(page).a == Design(skip="add")
    expect(page.locator("#attribution select")).to_have_value("saliency")
    assert {one for one in page.evaluate("window.noted") if one.startswith("done")} == {"done saliency"}


def test_the_dark_page_does_the_same_job(browser: Browser, address: str) -> None:
    with visit(browser, color_scheme="dark") as context:
        page = opened(context, address)
        is_quick(page)
        expect(page.locator("body.dark")).to_have_count(1)
        light = "one => getComputedStyle(one).%s.match(/\\d+/g).slice(0, 3).map(Number)"
        for place in ("#viewer h2", "#diagram h2", "#designer .choice", "#cost th", "#lesson h2"):
            assert min(page.locator(place).first.evaluate(light % "color")) > 140, place
        for place in ("#viewer", "#diagram", ".gradio-container"):
            assert max(page.locator(place).first.evaluate(light % "backgroundColor")) < 60, place
        choose(page, "skip", "attention-gate")
        assert ends_right(page).a == Design(skip="attention-gate")


def test_a_finger_on_a_telephone_does_the_same_job(browser: Browser, address: str) -> None:
    with visit(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        page = opened(context, address)
        for slot, id in (("up", "bilinear"), ("skip", "dense")):
            page.locator(f"#designer .tab[data-tab={slot}]").tap()
            option_of(page, slot, id).tap()
            is_written(page, slot, id)
        tabs = page.locator("#tools .tabs button")
        for at, view in enumerate(VIEWS):
            tabs.nth(at).tap()
            expect(page.locator("#panes .pane:visible")).to_have_count(1)
            expect(pane_of(page, view)).to_be_visible()
        tabs.first.tap()
        page.locator("#prediction canvas.over").tap(position={"x": 60, "y": 90})
        expect(line_of(page, "prediction")).to_contain_text("with probability")
        page.locator("#tools .whole").tap()
        expect(line_of(page, "prediction")).to_contain_text("Click a pixel")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert ends_right(page).a == Design(skip="dense", up="bilinear")


@pytest.mark.parametrize("path", ["/?lesson=going-down.3"])
def test_a_lesson_opened_by_link_is_walked_on_and_left(page: Page) -> None:
    strip = page.locator("#lesson")
    strip.locator(".next").click()
    expect(page).to_have_url(re.compile(r"lesson=going-down\.4"))
    strip.locator(".answers button").nth(1).click()
    expect(strip.locator(".told")).to_contain_text("bright dot keeps")
    strip.locator(".next").click()
    expect(page).to_have_url(re.compile(r"lesson=going-down\.5"))
    strip.locator("[data-key=back]").click()
    expect(strip.locator(".answers button[aria-pressed=true]")).to_have_count(1)
    strip.locator(".close").click()
    expect(strip.locator(".list")).to_be_visible()
    expect(page).not_to_have_url(re.compile("lesson="))
    is_quick(page)
    assert ends_right(page) == Bench(Design(), Design(down="none", up="none"), "B")


def test_a_room_left_while_it_is_busy_leaves_the_page_whole(page: Page) -> None:
    is_quick(page)
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=uncertainty]").click()
    room = page.locator("#room-uncertainty")
    expect(room).to_be_visible()
    choose(page, "skip", "add")
    expect(room.locator(".figure img").first).to_be_visible()
    choose(page, "up", "bilinear")
    expect(room).to_be_visible()
    page.keyboard.press("Escape")
    expect(room).to_be_hidden()
    expect(page.locator("#panes")).to_be_visible()
    assert ends_right(page).a == Design(skip="add", up="bilinear")


def test_hasty_edits_of_both_designs_reach_the_one_that_was_turned_to(page: Page) -> None:
    is_quick(page)
    compare = page.get_by_role("button", name="Compare")
    compare.click()
    expect(page.locator("#designer .card")).to_have_count(2)
    edits = (("b", "skip", "none"), ("a", "block", "residual"), ("b", "up", "bilinear"), ("a", "skip", "add"))
    for card, slot, id in edits:
        page.locator(f"#designer .card.{card}").click()
        option_of(page, slot, id).click()
    is_written(page, "skip", "add")
    assert ends_right(page) == Bench(Design(block="residual", skip="add"), Design(skip="none", up="bilinear"), "A")
    for count in (1, 2, 1):
        compare.click()
        expect(page.locator("#designer .card")).to_have_count(count)
    expect(page).not_to_have_url(re.compile("&b="))
    assert ends_right(page).designs == (Design(block="residual", skip="add"),)


def test_of_many_clicks_on_the_picture_the_last_one_is_asked_about(page: Page) -> None:
    is_quick(page)
    canvas = page.locator("#prediction canvas.over")
    box = canvas.bounding_box()
    assert box is not None
    for x, y in ((20, 20), (90, 40), (150, 160), (40, 120), (110, 70)):
        canvas.click(position={"x": x, "y": y})
    row, column = (int(side * 256 / box["width"]) for side in (70, 110))
    near = "({}|{}|{})"
    rows, columns = (near.format(at - 1, at, at + 1) for at in (row, column))
    expect(line_of(page, "prediction")).to_contain_text(re.compile(f"Row {rows}, column {columns}:"))
    row, column = page.evaluate("window.unetViewer.value.point")
    assert ends_right(page, Scene.of_example(example("nuclei", "fluorescence")).asking(point=(row, column))).b is None


def test_a_comparison_is_made_with_the_keyboard_alone(page: Page) -> None:
    is_quick(page)
    for keys, slot, id in ((("1", "ArrowRight"), "down", "avg-pool"), (("3", "ArrowRight"), "skip", "add")):
        for key in (*keys, "Enter"):
            page.keyboard.press(key)
        is_written(page, slot, id)
    page.keyboard.press("c")
    expect(page.locator("#designer .card.b[aria-pressed=true]")).to_have_count(1)
    for key in ("6", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    is_written(page, "up", "bilinear")
    page.keyboard.press("a")
    expect(page.locator("#designer .card.a[aria-pressed=true]")).to_have_count(1)
    page.keyboard.press("u")
    is_written(page, "up", "transposed")
    both = Design(down="avg-pool", skip="add")
    assert ends_right(page) == Bench(both, both, "B")


def test_ten_surprises_can_all_be_undone(page: Page) -> None:
    is_quick(page)
    box = page.locator("#link textarea")
    links = [box.input_value()]
    for _ in range(10):
        page.get_by_role("button", name="Surprise me").click()
        expect(box).not_to_have_value(links[-1])
        links.append(box.input_value())
    for link in reversed(links[:-1]):
        page.keyboard.press("u")
        expect(box).to_have_value(link)
    expect(page.get_by_role("button", name="Nothing to undo yet")).to_be_visible()
    assert ends_right(page).a == Design()


def test_an_impossible_choice_in_mid_run_says_why_and_changes_nothing(page: Page) -> None:
    is_quick(page)
    choose(page, "attention", "cbam")
    shown = page.url
    none = option_of(page, "skip", "none")
    expect(none).to_have_attribute("aria-disabled", "true")
    none.click(force=True)
    expect(page.locator("#designer [data-slot=skip] .line.reason")).to_contain_text("lets nothing cross")
    assert ends_right(page).a == Design(attention="cbam")
    assert page.url == shown


def test_sliders_pulled_to_and_fro_end_where_they_are_left(page: Page) -> None:
    is_quick(page)
    depth, width = (page.locator("#designer .number input").nth(at) for at in (0, 1))
    for value in ("3", "6", "2", "5"):
        depth.fill(value)
    expect(page).to_have_url(re.compile("depth=5"))
    expect(page.locator("#prediction .refused")).to_contain_text("shapes and cost only")
    width.fill("24")
    expect(page).to_have_url(re.compile("depth=5&width=24"))
    depth.fill("4")
    expect(page).to_have_url(re.compile("depth=4&width=24"))
    width.fill("16")
    expect(page).to_have_url(re.compile("depth=4&width=16"))
    assert ends_right(page).a == Design()


def test_nothing_moves_for_those_who_want_no_motion(page: Page) -> None:
    is_quick(page)
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(SAMPLE)
    choose(page, "skip", "full-scale")
    ends_right(page)
    assert page.evaluate("[...window.moving]") == []
    page.emulate_media(reduced_motion="no-preference")
    choose(page, "skip", "add")
    assert ends_right(page).a == Design(skip="add")
    assert "run" in page.evaluate("[...window.moving]")
