"""Pictures of the main states, for the README and for looking at: `make screenshots`."""

from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.app import ROOT, chromium, started
from tests.browser.test_volume import SOFTWARE
from tests.browser.volumes import example, segment

OUT = ROOT / "docs" / "screenshots"
DESIGN = "skip=attention-gate&attention=cbam&up=deformable"
PAIR = "?skip=concat&b=skip%3Ddense%26attention%3Dcbam"
LIMIT = 300_000


def main() -> None:
    """Take all of them."""
    OUT.mkdir(parents=True, exist_ok=True)
    with started() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=SOFTWARE)
        take(browser, f"{address}/?{DESIGN}", "wide.png", 1440, 900)
        take(browser, f"{address}/zh{PAIR}", "compare-dark-zh.png", 1440, 900, dark=True)
        take(browser, f"{address}/?{DESIGN}", "phone.png", 390, 844)
        take(browser, f"{address}/?task=hippocampus", "three-classes.png", 1440, 900)
        take(browser, f"{address}/?lesson=going-down.2", "lesson.png", 1440, 900)
        take(browser, f"{address}/", "atlas.png", 1440, 900, room="atlas")
        take(browser, f"{address}/", "volume.png", 1440, 1000, room="volume")
        browser.close()


def _effects(page: Page) -> None:
    page.wait_for_selector("#room-atlas svg", timeout=LIMIT)
    page.wait_for_function("document.querySelectorAll('.effects > *').length > 2", timeout=LIMIT)


def _organ(page: Page) -> None:
    example(page)
    segment(page)


READY = {"atlas": _effects, "volume": _organ}
"""Waits until a room shows what its picture is for."""


def take(
    browser: Browser, address: str, name: str, width: int, height: int, dark: bool = False, room: str = ""
) -> Path:
    """Open an address, wait until everything is there, open a room, take the screenshot."""
    scheme = "dark" if dark else "light"
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector("#attribution .pane[data-state=done]", state="attached", timeout=LIMIT)
    page.wait_for_function("document.querySelectorAll('#fan .blade .number').length > 4", timeout=LIMIT)
    if room:
        page.locator(".rooms-menu summary").click()
        page.locator(f".rooms-menu [data-room={room}]").click()
        READY[room](page)
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / name)
    page.close()
    return OUT / name


if __name__ == "__main__":
    main()
