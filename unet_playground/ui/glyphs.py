"""One small drawing per part, the same wherever the part is shown."""

from functools import lru_cache
from html import escape
from pathlib import Path

from unet_playground.registry import catalogues

FOLDER = Path(__file__).parents[2] / "assets" / "glyphs"
"""`<slot>/<id>.svg`: strokes for what is there anyway, filled for what the option adds."""

_INITIALS = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5" \
aria-hidden="true">
  <rect x="2.25" y="2.25" width="19.5" height="19.5" rx="4"/>
  <text x="12" y="15.75" text-anchor="middle" font-size="{size}" font-weight="700" fill="currentColor" \
stroke="none">{letters}</text>
</svg>"""


@lru_cache
def glyph(slot: str, id: str) -> str:
    """The drawing of an option as SVG, 24 x 24, in the colour of its surroundings, unseen by screen readers.

    An option without a file is drawn as the initials of its id.

    Raises:
        UnknownChoice: The slot has no such option.
    """
    known = catalogues[slot][id].id
    file = FOLDER / slot / f"{known}.svg"
    return file.read_text("utf-8").strip() if file.is_file() else _initials(known)


def _initials(id: str) -> str:
    letters = "".join(word[0] for word in id.split("-") if word)[:3].upper()
    return _INITIALS.format(size=(11, 10, 8)[len(letters) - 1], letters=escape(letters))
