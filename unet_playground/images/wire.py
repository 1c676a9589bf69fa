"""What goes over the pipes to and from a decoder: one line of JSON, then the plain bytes of arrays.

Nothing here makes objects out of bytes: a decoder that its file has taken over can say nothing but text and numbers.
"""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text
from unet_playground.images.picture import Picture
from unet_playground.limits import Limits

_LONGEST_LINE = 1_000_000
_LARGEST = 8_000_000_000
_TYPES = ("|b1", "|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8")


def send(pipe: BinaryIO, said: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write one message.

    Args:
        pipe: Where to.
        said: What JSON can say.
        arrays: Numbers of any shape.
    """
    told = [(each.dtype.newbyteorder("<").str, each.shape) for each in arrays]
    pipe.write(json.dumps({**said, "arrays": told}).encode() + b"\n")
    for each in arrays:
        plain = np.ascontiguousarray(each, each.dtype.newbyteorder("<"))
        pipe.write(plain.reshape(-1).view(np.uint8).data)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read one message.

    Raises:
        EOFError: The other side has gone.
        ValueError: What it says is no message.
    """
    line = pipe.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise EOFError
    said = json.loads(line)
    return said, [_array(pipe, *told) for told in said.pop("arrays")]


def seconds_for(what: str, limits: Limits) -> int:
    """How long a decoder may take to answer."""
    return limits.decode_seconds if what in ("picture", "array") else limits.volume_seconds


def taken_apart(picture: Picture) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """A picture as a message."""
    said = {
        "bits": picture.bits,
        "spacing": picture.spacing,
        "orientation": picture.orientation,
        "units": picture.units,
        "notes": [(note.en, note.zh) for note in picture.notes],
    }
    more = {"values": picture.values, "numbers": picture.numbers}
    there = {name: array for name, array in more.items() if array is not None}
    return {**said, "more": list(there)}, [picture.pixels, *there.values()]


def put_together(said: dict[str, Any], arrays: list[NDArray[Any]]) -> Picture:
    """The picture of a message."""
    pixels, *more = arrays
    there = dict(zip(said["more"], more, strict=True))
    spacing = said["spacing"] and (float(said["spacing"][0]), float(said["spacing"][1]))
    return Picture(
        pixels,
        int(said["bits"]),
        spacing,
        said["orientation"],
        said["units"],
        tuple(Text(en, zh) for en, zh in said["notes"]),
        there.get("values"),
        there.get("numbers"),
    )


def _array(pipe: BinaryIO, type: str, shape: list[int]) -> NDArray[Any]:
    if type not in _TYPES or any(side < 0 for side in shape) or np.prod(shape, dtype=float) * 8 > _LARGEST:
        raise ValueError("no array")
    array = np.empty(shape, type)
    wanted = array.reshape(-1).view(np.uint8).data
    filled = 0
    while filled < len(wanted):
        read = pipe.readinto(wanted[filled:])  # type: ignore[attr-defined]
        if not read:
            raise EOFError
        filled += read
    return array
