"""What kinds of files are read. What is not on the list is not decoded.

A kind is one function in one file of `formats`, under `@image_format`.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TypeVar

from unet_playground.errors import UnreadableImage, refusal
from unet_playground.images.picture import Picture
from unet_playground.limits import Limits

S = TypeVar("S")
T = TypeVar("T")

_HEAD = 512


@dataclass(frozen=True)
class Format:
    """A kind of file that is read.

    Attributes:
        name: As people call it.
        matches: Whether a file's first 512 bytes are of this kind.
        read: Whole file to picture. It raises UnreadableImage with its own sentence where it knows the
            reason; anything a decoder raises is called damage.
    """

    name: str
    matches: Callable[[bytes], bool]
    read: Callable[[bytes, Limits], Picture]


_FORMATS: list[Format] = []
_Read = Callable[[bytes, Limits], Picture]


def image_format(name: str, matches: Callable[[bytes], bool]) -> Callable[[_Read], _Read]:
    """Put the decorated function on the list of formats."""

    def register(read: _Read) -> _Read:
        _FORMATS.append(Format(name, matches, read))
        return read

    return register


def decode(data: bytes, limits: Limits) -> Picture:
    """The picture in a file's bytes, decoded in this very process; `read_image` does it in another one.

    Raises:
        UnreadableImage: In one sentence, for what is damaged, too large or of another kind.
        MemoryError: The decoder needs more than it may take.
    """
    chosen = next((each for each in formats() if each.matches(data[:_HEAD])), None)
    if chosen is None:
        raise refusal(
            f"This file is not a {names(' or ')} image; other kinds are not read. "
            "Save the image as one of these and try again.",
            f"该文件不是 {names(' 或 ')} 图像；不读取其他类型。请另存为其中一种格式后重试。",
        )
    return guarded(chosen.name, chosen.read, data, limits)


def guarded(name: str, read: Callable[[S, Limits], T], data: S, limits: Limits) -> T:
    """What `read` makes of a file; anything that decoders raise becomes one sentence.

    Args:
        name: Of the kind of file.
        read: Decodes it.
        data: The whole file, or several.
        limits: That hold.
    """
    try:
        return read(data, limits)
    except (UnreadableImage, MemoryError):
        raise
    except Exception:  # libraries have kinds of their own for hostile bytes, pydicom's derive from nothing else
        pass
    # Raised out here so that the decoder's own message, which may quote the file, is not chained to it.
    raise refusal(
        f"This {name} is damaged, cut short or of a rare kind; only whole, ordinary files are read. "
        "Save the image again and try again.",
        f"该 {name} 已损坏、不完整或属于罕见类型；仅读取完整的普通文件。请重新保存图像后重试。",
    )


@cache
def formats() -> tuple[Format, ...]:
    """All kinds, in alphabetical order."""
    from unet_playground.images import formats as folder

    for module in pkgutil.iter_modules(folder.__path__):
        import_module(f"{folder.__name__}.{module.name}")
    return tuple(sorted(_FORMATS, key=lambda one: one.name))


def names(conjunction: str) -> str:
    """All kinds in words: `A, B or C`."""
    *most, last = [each.name for each in formats()]
    return ", ".join(most) + conjunction + last
