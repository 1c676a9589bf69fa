"""Every measured design opens by its link, in headless Chromium against the real app."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import chromium
from tests.browser.looking import line_of, pane_of
from unet_playground.atlas import read_atlas
from unet_playground.design import Design

pytestmark = [
    pytest.mark.long,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine"),
]
DESIGNS = list(dict.fromkeys(row.design for row in read_atlas("liver").rows))
CHUNK = 50


@pytest.mark.parametrize("start", range(0, len(DESIGNS), CHUNK))
def test_every_design_of_the_atlas_opens_by_its_link_and_is_drawn(page: Page, address: str, start: int) -> None:
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    failed: dict[str, str] = {}
    for design in DESIGNS[start : start + CHUNK]:
        link = design.to_link()
        try:
            # The weights that the tests provide are those of nuclei.
            page.goto(f"{address}/?task=nuclei&{link}")
            _is_drawn(page, design)
        except AssertionError as fault:
            failed[link] = str(fault)
        if faults:
            failed[link] = " ".join([failed.get(link, ""), *faults])
            faults.clear()
    assert failed == {}


def test_the_atlas_has_designs_enough_to_try() -> None:
    assert len(DESIGNS) >= 300


def _is_drawn(page: Page, design: Design) -> None:
    """Wait until the page shows the design, its drawing with every stage, and its mask."""
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
    expect(line_of(page, "prediction")).to_contain_text("Dice 0.")
    expect(page.locator("#link textarea")).to_have_value(design.to_link())
    for stage in ("encoder", "decoder"):
        expect(page.locator(f"#diagram svg [data-id^='{stage}.']")).to_have_count(design.depth)
    expect(page.locator("#diagram svg [data-id=bottleneck]")).to_have_count(1)
    expect(page.locator("#message .message")).to_have_count(0)
