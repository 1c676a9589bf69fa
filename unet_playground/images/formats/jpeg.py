"""JPEG: gray or colour in 8 bits, with loss."""

import struct
from collections.abc import Iterator

from unet_playground.errors import refusal
from unet_playground.images.decoders import decode_ordinary
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import Picture
from unet_playground.images.tags import exif_orientation, upright
from unet_playground.limits import Limits

_START = b"\xff\xd8"
_SCAN = 0xDA
_APP1 = 0xE1
_COLOUR_HINTS = {0xE0: b"JFIF", 0xEE: b"Adobe"}
_TABLES = (0xC4, 0xDB, 0xDD)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_READ_FRAMES = (0xC0, 0xC1, 0xC2)
_MOST_SEGMENTS = 10_000
_EXIF = b"Exif\0\0"


@image_format("JPEG", lambda head: head.startswith(b"\xff\xd8\xff"))
def read_jpeg(data: bytes, limits: Limits) -> Picture:
    """Read a baseline or progressive JPEG."""
    kept = [_START]
    frames = 0
    exif = b""
    for marker, body, whole in _segments(data):
        if marker in _FRAMES:
            _check_frame(marker, body, limits)
            frames += 1
        if marker == _APP1 and body.startswith(_EXIF):
            exif = exif or body[len(_EXIF) :]
        if _for_decoder(marker, body):
            kept.append(whole)
    if frames != 1:
        raise ValueError("not one frame")
    return upright(decode_ordinary(b"".join(kept), "JPEG"), exif_orientation(exif))


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, content, and the whole segment; the last one is all from the first scan on."""
    start = len(_START)
    for _ in range(_MOST_SEGMENTS):
        if data[start] != 0xFF:
            raise ValueError("no marker")
        while data[start + 1] == 0xFF:  # padding is allowed before a marker
            start += 1
        marker = data[start + 1]
        if marker == _SCAN:
            yield marker, b"", data[start:]
            return
        end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        if end < start + 4 or end > len(data):
            raise ValueError("segment cut short")
        yield marker, data[start + 4 : end], data[start:end]
        start = end
    raise ValueError("no scan")


def _for_decoder(marker: int, body: bytes) -> bool:
    """Whether a segment says how to decode; all others may carry names, places and thumbnails."""
    if marker in _COLOUR_HINTS:
        return body.startswith(_COLOUR_HINTS[marker])
    return marker in _FRAMES or marker in _TABLES or marker == _SCAN


def _check_frame(marker: int, body: bytes, limits: Limits) -> None:
    precision, height, width, channels = struct.unpack_from(">BHHB", body)
    if marker not in _READ_FRAMES or precision != 8:
        raise refusal(
            f"This JPEG is of a rare kind ({precision} bits, process {marker - 0xC0}); "
            "baseline and progressive ones of 8 bits are read. Save it as PNG and try again.",
            f"该 JPEG 属于罕见类型（{precision} 位，过程 {marker - 0xC0}）；"
            "仅读取 8 位的基线式和渐进式 JPEG。请另存为 PNG 后重试。",
        )
    limits.check_size("JPEG", width, height, channels)
