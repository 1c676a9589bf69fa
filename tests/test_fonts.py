"""The Chinese font has every character that a text of the project uses."""

from fontTools.ttLib import TTFont

from docs.fonts import FONT, characters


def test_no_character_is_missing():
    known = TTFont(FONT).getBestCmap() or {}
    missing = {one for one in characters() if ord(one) not in known}
    assert not missing, f"run python -m docs.fonts; it lacks {''.join(sorted(missing))}"
