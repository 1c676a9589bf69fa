"""PNG: gray, colour or a colour table in 1 to 16 bits, without loss."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from unet_playground.errors import refusal
from unet_playground.images.decoders import check_whole, decode_deep, decode_ordinary
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import ALPHA, FRAME, Picture
from unet_playground.images.tags import exif_orientation, upright
from unet_playground.limits import Limits

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FOR_DECODERS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_GRAY = 0
_GRAY_WITH_ALPHA = 4
_MOST_CHUNKS = 65_536
_MOST_TEXT = 64_000


@image_format("PNG", lambda head: head.startswith(_SIGNATURE))
def read_png(data: bytes, limits: Limits) -> Picture:
    """Read a PNG; of an animated one the first frame."""
    first, width, height, depth, colour = struct.unpack_from(">4sIIBB", data, 12)
    if first != b"IHDR":
        raise ValueError("no header")
    limits.check_size("PNG", width, height, _CHANNELS[colour] * (2 if depth == 16 else 1))
    chunks: dict[bytes, bytes] = {}
    kept = [_SIGNATURE]
    for kind, body, whole in _chunks(data):
        _refuse_packed_text(kind, len(body))
        if kind == b"IHDR" and kind in chunks:  # the second one, whose size was not checked, would count
            raise ValueError("header twice")
        chunks.setdefault(kind, body)
        if kind in _FOR_DECODERS:
            kept.append(whole)
    pixels = b"".join(kept)
    deep = depth == 16
    picture = _decode_16(pixels, colour, chunks.get(b"tRNS")) if deep else decode_ordinary(pixels, "PNG")
    frames = struct.unpack_from(">I", chunks[b"acTL"])[0] if b"acTL" in chunks else 1
    if frames > 1:
        picture = replace(picture, notes=(*picture.notes, FRAME.format(frames=frames)))
    return upright(picture, exif_orientation(chunks.get(b"eXIf", b"")))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, content, and the whole chunk; up to the end that a complete PNG must have."""
    start = len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if checksum != zlib.crc32(memoryview(data)[start + 4 : end - 4]):
            raise ValueError("wrong checksum")
        yield kind, data[start + 8 : end - 4], data[start:end]
        if kind == b"IEND":
            return
        start = end
    raise ValueError("no end")


def _refuse_packed_text(kind: bytes, size: int) -> None:
    # It is never unpacked here, but what carries that much is not meant as a picture.
    if kind == b"zTXt" and size > _MOST_TEXT:
        raise refusal(
            f"This PNG carries {size // 1000} kB of packed text; the limit is {_MOST_TEXT // 1000} kB. "
            "Save it without text and try again.",
            f"该 PNG 含有 {size // 1000} kB 的压缩文本；上限为 {_MOST_TEXT // 1000} kB。请去除文本后重试。",
        )


def _decode_16(data: bytes, colour: int, transparent: bytes | None) -> Picture:
    check_whole(data, "PNG")
    array = decode_deep(data)
    picture = Picture.from_array(array)
    if colour == _GRAY_WITH_ALPHA:
        return replace(picture, pixels=np.ascontiguousarray(picture.pixels[..., 0]))
    if colour == _GRAY and transparent:  # OpenCV heeds a transparent colour, but no transparent gray
        picture.pixels[array == struct.unpack(">H", transparent)[0]] = 0
        return replace(picture, notes=(ALPHA,))
    return picture
