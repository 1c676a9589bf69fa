"""What axe says of every state of the page, and what can be done without a mouse."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.app import chromium
from tests.browser.looking import pane_of

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]
ROOMS = ("layers", "skips", "operators", "uncertainty", "atlas", "claims", "train", "export")


def _faults(page: Page) -> list[str]:
    """What axe finds: the rule, and the first element that breaks it."""
    found = Axe().run(page).response["violations"]
    return [f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


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
