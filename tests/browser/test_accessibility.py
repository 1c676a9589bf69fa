"""What axe and the layout say of every state of the page, and what can be done without a mouse."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.app import chromium
from tests.browser.looking import misplaced, option_of, pane_of

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]
ROOMS = ("layers", "skips", "operators", "uncertainty", "atlas", "claims", "train", "volume", "export")


def _faults(page: Page) -> list[str]:
    """What is misplaced, and what axe finds: the rule, and the first element that breaks it.

    Colours on their way to others are not judged.
    """
    page.emulate_media(reduced_motion="reduce")
    found = Axe().run(page).response["violations"]
    return misplaced(page) + [f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


def test_axe_finds_nothing_in_any_room(page: Page) -> None:
    assert _faults(page) == []
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#designer .card")).to_have_count(2)
    assert _faults(page) == []
    for id in ROOMS:
        page.locator(".rooms-menu summary").click()
        page.locator(f".rooms-menu [data-room={id}]").click()
        expect(page.locator(f"#room-{id}")).to_be_visible()
        assert _faults(page) == [], id


@pytest.mark.parametrize(
    ("path", "width", "height", "dark"),
    [("/zh?lesson=going-down.2", 1440, 900, True), ("/", 390, 844, False), ("/zh?task=hippocampus", 390, 844, True)],
)
def test_axe_finds_nothing_in_the_dark_on_a_phone_and_in_a_lesson(
    browser: Browser, address: str, path: str, width: int, height: int, dark: bool
) -> None:
    scheme = "dark" if dark else "light"
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(address + path)
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
    assert _faults(page) == []
    page.close()


def test_single_keys_can_be_switched_off(page: Page) -> None:
    page.locator("#keyboard button").first.click()
    page.keyboard.press("c")
    expect(page.locator("#designer .card")).to_have_count(2)
    page.locator("#keyboard input[type=checkbox]").uncheck()
    page.locator("#keyboard kbd").first.click()
    page.keyboard.press("c")
    page.keyboard.press("t")
    page.wait_for_timeout(1000)  # a choice that must not come
    expect(page.locator("#designer .card")).to_have_count(2)
    expect(page.locator("#tools .modes button").get_by_text("truth")).to_have_attribute("aria-pressed", "false")


def test_an_app_that_does_not_answer_is_said_to_and_takes_nothing_away(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address)
    expect(pane_of(page, "attribution")).to_have_attribute("data-state", "done")
    page.context.set_offline(True)
    expect(page.locator(".away")).to_be_visible()
    option_of(page, "skip", "add").click()
    expect(option_of(page, "skip", "concat")).to_have_attribute("aria-checked", "true")
    expect(page.locator("body.stale")).to_have_count(0)
    page.context.set_offline(False)
    expect(page.locator(".away")).to_be_hidden()
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
    page.close()
