"""The atlas as a room: every measured design of the task by score and cost, and what the options add."""

from collections.abc import Callable, Iterator, Sequence
from math import isnan
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import gradio as gr

from unet_playground.atlas import CAUTION, COSTS, Atlas, Effect, Interaction, Row, differences, pareto, read_atlas
from unet_playground.atlas import interactions as interactions_of
from unet_playground.atlas import main_effects as effects_of
from unet_playground.design import DEFAULTS, SLOT_IDS, Design
from unet_playground.errors import Text
from unet_playground.registry import Chinese, catalogues
from unet_playground.tasks import tasks
from unet_playground.training.evaluate import HEADLINE, POOLED
from unet_playground.training.metrics import Scale, metrics
from unet_playground.ui import panels, texts
from unet_playground.ui.bench import Bench
from unet_playground.ui.component import component
from unet_playground.ui.glyphs import glyph
from unet_playground.ui.rooms.base import Room, Updates, rooms
from unet_playground.ui.scene import Scene, Turn

if TYPE_CHECKING:
    from unet_playground.ui.layout import Layout
    from unet_playground.ui.page import Page

Json = dict[str, Any]

WORDS = {
    "score": Text("Score", "得分"),
    "cost": Text("Cost", "代价"),
    "slot": Text("Mark by", "标记依据"),
    "better": Text("better", "更好"),
    "worse": Text("worse", "更差"),
    "designs": Text("Measured designs, by cost", "已测设计（按代价排序）"),
    "shared": Text("filled: the bank's weights", "实心：权重库的权重"),
    "solo": Text("hollow: trained alone", "空心：单独训练"),
    "byShared": Text("the bank's weights", "权重库的权重"),
    "bySolo": Text("trained alone, seed {seed}", "单独训练，种子 {seed}"),
    "front": Text("Best for the cost, cheapest first", "同等代价下最好（由低到高）"),
    "onFront": Text("on the front", "位于前沿"),
    "frontLine": Text(
        "numbered line: no design of the bank is better and cheaper", "编号折线：库中没有更好又更便宜的设计"
    ),
    "present": Text("on the page as {letter}", "页面上的 {letter}"),
    "hint": Text(
        "Press a design to open it as {letter}. Keys: left and right by cost, up and down along the front, Enter.",
        "点击设计即以 {letter} 打开。按键：左右按代价移动，上下沿前沿移动，回车打开。",
    ),
    "tap": Text("Tap again to open it as {letter}.", "再次点击即以 {letter} 打开。"),
    "all": Text("Show all ({count} lie outside)", "显示全部（{count} 个在范围外）"),
    "most": Text("Show where most lie", "只显示多数所在范围"),
    "unknown": Text("not asked of this design", "此设计没有这一项"),
    "effects": Text("What each option changes", "各选项带来的变化"),
    "against": Text(
        "{metric}, against the classic's option, all other slots being equal; 95% interval over designs",
        "{metric}，与经典选项相比，其余部件相同；线段为设计间的 95% 区间",
    ),
    "halving": Text("where resolution is given up", "降低分辨率的设计"),
    "full": Text("at full resolution", "全分辨率的设计"),
    "overall": Text("both", "两者"),
    "effect": Text(
        "{family}: {difference}, interval {low} to {high}, {designs} designs",
        "{family}：{difference}，区间 {low} 至 {high}，{designs} 个设计",
    ),
    "mark": Text("Show the designs with it", "显示含此选项的设计"),
    "together": Text("Pairs that do more or less together than apart", "合用与单用之和不同的组合"),
    "caution": CAUTION,
    "working": texts.WORKING,
}
"""What the script says; it fills in what stands in braces."""

COUNTED = Text(
    "{task}: {shared} designs with the bank's weights, {solo} trainings alone; scores on {tested}.",
    "{task}：权重库中 {shared} 个设计，单独训练 {solo} 次；得分来自 {tested}。",
)
EMPTY = Text("No design of this task has been measured yet.", "此任务尚未测量任何设计。")
FEW = Text(
    "{shared} measured designs are too few to tell the effects of single options apart.",
    "已测的 {shared} 个设计太少，无法区分单个选项的作用。",
)
ADDITIVE = Text(
    "No pair of options differs clearly from the sum of what both do.", "没有哪一对选项明显不同于两者作用之和。"
)
PAIR = Text(
    "{first} with {second}, {family}: {extra} beyond the sum of both ({low} to {high}; {designs} designs), {better} "
    "together.",
    "{first} 与 {second} 合用（{family}）：比两者之和 {extra}（{low} 至 {high}；{designs} 个设计），合用{better}。",
)
UNMEASURED = Text(
    "{letter} has not been measured on the test split of this task.", "{letter} 尚未在此任务的测试集上测量。"
)
COLON = {"en": ": ", "zh": "："}
BY_LEVEL = Text("Level by level", "逐级不同")
IDLE = Text("Does not apply", "不适用")
UNITS = {"latency": "×", "activation_bytes": "B"}
DIGITS = {"share": 3, "px": 2, "count": 2}
"""Digits behind the point, by the unit of a metric."""
FIRST_METRIC, FIRST_COST = HEADLINE, "macs"
STRONGEST = 6
"""Pairs of options that are told at most."""
MIXED, NOTHING = "", "-"
"""Ids, beside those of a slot's parts, where its levels differ and where it does not apply."""


@rooms.register("atlas", title="Atlas", zh=Chinese("图谱", "每个已测设计的得分与代价，以及各选项带来的变化。"))
class AtlasRoom(Room):
    """Score and cost of every measured design, and what each option changes."""

    def __init__(self, page: "Layout"):
        super().__init__(page)
        self.chart = component("atlas", None)

    @property
    def outputs(self) -> list[Any]:
        """The chart."""
        return [self.chart]

    def refresh(self, bench: Bench, scene: Scene | None, check: Callable[[], None], *values: Any) -> Iterator[Updates]:
        """Every design of the task, the present ones marked; the script asks for effects where it has none yet."""
        check()
        # Never the same twice: the browser hears of nothing else, and asks again for what a choice has broken off.
        yield {self.chart: value(task_of(scene), bench, self.language) | {"turn": token_hex(4)}}

    def connect(self, page: "Page") -> None:
        """A design that was pressed, and a metric whose effects are wanted."""

        def choose(bench: Bench, scene: Scene | None, turn: Turn, event: gr.EventData) -> Iterator[Updates]:
            if design := measured(task_of(scene), event._data):
                yield from page.shown(bench.holding(design), scene, turn, scene)

        page.listen(self.chart.input, choose)
        # A lane of its own: effects neither wait for pictures nor keep a choice waiting.
        lane = {**page.slow, "concurrency_id": "atlas", "trigger_mode": "multiple"}
        self.chart.select(self._tell, [page.bench, page.scene, page.turn], [self.chart], **lane)

    def _tell(self, bench: Bench, scene: Scene | None, turn: Turn, event: gr.EventData) -> Updates:
        """The chart with effects; nothing where the next choice was made meanwhile: it asks again."""
        number = turn.number
        shown = value(task_of(scene), bench, self.language, metric_of(event._data))
        return {self.chart: shown} if turn.number == number else gr.skip()


def task_of(scene: Scene | None) -> str:
    """The task whose atlas is shown; the first one where there is no image."""
    return scene.task if scene else next(iter(tasks))


def measured(task: str, given: object) -> Design | None:
    """The measured design whose link the browser sent; None for anything else."""
    link = given.get("link") if isinstance(given, dict) else None
    return next((row.design for row in read_atlas(task).rows if row.design.to_link() == link), None)


def metric_of(given: object) -> str:
    """The metric whose effects the browser asked for; the first one for anything else."""
    metric = given.get("metric") if isinstance(given, dict) else None
    return metric if isinstance(metric, str) and metric in _known() else FIRST_METRIC


def _known() -> dict[str, tuple[Text, Scale]]:
    """Score -> title and scale: every metric, and behind its mean over images the Dice over all pixels."""
    found: dict[str, tuple[Text, Scale]] = {}
    for entry in metrics.entries():
        found[entry.id] = entry.title, entry.make.scale
        if entry.id == HEADLINE:
            found[POOLED] = texts.COLUMNS[POOLED], entry.make.scale
    return found


def in_words(design: Design, language: str) -> str:
    """A design by what it has other than the classic: `Skip: Dense · Up: Deformable`."""
    colon = COLON[language]
    told = [
        catalogues[slot].title.within(language) + colon + _spelled(design, slot, language)
        for slot in differences(design)
    ]
    return " · ".join(told) or texts.CLASSIC.within(language)


def value(task: str, bench: Bench, language: str, metric: str | None = None) -> Json:
    """What the script draws: all measured designs of a task, and where asked for the effects on one metric.

    Args:
        task: Id of the task.
        bench: The designs that are marked.
        language: "en" or "zh".
        metric: Id of the metric whose effects are told; without it there are none, as they take most of the time.
    """
    atlas = read_atlas(task)
    scores = [id for id in _known() if any(not isnan(row.value(id)) for row in atlas.rows)]
    kinds = {slot: _kinds(atlas.rows, slot) for slot in SLOT_IDS}
    letters = dict(zip("AB", bench.designs, strict=False))
    marks = {letter: [at for at, row in enumerate(atlas.rows) if row.design == own] for letter, own in letters.items()}
    return {
        "words": {key: text.within(language) for key, text in WORDS.items()},
        "task": task,
        "lines": list(_lines(task, atlas, [letter for letter, found in marks.items() if not found], language)),
        "metrics": [_metric(id, language) for id in scores],
        "costs": [{"id": id, "title": texts.COLUMNS[id].within(language), "unit": UNITS.get(id, "")} for id in COSTS],
        "first": {"metric": FIRST_METRIC, "cost": FIRST_COST, "slot": bench.slot},
        "slots": [_slot(slot, kinds[slot], language) for slot in SLOT_IDS],
        "designs": _designs(atlas.rows, scores, kinds, language),
        "fronts": _fronts(atlas, scores),
        "marks": marks,
        "editing": bench.editing,
        "effects": None if metric is None else effects(task, metric, language),
    }


def effects(task: str, metric: str, language: str) -> Json:
    """What each option changes of a metric, the pairs that stand out, or why nothing is told."""
    bank = read_atlas(task).of("shared")
    found = effects_of(bank, metric)
    alone = {(one.slot, one.option) for one in found if one.family != "all"}
    shown = [one for one in found if one.family != "all" or (one.slot, one.option) not in alone]
    pairs = [_pair(one, metric, language) for one in interactions_of(bank, metric, STRONGEST) if one.low * one.high > 0]
    few = FEW.within(language).format(shared=len(bank)) if bank and not shown else ""
    return {
        "task": task,
        "metric": metric,
        "rows": [_effect(one) for one in shown],
        "pairs": pairs or [ADDITIVE.within(language)] if shown else [],
        "few": few,
    }


def _lines(task: str, atlas: Atlas, missing: Sequence[str], language: str) -> Iterator[str]:
    """What stands over the chart in sentences."""
    if not atlas.rows:
        yield EMPTY.within(language)
        return
    tested = panels.held_out(task, len(atlas.names)).within(language)
    counts = {"shared": len(atlas.of("shared")), "solo": len(atlas.of("solo")), "tested": tested}
    yield COUNTED.within(language).format(task=tasks[task].title.within(language), **counts)
    yield from (UNMEASURED.within(language).format(letter=letter) for letter in missing)


def _metric(id: str, language: str) -> Json:
    title, scale = _known()[id]
    unit = " px" if scale.unit == "px" else ""
    title = title.within(language) + (f",{unit}" if unit else "")
    return {"id": id, "title": title, "higher": scale.higher, "digits": DIGITS[scale.unit], "unit": unit}


def _kinds(rows: Sequence[Row], slot: str) -> list[str]:
    """The options of a slot that designs hold in the order of the menu, then level by level, then nothing."""
    seen = {_held(row.design, slot) for row in rows}
    return [id for id in (*catalogues[slot], MIXED, NOTHING) if id in seen]


def _held(design: Design, slot: str) -> str:
    if not design.applies(slot):
        return NOTHING
    ids = {choice.id for choice in design.levels(slot)}
    return ids.pop() if len(ids) == 1 else MIXED


def _spelled(design: Design, slot: str, language: str) -> str:
    """What a slot holds: one part with its options, or one for every level, finest first."""
    titles = []
    for choice in dict.fromkeys(design.levels(slot)) if _held(design, slot) else design.levels(slot):
        set_to = ", ".join(str(setting) for _, setting in choice.options)
        titles.append(catalogues[slot][choice.id].title.within(language) + (f" ({set_to})" if set_to else ""))
    return " / ".join(titles)


def _slot(slot: str, kinds: Sequence[str], language: str) -> Json:
    return {
        "id": slot,
        "title": catalogues[slot].title.within(language),
        "options": [_option(slot, id, language) for id in kinds],
    }


def _option(slot: str, id: str, language: str) -> Json:
    special = {MIXED: BY_LEVEL, NOTHING: IDLE}
    title = special[id] if id in special else catalogues[slot][id].title
    return {
        "id": id,
        "title": title.within(language),
        "glyph": "" if id in special else glyph(slot, id),
        "reference": id == DEFAULTS[slot],
    }


def _designs(rows: Sequence[Row], scores: Sequence[str], kinds: dict[str, list[str]], language: str) -> Json:
    """The table by columns; of options the place in their slot, seeds only of designs that were trained alone."""
    known = {id: [row.value(id) for row in rows] for id in scores}
    return {
        "link": [row.design.to_link() for row in rows],
        "said": [in_words(row.design, language) for row in rows],
        "seed": [row.seed if row.weights == "solo" else None for row in rows],
        "error": [_rounded(row.error) for row in rows],
        "scores": {id: [_rounded(number) for number in column] for id, column in known.items()},
        "costs": {cost: [row.value(cost) for row in rows] for cost in COSTS},
        "held": {slot: [ids.index(_held(row.design, slot)) for row in rows] for slot, ids in kinds.items()},
    }


def _rounded(number: float) -> float | None:
    """For JSON, which knows no NaN."""
    return None if isnan(number) else round(number, 4)


def _fronts(atlas: Atlas, scores: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """Metric -> cost -> the bank's designs on the front as places in the rows, cheapest first."""
    place, bank = {row.key: at for at, row in enumerate(atlas.rows)}, atlas.of("shared")
    return {
        id: {cost: [place[row.key] for row in pareto(bank, id, cost, scale.higher)] for cost in COSTS}
        for id, (_, scale) in _known().items()
        if id in scores
    }


def _effect(one: Effect) -> Json:
    numbers = {"difference": one.difference, "low": one.low, "high": one.high}
    rounded = {name: _rounded(number) for name, number in numbers.items()}
    return {"slot": one.slot, "option": one.option, "family": one.family, "designs": one.designs, **rounded}


def _pair(one: Interaction, metric: str, language: str) -> str:
    """Two options and what they do beyond the sum of both, as a sentence."""
    _, scale = _known()[metric]
    first, second = (
        f"{catalogues[slot].title.within(language)} {catalogues[slot][option].title.within(language)}"
        for slot, option in (one.first, one.second)
    )
    numbers = {"extra": one.extra, "low": one.low, "high": one.high}
    spelled = {name: f"{number:+.{DIGITS[scale.unit]}f}" for name, number in numbers.items()}
    better = WORDS["better" if (one.extra > 0) == scale.higher else "worse"].within(language)
    family = WORDS[one.family].within(language)
    named = {"first": first, "second": second, "family": family, "designs": one.designs, "better": better}
    return PAIR.within(language).format(**named, **spelled)
