"""The page as a visitor waits for it: from `python app.py` to the first page, from a toggle to the new mask.

Drives headless Chromium against the real app on this machine.
"""

import statistics
import subprocess
import sys
import time
from urllib.request import urlopen

import torch
from playwright.sync_api import Page, sync_playwright

from benchmarks.measure import Verdict
from tests.browser.app import ADDRESS, PORT, chromium, started
from unet_playground.design import Design
from unet_playground.examples import examples
from unet_playground.inference import load_model, prepare

CLOCK = """
() => new Promise((done, fail) => {
  setTimeout(() => fail(new Error("no new mask within 20 s")), 20000);
  const shown = document.querySelector('#prediction img').src;
  const begun = performance.now();
  document.querySelector(`#slot-%s input[value="%s"]`).click();
  const timer = setInterval(() => {
    const image = document.querySelector('#prediction img');
    if (image && image.src !== shown && image.complete) { clearInterval(timer); done(performance.now() - begun); }
  }, 2);
})
"""
DONE = "() => /32/.test(document.querySelector('#attribution-check').innerText)"
TOGGLES = [
    ("skip", "add"),
    ("up", "bilinear"),
    ("attention", "se"),
    ("skip", "concat"),
    ("up", "transposed"),
    ("attention", "none"),
]


def main() -> None:
    """Measure start and toggles."""
    verdict = Verdict()
    verdict.at_most("seconds from start to the first page", _start(), 10)
    with started() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#attribution img")
        excess, design = [], Design()
        for slot, choice in TOGGLES * 2:
            design = design.replace(**{slot: choice})
            excess.append(_toggle(page, slot, choice, design))
        browser.close()
    # The first round loads weights as well, as any first toggle does.
    print("milliseconds beyond the forward pass:", ", ".join(f"{value:.0f}" for value in excess))
    verdict.at_most("median milliseconds of a toggle beyond the forward pass", statistics.median(excess), 300)
    verdict.finish()


def _start() -> float:
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "app.py", "--port", str(PORT)], stdout=subprocess.DEVNULL)
    try:
        while time.perf_counter() - begun < 60:
            try:
                if urlopen(ADDRESS, timeout=2).status == 200:
                    return time.perf_counter() - begun
            except OSError:
                time.sleep(0.05)
    finally:
        process.terminate()
        process.wait()
    return float("inf")


def _toggle(page: Page, slot: str, choice: str, design: Design) -> float:
    page.wait_for_function(DONE, timeout=60_000)  # nothing else is being computed
    forward = _forward(design)
    return page.evaluate(CLOCK % (slot, choice)) - 1000 * forward


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
