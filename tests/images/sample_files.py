"""Image files made on the spot, true ones and lying ones, and Pillow's view of a true one."""

import struct
import zlib
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError


def save(array: NDArray[Any] | Image.Image, kind: str, **options: Any) -> bytes:
    """A file that Pillow writes, or NumPy."""
    file = BytesIO()
    if kind == "NPY":
        np.save(file, np.asarray(array))
        return file.getvalue()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(file, format=kind, **options)
    return file.getvalue()


def save_deep(array: NDArray[Any], kind: str) -> bytes:
    """A file that OpenCV writes: (h, w), RGB or RGB with alpha in the array's own type."""
    import cv2

    array = array[..., [2, 1, 0, 3][: array.shape[2]]] if array.ndim == 3 else array
    return cv2.imencode(kind, array)[1].tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A piece of a PNG with its right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG of rows that begin with a filter byte; what its header says need not be true."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    end = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + end


def tiff(array: NDArray[Any], order: Literal["<", ">"] = "<", **changed: int) -> bytes:
    """An uncompressed TIFF of one strip; `changed` fields lie, as t257=99."""
    samples = array.shape[2] if array.ndim == 3 else 1
    pixels = array.astype(array.dtype.newbyteorder(order)).tobytes()
    fields = {256: array.shape[1], 257: array.shape[0], 258: 8 * array.dtype.itemsize, 259: 1, 262: 1}
    fields |= {273: 0, 277: samples, 279: len(pixels), 339: {"u": 1, "i": 2, "f": 3}[array.dtype.kind]}
    fields |= {int(tag[1:]): value for tag, value in changed.items()}
    fields[273] = 8 + 2 + 12 * len(fields) + 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(fields))
    body = b"".join(struct.pack(order + "HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    return head + body + bytes(4) + pixels


def whole_files() -> dict[str, bytes]:
    """One noisy image in every way of writing it."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return {
        "png": save(noise, "PNG"),
        "jpeg": save(noise, "JPEG"),
        "progressive": save(noise, "JPEG", progressive=True),
        "tiff": save(noise, "TIFF"),
        "lzw": save(noise, "TIFF", compression="tiff_lzw"),
        "png-16": save_deep(noise.astype(np.uint16) * 257, ".png"),
        "tiff-16": save_deep(noise.astype(np.uint16) * 257, ".tif"),
        "bmp": save(noise, "BMP"),
        "gif": save(Image.fromarray(noise).quantize(64), "GIF"),
        "webp": save(noise, "WEBP"),
        "npy": save(noise, "NPY"),
    }


def pillow_pixels(data: bytes) -> NDArray[Any] | None:
    """Pillow's own answer, where Pillow keeps all levels and colours need no decision."""
    try:
        image = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    except UnidentifiedImageError:
        return None
    if image.mode.startswith("I;16"):
        return (np.array(image) / 65535).astype(np.float32)
    if image.has_transparency_data or image.mode not in ("1", "L", "P", "RGB", "CMYK"):
        return None
    return np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))
