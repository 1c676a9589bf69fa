"""Pictures of the main states, for the README and for looking at: `make screenshots`."""

from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.app import ROOT, chromium, started

OUT = ROOT / "docs" / "screenshots"
DESIGN = "?skip=attention-gate&attention=cbam&up=deformable"
DONE = "() => /^(?!Coarse|粗略).*(steps|步)/.test(document.querySelector('#attribution-check')?.innerText.trim() ?? '')"


def main() -> None:
    """Take all of them."""
    OUT.mkdir(parents=True, exist_ok=True)
    with started() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        take(browser, f"{address}/{DESIGN}", "wide.png", 1440, 1180)
        take(browser, f"{address}/zh{DESIGN}", "dark-zh.png", 1440, 1180, dark=True)
        take(browser, f"{address}/{DESIGN}", "phone.png", 390, 844)
        take(browser, f"{address}/?task=hippocampus", "three-classes.png", 1440, 1180)
        browser.close()


def take(browser: Browser, address: str, name: str, width: int, height: int, dark: bool = False) -> Path:
    """Open an address, ask about a pixel, wait for all four pictures, take the screenshot."""
    scheme = "dark" if dark else "light"
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector("#prediction img", timeout=60_000)
    page.wait_for_function(DONE, timeout=120_000)
    page.wait_for_timeout(500)
    page.screenshot(path=OUT / name)
    page.close()
    return OUT / name


if __name__ == "__main__":
    main()
