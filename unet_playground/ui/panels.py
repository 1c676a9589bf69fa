"""The page's pieces of HTML: header, cost, weights, glossary. Everything from outside is escaped here."""

import math
from collections.abc import Iterator
from html import escape

from unet_playground.cost import SLOW, Cost, cost
from unet_playground.design import LEVELWISE, SLOT_IDS, Design
from unet_playground.errors import Text
from unet_playground.images import Picture
from unet_playground.inference import best_device
from unet_playground.model import Origin, UNet
from unet_playground.presets import compare, preset_of, presets
from unet_playground.receptive_field import kinds
from unet_playground.registry import catalogues
from unet_playground.tasks import tasks
from unet_playground.training.datasets import datasets
from unet_playground.ui import texts
from unet_playground.ui.measured import score
from unet_playground.ui.scene import View
from unet_playground.weights import stores

CRISP = 300
"""Pixels of the longer side up to which a picture's own pixels are shown as squares."""


def header(language: str, other: str) -> str:
    """Name, tagline, device and the link to the other language."""
    device = texts.DEVICE.within(language).format(device=best_device().type.upper())
    return (
        f'<div class="bar"><span class="mark" aria-hidden="true"></span><h1>{texts.TITLE.within(language)}</h1>'
        f"<p>{texts.TAGLINE.within(language)}</p>"
        f'<span class="device">{escape(device)}</span>'
        f'<a href="{other}">{texts.OTHER_LANGUAGE.within(language)}</a></div>'
    )


def notice(language: str) -> str:
    """What this is not for; stands on every screen."""
    return f'<footer class="notice">{texts.NOTICE.within(language)}</footer>'


def message(text: Text | None, language: str) -> str:
    """One sentence on what could not be done; empty when all is well."""
    return f'<div class="message" role="alert">{escape(text.within(language))}</div>' if text else ""


def line(text: Text | str, language: str) -> str:
    """A small line under a picture or a slot."""
    words = text if isinstance(text, str) else text.within(language)
    return f'<p class="line">{escape(words)}</p>'


def read_out(view: View, language: str) -> str:
    """What stands under a picture: its check, and its main numbers in words for those who want or need them."""
    facts = view.facts.within(language) if view.facts else ""
    title = texts.IN_WORDS.within(language)
    more = f"<details><summary>{title}</summary>{line(facts, language)}</details>" if facts else ""
    return line(view.line, language) + more


def slot_line(design: Design, slot: str, language: str) -> str:
    """The one-line text of what a slot holds; its choices where they differ by level."""
    if not design.applies(slot):
        return line(texts.IDLE[slot], language)
    choices = design.levels(slot)
    if len(set(choices)) > 1:
        return line(texts.BY_LEVEL.within(language).format(choices=", ".join(map(str, choices))), language)
    entry = catalogues[slot][choices[0].id]
    return line(f"{entry.summary.within(language)} {_options(choices[0].options)}", language)


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


def slot_value(design: Design, slot: str) -> str | None:
    """The id that a slot's buttons show as chosen; None where it differs by level or the slot is empty."""
    ids = {choice.id for choice in design.levels(slot)} if slot in LEVELWISE else {design.choice(slot).id}
    return ids.pop() if len(ids) == 1 and ids <= set(catalogues[slot]) else None


def about(text: Text, source: Text | None, language: str) -> str:
    """What the image is; where it comes from, folded away."""
    if source is None:
        return line(text, language)
    title = f"{text.within(language)} <u>{texts.SOURCE.within(language)}</u>"
    return f'<details class="line"><summary>{title}</summary>{escape(source.within(language))}</details>'


def legend(task: str, picture: Picture | None, language: str) -> str:
    """The classes in their colours, numbered where there are several; a small picture is marked to be shown crisp."""
    own = tasks[task].make.labels[1:]
    items = "".join(
        f'<li><i style="background:{label.color}">{number if len(own) > 1 else ""}</i>'
        f"{escape(label.title.within(language))}</li>"
        for number, label in enumerate(own, start=1)
    )
    crisp = " crisp" if picture and max(picture.height, picture.width) <= CRISP else ""
    return f'<ul class="legend{crisp}" aria-label="{texts.LEGEND.within(language)}">{items}</ul>'


def classes(task: str, language: str) -> list[tuple[str, int]]:
    """The choices of a class, as the legend numbers them."""
    own = enumerate(tasks[task].make.labels[1:], start=1)
    return [(f"{number} {label.title.within(language)}", number) for number, label in own]


def cost_table(design: Design, task: str, language: str) -> str:
    """Parameters, multiply-adds and memory beside the classic's, as bars on a logarithmic axis from 1/8 to 8."""
    made = tasks[task].make
    own, classic = (
        cost(one, in_channels=made.channels, classes=len(made.labels)) for one in (design, Design(dims=design.dims))
    )
    rows = "".join(
        f"<tr><th>{title.within(language)}</th><td>{_bar(value / base)}</td><td>{value / base:.2f}×</td>"
        f"<td>{shown}</td></tr>"
        for title, value, base, shown in _costs(own, classic)
    )
    reach = " × ".join(map(str, own.receptive_field.sides)) + " px"
    if own.receptive_field.through:
        gates = ", ".join(kinds(own.receptive_field.through))
        reach += " " + texts.WHOLE_IMAGE.within(language).format(gates=gates)
    rows += f'<tr><th>{texts.REACH.within(language)}</th><td colspan="3">{escape(reach)}</td></tr>'
    return (
        f'<div class="cost"><h2>{texts.COST.within(language)}</h2><p class="line">{texts.RELATIVE.within(language)}</p>'
        f"{_slowness(own, classic, language)}<table>{rows}</table>{_stages(own, language)}"
        f"{score(design, task, language)}</div>"
    )


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
            unit = datasets[origin.task].make.unit if origin.task in datasets else "image"
            n = texts.HELD_OUT[unit].within(language).format(n=scores["n"])
            return texts.TESTED[origin.weights].within(language).format(dice=scores["dice"], n=n)
    return ""


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


def _options(options: tuple[tuple[str, object], ...]) -> str:
    return f"({', '.join(f'{name}={value}' for name, value in options)})" if options else ""
