"""The frozen choice of parts, and how it is written down: as a link, as JSON, as `cbam(order=parallel)`."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qsl, quote

from unet_playground.errors import IllegalDesign, PlaygroundError, Text, UnknownChoice
from unet_playground.parts import SLOTS, attentions, sites, skips
from unet_playground.registry import Choice, catalogues

FORMAT = 1
DEFAULTS = {
    "down": "max-pool",
    "block": "plain",
    "skip": "concat",
    "attention": "none",
    "site": "skip",
    "up": "transposed",
}
LEVELWISE = ("attention", "up")
"""Slots whose choice may differ by level, written finest first: `bilinear/bilinear/deformable/deformable`."""

NUMBERS = {"depth": (1, 6), "width": (1, 64), "dims": (2, 3)}
WIDEST = 1024


@dataclass(frozen=True)
class Design:
    """A choice for every slot of a U-Net; without arguments it is the classic.

    A choice is written as its id, with options in brackets: `cbam(order=parallel)`. `attention` and `up` may differ
    by level, finest first, separated by slashes. Every design has one canonical form: equal networks are equal
    designs with equal links.

    Args:
        down: How the encoder gives up resolution.
        block: What a stage computes.
        skip: What crosses from encoder to decoder.
        attention: What is emphasised.
        site: Where attention sits; without attention it means nothing and becomes `skip`.
        up: How the decoder gets resolution back.
        depth: How often resolution is halved, 1 to 6.
        width: Channels of the finest stage, 1 to 64; they double at every level, up to 1024.
        dims: 2 for images, 3 for volumes.

    Raises:
        UnknownChoice: An id, an option or its value does not exist.
        IllegalDesign: The choices exist but make no network together; the message says why.
    """

    down: str = ""
    block: str = ""
    skip: str = ""
    attention: str = ""
    site: str = ""
    up: str = ""
    depth: int = 4
    width: int = 16
    dims: int = 2

    def __post_init__(self) -> None:
        self._check_numbers()
        for slot, default in DEFAULTS.items():
            object.__setattr__(self, slot, self._canonical(slot, getattr(self, slot) or default))
        if not self.applies("site"):
            object.__setattr__(self, "site", DEFAULTS["site"])
        elif sites[self.site].make.needs_crossing and not skips[self.choice("skip").id].make.crosses:
            raise IllegalDesign(
                f"site={self.site} puts {self.attention} on what crosses, but skip={self.skip} lets nothing cross: "
                "choose another site, another skip, or no attention.",
                f"site={self.site} 把 {self.attention} 放在跨越的特征上，但 skip={self.skip} 没有任何特征跨越："
                "请更换位置、跳跃方式，或不用注意力。",
            )

    def applies(self, slot: str) -> bool:
        """Whether the choice of a slot makes a difference: without attention, its site makes none."""
        return slot != "site" or any(attentions[choice.id].make.weighs for choice in self.levels("attention"))

    def choice(self, slot: str) -> Choice:
        """The parsed choice of a slot (of its finest level)."""
        return self.levels(slot)[0]

    def levels(self, slot: str) -> tuple[Choice, ...]:
        """One parsed choice per decoder level, finest first."""
        return parse_levels(slot, getattr(self, slot), self.depth)

    def replace(self, **changes: Any) -> "Design":
        """The same design with other choices."""
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values with a format number."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Design":
        """The design that `to_json` wrote."""
        values = dict(values)
        if values.pop("format", None) != FORMAT:
            raise UnknownChoice(
                f"This design is not of format {FORMAT}, the only one known; export it again.",
                f"该设计不是格式 {FORMAT}（唯一支持的格式）；请重新导出。",
            )
        return cls(**_typed(values))

    def to_link(self) -> str:
        """A URL query that names every choice: `down=max-pool&block=plain&...`."""
        return "&".join(f"{key}={quote(str(value), safe='/(),')}" for key, value in asdict(self).items())

    @classmethod
    def from_link(cls, text: str) -> "Design":
        """The design that a URL query names; what it leaves out is the classic's, an unknown key is refused."""
        query = text.strip().rpartition("?")[2]
        return cls(**_typed(dict(parse_qsl(query, keep_blank_values=True))))

    @classmethod
    def read_link(cls, text: str) -> "tuple[Design, tuple[Text, ...]]":
        """Like `from_link`, but what cannot be understood is left out and reported instead of refused."""
        accepted: dict[str, Any] = {}
        waiting = dict(parse_qsl(text.strip().rpartition("?")[2], keep_blank_values=True))
        while True:
            failed: dict[str, PlaygroundError] = {}
            for key, value in waiting.items():
                try:
                    typed = _typed({key: value})
                    cls(**accepted, **typed)
                    accepted |= typed
                except PlaygroundError as error:
                    failed[key] = error
            # A choice can become legal once another one is made, so what failed is tried again until nothing moves.
            if len(failed) == len(waiting):
                break
            waiting = {key: waiting[key] for key in failed}
        reasons = [error.text for error in failed.values()]
        return cls(**accepted), tuple(
            Text(f"Ignored in the link: {reason.en}", f"已忽略链接中的一项：{reason.zh}") for reason in reasons
        )

    def _canonical(self, slot: str, text: str) -> str:
        choices = [str(choice) for choice in parse_levels(slot, text, self.depth)]
        return choices[0] if len(set(choices)) == 1 else "/".join(choices)

    def _check_numbers(self) -> None:
        for name, (low, high) in NUMBERS.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise _not_whole(name, value)
        if self.width * 2**self.depth > WIDEST:
            raise IllegalDesign(
                f"width={self.width} with depth={self.depth} needs {self.width * 2**self.depth} channels; at most "
                f"{WIDEST} are allowed: make it narrower or less deep.",
                f"width={self.width} 且 depth={self.depth} 需要 {self.width * 2**self.depth} 个通道，"
                f"上限为 {WIDEST}：请减小宽度或深度。",
            )


def parse_levels(slot: str, text: str, depth: int) -> tuple[Choice, ...]:
    """`a` or `a/b/c/d` as one choice per level, finest first."""
    written = text.split("/")
    if len(written) == 1:
        return (catalogues[slot].parse(text),) * depth
    if slot not in LEVELWISE:
        raise IllegalDesign(
            f"{slot}={text} names {len(written)} levels, but {slot} is the same at every level: name one choice.",
            f"{slot}={text} 按级给出了 {len(written)} 项，但 {slot} 各级必须相同：请只写一项。",
        )
    if len(written) != depth:
        raise IllegalDesign(
            f"{slot}={text} names {len(written)} levels, but depth={depth}: name one choice, or {depth} finest first.",
            f"{slot}={text} 按级给出了 {len(written)} 项，但 depth={depth}：请写一项，或从最精细起写 {depth} 项。",
        )
    return tuple(catalogues[slot].parse(one) for one in written)


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    known = [field.name for field in fields(Design)]
    for name in values:
        if name not in known:
            raise UnknownChoice(
                f'Unknown key "{name}" in a design; known keys are {", ".join(known)}.',
                f"设计中有未知的键“{name}”；已知的键：{', '.join(known)}。",
            )
    return {name: _whole(name, value) if name in NUMBERS else str(value) for name, value in values.items()}


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, bool) and str(value).isdecimal():
        return int(value)
    raise _not_whole(name, value)


def _not_whole(name: str, value: Any) -> IllegalDesign:
    low, high = NUMBERS[name]
    return IllegalDesign(
        f"{name}={value} is not possible: {name} is a whole number from {low} to {high}.",
        f"{name}={value} 无效：{name} 为 {low} 到 {high} 的整数。",
    )


SLOT_IDS = tuple(catalogue.id for catalogue in SLOTS)
