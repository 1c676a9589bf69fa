"""The real app and headless Chromium, shared by all tests of a file."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.browser.app import chromium, started
from tests.browser.looking import is_own, pane_of
from unet_playground import Design, UNet
from unet_playground.weights import Card, checkpoint_root, write


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the repository's bank for nuclei, random weights for hippocampus, and none for liver."""
    root = tmp_path_factory.mktemp("checkpoints")
    (root / "nuclei").symlink_to(checkpoint_root() / "nuclei")
    card = Card(task="hippocampus", design=Design().to_json(), shared=False)
    write(root / "hippocampus" / "classic", UNet(Design(), 1, 3).state_dict(), card)
    with started(checkpoints=root) as address:
        yield address


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """What drives browsers; of it there can be one at a time."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def path() -> str:
    """What is opened: the English page, unless a test says otherwise."""
    return "/"


@pytest.fixture
def page(browser: Browser, address: str, path: str) -> Iterator[Page]:
    """An open page whose first mask is there; afterwards nothing was wrong in it and nothing left this machine."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    foreign: list[str] = []
    page.on("request", lambda request: None if is_own(request.url) else foreign.append(request.url))
    page.goto(address + path)
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", re.compile("done|refused"))
    yield page
    page.close()
    assert faults == []
    assert foreign == []
