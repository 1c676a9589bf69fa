"""The page as a visitor waits for it: from `python app.py` to the first page, from a toggle to everything it brings.

Drives headless Chromium against the real app on this machine. A toggle's clock starts when a glyph is pressed; each
part stops it when the browser has it. Beyond the classic's own forward pass a design may take at most its own more.
"""

import statistics
import time

import torch
from playwright.sync_api import Page, sync_playwright

from benchmarks.measure import Verdict
from tests.browser.app import chromium, started
from unet_playground.design import Design
from unet_playground.examples import examples
from unet_playground.inference import load_model, prepare

CLOCK = """
([slot, choice]) => new Promise((done, fail) => {
  const limit = setTimeout(() => fail(new Error('within 60 s only ' + JSON.stringify(seen))), 60000);
  const seen = {}, begun = performance.now();
  const table = () => document.querySelector('#cost table').textContent;
  const old = table();
  let taken = false, drawn = false;
  const state = (name) => document.querySelector(`#${name} .pane`).dataset.state;
  const parts = {
    'diagram and cost': () => drawn && table() !== old,
    mask: () => taken && !document.body.classList.contains('stale') && state('prediction') === 'done',
    attention: () => seen.mask && ['done', 'coarse'].includes(state('attention')),
    field: () => seen.mask && state('field') === 'done',
    attribution: () => seen.mask && ['done', 'coarse'].includes(state('attribution')),
  };
  const everything = { subtree: true, childList: true, attributes: true };
  new MutationObserver(() => { drawn = true; }).observe(document.querySelector('#diagram .stage'), everything);
  document.querySelector(`#designer [data-slot=${slot}] [data-id=${choice}]`).click();
  const timer = setInterval(() => {
    taken ||= document.body.classList.contains('stale');
    for (const [name, there] of Object.entries(parts)) {
      if (!(name in seen) && there()) seen[name] = performance.now() - begun;
    }
    if (Object.keys(seen).length < Object.keys(parts).length) return;
    clearInterval(timer);
    clearTimeout(limit);
    done(seen);
  }, 5);
})
"""
QUIET = """
() => document.querySelector('#attribution .pane')?.dataset.state === 'done'
  && [...document.querySelectorAll('#fan .blade')].every((one) => one.disabled || one.querySelector('.number'))
  && document.querySelectorAll('#fan .blade .number').length >= 2 * document.querySelectorAll('#fan .blade').length - 2
"""
BOUNDS = {"diagram and cost": 200, "mask": 700, "attention": 700, "field": 1500, "attribution": 2000}
"""Milliseconds for the classic; a design may take its own forward pass more."""
TOGGLES = [("skip", "add"), ("up", "bilinear"), ("skip", "concat"), ("up", "transposed")]


def main() -> None:
    """Measure start and toggles."""
    verdict = Verdict()
    verdict.at_most("seconds from start to the first page", _start(), 10)
    with started() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_selector("#attribution .pane[data-state=done]", timeout=120_000)
        taken, design = [], Design()
        for slot, choice in TOGGLES * 2:
            design = design.replace(**{slot: choice})
            taken.append(_toggle(page, slot, choice, design))
        browser.close()
    # The first round loads weights as well, as any first toggle does.
    for name, bound in BOUNDS.items():
        values = [one[name] for one in taken]
        print(f"{name}: " + ", ".join(f"{value:.0f}" for value in values))
        verdict.at_most(f"median milliseconds from a toggle to {name}", statistics.median(values), bound)
    verdict.finish()


def _start() -> float:
    begun = time.perf_counter()
    with started():
        return time.perf_counter() - begun


def _toggle(page: Page, slot: str, choice: str, design: Design) -> dict[str, float]:
    """Milliseconds until every part is there, less what this design's forward pass takes beyond the classic's."""
    page.wait_for_function(QUIET, timeout=180_000)  # nothing else is being computed
    beyond = max(0.0, 1000 * (_forward(design) - _forward(Design())))
    return {name: value - beyond for name, value in page.evaluate(CLOCK, [slot, choice]).items()}


def _forward(design: Design) -> float:
    model = load_model("nuclei", design)
    image = prepare(examples()[0].read(), model)
    times = []
    with torch.inference_mode():
        for _ in range(5):
            begun = time.perf_counter()
            model(image)
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
