"""The page's pieces of HTML: header, cost, weights, glossary. Everything from outside is escaped here."""

import math
from collections.abc import Iterator
from html import escape

from unet_playground.cost import SLOW, Cost, cost
from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import Text
from unet_playground.inference import best_device
from unet_playground.model import Origin, UNet
from unet_playground.notice import NOTICE
from unet_playground.presets import compare, preset_of, presets
from unet_playground.receptive_field import kinds
from unet_playground.registry import Entry, catalogues
from unet_playground.tasks import tasks
from unet_playground.training.datasets import datasets
from unet_playground.ui import texts
from unet_playground.ui.bench import Bench
from unet_playground.ui.measured import scores
from unet_playground.weights import stores


def brand(language: str) -> str:
    """The name of the page."""
    return f'<span class="mark" aria-hidden="true"></span><h1>{texts.TITLE.within(language)}</h1>'


def switches(language: str, other: str) -> str:
    """Leads to the lessons and to the other language, and copies the page's address."""
    said = ", ".join(f"'{text.within(language)}'" for text in (texts.COPIED, texts.COPIED_ALONE))
    copy, keep = f"copyLink(this, {said})", "this.search = location.search"
    # The page's base address makes a bare fragment lead to another page.
    there = "document.getElementById('lesson').scrollIntoView(); return false"
    spoken = "zh" if language == "en" else "en"
    return (
        f'<a href="#lesson" onclick="{there}">{texts.LESSONS.within(language)}</a>'
        f'<button type="button" class="copy" onclick="{copy}">{texts.COPY.within(language)}</button>'
        f'<a href="{other}" lang="{spoken}" onclick="{keep}">{texts.OTHER_LANGUAGE.within(language)}</a>'
    )


def notice(language: str) -> str:
    """What this is not for, on every screen; and what computes."""
    device = texts.DEVICE.within(language).format(device=best_device().type.upper())
    offline = f'<p class="away" role="alert">{texts.OFFLINE.within(language)}</p>'
    return f'{offline}<footer class="notice">{NOTICE.within(language)} <span>· {escape(device)}</span></footer>'


def keyboard(language: str) -> str:
    """Every key, and a switch for those that are pressed alone (speech input presses them by accident)."""
    switch = "document.body.dataset.keys = this.checked ? 'on' : 'off'"
    single = f'<label><input type="checkbox" checked onchange="{switch}"> {texts.SINGLE_KEYS.within(language)}</label>'
    rows = "".join(
        f"<dt>{' '.join(f'<kbd>{escape(one)}</kbd>' for one in keys.split())}</dt><dd>{what.within(language)}</dd>"
        for keys, what in texts.KEYS.items()
    )
    return f'{single}<dl class="keyboard">{rows}</dl>'


def message(text: Text | None, language: str) -> str:
    """One sentence on what could not be done; empty when all is well."""
    return f'<div class="message" role="alert">{escape(text.within(language))}</div>' if text else ""


def line(text: Text | str, language: str) -> str:
    """A small line under a picture or a slot."""
    words = text if isinstance(text, str) else text.within(language)
    return f'<p class="line">{escape(words)}</p>'


def read_out(check: Text, facts: Text, language: str) -> str:
    """What stands under a figure: its check, and its main numbers in words for those who want or need them."""
    title = texts.IN_WORDS.within(language)
    more = f"<details><summary>{title}</summary>{line(facts, language)}</details>"
    return line(check, language) + more


def lesson(entry: Entry, language: str) -> str:
    """What something is in one line; its lesson and its paper, folded away."""
    paper = f" <cite>{escape(str(entry.paper))}</cite>" if entry.paper else ""
    told = f'<p class="line">{escape(entry.lesson.within(language))}{paper}</p>'
    return f'<details class="told"><summary>{escape(entry.summary.within(language))}</summary>{told}</details>'


def preset_line(design: Design, language: str) -> str:
    """What the preset is, its paper, and the authors' parameter count beside ours; empty for a design of one's own."""
    id = preset_of(design)
    if id is None:
        return line(texts.OWN, language)
    entry, comparison = presets[id], compare(id)
    paper = f" <cite>{escape(str(entry.paper))}</cite>" if entry.paper else ""
    counts = ""
    if comparison:
        title, summary = texts.AUTHORS.within(language), comparison.summary.within(language)
        counts = f"<details><summary>{title}</summary>{escape(summary)}</details>"
    return f'<div class="line">{escape(entry.summary.within(language))}{paper}{counts}</div>'


def about(text: Text, source: Text | None, language: str) -> str:
    """What the image is; where it comes from, folded away."""
    if source is None:
        return line(text, language)
    title = f"{text.within(language)} <u>{texts.SOURCE.within(language)}</u>"
    return f'<details class="line"><summary>{title}</summary>{escape(source.within(language))}</details>'


def cost_table(bench: Bench, task: str, language: str, label: str = "") -> str:
    """Parameters, multiply-adds and memory beside the classic's, as bars on a logarithmic axis from 1/8 to 8.

    Args:
        bench: One design or two; both have their bar.
        task: Id of the task.
        language: Of the words.
        label: HTML that says which weights stand behind the pictures.
    """
    made = tasks[task].make
    counts = [
        cost(one, in_channels=made.channels, classes=len(made.labels))
        for one in (bench.edited, *bench.designs, Design(dims=bench.edited.dims))
    ]
    own, classic, compared = counts[0], counts[-1], counts[1:-1]
    columns = [list(_costs(one, classic)) for one in compared]
    rows = "".join(_row(cells, language) for cells in zip(*columns, strict=True))
    reach = " × ".join(map(str, own.receptive_field.sides)) + " px"
    if own.receptive_field.through:
        gates = ", ".join(kinds(own.receptive_field.through))
        reach += " " + texts.WHOLE_IMAGE.within(language).format(gates=gates)
    rows += f'<tr><th>{texts.REACH.within(language)}</th><td colspan="3">{escape(reach)}</td></tr>'
    return (
        f'<div class="cost"><h2>{texts.SCORE.within(language)}</h2>{label}{scores(bench, task, language)}'
        f'<h2>{texts.COST.within(language)}</h2><p class="line">{texts.RELATIVE.within(language)}</p>'
        f"{_slowness(own, classic, language)}<table>{rows}</table>{_stages(own, language)}</div>"
    )


def _row(cells: tuple[tuple[Text, int, int, str], ...], language: str) -> str:
    """One line a design, under one title."""
    lines = []
    for name, (title, value, base, shown) in zip("ab" if len(cells) > 1 else " ", cells, strict=True):
        badge = f'<b class="badge {name}">{name.upper()}</b> ' if name.strip() else ""
        head = f"<th>{badge}{title.within(language)}</th>"
        ratio = f"<td>{value / base:.2f}×</td><td>{shown}</td>"
        lines.append(f'<tr class="{name.strip()}">{head}<td>{_bar(value / base)}</td>{ratio}</tr>')
    return "".join(lines)


def _slowness(own: Cost, classic: Cost, language: str) -> str:
    times = own.effort / classic.effort
    return f'<p class="slow">{texts.SLOW.within(language).format(times=times)}</p>' if times > SLOW else ""


def _stages(own: Cost, language: str) -> str:
    """The cost of every stage, folded away."""
    titles = (texts.STAGE, texts.PARAMETERS, texts.MACS, texts.ACTIVATIONS)
    head = "".join(f"<th>{title.within(language)}</th>" for title in titles)
    rows = "".join(
        f"<tr><th>{stage.stage}</th><td>{stage.parameters:,}</td><td>{stage.macs / 1e9:.2f} G</td>"
        f"<td>{stage.activation_bytes / 1e6:.0f} MB</td></tr>"
        for stage in own.stages
    )
    summary = texts.STAGES.within(language)
    return f'<details class="stages"><summary>{summary}</summary><table><tr>{head}</tr>{rows}</table></details>'


def weights_label(task: str, asked: str, model: UNet | None, language: str) -> str:
    """Which weights stand behind the pictures; first of all that they are not those asked for, where they are not."""
    origin = model.origin if model else None
    shown = origin.weights if origin else ""
    missing = f"<b>{texts.MISSING[asked].within(language)}</b> " if asked in texts.MISSING and asked != shown else ""
    if origin is None:
        return f'<p class="weights untrained">{missing}{untrained(task).within(language)}</p>'
    text = {"shared": texts.SHARED, "solo": texts.SOLO}[shown].within(language)
    return f'<p class="weights {shown}" data-sha256="{origin.sha256}">{missing}{text}{_tested(origin, language)}</p>'


def untrained(task: str) -> Text:
    """Said where a design has no trained weights."""
    return texts.UNTRAINED if any(stores(task)) else texts.NO_WEIGHTS


def _tested(origin: Origin, language: str) -> str:
    """How well weights do on the test split, where their card says."""
    for store in stores(origin.task):
        if store.card.sha256 == origin.sha256 and "test" in store.card.metrics:
            scores = store.card.metrics["test"]
            n = held_out(origin.task, scores["n"]).within(language)
            return texts.TESTED[origin.weights].within(language).format(dice=scores["dice"], n=n)
    return ""


def held_out(task: str, count: int) -> Text:
    """So many of what a task is scored on."""
    return texts.HELD_OUT[datasets[task].make.unit if task in datasets else "image"].format(n=count)


def glossary(language: str) -> str:
    """Every part with its text, formula's paper and lesson."""
    return "".join(
        f"<h3>{escape(catalogues[slot].title.within(language))}</h3><dl>{''.join(_definitions(slot, language))}</dl>"
        for slot in SLOT_IDS
    )


def _definitions(slot: str, language: str) -> Iterator[str]:
    for entry in catalogues[slot].entries():
        paper = f"<cite>{escape(str(entry.paper))}</cite>" if entry.paper else ""
        options = "".join(
            f"<li><code>{option.id}</code> {escape(option.title.within(language))}: {escape(option.allowed)}</li>"
            for option in entry.options
        )
        yield (
            f"<dt>{escape(entry.title.within(language))} <code>{escape(entry.id)}</code></dt>"
            f"<dd><b>{escape(entry.summary.within(language))}</b> {escape(entry.lesson.within(language))} {paper}"
            f"<ul>{options}</ul></dd>"
        )


def _costs(own: Cost, classic: Cost) -> Iterator[tuple[Text, int, int, str]]:
    yield texts.PARAMETERS, own.parameters, classic.parameters, f"{own.parameters / 1e6:.2f} M"
    yield texts.MACS, own.macs, classic.macs, f"{own.macs / 1e9:.2f} G"
    yield texts.ACTIVATIONS, own.activation_bytes, classic.activation_bytes, f"{own.activation_bytes / 1e6:.0f} MB"


def _bar(ratio: float) -> str:
    """A bar that grows from 1x to the right or the left; an arrow where it leaves the axis."""

    reach = max(-1.0, min(1.0, math.log2(ratio) / 3))
    left, width = (50, 50 * reach) if reach >= 0 else (50 + 50 * reach, -50 * reach)
    beyond = "▸" if ratio > 8 else "◂" if ratio < 1 / 8 else ""
    return f'<span class="axis"><i style="left:{left:.1f}%;width:{max(width, 0.8):.1f}%"></i>{beyond}</span>'
