"""What the browser tests look at, and how they press it."""

import re

from playwright.sync_api import Locator, Page, expect

PATIENCE = 120_000
"""Milliseconds that anything on the page may take on a busy machine."""
VIEWS = ("prediction", "attention", "field", "attribution")
expect.set_options(timeout=PATIENCE)


def is_own(url: str) -> bool:
    """Whether an address is this machine's."""
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def pane_of(page: Page, name: str) -> Locator:
    """One of the linked pictures."""
    return page.locator(f"#{name} .pane")


def line_of(page: Page, name: str) -> Locator:
    """What stands beneath a picture."""
    return page.locator(f"#{name} .pane > .line")


def slot_of(page: Page, slot: str) -> Locator:
    """A slot of the designer."""
    return page.locator(f"#designer [data-slot={slot}]")


def option_of(page: Page, slot: str, id: str) -> Locator:
    """One option of a slot."""
    return slot_of(page, slot).locator(f"[data-id={id}]")


def all_views_are_done(page: Page) -> None:
    """Wait until nothing is computed any more."""
    for view in VIEWS:
        expect(pane_of(page, view)).to_have_attribute("data-state", "done")
    assert not page.locator("body.stale").count()


def choose(page: Page, slot: str, id: str) -> None:
    """Press an option and wait until it is in the address."""
    option_of(page, slot, id).click()
    expect(page).to_have_url(re.compile(rf"[?&]{slot}={id}(&|$)"))


def follow(page: Page, link: str) -> None:
    """Type a link into its field."""
    box = page.locator("#link textarea")
    box.fill(link)
    box.press("Enter")
