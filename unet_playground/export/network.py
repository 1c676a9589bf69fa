"""The classes of the network itself, written for one design."""

import ast
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from unet_playground.export.rewrite import Wish
from unet_playground.export.source import Definition, Import, definition_of, find
from unet_playground.model import DecoderStage, EncoderStage, Slot, UNet
from unet_playground.parts import Place
from unet_playground.registry import Choice

WIDTH = 120
"""Characters of a line."""

STAGES = """\
    def __init__(self):
        super().__init__()"""
"""The constructor of the network until its stages are known by name."""

_INITS = {
    "Slot": """\
    def __init__(self, part_id: str, part: nn.Module):
        super().__init__()
        self.part_id = part_id
        self.add_module(part_id, part)""",
    "EncoderStage": """\
    def __init__(self, down: Slot | None, block: Slot):
        super().__init__()
        self.down = down
        self.block = block""",
    "DecoderStage": """\
    def __init__(self, level: int, up: Slot | None, skip: Slot, block: Slot):
        super().__init__()
        self.level = level
        self.up = up
        self.skip = skip
        self.block = block""",
    "UNet": STAGES,
}
_SLOT = '"""Holds a part under its id, so that its weights are called what the playground calls them."""'
_ATTENDING = """\
    def __init__(self, level: int, up: Slot | None, skip: Slot, attention: dict[str, Slot], block: Slot):
        super().__init__()
        self.level, self.site = level, {site}
        self.up = up
        self.skip = skip
        self.attention = nn.ModuleDict(attention)
        self.block = block"""


@dataclass(frozen=True)
class Made:
    """A call as it is written down: a name, and arguments by name (or without), which are code, dicts or calls."""

    name: str
    arguments: tuple[tuple[str, Any], ...]


def roots_of(model: UNet) -> list[Definition]:
    """The classes that a model is made of, and what puts them together."""
    parts = dict.fromkeys(type(slot.part) for slot in model.modules() if isinstance(slot, Slot) and _works(slot))
    head = find(UNet.__module__, "convolution")
    roots = [definition_of(made) for made in (*parts, Place, Slot, EncoderStage, DecoderStage, UNet)]
    return [*roots, head] if isinstance(head, Definition) else roots


def wish_for(model: UNet) -> Wish:
    """How the classes of the network are rewritten for one design."""
    attends = _attends(model.decoder.values())
    attending = {"DecoderStage": _ATTENDING.replace("{site}", json.dumps(model.design.site))} if attends else {}
    choices = "\n".join(f"    {key}: {value}" for key, value in model.design.to_json().items() if key != "format")
    doc = f'"""The network of this design, with fresh weights.\n\n{choices}\n    """'
    return Wish(passes=_passes(model), methods=_INITS | attending, docs={"Slot": _SLOT, "UNet": doc})


def stages_of(model: UNet, names: Mapping[Definition | Import, str]) -> str:
    """The constructor of the network, every stage written out.

    Args:
        model: The network.
        names: What its parts are called in the file.
    """
    design, made = model.design, _Parts(model, names)
    sides = f"depth={design.depth}, dims={design.dims}, halves={design.halves}, classes={model.classes}"
    lines = [
        f"widths = {design.widths}",
        f"places = [Place(level, {sides}) for level in range({design.depth + 1})]",
        _modules("self.encoder = ", made.encoder()),
        *([_modules("self.bottleneck = ", made.bottleneck())] if len(model.bottleneck) else []),
        _modules("self.decoder = ", made.decoder()),
        f"self.head = convolution({design.widths[0]}, {model.classes}, 1, {design.dims})",
    ]
    return "\n".join([STAGES, *(f"        {line}" for line in lines)])


class _Parts:
    """Every stage of a model as the calls that make it."""

    def __init__(self, model: UNet, names: Mapping[Definition | Import, str]):
        self.model: Any = model
        self.design, self.names = model.design, names
        self.widths = model.design.widths

    def encoder(self) -> dict[str, Made]:
        stages: dict[str, Made] = {}
        for level, (name, stage) in enumerate(self.model.encoder.items()):
            before = self.widths[level - 1] if level else self.model.in_channels
            source = {"encoded" if level else "image": before}
            down = self.slot(stage.down, self.design.choice("down"), before, _place(level)) if level else "None"
            block = self.slot(stage.block, self.design.choice("block"), source, self.widths[level], _place(level))
            stages[name] = Made("EncoderStage", (("down", down), ("block", block)))
        return stages

    def bottleneck(self) -> dict[str, Made]:
        depth = self.design.depth
        choice = self.design.choice("attention")
        return self.attention(self.model.bottleneck, choice, depth)

    def decoder(self) -> dict[str, Made]:
        stages: dict[str, Made] = {}
        for name, stage in self.model.decoder.items():
            level, place = stage.level, _place(stage.level)
            channels, coarser = self.widths[level], self.widths[level + 1]
            up = "None"
            if stage.up is not None:
                up = self.slot(stage.up, self.design.levels("up")[level], coarser, channels, place)
            sources = stage.skip.part.sources(stage.skip.part_id)
            attention = self.attention(stage.attention, self.design.levels("attention")[level], level)
            arguments = (
                ("", f"{level}"),
                ("up", up),
                ("skip", self.slot(stage.skip, self.design.choice("skip"), "widths", place)),
                *([("attention", attention)] if _attends(self.model.decoder.values()) else []),
                ("block", self.slot(stage.block, self.design.choice("block"), sources, channels, place)),
            )
            stages[name] = Made("DecoderStage", arguments)
        return stages

    def attention(self, held: Any, choice: Choice, level: int) -> dict[str, Made]:
        # The width that an attention sees is part of its name in the network.
        return {
            name: self.slot(one, choice, int(name.rpartition("-")[2]), _place(level))
            for name, one in held.items()
            if _works(one)
        }

    def slot(self, slot: Any, choice: Choice, *given: Any) -> Made:
        arguments = [("", one if isinstance(one, str | dict) else f"{one}") for one in given]
        options = [(name, _code(value)) for name, value in choice.options]
        part = Made(self.names[definition_of(type(slot.part))], (*arguments, *options))
        return Made("Slot", (("", _code(slot.part_id)), ("", part)))


def _place(level: int) -> str:
    return f"places[{level}]"


def _code(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _modules(before: str, stages: Mapping[str, Made]) -> str:
    return before + _written(Made("nn.ModuleDict", (("", stages),)), 8, 8 + len(before))


def _written(value: Any, indent: int, start: int) -> str:
    """Code for a call or dict that begins at a column: in one line where it fits, else one line an item."""
    if isinstance(value, Made):
        items = [(f"{name}=" if name else "", one) for name, one in value.arguments]
        opening, closing = f"{value.name}(", ")"
    elif isinstance(value, dict):
        items = [(f"{_code(key)}: ", one) for key, one in value.items()]
        opening, closing = "{", "}"
    else:
        return f"{value}"
    flat = opening + ", ".join(before + _written(one, 0, -(10**6)) for before, one in items) + closing
    if start + len(flat) < WIDTH:
        return flat
    inner = " " * (indent + 4)
    lines = ",\n".join(f"{inner}{before}{_written(one, indent + 4, indent + 4 + len(before))}" for before, one in items)
    # The formatter puts no comma behind a dict that stands alone.
    end = "" if len(items) == 1 and isinstance(value, Made) else ","
    return f"{opening}\n{lines}{end}\n{' ' * indent}{closing}"


def _works(slot: Slot) -> bool:
    """Whether a part does anything; the attention "none" does not, and is left out."""
    return getattr(slot.part, "weighs", True)


def _attends(stages: Iterable[Any]) -> set[str]:
    """The sites of the decoder at which attention sits."""
    return {name.partition("-")[0] for stage in stages for name, slot in stage.attention.items() if _works(slot)}


def _passes(model: UNet) -> Callable[[ast.Call], ast.expr | None]:
    """Where the design has no attention, features go on as they are."""
    attended = _attends(model.decoder.values())

    def passed(call: ast.Call) -> ast.expr | None:
        match ast.unparse(call.func), call.args:
            case "self._attend", [ast.Constant(value=site), features, *_] if site not in attended:
                return features
            case "_attend", [ast.Attribute() as held, features, *_] if ast.unparse(held) == "self.bottleneck":
                return None if len(model.bottleneck) else features
        return None

    return passed
