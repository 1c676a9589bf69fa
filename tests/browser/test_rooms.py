"""Rooms and lessons of the page, in headless Chromium against the real app."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.app import chromium
from tests.browser.looking import PATIENCE, all_views_are_done, choose, misplaced

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]


def test_a_node_of_the_drawing_opens_its_room_and_escape_leads_back(page: Page) -> None:
    all_views_are_done(page)
    page.locator("#diagram [data-id='encoder.1']").first.click()
    room = page.locator("#room-layers")
    expect(room).to_be_visible(timeout=PATIENCE)
    expect(room.locator(".figure img").first).to_be_visible(timeout=PATIENCE)
    expect(room.locator(".figure").first).to_contain_text("encoder.1")
    expect(page.locator("#panes")).to_be_hidden()
    choose(page, "skip", "add")
    expect(room).to_be_visible()
    page.keyboard.press("Escape")
    expect(room).to_be_hidden()
    expect(page.locator("#panes")).to_be_visible()
    page.locator("#diagram [data-id='encoder.2']").first.click()
    expect(room.locator(".figure").first).to_contain_text("encoder.2", timeout=PATIENCE)
    page.locator("#lesson .list button").first.click()  # it wants no room
    expect(room).to_be_hidden()
    expect(page.locator("#panes")).to_be_visible()


def test_the_focus_stays_where_it_was_when_its_surroundings_are_drawn_again(page: Page) -> None:
    all_views_are_done(page)
    method = page.locator("#attribution select")
    method.focus()
    page.keyboard.press("ArrowDown")
    expect(method).not_to_have_value("integrated-gradients")
    expect(page.locator("body.stale")).to_have_count(0, timeout=PATIENCE)
    all_views_are_done(page)
    expect(method).to_be_focused()
    page.get_by_role("button", name="errors", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="errors", exact=True)).to_be_focused()


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


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
def test_an_opened_lesson_asks_beside_the_picture_that_it_asks_about(page: Page, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    page.locator("#lesson .list button").first.click()
    expect(page.locator("#lesson .answers button").last).to_be_in_viewport(ratio=1)
    expect(page.locator("#lesson .next")).to_be_in_viewport(ratio=1)
    picture, strip = page.locator("#prediction canvas.over").bounding_box(), page.locator("#lesson").bounding_box()
    assert picture and strip
    assert 0 <= picture["y"] < picture["y"] + 150 < strip["y"]


def test_a_lesson_shows_what_it_is_marked_with_and_undo_brings_the_design_back(page: Page) -> None:
    choose(page, "skip", "add")
    page.get_by_role("radio", name="Shared").check()
    expect(page).to_have_url(re.compile("weights=shared"))
    page.locator("#lesson .list button").first.click()
    expect(page.locator("#designer .card")).to_have_count(2)
    expect(page).to_have_url(re.compile("weights=auto"))  # the answers are marked with these
    expect(page.get_by_role("radio", name="Automatic")).to_be_checked()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#designer .card")).to_have_count(1)
    expect(page).to_have_url(re.compile("skip=add"))


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


def test_the_browsers_own_way_back_leads_out_of_a_room_and_keeps_the_design(page: Page) -> None:
    room = page.locator("#room-claims")
    page.locator(".rooms-menu summary").click()
    page.locator(".rooms-menu [data-room=claims]").click()
    expect(room).to_be_visible()
    choose(page, "skip", "add")
    expect(page).to_have_url(re.compile("room=claims.*skip=add"))
    page.go_back()
    expect(room).to_be_hidden()
    expect(page).to_have_url(re.compile("^(?!.*room=).*skip=add"))
    page.go_forward()
    expect(room).to_be_visible()


@pytest.mark.parametrize("path", ["/?room=skips"])
def test_a_link_leads_into_a_room(page: Page) -> None:
    expect(page.locator("#room-skips .figure img").first).to_be_visible(timeout=PATIENCE)
    for width in (1366, 1280):  # where the header has least room
        page.set_viewport_size({"width": width, "height": 900})
        assert misplaced(page) == []
    page.locator(".rooms-menu .back").click()
    expect(page.locator("#panes")).to_be_visible()
    expect(page).to_have_url(re.compile("^(?!.*room=)"))
