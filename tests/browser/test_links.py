"""What links promise: every measured design opens, and a page that was left is found again as it was."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.app import chromium
from tests.browser.looking import (
    choose,
    ends_right,
    follow,
    is_quick,
    is_written,
    line_of,
    opened,
    option_of,
    pane_of,
    visit,
)
from unet_playground.atlas import read_atlas
from unet_playground.design import Design
from unet_playground.ui.bench import Bench

pytestmark = [
    pytest.mark.long,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine"),
]
DESIGNS = list(dict.fromkeys(row.design for row in read_atlas("liver").rows))
CHUNK = 50
OPENED = "{address}/?task=nuclei&{link}"
"""The designs are those that were measured for liver, the weights that the tests provide are those of nuclei."""


@pytest.mark.parametrize("start", range(0, len(DESIGNS), CHUNK))
def test_every_design_of_the_atlas_opens_by_its_link_and_is_drawn(browser: Browser, address: str, start: int) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    found = {link: _wrong(context, address, link) for link in (one.to_link() for one in DESIGNS[start : start + CHUNK])}
    context.close()
    assert {link: wrong for link, wrong in found.items() if wrong} == {}


def test_the_atlas_has_designs_enough_to_try() -> None:
    assert len(DESIGNS) >= 300


def _wrong(context: BrowserContext, address: str, link: str) -> list[str]:
    """What is wrong with the page of a link; each has a tab of its own, which is closed once its mask is there."""
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    depth = Design.from_link(link).depth
    try:
        page.goto(OPENED.format(address=address, link=link))
        expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
        expect(line_of(page, "prediction")).to_contain_text("Dice 0.")
        expect(page.locator("#link textarea")).to_have_value(link)
        expect(page.locator("#diagram svg [data-id=bottleneck]")).to_have_count(1)
        for stage in ("encoder", "decoder"):
            drawn = page.locator(f"#diagram svg g[data-id^='{stage}.']:not([data-id*='>'], [data-id*='~'])")
            expect(drawn).to_have_count(depth)
        expect(page.locator("#message .message")).to_have_count(0)
    except AssertionError as fault:
        faults.append(str(fault))
    page.close()
    return faults


def test_back_and_forward_lead_to_the_designs_as_they_were_left(browser: Browser, address: str) -> None:
    with visit(browser) as context:
        page = opened(context, f"{address}/?skip=dense")
        choose(page, "block", "residual")
        page.goto(f"{address}/?skip=add&up=bilinear&example=stained")
        expect(option_of(page, "skip", "add")).to_have_attribute("aria-checked", "true")
        page.go_back()
        is_written(page, "up", "transposed")
        is_quick(page)
        assert ends_right(page).a == Design(skip="dense", block="residual")
        page.go_forward()
        is_written(page, "up", "bilinear")
        is_quick(page)
        assert ends_right(page).a == Design(skip="add", up="bilinear")
        expect(page.locator("#example label.selected")).to_contain_text("Stained tissue")


def test_a_reload_in_mid_run_brings_the_design_back(browser: Browser, address: str) -> None:
    with visit(browser) as context:
        page = opened(context, address)
        choose(page, "skip", "add")
        choose(page, "block", "residual")
        assert pane_of(page, "attribution").get_attribute("data-state") != "done"
        page.reload()
        expect(option_of(page, "block", "residual")).to_have_attribute("aria-checked", "true")
        assert ends_right(page).a == Design(skip="add", block="residual")


@pytest.mark.parametrize("shared", [True, False])
def test_two_tabs_do_not_mix(browser: Browser, address: str, shared: bool) -> None:
    with visit(browser) as one, visit(browser) as two:
        left = opened(one, address)
        right = opened(one if shared else two, f"{address}/?up=nearest")
        for page in (left, right):
            is_quick(page)
        for page, slot, id in ((left, "skip", "add"), (right, "skip", "dense"), (left, "block", "residual")):
            option_of(page, slot, id).click()
        is_written(left, "block", "residual")
        is_written(right, "skip", "dense")
        assert ends_right(left).a == Design(skip="add", block="residual")
        assert ends_right(right).a == Design(skip="dense", up="nearest")


def test_another_language_keeps_design_example_and_comparison(browser: Browser, address: str) -> None:
    with visit(browser) as context:
        page = opened(context, address)
        is_quick(page)
        page.get_by_role("button", name="Compare").click()
        expect(page.locator("#designer .card")).to_have_count(2)
        option_of(page, "skip", "dense").click()
        page.locator("#example label").get_by_text("Stained tissue").click()
        expect(page).to_have_url(re.compile(r"example=stained.*&b=.*skip%3Ddense"))
        ends_right(page)
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.locator("#switches a[lang=zh]").click()
        expect(line_of(page, "prediction")).to_contain_text("占图像")
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        expect(page.locator("#example label.selected")).to_contain_text("染色")
        expect(option_of(page, "skip", "dense")).to_have_attribute("aria-checked", "true")
        page.locator("#switches a[lang=en]").click()
        expect(line_of(page, "prediction")).to_contain_text("of the image")
        is_quick(page)
        assert ends_right(page) == Bench(Design(), Design(skip="dense"), "B")


def test_a_wrong_link_in_mid_run_is_refused_in_a_sentence_and_the_design_stays(page: Page) -> None:
    is_quick(page)
    choose(page, "skip", "dense")
    follow(page, "skip=telepathy")
    expect(page.locator("#message .message")).to_have_text(re.compile(r'^Unknown skip "telepathy"[^.]*\.$'))
    expect(page.locator("#link textarea")).to_have_value(Design(skip="dense").to_link())
    follow(page, "skip=dense&up=nearest")
    is_written(page, "up", "nearest")
    assert ends_right(page).a == Design(skip="dense", up="nearest")
