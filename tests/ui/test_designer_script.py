"""The designer's script in a browser: what it shows of a value, and what it sends."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.app import chromium
from tests.ui.test_designer import FULL, RICH, changed
from unet_playground import Design
from unet_playground.design import SLOT_IDS
from unet_playground.ui.bench import Bench
from unet_playground.ui.designer import designer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]

WEB = Path(__file__).parents[2] / "assets" / "web"
HARNESS = """
<!doctype html><meta name="viewport" content="width=device-width"><style>{style}</style>
<main id="host" style="{size}"><div></div></main>
<script>
  const sent = [], watchers = [], props = {{ value: {value} }};
  const show = (value) => {{ props.value = value; watchers.forEach((call) => call()); }};
  const run = new Function('element', 'props', 'trigger', 'watch', {script});
  run(document.querySelector('#host'), props, (name, data) => sent.push(data), (name, call) => watchers.push(call));
</script>
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def mount(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Show a value in a column of 316 x 820 px, or on a phone; afterwards no script has failed."""
    faults: list[str] = []
    pages: list[Page] = []

    def put(value: dict[str, Any], phone: bool = False) -> Page:
        page = browser.new_page(viewport={"width": 390, "height": 844} if phone else {"width": 1440, "height": 900})
        pages.append(page)
        page.on("pageerror", lambda error: faults.append(str(error)))
        style, script = ((WEB / f"designer.{kind}").read_text("utf-8") for kind in ("css", "js"))
        size = "" if phone else "width: 316px; height: 820px"
        page.set_content(HARNESS.format(style=style, size=size, value=json.dumps(value), script=json.dumps(script)))
        return page

    yield put
    for page in pages:
        page.close()
    assert faults == []


@pytest.mark.parametrize("design", [Design(), RICH, FULL])
def test_six_slots_and_the_sliders_fit_without_scrolling(design: Design, mount: Callable[..., Page]):
    page = mount(designer(design, RICH, "A", "en"))
    assert page.evaluate("(({scrollHeight, clientHeight}) => scrollHeight <= clientHeight)(host.firstElementChild)")
    assert page.evaluate("host.firstElementChild.scrollWidth <= host.firstElementChild.clientWidth")
    for slot in SLOT_IDS:
        expect(page.locator(f"[data-slot={slot}]")).to_be_in_viewport(ratio=1)


def test_a_press_marks_the_option_at_once_and_undo_takes_it_back(mount: Callable[..., Page]):
    page = mount(designer(Design(), None, "A", "en"))
    page.get_by_role("radio", name="Addition").click()
    expect(page.get_by_role("radio", name="Addition")).to_be_checked()
    event = page.evaluate("sent.at(-1)")
    assert changed(Design(), event) == Design(skip="add")
    page.evaluate("show", designer(Design(skip="add"), None, "A", "en"))
    page.keyboard.press("u")
    assert Bench(Design(skip="add")).brought_back(page.evaluate("sent.at(-1)")["bench"]) == Bench()


def test_undo_also_takes_back_what_a_lesson_or_a_comparison_has_set_up(mount: Callable[..., Page]):
    page, own = mount(designer(Design(skip="add"), None, "A", "en")), Bench(Design(skip="add"))
    page.get_by_role("radio", name="Dense").click()
    page.evaluate("show", designer(Design(skip="dense"), None, "A", "en"))
    page.evaluate("show", designer(Design(), Design(down="none"), "B", "en"))
    page.keyboard.press("u")
    before = Bench(Design(), Design(down="none"), "B").brought_back(page.evaluate("sent.at(-1)")["bench"])
    assert before == Bench(Design(skip="dense"), slot="down")
    page.evaluate("show", designer(Design(skip="dense"), None, "A", "en"))
    page.keyboard.press("u")
    assert Bench(Design(skip="dense")).brought_back(page.evaluate("sent.at(-1)")["bench"]) == own


def test_an_illegal_option_says_why_and_sends_nothing(mount: Callable[..., Page]):
    page = mount(designer(Design(attention="se"), None, "A", "en"))
    page.locator("[data-slot=skip] [data-id=none]").click(force=True)
    expect(page.locator("[data-slot=skip] .line")).to_contain_text("lets nothing cross")
    page.get_by_role("slider", name="Depth").press("End")
    page.wait_for_function("sent.length == 1")
    page.evaluate("show", designer(Design(width=64), None, "A", "en"))
    page.get_by_role("slider", name="Depth").press("End")
    expect(page.locator(".numbers .reason")).to_contain_text("4096 channels")
    expect(page.get_by_role("slider", name="Depth")).to_have_value("4")
    assert page.evaluate("sent") == [{"number": "depth", "value": 6}]


def test_keys_go_to_slots_and_arrows_move_within(mount: Callable[..., Page]):
    page = mount(designer(Design(), RICH, "A", "en"))
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-slot=skip] .line")).to_contain_text("projected by a 1x1 convolution")
    assert page.evaluate("sent") == []
    page.keyboard.press("Enter")
    page.keyboard.press("b")
    page.keyboard.press("c")
    assert page.evaluate("sent") == [{"slot": "skip", "id": "add"}, {"edit": "B"}, {"compare": False}]


def test_a_second_press_unfolds_options_and_levels(mount: Callable[..., Page]):
    page = mount(designer(Design(attention="cbam"), None, "A", "en"))
    page.get_by_role("radio", name="CBAM", exact=True).click()
    page.get_by_label("Order").select_option("parallel")
    page.get_by_label("Level 1").select_option("se")
    assert page.evaluate("sent") == [
        {"slot": "attention", "knob": "order", "value": "parallel"},
        {"slot": "attention", "levels": ["cbam", "se", "cbam", "cbam"]},
    ]
    page.get_by_role("button", name="Explain Skip").click()
    expect(page.locator(".lesson:visible")).to_contain_text("redundancy and noise included")
    expect(page.locator(".lesson cite")).to_contain_text("Ronneberger")


def test_a_phone_shows_one_slot_at_a_time(mount: Callable[..., Page]):
    page = mount(designer(Design(), RICH, "A", "en"), phone=True)
    for slot in SLOT_IDS:
        page.locator(f"[data-tab={slot}]").last.click()
        assert page.locator("section:visible").evaluate_all("all => all.map((one) => one.dataset.slot)") == [slot]
    page.get_by_role("button", name="Design", exact=True).click()
    expect(page.get_by_role("button", name="Compare")).to_be_in_viewport()
