"""The one door for image files: what is not on the list of formats is not decoded.

A format is one function in one file of `formats`, under `@image_format`.
"""

import math
import os
import pkgutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from unet_playground.errors import PlaygroundError, UnreadableImage
from unet_playground.images.picture import Picture

_MILLION = 1_000_000
_HEAD = 512
_LONGEST_NAME = 80

# What decoders and header parsing raise on hostile bytes.
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    MemoryError,
    ArithmeticError,
    LookupError,
    TypeError,
    struct.error,
    zlib.error,
)


def refusal(en: str, zh: str) -> UnreadableImage:
    """The error for a file that is not read; it says at the end that nothing was kept."""
    return UnreadableImage(f"{en} Nothing was kept.", f"{zh}未保留任何内容。")


@dataclass(frozen=True)
class Limits:
    """How large a file and its image may be.

    Attributes:
        pixels: Of one image.
        file_bytes: Of the file.
        decoded_bytes: Of one image with all its channels, in the source's sample width.
    """

    pixels: int = 16_700_000
    file_bytes: int = 25 * _MILLION
    decoded_bytes: int = 256 * _MILLION

    @classmethod
    def from_environment(cls) -> "Limits":
        """The limits, of which two can be set by environment variables."""
        return cls(
            pixels=_millions("UNET_PLAYGROUND_MAX_MEGAPIXELS", cls.pixels),
            file_bytes=_millions("UNET_PLAYGROUND_MAX_FILE_MB", cls.file_bytes),
        )

    def check_size(self, kind: str, width: int, height: int, bytes_per_pixel: int = 1) -> None:
        """Refuse an image by its declared size, before any pixel is decoded.

        Raises:
            UnreadableImage: If it is too large.
            ValueError: If it has no pixels.
        """
        if width < 1 or height < 1:
            raise ValueError("no pixels")
        if width * height > self.pixels:
            size = f"{width} x {height} px ({_figure(width * height)} Mpx)"
            limit = f"{_figure(self.pixels)} Mpx"
            raise refusal(
                f"This {kind} is {size}; the limit is {limit}. Resize it and try again.",
                f"该 {kind} 为 {size}；上限为 {limit}。请缩小后重试。",
            )
        decoded = width * height * bytes_per_pixel
        if decoded > self.decoded_bytes:
            size, limit = f"{_figure(decoded)} MB", f"{_figure(self.decoded_bytes)} MB"
            raise refusal(
                f"This {kind} needs {size} when decoded; the limit is {limit}. Resize it and try again.",
                f"该 {kind} 解码后需要 {size}；上限为 {limit}。请缩小后重试。",
            )


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


def read_image(source: str | os.PathLike[str] | bytes) -> Picture:
    """Read an image file; what kind it is, its content decides and not its name.

    Args:
        source: A path, or the bytes of a file.

    Raises:
        UnreadableImage: In one sentence, for every file that is missing, damaged, too large or of another
            kind.
        PlaygroundError: If an environment variable that sets a limit holds no number.
    """
    limits = Limits.from_environment()
    data = source if isinstance(source, bytes) else _content(Path(source), limits)
    _check_file_size(len(data), limits)
    chosen = next((each for each in _formats() if each.matches(data[:_HEAD])), None)
    if chosen is None:
        raise refusal(
            f"This file is not a {_names(' or ')} image; other kinds are not read. "
            "Save the image as one of these and try again.",
            f"该文件不是 {_names(' 或 ')} 图像；不读取其他类型。请另存为其中一种格式后重试。",
        )
    try:
        return chosen.read(data, limits)
    except UnreadableImage:
        raise
    except _BROKEN:
        pass
    # Raised out here so that the decoder's own message, which may quote the file, is not chained to it.
    raise refusal(
        f"This {chosen.name} is damaged, cut short or of a rare kind; only whole, ordinary files are read. "
        "Save the image again and try again.",
        f"该 {chosen.name} 已损坏、不完整或属于罕见类型；仅读取完整的普通文件。请重新保存图像后重试。",
    )


@cache
def _formats() -> tuple[Format, ...]:
    from unet_playground.images import formats

    for module in pkgutil.iter_modules(formats.__path__):
        import_module(f"{formats.__name__}.{module.name}")
    return tuple(_FORMATS)


def _names(conjunction: str) -> str:
    *most, last = [each.name for each in _formats()]
    return ", ".join(most) + conjunction + last


def _content(path: Path, limits: Limits) -> bytes:
    try:
        if path.is_file():  # a pipe or a device would never end
            _check_file_size(path.stat().st_size, limits)
            with path.open("rb") as file:
                return file.read(limits.file_bytes + 1)
    except OSError:
        pass
    name = "".join(filter(str.isprintable, path.name))[:_LONGEST_NAME]
    raise refusal(
        f"No file called {name} can be opened; the name of a {_names(' or ')} file is needed. "
        "Check the name and try again.",
        f"无法打开名为 {name} 的文件；需要 {_names(' 或 ')} 文件的名称。请检查名称后重试。",
    )


def _check_file_size(size: int, limits: Limits) -> None:
    if size > limits.file_bytes:
        given, allowed = f"{_figure(size)} MB", f"{_figure(limits.file_bytes)} MB"
        raise refusal(
            f"This file is {given}; the limit is {allowed}. Make it smaller and try again.",
            f"该文件为 {given}；上限为 {allowed}。请缩小后重试。",
        )


def _millions(variable: str, default: int) -> int:
    value = os.environ.get(variable)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (0 < number < math.inf):
        raise PlaygroundError(
            f"{variable} is set to something that is no number above 0; set it to one such as "
            f"{default / _MILLION:g}, or unset it, and start again.",
            f"{variable} 的值不是大于 0 的数；请设为例如 {default / _MILLION:g} 的数值或取消设置，然后重新启动。",
        )
    return round(number * _MILLION)


def _figure(value: int) -> str:
    """In millions, as short as a reader needs it."""
    millions = value / _MILLION
    return f"{millions:.0f}" if millions >= 100 else f"{millions:.1f}".removesuffix(".0")
