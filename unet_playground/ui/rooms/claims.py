"""The claims as a room: what two texts say about U-Nets, each with its verdict, numbers and both designs."""

from collections import Counter
from collections.abc import Callable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from unet_playground.atlas import COSTS, read_atlas
from unet_playground.claims import CAVEAT, VERDICTS, Claim, Finding, Judgement, claims, judge
from unet_playground.errors import Text
from unet_playground.registry import Chinese, Entry
from unet_playground.tasks import tasks
from unet_playground.training.metrics import metrics
from unet_playground.ui import texts
from unet_playground.ui.bench import Bench
from unet_playground.ui.rooms.atlas import in_words
from unet_playground.ui.rooms.base import Room, Updates, rooms
from unet_playground.ui.scene import Scene, Turn

if TYPE_CHECKING:
    from unet_playground.ui.layout import Layout
    from unet_playground.ui.page import Page

SCRIPT = """
function filter() {
  const chosen = [...element.querySelectorAll(":checked")].filter(({ value }) => value);
  const all = [...element.querySelectorAll(".claim")];
  for (const one of all) one.hidden = chosen.some(({ name, value }) => one.dataset[name] !== value);
  element.querySelector(".none").hidden = all.some((one) => !one.hidden);
}
element.addEventListener("change", filter);
element.addEventListener("click", ({ target }) => {
  const claim = target.closest("button")?.dataset.claim;
  if (claim) trigger("input", { claim });
});
"""
"""JavaScript that leaves the claims which were asked for, and says which pair is to be opened."""

SOURCE, VERDICT, ALL = Text("Text", "文章"), Text("Verdict", "结论"), Text("All", "全部")
SOURCES = {
    "one": Text("one, on keeping resolution", "一：保持分辨率"),
    "two": Text("two, on skips, attention and upsampling", "二：跳跃、注意力与上采样"),
}
NONE = Text("No claim is of this text and has this verdict.", "此文章中没有得到这一结论的论断。")
OPEN = Text("Open as A against B", "以 A 对比 B 打开")
COMPARISONS = Text("Comparisons: {told}", "比较：{told}")
HEADER = (
    Text("Task", "任务"),
    Text("Number", "数值"),
    Text("First", "第一个"),
    Text("Second", "第二个"),
    Text("Difference", "差"),
    Text("95% interval", "95% 区间"),
    Text("Speaks", "表明"),
    Text("Weights", "权重"),
)
INSIDE = {
    "cka": Text(
        "Likeness to the decoder (CKA), level {level}",
        "与解码器的相似度（CKA），第 {level} 级",
    ),
    "gradient": Text("Gradient of the stage with least, times the last one's", "得到梯度最少的一级（最后一级的倍数）"),
    "correlation": Text("Likeness among crossing channels, level {level}", "跨越通道之间的相似度，第 {level} 级"),
}
"""Columns of the atlas that instruments measured."""


@rooms.register("claims", title="Claims", zh=Chinese("论断", "两篇文章的论断，以及测量得出的结论。"))
class ClaimsRoom(Room):
    """What two texts claim, and what was measured."""

    def __init__(self, page: "Layout"):
        super().__init__(page)
        self.list = gr.HTML(
            told(self.language), js_on_load=SCRIPT, apply_default_css=False, padding=False, elem_id="claims-list"
        )

    @property
    def outputs(self) -> list[Any]:
        """The list."""
        return [self.list]

    def refresh(self, bench: Bench, scene: Scene | None, check: Callable[[], None], *values: Any) -> Iterator[Updates]:
        """The same claims, judged by what is measured by now."""
        yield {self.list: told(self.language)}

    def connect(self, page: "Page") -> None:
        """A claim whose two designs are to be compared on the page."""

        def choose(bench: Bench, scene: Scene | None, turn: Turn, event: gr.EventData) -> Iterator[Updates]:
            if pair := pair_of(event._data):
                yield from page.shown(pair, scene, turn, scene)

        page.listen(self.list.input, choose)


def pair_of(given: object) -> Bench | None:
    """The two designs of the claim that the browser named; None for anything else."""
    id = given.get("claim") if isinstance(given, dict) else None
    if not isinstance(id, str) or id not in claims:
        return None
    claim = claims[id].make()
    return Bench(claim.first, claim.second, "B", claim.about[0])


def told(language: str) -> str:
    """Every claim of the two texts with its verdict, and what filters them, as HTML."""
    atlases = {task: read_atlas(task) for task in tasks}
    made = [(entry, claim := entry.make(), judge(claim, atlases)) for entry in claims.entries()]
    sources = Counter(_source(claim) for _, claim, _ in made)
    verdicts = Counter(judgement.verdict for *_, judgement in made)
    filters = _choices("source", SOURCE, SOURCES, sources, language) + _choices(
        "verdict", VERDICT, VERDICTS, verdicts, language
    )
    listed = "".join(_claim(*one, language) for one in made)
    none, caveat = NONE.within(language), CAVEAT.within(language)
    return (
        f'<div class="claims"><div class="filters">{filters}</div>{listed}'
        f'<p class="line none" role="status" hidden>{none}</p><p class="line">{caveat}</p></div>'
    )


def _source(claim: Claim) -> str:
    """Which text makes a claim: the first one is about giving up resolution, and nothing else is."""
    return "one" if "down" in claim.about else "two"


def _choices(name: str, title: Text, offered: dict[str, Text], counts: Counter[str], language: str) -> str:
    """Buttons of which one is pressed, each with how many claims it leaves."""
    shown = [("", ALL, counts.total()), *((id, text, counts[id]) for id, text in offered.items() if counts[id])]
    buttons = "".join(
        f'<label><input type="radio" name="{name}" value="{id}"{"" if id else " checked"}>'
        f"<span>{escape(text.within(language))} <small>{count}</small></span></label>"
        for id, text, count in shown
    )
    return f"<fieldset><legend>{title.within(language)}</legend>{buttons}</fieldset>"


def _claim(entry: Entry, claim: Claim, judgement: Judgement, language: str) -> str:
    kind = judgement.verdict
    first, second = (in_words(design, language) for design in (claim.first, claim.second))
    pair = texts.PAIR.within(language).format(first=first, second=second)
    summary, opened = escape(entry.summary.within(language)), OPEN.within(language)
    return (
        f'<article class="claim" data-source="{_source(claim)}" data-verdict="{kind}">'
        f'<b class="verdict {kind.replace(" ", "-")}">{VERDICTS[kind].within(language)}</b>'
        f"<div><h3>{summary}</h3><p>{escape(pair)}</p>{_numbers(entry, judgement, language)}</div>"
        f'<button type="button" data-claim="{entry.id}" aria-label="{opened}: {summary}">{opened}</button></article>'
    )


def _numbers(entry: Entry, judgement: Judgement, language: str) -> str:
    """How many comparisons speak for and against; folded away: what is compared, and every number."""
    spoken = Counter(finding.speaks for finding in judgement.findings)
    parts = ("，" if language == "zh" else ", ").join(
        f"{count} {texts.SPEAKS[speaks].within(language)}" for speaks in texts.SPEAKS if (count := spoken[speaks])
    )
    counted = COMPARISONS.within(language).format(told=parts or VERDICTS[judgement.verdict].within(language))
    head = "".join(f'<th scope="col">{title.within(language)}</th>' for title in HEADER)
    rows = "".join(_finding(one, language) for one in judgement.findings)
    table = f"<table><tr>{head}</tr>{rows}</table>"
    framed = f'<div class="table" role="group" aria-label="{counted}" tabindex="0">{table}</div>' if rows else ""
    lesson = escape(entry.lesson.within(language))
    return f"<details><summary>{counted}</summary><p>{lesson}</p>{framed}</details>"


def _finding(one: Finding, language: str) -> str:
    share = one.column in COSTS
    difference, low, high = (
        f"{number:+.1%}" if share else f"{number:+.3f}" for number in (one.difference, one.low, one.high)
    )
    cells = (
        (tasks[one.task].title if one.task else ALL).within(language),
        _compared(one, language),
        _spelled(one.column, one.first),
        _spelled(one.column, one.second),
        difference,
        f"{low} … {high}" if low != high else "",
        texts.SPEAKS[one.speaks].within(language),
        texts.KINDS[one.weights].within(language) if one.weights else "",
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _compared(one: Finding, language: str) -> str:
    """The number that a finding is about, and what takes the place of the claim's second design."""
    than = _named(one.other, language) if one.other else in_words(one.beside, language) if one.beside else ""
    return f"{_named(one.column, language)} / {than}" if than else _named(one.column, language)


def _named(column: str, language: str) -> str:
    """The title of a column of the atlas."""
    if column in metrics:
        return metrics[column].title.within(language)
    kind, _, level = column.partition("_")
    return (texts.COLUMNS[column] if column in texts.COLUMNS else INSIDE[kind].format(level=level)).within(language)


def _spelled(column: str, number: float) -> str:
    """A number of a column with its unit; counts in millions."""
    if column not in COSTS or column == "latency":
        return f"{number:.3f}"
    return f"{number / 1e6:,.2f} M"
