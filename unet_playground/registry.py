"""One mechanism for every list of choices: parts, presets, tasks, analyses, losses.

A class or function becomes a choice by one decorator. Its docstring is its English text: the first line is the
summary that the menu shows, the paragraphs after it are the lesson. Its keyword-only `Annotated` parameters are its
options; the same declaration serves constructor, widget, link, command line and documentation.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from unet_playground.errors import Text, UnknownChoice

T = TypeVar("T")
F = TypeVar("F")
Value = int | float | str | bool

_SECTION = re.compile(r"^(Args|Shape|Returns|Raises|Source|Yields|Attributes|Example):", re.MULTILINE)
_WRITTEN = re.compile(r"^\s*([\w.-]+)\s*(?:\((.*)\)\s*)?$")  # two places for the same blanks would take n² steps
LONGEST = 2000
"""Characters that a choice or a link may have; a link to two designs has at most 1500."""

_forget: list[Callable[[], None]] = []


def remembered(maxsize: int) -> Callable[[F], F]:
    """`lru_cache` for what follows from choices: it forgets when one is registered or taken out under the same id."""

    def around(call: Any) -> Any:
        kept = lru_cache(maxsize)(call)
        _forget.append(kept.cache_clear)
        return kept

    return around


@dataclass(frozen=True)
class Paper:
    """Where a part was defined: `Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597")`."""

    authors: str
    year: int
    title: str
    source: str

    def __str__(self) -> str:
        return f"{self.authors} {self.year}, {self.title}, {self.source}"


@dataclass(frozen=True)
class Chinese:
    """The Chinese texts of an entry; the English ones stand in its docstring."""

    title: str
    summary: str
    lesson: str = ""


@dataclass(frozen=True)
class Knob:
    """What a menu must know of an option beside its type and default: its name and, for numbers, its range."""

    en: str
    zh: str
    low: float | None = None
    high: float | None = None
    odd: bool = False


@dataclass(frozen=True)
class Option:
    """One option of one choice, read from a keyword-only `Annotated` parameter."""

    id: str
    default: Value
    title: Text
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    odd: bool = False

    @property
    def allowed(self) -> str:
        """The legal values in words: `sequential, parallel` or `1 to 64`."""
        if self.choices:
            return ", ".join(spell(choice) for choice in self.choices)
        return f"{'odd numbers ' if self.odd else ''}{self.low:g} to {self.high:g}"

    @property
    def ends(self) -> tuple[Value, ...]:
        """The lowest and the highest value of a number."""
        return tuple(type(self.default)(end) for end in (self.low, self.high) if end is not None)

    def parse(self, text: str | Value, owner: str) -> Value:
        """The value that `text` writes; refused with what is allowed."""
        for choice in self.choices:
            if spell(choice) == spell(text):
                return choice
        if not self.choices:
            value = _number(text, type(self.default))
            if value is not None and self._holds(value):
                return value
        raise UnknownChoice(
            f"{owner}({self.id}={spell(text)}) is not possible: {self.id} can be {self.allowed}.",
            f"{owner}({self.id}={spell(text)}) 无效：{self.id} 可取 {self.allowed}。",
        )

    def _holds(self, value: float) -> bool:
        inside = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return inside and not (self.odd and value % 2 == 0)


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One choice of a catalogue: what it makes, its texts in two languages and its options."""

    id: str
    make: T
    title: Text
    summary: Text
    lesson: Text
    formula: str
    paper: Paper | None
    aliases: tuple[str, ...]

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Read when first asked for, so that importing stays quick."""
        return tuple(_read_options(self.make))

    def parse_options(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Typed and checked options, defaults left out; an unknown name or value is refused."""
        known = {option.id: option for option in self.options}
        parsed: dict[str, Value] = {}
        for name, value in given.items():
            if name not in known:
                allowed = ", ".join(known) or "it has none"
                raise UnknownChoice(
                    f'{self.id} has no option "{name}"; options: {allowed}.',
                    f"{self.id} 没有选项“{name}”；可用选项：{', '.join(known) or '无'}。",
                )
            parsed[name] = known[name].parse(value, self.id)
        return {name: parsed[name] for name in known if name in parsed and parsed[name] != known[name].default}


@dataclass(frozen=True)
class Choice:
    """An id with the options that differ from their defaults, written `cbam(order=parallel)`."""

    id: str
    options: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        if not self.options:
            return self.id
        return f"{self.id}({','.join(f'{name}={spell(value)}' for name, value in self.options)})"


class Catalogue(Generic[T]):
    """An ordered list of choices; registration order is menu order.

    Args:
        id: Its key in `catalogues`.
        title: Its name in the menu, English and Chinese.
    """

    def __init__(self, id: str, title: Text):
        self.id = id
        self.title = title
        self._entries: dict[str, Entry[T]] = {}
        self._aliases: dict[str, str] = {}
        catalogues[id] = self

    def register(
        self,
        id: str,
        *,
        title: str,
        zh: Chinese,
        formula: str = "",
        paper: Paper | None = None,
        aliases: tuple[str, ...] = (),
    ) -> Callable[[F], F]:
        """Make the decorated class or function a choice under a permanent kebab-case id."""

        def add(made: Any) -> Any:
            for name in (id, *aliases):
                if name in self._entries or name in self._aliases:
                    raise ValueError(f"{self.id} {name!r} is registered twice")
            summary, lesson = _read_docstring(made)
            self._entries[id] = Entry(
                id=id,
                make=made,
                title=Text(title, zh.title),
                summary=Text(summary, zh.summary),
                lesson=Text(lesson, zh.lesson or zh.summary),
                formula=formula,
                paper=paper,
                aliases=aliases,
            )
            self._aliases.update(dict.fromkeys(aliases, id))
            _changed()
            return made

        return add

    def unregister(self, id: str) -> None:
        """Take a choice out again (for notebooks and tests that try one)."""
        for alias in self._entries.pop(id).aliases:
            del self._aliases[alias]
        _changed()

    def __getitem__(self, id: str) -> Entry[T]:
        entry = self._entries.get(self._aliases.get(id, id))
        if entry is None:
            raise UnknownChoice(
                f'Unknown {self.id} "{id}"; choose one of {", ".join(self)}.',
                f"未知的{self.title.zh}“{id}”；可选：{', '.join(self)}。",
            )
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, id: object) -> bool:
        return id in self._entries or id in self._aliases

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> tuple[Entry[T], ...]:
        """Every entry in menu order."""
        return tuple(self._entries.values())

    def parse(self, text: str) -> Choice:
        """Read `cbam(order=parallel)` into its canonical choice: alias resolved, default options dropped."""
        check_length(text)
        return self._parsed(text)

    @remembered(maxsize=4096)
    def _parsed(self, text: str) -> Choice:
        written = _WRITTEN.match(text)
        if not written:
            raise UnknownChoice(
                f'"{text}" does not name one {self.id}; write it like {next(iter(self))} or id(option=value).',
                f"“{text}”不是{self.title.zh}；请写成 {next(iter(self))} 或 id(选项=值)。",
            )
        entry = self[written[1]]
        given: dict[str, Value] = {}
        for pair in filter(None, (part.strip() for part in (written[2] or "").split(","))):
            name, _, value = (part.strip() for part in pair.partition("="))
            if name in given:
                raise UnknownChoice(
                    f'"{text}" names the option {name} twice; name it once.',
                    f"“{text}”中选项 {name} 出现了两次；请只写一次。",
                )
            given[name] = value
        return Choice(entry.id, tuple(entry.parse_options(given).items()))


catalogues: dict[str, Catalogue[Any]] = {}
"""Every catalogue that was imported by its id; slots first, in the order of the page."""


def check_length(text: str) -> None:
    """Refuse what is too long for a choice or a link, before anything is made of it.

    Raises:
        UnknownChoice: It is.
    """
    if len(text) > LONGEST:
        raise UnknownChoice(
            f"This text has {len(text)} characters; a choice or link has at most {LONGEST}. Shorten it and try again.",
            f"该文字有 {len(text)} 个字符；选项或链接最多 {LONGEST} 个字符。请缩短后重试。",
        )


def _changed() -> None:
    for forget in _forget:
        forget()


def _read_docstring(made: object) -> tuple[str, str]:
    text = inspect.cleandoc(getattr(made, "__doc__", None) or "")
    summary, _, rest = text.partition("\n")
    if not summary:
        raise ValueError(f"{made!r} needs a docstring: its first line is its text in the menu")
    section = _SECTION.search(rest)
    lesson = rest[: section.start()] if section else rest
    return summary.strip(), " ".join(lesson.split())


def _read_options(made: object) -> Iterator[Option]:
    function = made.__init__ if inspect.isclass(made) else made
    parameters = inspect.signature(function).parameters.items()  # type: ignore[arg-type]
    offered = [(name, one) for name, one in parameters if one.kind is one.KEYWORD_ONLY]
    # What has no option may be annotated with what is imported for type checkers only.
    hints = get_type_hints(function, include_extras=True) if offered else {}
    for name, parameter in offered:
        hint = hints.get(name)
        if get_origin(hint) is not Annotated:
            continue
        kind, knob = get_args(hint)[:2]
        choices = get_args(kind) if get_origin(kind) is Literal else (False, True) if kind is bool else ()
        yield Option(name, parameter.default, Text(knob.en, knob.zh), choices, knob.low, knob.high, knob.odd)


def spell(value: object) -> str:
    """A value as designs and links write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: object, kind: type) -> Any:
    try:
        return kind(text)
    except (TypeError, ValueError):
        return None
