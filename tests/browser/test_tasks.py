"""Tasks, examples, classes and weights on the page, in headless Chromium against the real app."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import chromium
from tests.browser.looking import choose, ends_right, is_quick, line_of, option_of, pane_of
from unet_playground import Design

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")]


def _titles(page: Page, group: str) -> list[str]:
    return [text.strip() for text in page.locator(f"#{group} label").all_inner_texts()]


def test_a_task_brings_its_own_examples_and_classes(page: Page) -> None:
    page.locator("#task label").get_by_text("Hippocampus").click()
    expect(page.locator("#about")).to_contain_text("Side view, 50 × 35 px")
    assert _titles(page, "example") == ["Side view", "Front", "Middle"]
    expect(page.locator("#prediction .key")).to_have_text(["1anterior", "2posterior"])
    colors = page.locator("#prediction .key i").evaluate_all("all => all.map(one => one.style.background)")
    assert len(set(colors)) == 2
    page.wait_for_function("window.unetViewer.image?.width === 50 && window.unetViewer.image.height === 35")
    page.locator("#tools select").select_option("2")
    expect(line_of(page, "attribution")).to_contain_text(re.compile("steps|no pixel of this class"))
    page.locator("#example label").get_by_text("Front", exact=True).click()
    expect(page.locator("#about")).to_contain_text("Front, 36 × 35 px")
    expect(page.locator("#tools select")).to_have_value("2")
    expect(page).to_have_url(re.compile(r"\?task=hippocampus&example=front&weights=auto&down=max-pool"))
    expect(page.locator("#switches a[lang]")).to_have_attribute(
        "href", re.compile("zh.*task=hippocampus&example=front")
    )
    page.locator("#task label").get_by_text("Nuclei").click()
    expect(page.locator("#prediction .key")).to_have_text(["nucleus"])
    expect(page.locator("#tools select")).to_have_count(0)
    assert _titles(page, "example") == ["Fluorescence", "Bright beside dim", "Stained tissue"]


def test_a_task_without_weights_and_weights_that_do_not_exist_say_so(page: Page) -> None:
    choose(page, "skip", "dense")
    page.locator("#weights-choice input[value=solo]").click()
    label = page.locator("#cost .weights")
    expect(label).to_contain_text("has not been trained alone. Shared weights")
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "done")
    page.locator("#task label").get_by_text("Liver").click()
    expect(label).to_contain_text("for this task yet")
    expect(page.locator("#weights-choice input[value=solo]")).to_be_checked()
    expect(pane_of(page, "prediction")).to_have_attribute("data-state", "refused")
    expect(page.locator("#about")).to_contain_text("Upper abdomen")


@pytest.mark.parametrize("path", ["/zh?task=hippocampus&example=middle&weights=shared&colour=red"])
def test_an_address_names_task_example_and_weights(page: Page) -> None:
    expect(page.locator("#about")).to_contain_text("中段，36 × 35 像素")
    expect(page.locator("#task label.selected")).to_contain_text("海马")
    expect(page.locator("#example label.selected")).to_contain_text("中段")
    expect(page.locator("#weights-choice input[value=shared]")).to_be_checked()
    expect(page.locator("#cost .weights")).to_contain_text("没有共享权重")
    expect(page.locator("#cost .weights")).to_contain_text("独立权重")
    expect(page.locator("#message")).to_contain_text("colour")
    expect(page.locator("#prediction .key").first).to_contain_text("前部")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.locator("#switches .copy").click()
    expect(page.locator("#switches .copy")).to_have_text("已复制")
    expect(page.locator("#switches .copy")).to_have_text("复制链接")


def test_tasks_switched_in_mid_run_end_in_the_last_one(page: Page) -> None:
    option_of(page, "skip", "dense").click()
    for task in ("Hippocampus", "Liver", "Nuclei", "Hippocampus", "Nuclei"):
        page.locator("#task label").get_by_text(task).click()
    choose(page, "up", "bilinear")
    expect(page).to_have_url(re.compile("task=nuclei&example=fluorescence"))
    expect(page.locator("#task label.selected")).to_contain_text("Nuclei")
    expect(page.locator("#example label.selected")).to_contain_text("Fluorescence")
    expect(page.locator("#prediction .key")).to_have_text(["nucleus"])
    is_quick(page)
    assert ends_right(page).a == Design(skip="dense", up="bilinear")
