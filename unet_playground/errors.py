"""What a user can cause, and the two languages in which the product speaks."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """One sentence or title in every language of the product.

    Attributes:
        en: English.
        zh: Simplified Chinese.
    """

    en: str
    zh: str

    def __str__(self) -> str:
        return self.en

    def within(self, language: str) -> str:
        """The text in `language` ("en" or "zh")."""
        return getattr(self, language)

    def format(self, **values: object) -> "Text":
        """The same text with its named fields filled in, in every language; a value that is a text speaks it, too."""

        def filled(language: str) -> str:
            spoken = {name: one.within(language) if isinstance(one, Text) else one for name, one in values.items()}
            return self.within(language).format(**spoken)

        return Text(filled("en"), filled("zh"))


def sentences(texts: Iterable[Text]) -> Text:
    """One sentence after the other; only English puts a space between them."""
    said = [*texts]
    return Text(" ".join(filter(None, (one.en for one in said))), "".join(one.zh for one in said))


class PlaygroundError(ValueError):
    """Something that the caller can put right: one sentence, no path, no traceback.

    The sentence says what was given, what is allowed and what to do. What is quoted in it may come from anybody:
    line breaks and other signs that cannot be printed are left out.
    """

    def __init__(self, en: str, zh: str):
        self.text = Text(*("".join(filter(str.isprintable, each)) for each in (en, zh)))
        super().__init__(self.text.en)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.text.en, self.text.zh)


class UnknownChoice(PlaygroundError):
    """An id, option or key that no catalogue holds."""


class IllegalDesign(PlaygroundError):
    """A combination of parts that makes no network."""


class UnreadableImage(PlaygroundError):
    """A file that is no image, is damaged, too large, or of a kind that is not read."""


class UnusableWeights(PlaygroundError):
    """Weights that are missing, damaged or made for another network."""


class MissingData(PlaygroundError):
    """Images, labels or a folder that are not where they should be."""


def refusal(en: str, zh: str) -> UnreadableImage:
    """The error for a file that is not read; it says at the end that nothing was kept."""
    return UnreadableImage(f"{en} Nothing was kept.", f"{zh}未保留任何内容。")
