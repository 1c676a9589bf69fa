"""The designer: what the left column shows of the designs A and B, and the events that change one of them."""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from unet_playground.design import LEVELWISE, NUMBERS, SLOT_IDS, Design
from unet_playground.errors import IllegalDesign, PlaygroundError, Text, UnknownChoice
from unet_playground.presets import preset_of, presets
from unet_playground.registry import Choice, Entry, catalogues
from unet_playground.space import change, draw
from unet_playground.ui import texts
from unet_playground.ui.glyphs import glyph

Json = dict[str, Any]

WORDS = {
    "compare": Text("Compare", "对比"),
    "edit": Text("Edit design {letter}: {name}, {note}", "编辑设计 {letter}：{name}，{note}"),
    "design": Text("Design", "设计"),
    "slots": Text("Slots", "部件"),
    "preset": Text("Start from", "从预设开始"),
    "own": Text("My design", "我的设计"),
    "surprise": Text("Surprise me: a random design", "随机设计"),
    "undo": Text("Undo", "撤销"),
    "nothing": Text("Nothing to undo yet", "尚无可撤销的操作"),
    "lesson": Text("Explain {slot}: {choice}", "讲解{slot}：{choice}"),
    "options": Text("Options of {slot}: {choice}", "{slot}的选项：{choice}"),
    "impossible": Text("{option}: not possible here. {why}", "{option}：此处不可用。{why}"),
    "chosen_in": Text("{option}, chosen in {letter}", "{option}，{letter} 的选择"),
    "level": Text("Level {number}", "第 {number} 级"),
    "finest": Text("Level by level, finest first", "逐级选择，从最精细起"),
}
"""What the script says beside the texts of the parts; it fills in what stands in braces."""

BY_LEVEL = Text("Level by level", "逐级不同")
CLASSIC = Text("the classic", "经典设计")
SAME = Text("the same as A", "与 A 相同")
RESIZED = Text("other depth or width", "深度或宽度不同")
CHANGED = (Text("1 slot changed", "改动 1 处"), Text("{count} slots changed", "改动 {count} 处"))
SIZES = {"depth": Text("Depth", "深度"), "width": Text("Width", "宽度")}
LONGEST = 2000
"""Characters of a link or an id that are read at most."""


def designer(a: Design, b: Design | None, editing: str, language: str) -> Json:
    """The value of the designer's component.

    Args:
        a: The design A.
        b: The design that it is compared with; None when nothing is compared.
        editing: "A" or "B", the design whose slots are shown; without `b` it is A.
        language: "en" or "zh".
    """
    on_b = b is not None and editing == "B"
    shown, other = (b, a) if b is not None and on_b else (a, b)
    return {
        "words": {key: text.within(language) for key, text in WORDS.items()},
        "language": language,
        "editing": "B" if on_b else "A",
        "compare": b is not None,
        "a": _card(a, Design(dims=a.dims), CLASSIC, language),
        "b": _card(b, a, SAME, language) if b is not None else None,
        "slots": [_slot(shown, other, slot, language) for slot in SLOT_IDS],
        "numbers": [_number(shown, name, language) for name in SIZES],
        "presets": [{"id": entry.id, "title": entry.title.within(language)} for entry in presets.entries()],
        "preset": preset_of(shown),
    }


def edit(design: Design, event: object) -> Design | Text:
    """The design after one event of the component, or the reason why it stays as it is.

    Args:
        design: The design that is edited.
        event: What the browser sent, trusted in nothing: `{"slot": id, "id": part}`, `{"slot": id, "levels": [part,
            ...]}` finest first, `{"slot": id, "knob": option, "value": v}`, `{"number": "depth" or "width", "value":
            n}`, `{"preset": id}`, `{"link": text}` or `{"surprise": true}`.
    """
    act = _EDITS.get(frozenset(event)) if isinstance(event, Mapping) else None
    try:
        if act is None or not isinstance(event, Mapping):
            raise _not_understood()
        return act(design, **event)
    except PlaygroundError as error:
        return error.text


def named(design: Design, language: str) -> str:
    """What to call a design: the name of its preset, else those of its parts that the classic has not."""
    preset, classic = preset_of(replace(design, dims=2)), Design(dims=design.dims)
    if preset:
        return presets[preset].title.within(language)
    parts = [_title(design, slot, language) for slot in SLOT_IDS if getattr(design, slot) != getattr(classic, slot)]
    sizes = (f"{title.within(language)} {getattr(design, name)}" for name, title in SIZES.items())
    return ", ".join(parts or sizes)


def _card(design: Design, base: Design, same: Text, language: str) -> Json:
    """Link and name of a design, and how far it is from another."""
    preset = preset_of(design)
    name = presets[preset].title if preset else WORDS["own"]
    count = sum(getattr(design, slot) != getattr(base, slot) for slot in SLOT_IDS)
    unchanged = same if design == base else RESIZED
    note = CHANGED[count > 1].format(count=count) if count else unchanged
    return {"link": design.to_link(), "name": name.within(language), "note": note.within(language)}


def _slot(design: Design, other: Design | None, slot: str, language: str) -> Json:
    """A slot with what it holds and everything that it could hold."""
    applies = design.applies(slot)
    differs = other is not None and getattr(other, slot) != getattr(design, slot)
    return {
        "id": slot,
        "title": catalogues[slot].title.within(language),
        "applies": applies,
        "why": "" if applies else texts.IDLE[slot].within(language),
        "choice": _choice(design, slot, language),
        "other": _title(other, slot, language) if other is not None and differs else None,
        "levels": [choice.id for choice in design.levels(slot)] if applies and slot in LEVELWISE else None,
        "options": [_option(design, other, slot, entry, language) for entry in catalogues[slot].entries()],
        "knobs": list(_knobs(design, slot, language)),
    }


def _title(design: Design, slot: str, language: str) -> str:
    """The name of what a slot holds, a dash where it holds nothing; options that are set stand in brackets."""
    if not design.applies(slot):
        return "–"
    choices = design.levels(slot)
    if len(set(choices)) > 1:
        return BY_LEVEL.within(language)
    title = catalogues[slot][choices[0].id].title.within(language)
    set_to = ", ".join(str(value) for _, value in choices[0].options)
    return f"{title} ({set_to})" if set_to else title


def _choice(design: Design, slot: str, language: str) -> Json:
    """The texts of what a slot holds: one part's, or those of every part that some level holds."""
    choices = dict.fromkeys(design.levels(slot)) if design.applies(slot) else {}
    entries = [catalogues[slot][id] for id in dict.fromkeys(choice.id for choice in choices)]
    summary = " ".join(entry.summary.within(language) for entry in entries)
    if len(choices) > 1:
        titles = [catalogues[slot][choice.id].title.within(language) for choice in design.levels(slot)]
        summary = texts.BY_LEVEL.within(language).format(choices=", ".join(titles))
    return {
        "text": getattr(design, slot),
        "title": _title(design, slot, language),
        "summary": summary,
        "lesson": "\n\n".join(entry.lesson.within(language) for entry in entries if entry.lesson.within(language)),
        "formula": runs(entries[0].formula) if len(entries) == 1 else [],
        "paper": "; ".join(str(entry.paper) for entry in entries if entry.paper),
    }


def _option(design: Design, other: Design | None, slot: str, entry: Entry, language: str) -> Json:
    """One button of a slot."""
    reached = _reach(design, slot, entry.id)
    return {
        "id": entry.id,
        "title": entry.title.within(language),
        "summary": entry.summary.within(language),
        "glyph": glyph(slot, entry.id),
        "legal": isinstance(reached, Design),
        "why": reached.within(language) if isinstance(reached, Text) else "",
        "chosen": _held(design, slot) == entry.id,
        "other": other is not None and _held(other, slot) == entry.id,
    }


def _held(design: Design, slot: str) -> str | None:
    """The one part that a slot holds; None where it differs by level, and where the slot does not apply."""
    ids = {choice.id for choice in design.levels(slot)} if design.applies(slot) else set()
    return ids.pop() if len(ids) == 1 else None


def _knobs(design: Design, slot: str, language: str) -> Iterator[Json]:
    """The options of the part that a slot holds everywhere; none where it differs by level."""
    choices = set(design.levels(slot)) if design.applies(slot) else set()
    if len(choices) != 1:
        return
    choice = choices.pop()
    held = dict(choice.options)
    for option in catalogues[slot][choice.id].options:
        yield {
            "id": option.id,
            "title": option.title.within(language),
            "value": held.get(option.id, option.default),
            "choices": list(option.choices),
            "low": option.low,
            "high": option.high,
            "odd": option.odd,
        }


def _number(design: Design, name: str, language: str) -> Json:
    """A slider, and why some of its values are not possible in this design."""
    low, high = NUMBERS[name]
    reached = {value: edit(design, {"number": name, "value": value}) for value in range(low, high + 1)}
    return {
        "id": name,
        "title": SIZES[name].within(language),
        "value": getattr(design, name),
        "low": low,
        "high": high,
        "why": {str(value): text.within(language) for value, text in reached.items() if isinstance(text, Text)},
    }


def _reach(design: Design, slot: str, choice: str) -> Design | Text:
    """The design with another choice, or why there is none.

    An attention that has no site yet and does not fit the default one takes the first that it fits.
    """
    if not design.applies(slot):
        return texts.IDLE[slot]
    changed = change(design, **{slot: choice})
    if isinstance(changed, Text) and not design.applies("site"):
        placed = (change(design, **{"site": site, slot: choice}) for site in catalogues["site"])
        return next((one for one in placed if isinstance(one, Design)), changed)
    return changed


def _choose(design: Design, slot: object, id: object) -> Design | Text:
    slot = _known_slot(slot)
    return _reach(design, slot, catalogues[slot][_short(id)].id)


def _choose_levels(design: Design, slot: object, levels: object) -> Design | Text:
    """Another choice level by level; a level that keeps its part keeps its options."""
    slot = _known_slot(slot)
    if not isinstance(levels, list) or len(levels) != design.depth:
        raise IllegalDesign(
            f"Level by level, {slot} names one part for each of the {design.depth} levels, finest first.",
            f"逐级选择时，{slot} 需从最精细起为 {design.depth} 级各写一项。",
        )
    ids = [catalogues[slot][_short(id)].id for id in levels]
    held = design.levels(slot)
    written = [str(old) if old.id == id else id for old, id in zip(held, ids, strict=True)]
    return _reach(design, slot, "/".join(written))


def _turn_knob(design: Design, slot: object, knob: object, value: object) -> Design | Text:
    """Another value of one option of a slot's part."""
    slot = _known_slot(slot)
    choices = set(design.levels(slot)) if design.applies(slot) else set()
    if len(choices) != 1:
        raise IllegalDesign(
            f"Options of {slot} can be set where it holds one part: choose one for all levels first.",
            f"仅当 {slot} 只含一个部件时才能设置选项：请先为所有级选择同一项。",
        )
    choice = choices.pop()
    given = value if isinstance(value, bool) else _short(str(value))
    options = catalogues[slot][choice.id].parse_options({**dict(choice.options), _short(knob): given})
    return _reach(design, slot, str(Choice(choice.id, tuple(options.items()))))


def _resize(design: Design, number: object, value: object) -> Design:
    """Another depth or width; what differs by level loses its coarsest levels, or repeats the coarsest."""
    if not isinstance(number, str) or number not in SIZES or type(value) is not int:
        raise _not_understood()
    if number != "depth":
        return design.replace(**{number: value})
    low, high = NUMBERS["depth"]
    fitted = {slot: _fit(design, slot, min(max(value, low), high)) for slot in LEVELWISE if design.applies(slot)}
    return design.replace(depth=value, **fitted)


def _fit(design: Design, slot: str, depth: int) -> str:
    held = [str(choice) for choice in design.levels(slot)]
    fitted = held[:depth] + held[-1:] * (depth - len(held))
    return "/".join(fitted) if len(set(fitted)) > 1 else fitted[0]


def _take_preset(design: Design, preset: object) -> Design:
    return presets[_short(preset)].make()


def _read_link(design: Design, link: object) -> Design:
    return Design.from_link(_short(link))


def _surprise(design: Design, surprise: object) -> Design:
    """A random design of the same depth and width."""
    return draw(random.Random(), base=design)


_EDITS: dict[frozenset[str], Callable[..., Design | Text]] = {
    frozenset({"slot", "id"}): _choose,
    frozenset({"slot", "levels"}): _choose_levels,
    frozenset({"slot", "knob", "value"}): _turn_knob,
    frozenset({"number", "value"}): _resize,
    frozenset({"preset"}): _take_preset,
    frozenset({"link"}): _read_link,
    frozenset({"surprise"}): _surprise,
}
"""What each kind of event does, by its keys."""


def _known_slot(slot: object) -> str:
    if slot not in SLOT_IDS:
        known = ", ".join(SLOT_IDS)
        raise UnknownChoice(f"Unknown slot; choose one of {known}.", f"未知的部件类别；可选：{known}。")
    return str(slot)


def _short(text: object) -> str:
    """A text from outside, unless it is none or too long."""
    if not isinstance(text, str):
        raise _not_understood()
    if len(text) > LONGEST:
        raise UnknownChoice(
            f"This text has {len(text)} characters; at most {LONGEST} are read: shorten it.",
            f"此文本有 {len(text)} 个字符，上限为 {LONGEST}：请缩短。",
        )
    return text


def _not_understood() -> UnknownChoice:
    return UnknownChoice(
        "This change was not understood, so the design stays as it is: reload the page and choose again.",
        "无法理解此更改，设计保持不变：请刷新页面后重新选择。",
    )


_SIGNS = {
    "sigma": "σ",
    "psi": "ψ",
    "alpha": "α",
    "Delta": "Δ",
    "sum": "Σ",
    "in": "∈",
    "cdot": "·",
    "ldots": "…",
    "lfloor": "⌊",
    "rfloor": "⌋",
    "quad": "  ",
    ",": " ",
    "left": "",
    "right": "",
    "mathrm": "",
}
"""Plain signs for the commands of a formula; any other command is shown by its name."""
_RAISED = str.maketrans("0123456789T", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ")


def runs(formula: str) -> list[tuple[str, str]]:
    """A formula as runs of plain text, each on the line (""), below ("sub") or above it ("sup").

    `$x_i^2$` gives x, i below and 2 above. A fraction is written on one line.
    """
    joined: list[tuple[str, str]] = []
    for text, shift in _read(iter(re.findall(r"\\[A-Za-z]+|\\.|.", formula.strip("$"))), ""):
        if joined and joined[-1][1] == shift:
            text = joined.pop()[0] + text
        joined.append((text, shift))
    return joined


def _read(tokens: Iterator[str], shift: str) -> Iterator[tuple[str, str]]:
    """The runs up to the end of a group."""
    for token in tokens:
        if token == "}":
            return
        if token == "{":
            yield from _read(tokens, shift)
        elif token in ("_", "^"):
            yield from _shifted(tokens, shift, "sub" if token == "_" else "sup")
        elif token == r"\frac":
            yield f"{_bracketed(tokens)}/{_bracketed(tokens)}", shift
        else:
            yield _SIGNS.get(token[1:], token[1:]) if token[:1] == "\\" else token, shift


def _argument(tokens: Iterator[str], shift: str) -> Iterator[tuple[str, str]]:
    """The group or the single sign that a command is about."""
    token = next(tokens, "")
    return _read(tokens if token == "{" else iter([token]), shift)


def _shifted(tokens: Iterator[str], shift: str, by: str) -> Iterator[tuple[str, str]]:
    """What stands below or above; within a shifted text it is raised by signs of its own."""
    for text, level in _argument(tokens, shift or by):
        yield text.translate(_RAISED) if shift and by == "sup" else text, level


def _bracketed(tokens: Iterator[str]) -> str:
    text = "".join(text for text, _ in _argument(tokens, ""))
    return text if len(text) == 1 else f"({text})"
