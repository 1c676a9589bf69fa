"""The font of Chinese words in figures: matplotlib has none of its own."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.text import Text as Words

FONT = Path(__file__).parent.parent.parent / "assets" / "fonts" / "noto-sans-sc.woff2"


def speak_chinese(figure: Figure) -> None:
    """Let every text of a figure take from the page's Chinese font what matplotlib's own lacks."""
    with _one_at_a_time:
        families = [*FontProperties().get_family(), _family()]
    for words in figure.findobj(Words):
        words.set_fontfamily(families)  # type: ignore[attr-defined]


@cache
def _family() -> str:
    """The name by which matplotlib knows the font: unpacked once, for matplotlib reads no woff2."""
    folder = TemporaryDirectory(prefix="unet-playground-font-")
    _kept.append(folder)  # until the process ends: matplotlib reads the file when it draws
    font = TTFont(FONT)
    font.flavor = None
    path = Path(folder.name) / "noto-sans-sc.ttf"
    font.save(path)
    fontManager.addfont(path)
    return FontProperties(fname=path).get_name()


_kept: list[TemporaryDirectory[str]] = []
_one_at_a_time = Lock()
