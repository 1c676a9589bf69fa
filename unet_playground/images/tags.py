"""The numbered fields of a TIFF file, which EXIF uses too; all text among them is passed over."""

import struct
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text
from unet_playground.images.picture import Picture

ORIENTATION = 274
TURNED = Text("The picture was turned upright.", "图像已转正。")

_MOST_FIELDS = 4096
MOST_PAGES = 1000
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 18: "u8"}


@dataclass(frozen=True)
class Dialect:
    """How a file writes its directories: byte order, and 32-bit or 64-bit (BigTIFF) positions."""

    order: str
    big: bool

    @property
    def count(self) -> struct.Struct:
        """Number of fields in a directory."""
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def field(self) -> struct.Struct:
        """Tag, type, count, and the values or where they are."""
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def position(self) -> struct.Struct:
        """A place in the file."""
        return struct.Struct(self.order + ("Q" if self.big else "I"))


@dataclass(frozen=True)
class Directory:
    """The wanted fields of a file's first page.

    Attributes:
        dialect: How it is written.
        start: Where it is.
        fields: Tag to the field's own bytes.
        values: Tag to its numbers.
        pages: Number of pages in the file, counted up to 1000.
    """

    dialect: Dialect
    start: int
    fields: dict[int, bytes]
    values: dict[int, NDArray[Any]]
    pages: int

    def number(self, tag: int, default: int) -> int:
        """The first number of a field."""
        return int(self.values[tag][0]) if tag in self.values else default

    def keep_only(self, data: bytes, tags: Collection[int]) -> bytes:
        """The file with a first page of just these tags and no other page.

        What a decoder cannot see it can neither stumble over nor hand on.
        """
        kept = [field for tag, field in self.fields.items() if tag in tags]
        directory = self.dialect.count.pack(len(kept)) + b"".join(kept) + self.dialect.position.pack(0)
        return data[: self.start] + directory + data[self.start + len(directory) :]


def read_directory(data: bytes, wanted: Collection[int]) -> Directory:
    """Read the wanted fields of the first page.

    Raises:
        ValueError, struct.error: For fields that repeat, are no integers, or lie outside the file.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    dialect = Dialect(order, big)
    (start,) = dialect.position.unpack_from(data, 8 if big else 4)
    fields: dict[int, bytes] = {}
    values: dict[int, NDArray[Any]] = {}
    for number in range(_length(data, start, dialect)):
        at = start + dialect.count.size + number * dialect.field.size
        tag, type_, count, _ = dialect.field.unpack_from(data, at)
        if tag in wanted:
            # Decoders disagree about which of two equal fields counts, so what was checked might not be used.
            if tag in fields:
                raise ValueError("field twice")
            fields[tag] = data[at : at + dialect.field.size]
            values[tag] = _numbers(data, at, np.dtype(order + _INTEGERS[type_]), count, dialect)
    # Fields may share bytes; together they would then need far more memory than the file has.
    if sum(each.nbytes for each in values.values()) > len(data):
        raise ValueError("fields overlap")
    return Directory(dialect, start, fields, values, _count_pages(data, start, dialect))


def exif_orientation(exif: bytes) -> int:
    """Which of the eight ways up a camera was held; 1, upright, if that cannot be read."""
    try:
        return read_directory(exif, (ORIENTATION,)).number(ORIENTATION, 1)
    except (ValueError, LookupError, struct.error):
        return 1


def upright(picture: Picture, orientation: int) -> Picture:
    """Turn and mirror a picture that was stored in one of the EXIF orientations, and say so."""
    if orientation not in range(2, 9):
        return picture
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1

    def turned(array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray((array.swapaxes(0, 1) if orientation >= 5 else array)[::rows, ::columns])

    numbers = None if picture.numbers is None else turned(picture.numbers)
    return replace(picture, pixels=turned(picture.pixels), numbers=numbers, notes=(*picture.notes, TURNED))


def _length(data: bytes, start: int, dialect: Dialect) -> int:
    (count,) = dialect.count.unpack_from(data, start)
    if not 0 < count <= _MOST_FIELDS:
        raise ValueError("fields without number")
    return count


def _numbers(data: bytes, at: int, dtype: np.dtype[Any], count: int, dialect: Dialect) -> NDArray[Any]:
    place = at + dialect.field.size - dialect.position.size
    if count * dtype.itemsize > dialect.position.size:
        (place,) = dialect.position.unpack_from(data, place)
    if count < 1:
        raise ValueError("field without values")
    return np.frombuffer(data, dtype, count, place)


def _count_pages(data: bytes, start: int, dialect: Dialect) -> int:
    """Follow the chain of directories until it ends, breaks, or comes back on itself."""
    seen: set[int] = set()
    while start and start not in seen and len(seen) < MOST_PAGES:
        try:
            end = start + dialect.count.size + _length(data, start, dialect) * dialect.field.size
            following = dialect.position.unpack_from(data, end)[0]
        except (ValueError, struct.error):
            break
        seen.add(start)
        start = following
    return max(len(seen), 1)
