"""What stands on a visitor's bench: one design, or two that are compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import Text
from unet_playground.ui.designer import edit

FIRST_SLOT = "skip"


@dataclass(frozen=True)
class Bench:
    """One design, or two.

    Attributes:
        a: The design; the first one where two are compared.
        b: The second one; None without a comparison.
        editing: `A` or `B`: which of them the next choice changes.
        slot: The slot that was touched last; its options are fanned out.
    """

    a: Design = field(default_factory=Design)
    b: Design | None = None
    editing: str = "A"
    slot: str = FIRST_SLOT

    @property
    def edited(self) -> Design:
        """The design that the next choice changes."""
        return self.b if self.b is not None and self.editing == "B" else self.a

    @property
    def other(self) -> Design | None:
        """The design that it is compared with."""
        return None if self.b is None else self.a if self.editing == "B" else self.b

    @property
    def designs(self) -> tuple[Design, ...]:
        """One or two."""
        return (self.a,) if self.b is None else (self.a, self.b)

    def holding(self, design: Design) -> "Bench":
        """The bench with another design in place of the edited one; the slot in which they differ is touched."""
        place = "b" if self.b is not None and self.editing == "B" else "a"
        return replace(self, slot=self._touched(design), **{place: design})

    def brought_back(self, kept: object) -> "Bench | Text":
        """The bench as it was before, or the reason why it stays as it is.

        Args:
            kept: What the browser has kept of it, trusted in nothing: the links `a` and `b` (None for one design), and
                as `edit` the letter of the edited one.
        """
        kept = kept if isinstance(kept, Mapping) else {}
        first = edit(self.a, {"link": kept.get("a")})
        second = None if kept.get("b") is None else edit(self.a, {"link": kept["b"]})
        if isinstance(first, Text) or isinstance(second, Text):
            return first if isinstance(first, Text) else second  # type: ignore[return-value]
        before = Bench(first, second).turned_to(str(kept.get("edit")))
        return replace(before, slot=self._touched(before.edited))

    def compared(self, on: bool) -> "Bench":
        """With a second design, at first the same as the first one; or with only the edited one."""
        if not on:
            return replace(self, a=self.edited, b=None, editing="A")
        return self if self.b is not None else replace(self, b=self.a, editing="B")

    def turned_to(self, which: str) -> "Bench":
        """With the other design edited."""
        return replace(self, editing=which if self.b is not None and which == "B" else "A")

    def _touched(self, design: Design) -> str:
        """The first slot in which a design differs from the edited one; if there is none, the one touched last."""
        return next((slot for slot in SLOT_IDS if getattr(design, slot) != getattr(self.edited, slot)), self.slot)

    def to_link(self) -> str:
        """A URL query: the first design as its own link, the second one after `b=`."""
        return self.a.to_link() + (f"&b={quote(self.b.to_link(), safe='')}" if self.b is not None else "")
