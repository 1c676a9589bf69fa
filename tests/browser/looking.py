"""What the browser tests look at, and how they press it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from unet_playground.design import SLOT_IDS
from unet_playground.examples import example
from unet_playground.inference import segment
from unet_playground.ui.address import Address
from unet_playground.ui.bench import Bench
from unet_playground.ui.scene import Scene, facts_of, model_for, on_equal_terms

LAYOUT = (Path(__file__).parent / "layout.js").read_text("utf-8")
PATIENCE = 120_000
"""Milliseconds that anything on the page may take on a busy machine."""
DESK = {"width": 1440, "height": 900}
LEFT = ("AbortError: signal is aborted", "Unexpected error Connection errored out")
"""How Gradio's own script takes leave when a page is left in the middle of a run; nobody is there to see it."""
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


def misplaced(page: Page) -> list[str]:
    """What is cut, overlaps or lies beyond the edge, once the page has come to rest."""
    faults, tries = page.evaluate(LAYOUT), 10
    while faults and tries:
        page.wait_for_timeout(200)
        faults, tries = page.evaluate(LAYOUT), tries - 1
    return faults


def choose(page: Page, slot: str, id: str) -> None:
    """Press an option and wait until it is in the address."""
    option_of(page, slot, id).click()
    expect(page).to_have_url(re.compile(rf"[?&]{slot}={id}(&|$)"))


def follow(page: Page, link: str) -> None:
    """Type a link into its field."""
    box = page.locator("#link textarea")
    box.fill(link)
    box.press("Enter")


def is_quick(page: Page) -> None:
    """Ask for the attribution that takes one pass, so that far-off designs are done soon."""
    page.locator("#attribution select").select_option("saliency")
    expect(line_of(page, "attribution")).to_have_text(re.compile("Not checked|Replacing"))


def is_written(page: Page, slot: str, id: str) -> None:
    """Wait until a choice is in the address, be it of A or of B."""
    expect(page).to_have_url(re.compile(rf"([?&]|%26){slot}(=|%3D){id}(&|%26|$)"))


def ends_right(page: Page, scene: Scene | None = None) -> Bench:
    """Wait until nothing runs; controls, link, address and mask are of one bench, which is given back.

    Without a scene the image is the one that the address names.
    """
    all_views_are_done(page)
    expect(page.locator("#message .message")).to_have_count(0)
    opened = Address.read(dict(parse_qsl(urlsplit(page.url).query)))
    assert opened.ignored == ()
    bench = opened.bench.turned_to(page.locator("#designer .card[aria-pressed=true] .letter").text_content() or "")
    expect(page.locator("#designer .card")).to_have_count(len(bench.designs))
    expect(page.locator("#link textarea")).to_have_value(bench.edited.to_link())
    for slot in SLOT_IDS:
        held = {choice.id for choice in bench.edited.levels(slot)} if bench.edited.applies(slot) else set()
        checked = page.locator(f"#designer [data-slot={slot}] [aria-checked=true]")
        assert checked.evaluate_all("all => all.map(one => one.dataset.id)") == (sorted(held) if len(held) == 1 else [])
    shown = scene or Scene.of_example(example(opened.task, str(opened.example)))
    expect(line_of(page, "prediction")).to_have_text(said_of(shown.asking(weights=opened.weights), bench))
    return bench


def said_of(scene: Scene, bench: Bench) -> str:
    """What has to stand beneath the mask, computed without the page."""
    even = on_equal_terms(scene, bench.designs)
    models = [model_for(even, design) for design in bench.designs]
    known = [model for model in models if model]
    said = [facts_of(scene, segment(scene.picture, model), alone=len(known) == 1).en for model in known]
    return said[0] if len(said) == 1 else f"A: {said[0]} | B: {said[1]}"


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A browser of a visitor's own; nothing was wrong in any of its tabs and nothing left this machine."""
    context = browser.new_context(**{"viewport": DESK, **options})
    faults: list[str] = []
    context.on("console", lambda one: faults.append(one.text) if one.type == "error" else None)
    context.on("weberror", lambda one: faults.append(str(one.error)))
    context.on("request", lambda one: None if is_own(one.url) else faults.append(one.url))
    yield context
    context.close()
    assert [fault for fault in faults if not fault.startswith(LEFT)] == []


def opened(context: BrowserContext, url: str) -> Page:
    """A tab whose first mask is there."""
    page = context.new_page()
    page.goto(url)
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
    return page
