"""TIFF: what microscopes and scanners write; gray or colour, whole numbers or fractions of up to 64 bits."""

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.images.decoders import decode_deep, decode_ordinary
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import ALPHA, Picture
from unet_playground.images.tags import MOST_PAGES, ORIENTATION, Directory, read_directory, upright
from unet_playground.limits import Limits

_WIDTH, _HEIGHT, _BITS, _COLOURS, _SAMPLES, _PLANES, _EXTRA, _TYPE = 256, 257, 258, 262, 277, 284, 338, 339
_STRIPS, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_COMPRESSION, _FILL_ORDER, _FAX_3, _FAX_4, _PREDICTOR = 259, 266, 292, 293, 317
_PALETTE, _JPEG_TABLES, _SUBSAMPLING = 320, 347, 530
_DETAILS = (_COMPRESSION, _FILL_ORDER, _FAX_3, _FAX_4, _PREDICTOR)
_SINGLE = frozenset(
    (_WIDTH, _HEIGHT, _COLOURS, _SAMPLES, _PLANES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT, *_DETAILS)
)
_FOR_DECODERS = _SINGLE.union(
    (_BITS, _EXTRA, _TYPE, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _PALETTE, _JPEG_TABLES, _SUBSAMPLING)
)
_MOST_PIECES = 65_536

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_CHANNELS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, 3: 1, 5: 4, 6: 3}
_ALPHA = (1, 2)
_MIXED_ALPHA = 1
_ORDINARY_BITS = (1, 2, 4, 8)
_DEEP = {
    (1, 16): "uint16",
    (1, 32): "uint32",
    (1, 64): "uint64",
    (2, 16): "int16",
    (2, 32): "int32",
    (2, 64): "int64",
    (3, 32): "float32",
    (3, 64): "float64",
}
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PAGE = Text("Page 1 of {pages} is used.", "使用第 1 页，共 {pages} 页。")


@dataclass(frozen=True)
class _Layout:
    """How the samples of a page are stored, in the numbers of the TIFF specification."""

    width: int
    height: int
    bits: int
    type: int
    colours: int
    samples: int
    extra: int
    planes: int

    @classmethod
    def of(cls, page: Directory) -> "_Layout":
        if len({*page.values.get(_BITS, ())}) > 1 or len({*page.values.get(_TYPE, ())}) > 1:
            raise ValueError("samples of several kinds")
        if any(len(numbers) > 1 for tag, numbers in page.values.items() if tag in _SINGLE):
            raise ValueError("several numbers for one")
        colours = page.number(_COLOURS, _WHITE_IS_ZERO)
        return cls(
            width=page.number(_WIDTH, 0),
            height=page.number(_HEIGHT, 0),
            bits=page.number(_BITS, 1),
            type=page.number(_TYPE, 1),
            colours=colours,
            samples=page.number(_SAMPLES, 1),
            extra=page.number(_EXTRA, _ALPHA[-1]),
            planes=page.number(_PLANES, 1) if page.number(_SAMPLES, 1) > 1 else 1,
        )

    @property
    def ordinary(self) -> bool:
        return self.type == 1 and self.bits in _ORDINARY_BITS


def _is_tiff(head: bytes) -> bool:
    # A DICOM file may start like a TIFF so that viewers of either kind open it.
    return head.startswith(_MAGIC) and head[128:132] != b"DICM"


@image_format("TIFF", _is_tiff)
def read_tiff(data: bytes, limits: Limits) -> Picture:
    """Read the first page of a TIFF or BigTIFF."""
    page = read_directory(data, _FOR_DECODERS | {ORIENTATION})
    layout = _Layout.of(page)
    limits.check_size("TIFF", layout.width, layout.height, max(1, layout.samples * layout.bits // 8))
    _check_kind(layout)
    _check_pieces(page, layout, len(data), limits)
    visible = page.keep_only(data, _FOR_DECODERS)
    picture = decode_ordinary(visible, "TIFF") if layout.ordinary else _decode_deep(visible, layout)
    if page.pages > 1:
        said = _PAGE.format(pages=page.pages if page.pages < MOST_PAGES else f"{MOST_PAGES}+")
        picture = replace(picture, notes=(*picture.notes, said))
    return upright(picture, page.number(ORIENTATION, 1))


def _check_kind(layout: _Layout) -> None:
    """Refuse by name what would be decoded, if at all, to something a person does not expect."""
    colours = _CHANNELS.get(layout.colours)
    more = layout.samples - (colours or layout.samples)
    if more not in (0, 1) or (more == 1 and layout.extra not in _ALPHA):
        raise refusal(
            f"This TIFF has {layout.samples} channels; gray, RGB and CMYK are read, with or without alpha. "
            "Save the channel or the colours you need as a file of their own and try again.",
            f"该 TIFF 有 {layout.samples} 个通道；可读取灰度、RGB 和 CMYK（可带透明通道）。"
            "请将所需的通道或颜色另存为单独的文件后重试。",
        )
    deep = (layout.type, layout.bits) in _DEEP and layout.colours in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
    # OpenCV shuffles deep colours that are stored apart, and loses the alpha of deep gray.
    deep = deep and layout.planes == 1 and layout.samples != 2
    if colours is None or not (layout.ordinary or deep):
        raise refusal(
            f"This TIFF stores its {layout.bits}-bit samples in a rare way; gray and interleaved RGB in "
            "8, 16 and 32 bits are read. Save it as one of these and try again.",
            f"该 TIFF 以罕见方式存储 {layout.bits} 位样本；可读取 8、16 和 32 位的灰度及交错 RGB。"
            "请另存为其中一种后重试。",
        )


def _check_pieces(page: Directory, layout: _Layout, size: int, limits: Limits) -> None:
    """Check that strips or tiles cover the image and lie inside the file; decoders leave gaps black.

    Raises:
        ValueError: If they do not.
    """
    tiled = _TILES in page.values
    if tiled == (_STRIPS in page.values):
        raise ValueError("neither strips nor tiles, or both")
    width, height = layout.width, min(page.number(_ROWS_PER_STRIP, layout.height), layout.height)
    if tiled:
        width, height = page.number(_TILE_WIDTH, 0), page.number(_TILE_HEIGHT, 0)
    limits.check_size("TIFF", width, height)
    starts = page.values[_TILES if tiled else _STRIPS].astype(object)
    lengths = page.values[_TILE_BYTES if tiled else _STRIP_BYTES].astype(object)
    layers = layout.samples if layout.planes == 2 else 1
    needed = -(-layout.width // width) * -(-layout.height // height) * layers
    if not needed <= len(starts) <= _MOST_PIECES or len(lengths) != len(starts):
        raise ValueError("pieces missing")
    if (starts + lengths).max() > size:
        raise ValueError("pieces outside the file")


def _decode_deep(data: bytes, layout: _Layout) -> Picture:
    array = decode_deep(data)
    expected = (layout.height, layout.width) + ((layout.samples,) if layout.samples > 1 else ())
    if array.shape != expected or array.dtype != _DEEP[layout.type, layout.bits]:
        raise ValueError("decoded to something else")
    if layout.colours == _WHITE_IS_ZERO:
        array = _inverted(array)
    if layout.samples == 4 and layout.extra == _MIXED_ALPHA:  # these colours are mixed with black already
        picture = Picture.from_array(array[..., :3])
        return replace(picture, notes=(ALPHA, *picture.notes))
    return Picture.from_array(array)


def _inverted(array: NDArray[Any]) -> NDArray[Any]:
    return 1 - array if array.dtype.kind == "f" else ~array
