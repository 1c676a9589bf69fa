"""WebP: colours in 8 bits, with or without loss."""

import struct
from collections.abc import Iterator
from dataclasses import replace

from unet_playground.images.decoders import count_frames, decode_ordinary
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import FRAME, Picture
from unet_playground.images.tags import exif_orientation, upright
from unet_playground.limits import Limits

_PICTURE = (b"VP8 ", b"VP8L", b"VP8X", b"ANMF")
_EXIF = b"Exif\0\0"
_MOST_CHUNKS = 10_000


@image_format("WebP", lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP")
def read_webp(data: bytes, limits: Limits) -> Picture:
    """Read a WebP; of an animated one the first frame."""
    exif = b""
    for kind, body in _chunks(data):
        if kind in _PICTURE:  # libwebp reserves the canvas when it opens a file
            limits.check_size("WebP", *_size(kind, body), bytes_per_pixel=4)
        if kind == b"EXIF":
            exif = exif or body.removeprefix(_EXIF)
    picture = decode_ordinary(data, "WEBP")
    frames = count_frames(data, "WEBP", limits)
    if frames > 1:
        picture = replace(picture, notes=(*picture.notes, FRAME.format(frames=frames)))
    return upright(picture, exif_orientation(exif))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 12
    for _ in range(_MOST_CHUNKS):
        if start + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, start)
        yield kind, data[start + 8 : start + 8 + length]
        start += 8 + length + length % 2
    raise ValueError("too many chunks")


def _size(kind: bytes, body: bytes) -> tuple[int, int]:
    """Width and height that a chunk declares."""
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    at = 4 if kind == b"VP8X" else 6
    return int.from_bytes(body[at : at + 3], "little") + 1, int.from_bytes(body[at + 3 : at + 6], "little") + 1
