"""The frozen choice of parts, and how it is written down: as a link, as JSON, as `cbam(order=parallel)`."""

from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral
from typing import Any
from urllib.parse import parse_qsl, quote

from unet_playground.errors import IllegalDesign, PlaygroundError, Text, UnknownChoice
from unet_playground.parts import SLOTS, attentions, downs, sites, skips
from unet_playground.registry import Choice, catalogues, check_length

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

EMPTY = "none"
"""What a slot holds that does not apply; slots that have a part of that name mean the same by it."""

NUMBERS = {"depth": (1, 6), "width": (1, 64), "dims": (2, 3)}
WIDEST = 1024
_QUOTED = 40
_PAGE = ("task", "example", "weights", "lesson", "room", "b", "view")
"""What the page's address names beside the design."""


@dataclass(frozen=True)
class Design:
    """A choice for every slot of a U-Net; without arguments it is the classic.

    A choice is written as its id, with options in brackets: `cbam(order=parallel)`. `attention` and `up` may differ
    by level, finest first, separated by slashes. Every design has one canonical form, in which aliases, defaults and
    what has no effect are resolved, so that equal networks are equal designs with equal links. (Not resolved are
    options that leave another part over: `nested(columns=1)` computes what `concat` does; nor a `reduction` beyond the
    one at which every layer has its smallest width.)

    Args:
        down: How the encoder gives up resolution; with `none` every stage works at full resolution and one width.
        block: What a stage computes.
        skip: What crosses from encoder to decoder.
        attention: What is emphasised.
        site: Where attention sits; without attention it means nothing and becomes `skip`.
        up: How the decoder gets resolution back; empty (`none`) where no resolution is given up.
        depth: How often resolution is halved, 1 to 6.
        width: Channels of the finest stage, 1 to 64; where resolution is halved they double at every level, up to 1024.
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
            fill = EMPTY if slot == "up" and not self.halves else default
            object.__setattr__(self, slot, self._canonical(slot, getattr(self, slot) or fill))
        self._check_width()
        self._settle_site()

    @property
    def halves(self) -> bool:
        """Whether the encoder gives up resolution."""
        return downs[self.choice("down").id].make.halves

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every encoder level, finest first, the bottleneck last."""
        return tuple(self.width * (2**level if self.halves else 1) for level in range(self.depth + 1))

    def applies(self, slot: str) -> bool:
        """Whether a slot makes a difference: nothing is got back that was not given up, no attention has a site."""
        if slot == "up":
            return self.halves
        return slot != "site" or any(attentions[choice.id].make.weighs for choice in self.levels("attention"))

    def choice(self, slot: str) -> Choice:
        """The parsed choice of a slot (of its finest level)."""
        return self.levels(slot)[0]

    def levels(self, slot: str) -> tuple[Choice, ...]:
        """One parsed choice per decoder level, finest first."""
        if slot == "up" and not self.halves:
            return (Choice(EMPTY),) * self.depth
        return parse_levels(slot, getattr(self, slot), self.depth)

    def replace(self, **changes: Any) -> "Design":
        """The same design with other choices; what they leave without effect, or put back in force, is unset."""
        if "down" in changes and "up" not in changes:
            changes["up"] = (
                self.up if downs[downs.parse(changes["down"] or DEFAULTS["down"]).id].make.halves == self.halves else ""
            )
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values with a format number."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Design":
        """The design that `to_json` wrote."""
        values = dict(values) if isinstance(values, dict) else {}
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
        """The design that a URL query names; what it leaves out is the classic's, an unknown key is refused.

        Of a whole address of the page, what it names beside the design is skipped.
        """
        return cls(**_typed(_named(text)))

    @classmethod
    def read_link(cls, text: str) -> "tuple[Design, tuple[Text, ...]]":
        """Like `from_link`, but what cannot be understood is left out and reported instead of refused."""
        accepted: dict[str, Any] = {}
        try:
            waiting: dict[str, Any] = {**_named(text)}
        except PlaygroundError as error:
            return cls(), (_ignored(error),)
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
        return cls(**accepted), tuple(map(_ignored, failed.values()))

    def _canonical(self, slot: str, text: str) -> str:
        if not isinstance(text, str):
            raise UnknownChoice(
                f"{slot} is written as text, like {DEFAULTS[slot]!r}, not as {text!r}.",
                f"{slot} 应写成文字，例如 {DEFAULTS[slot]!r}，而不是 {text!r}。",
            )
        if slot == "up" and self.halves != (text != EMPTY):
            raise _misplaced_up(text, self.down)
        if slot == "up" and not self.halves:
            return EMPTY
        choices = parse_levels(slot, text, self.depth)
        for choice in choices:
            if self.dims not in getattr(catalogues[slot][choice.id].make, "dims", (2, 3)):
                raise _not_in_volumes(slot, choice.id)
        written = [str(self._settle(slot, choice)) for choice in choices]
        return written[0] if len(set(written)) == 1 else "/".join(written)

    def _settle(self, slot: str, choice: Choice) -> Choice:
        """The one form of a choice that all equal networks of this depth and width share, where its part knows one."""
        settle = getattr(catalogues[slot][choice.id].make, "settle", None)
        if settle is None:
            return choice
        return Choice(choice.id, tuple(settle(dict(choice.options), self.depth, self.width).items()))

    def _settle_site(self) -> None:
        """Without attention any site is the default one; without a skip some sites are the same place."""
        site, crosses = sites[self.site].make, skips[self.choice("skip").id].make.crosses
        if not self.applies("site"):
            object.__setattr__(self, "site", DEFAULTS["site"])
        elif site.needs_crossing and not crosses:
            raise IllegalDesign(
                f"site={self.site} puts {self.attention} on what crosses, but skip={self.skip} lets nothing cross: "
                "choose another site, another skip, or no attention.",
                f"site={self.site} 把 {self.attention} 放在跨越的特征上，但 skip={self.skip} 没有任何特征跨越："
                "请更换位置、跳跃方式，或不用注意力。",
            )
        elif not site.levelwise and len(set(self.levels("attention"))) > 1:
            raise IllegalDesign(
                f"site={self.site} is one single place, but attention={self.attention} differs by level: name one "
                "attention, or choose another site.",
                f"site={self.site} 只有一处，但 attention={self.attention} 逐级不同：请只写一种注意力，或更换位置。",
            )
        elif site.without_crossing and not crosses:
            object.__setattr__(self, "site", site.without_crossing)

    def _check_numbers(self) -> None:
        for name, (low, high) in NUMBERS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
                raise _not_whole(name, value)
            object.__setattr__(self, name, int(value))  # NumPy has whole numbers of its own

    def _check_width(self) -> None:
        widest = self.widths[-1]
        if widest > WIDEST:
            raise IllegalDesign(
                f"width={self.width} with depth={self.depth} needs {widest} channels; at most {WIDEST} are allowed: "
                "make it narrower or less deep.",
                f"width={self.width} 且 depth={self.depth} 需要 {widest} 个通道，上限为 {WIDEST}：请减小宽度或深度。",
            )


def parse_levels(slot: str, text: str, depth: int) -> tuple[Choice, ...]:
    """`a` or `a/b/c/d` as one choice per level, finest first."""
    check_length(text)
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


def _misplaced_up(up: str, down: str) -> IllegalDesign:
    if up == EMPTY:
        return IllegalDesign(
            f"up={up} gets nothing back, but down={down} gives up resolution: choose an up, or down={EMPTY}.",
            f"up={up} 不恢复分辨率，但 down={down} 会降低分辨率：请选择上采样方式，或用 down={EMPTY}。",
        )
    return IllegalDesign(
        f"up={up} has nothing to get back, because down={down} keeps full resolution: leave up out, or choose another "
        "down.",
        f"up={up} 无可恢复，因为 down={down} 保持全分辨率：请省略 up，或更换下采样方式。",
    )


def _not_in_volumes(slot: str, id: str) -> IllegalDesign:
    return IllegalDesign(
        f"{slot}={id} is defined for images (dims=2) only, not for volumes (dims=3): choose another {slot}, or dims=2.",
        f"{slot}={id} 只适用于图像（dims=2），不适用于体数据（dims=3）：请更换 {slot}，或用 dims=2。",
    )


def _named(text: str) -> dict[str, str]:
    """What a query says of a design; a whole address has keys of the page besides, and Gradio's own begin with `__`."""
    check_length(text)
    _, address, query = text.strip().rpartition("?")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return {key: value for key, value in pairs.items() if not (address and (key in _PAGE or key.startswith("__")))}


def _ignored(error: PlaygroundError) -> Text:
    return Text(f"Ignored in the link: {error.text.en}", f"已忽略链接中的一项：{error.text.zh}")


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
    # Python reads no number of thousands of digits; one beyond what is quoted is beyond every range.
    if not isinstance(value, bool) and len(str(value)) <= _QUOTED and str(value).isdecimal():
        return int(value)
    raise _not_whole(name, value)


def _not_whole(name: str, value: Any) -> IllegalDesign:
    low, high = NUMBERS[name]
    given = str(value) if len(str(value)) <= _QUOTED else f"{str(value)[:_QUOTED]}..."
    return IllegalDesign(
        f"{name}={given} is not possible: {name} is a whole number from {low} to {high}.",
        f"{name}={given} 无效：{name} 为 {low} 到 {high} 的整数。",
    )


SLOT_IDS = tuple(catalogue.id for catalogue in SLOTS)
