"""Every file becomes the right numbers or one sentence; generated here or from the corpus of odd files."""

import csv
import os
import re
import resource
import struct
import time
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from sample_files import chunk, pillow_pixels, png, save, save_deep, tiff, whole_files

from unet_playground.errors import PlaygroundError, UnreadableImage
from unet_playground.images import Picture, read_image
from unet_playground.images.kinds import formats

_GRAY = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
_RGB = np.stack([_GRAY, 255 - _GRAY, _GRAY // 2], axis=2)
_DEEP = (np.arange(12 * 20 * 4, dtype=np.uint16) * 67).reshape(12, 20, 4)
_SENTINEL = "PHISENTINEL^SOMEBODY"
_REFUSED_BY_NAME = {
    "tiff_5channel.tif": "5 channels",
    "pil_separate_planar_extra_samples.tiff": "2 channels",
    "pil_tiff_tiled_planar_16bit_RGB.tiff": "16-bit",
    "nii_complex.nii": "complex numbers",
}


def _corpus() -> list[Any]:
    data = os.environ.get("UNET_PLAYGROUND_DATA", "")
    manifest = Path(data).parent / "corpus" / "MANIFEST.tsv"
    if not data or not manifest.is_file():
        reason = "UNET_PLAYGROUND_DATA is not set, or there is no corpus beside it"
        return [pytest.param(Path(), "", marks=pytest.mark.skip(reason=reason))]
    rows = csv.DictReader(manifest.read_text().splitlines(), delimiter="\t")
    return [
        pytest.param(manifest.parent / row["category"] / row["file"], row["expect"], id=row["file"][:60])
        for row in rows
    ]


def _refusal(source: bytes | str | Path) -> str:
    """What is said; it is a sentence that shows no path, no traceback and comes in two languages."""
    begun = time.perf_counter()
    with pytest.raises(UnreadableImage) as caught:
        read_image(source)
    assert time.perf_counter() - begun < 5
    text = caught.value.text
    assert text.en.endswith(" Nothing was kept.") and text.zh.endswith("。未保留任何内容。")
    assert re.search(r"[\u4e00-\u9fff]", text.zh) and not re.search(r"[\u4e00-\u9fff]", text.en)
    assert not re.search(r"[/\\\n]|Traceback|Error|0x", text.en) and len(text.en) < 500
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return text.en


def _read_or_none(data: bytes) -> Picture | None:
    try:
        return read_image(data)
    except UnreadableImage:
        return None


def _sound(picture: Picture) -> None:
    pixels = picture.pixels
    assert pixels.flags.c_contiguous and pixels.shape[:2] == (picture.height, picture.width)
    assert pixels.ndim == 2 or pixels.shape[2] == 3
    assert pixels.dtype in (np.uint8, np.float32) and picture.bits in (1, 8, 16, 32)
    if pixels.dtype == np.float32:
        assert np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1


def _agrees_with_pillow(picture: Picture, data: bytes) -> None:
    expected = pillow_pixels(data)
    assert expected is None or np.array_equal(picture.pixels, expected)


@pytest.mark.parametrize(("path", "expect"), _corpus())
def test_corpus(path: Path, expect: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    picture = _read_or_none(path.read_bytes())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    if picture is None:
        said = _refusal(path)
        assert expect != "accept" and ("correct" not in expect or expect.startswith("refuse") or _named(path, said))
        return
    assert expect != "refuse"
    _sound(picture)
    assert "PHISENTINEL" not in repr(vars(picture)) and b"PHISENTINEL" not in picture.pixels.tobytes()
    _agrees_with_pillow(picture, path.read_bytes())
    if path.name in ("gray16.png", "float32_unit.tif", "tiff_int16.tif"):
        assert len(np.unique(picture.pixels)) == len(np.unique(np.array(Image.open(path))))


def _named(path: Path, said: str) -> bool:
    """Whether an odd file is refused by what is odd about it."""
    if path.suffix in (".jp2",) or path.name == "pyd_no_meta.dcm":
        return f"This file is not a {formats()[0].name}" in said
    return _REFUSED_BY_NAME[path.name] in said


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (97, 101)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "NPY"])
def test_any_shape(shape: tuple[int, int], kind: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    picture = read_image(save(array, kind))
    flat = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[..., 0]
    assert np.array_equal(flat, array) and picture.bits == 8
    assert not {note.en for note in picture.notes} - {"The colour table was applied."}


@pytest.mark.parametrize("kind", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_kept(kind: str, channels: int) -> None:
    array = _DEEP[..., 0] if channels == 1 else _DEEP[..., :3]
    picture = read_image(save_deep(array, kind))
    assert picture.bits == 16 and np.array_equal(np.rint(picture.pixels * 65535), array)


@pytest.mark.parametrize("kind", [".png", ".tif"])
def test_alpha_in_16_bits(kind: str) -> None:
    picture = read_image(save_deep(_DEEP, kind))
    expected = _DEEP[..., :3] / 65535 * (_DEEP[..., 3:] / 65535)
    assert np.abs(picture.pixels - expected).max() < 1e-5
    assert "Alpha was laid over black." in [note.en for note in picture.notes]


def test_gray_with_alpha_stays_gray() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in _DEEP[..., :2].astype(">u2"))
    picture = read_image(png(20, 12, 16, 4, rows))
    assert np.abs(picture.pixels - _DEEP[..., 0] / 65535 * (_DEEP[..., 1] / 65535)).max() < 1e-5
    halved = np.stack([_GRAY, np.full_like(_GRAY, 128)], axis=2)
    assert np.abs(read_image(save(halved, "PNG")).pixels - _GRAY * (128 / 255)).max() <= 0.5


def test_transparent_gray_in_16_bits() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in _DEEP[..., 0].astype(">u2"))
    key = int(_DEEP[3, 4, 0])
    picture = read_image(png(20, 12, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", key))))
    assert picture.pixels[3, 4] == 0 and np.count_nonzero(picture.pixels == 0) == 2 and picture.notes


def test_alpha_palette_and_cmyk() -> None:
    image = Image.fromarray(np.dstack([_RGB, _GRAY]))
    expected = np.array(Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image))[..., :3]
    picture = read_image(save(image, "PNG"))
    assert np.abs(picture.pixels.astype(int) - expected).max() <= 1 and picture.notes[0].zh
    palette = Image.fromarray(_RGB).quantize(8)
    picture = read_image(save(palette, "PNG", transparency=0))
    clear = np.array(palette) == 0
    assert (picture.pixels[clear] == 0).all() and len(picture.notes) == 2
    assert np.array_equal(picture.pixels[~clear], np.array(palette.convert("RGB"))[~clear])
    cmyk = save(Image.fromarray(_RGB).convert("CMYK"), "JPEG", quality=100)
    assert np.abs(read_image(cmyk).pixels.astype(int) - _RGB).mean() < 8
    _agrees_with_pillow(read_image(cmyk), cmyk)


def test_opaque_alpha_needs_no_note() -> None:
    assert read_image(save(np.dstack([_RGB, np.full_like(_GRAY, 255)]), "PNG")).notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_orientation(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    data = save(_RGB, kind, exif=exif.tobytes(), **options)
    picture = read_image(data)
    _agrees_with_pillow(picture, data)
    assert picture.pixels.shape == ((12, 20, 3) if orientation < 5 else (20, 12, 3))
    assert bool(picture.notes) == (orientation > 1)
    _sound(picture)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_deep_tiff(dtype: str, order: Literal["<", ">"]) -> None:
    array = _DEEP[..., 0] if dtype == "uint16" else _DEEP[..., 0] / 2 - (900 if dtype[0] != "u" else 0)
    array = np.rint(array)
    picture = read_image(tiff(array.astype(dtype), order))
    low, high = (0, 65535) if dtype == "uint16" else (array.min(), array.max())
    assert np.abs(picture.pixels - (array - low) / (high - low)).max() < 1e-6
    assert len(np.unique(picture.pixels)) == len(np.unique(array))
    assert picture.bits == (16 if "16" in dtype else 32)
    white_is_zero = read_image(tiff(array.astype(dtype), order, t262=0))
    assert np.abs(white_is_zero.pixels - (1 - picture.pixels)).max() < 1e-6


def test_fractions_and_missing_values() -> None:
    unit = np.linspace(0.1, 0.9, 240, dtype=np.float32).reshape(12, 20)
    assert np.array_equal(read_image(tiff(unit)).pixels, unit)
    holed = unit * 1000
    holed[0, :3] = (np.nan, np.inf, -np.inf)
    picture = read_image(tiff(holed))
    assert (picture.pixels[0, :3] == 0).all() and picture.pixels.max() == 1 and len(picture.notes) == 2
    for value in (np.nan, 0.5, 7.0):
        _sound(read_image(tiff(np.full((4, 4), value, np.float32))))


def test_first_of_many() -> None:
    pages = [Image.fromarray(_GRAY // part) for part in (1, 2, 3)]
    frame = "Frame 1 of 3 is used."
    for kind, note in (("TIFF", "Page 1 of 3 is used."), ("PNG", frame), ("GIF", frame), ("WEBP", frame)):
        lossless = {"lossless": True} if kind == "WEBP" else {}
        picture = read_image(save(pages[0], kind, save_all=True, append_images=pages[1:], **lossless))
        flat = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[..., 1]
        assert np.array_equal(flat, _GRAY) and note in [n.en for n in picture.notes]


def test_channels_by_name() -> None:
    assert "5 channels" in _refusal(tiff(np.zeros((4, 4, 5), np.uint8)))
    assert "12-bit" in _refusal(tiff(_DEEP[..., 0], t258=12))


@pytest.mark.parametrize("kind", sorted(whole_files()))
def test_cut_short(kind: str) -> None:
    data = whole_files()[kind]
    whole = read_image(data).pixels
    for end in {*np.linspace(0, len(data) - 1, 60).astype(int), *range(len(data) - 15, len(data))}:
        picture = _read_or_none(data[:end])
        if picture is None:
            _refusal(data[:end])
        else:
            assert np.array_equal(picture.pixels, whole)


def test_damage() -> None:
    flipped = bytearray(whole_files()["png"])
    flipped[len(flipped) // 2] ^= 1
    assert "damaged" in _refusal(bytes(flipped))
    assert "damaged" in _refusal(tiff(_GRAY, t278=4))  # rows missing, which decoders leave black
    assert "damaged" in _refusal(tiff(_GRAY, t279=10_000))
    twice = png(4, 4, 8, 0, bytes(20), chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)))
    assert "damaged" in _refusal(twice)


def test_declared_bombs() -> None:
    jpeg = bytearray(whole_files()["jpeg"])
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    bombs = [png(60_000, 60_000, 8, 2, b""), bytes(jpeg), tiff(_GRAY, t256=60_000, t257=60_000)]
    bitmap, gif, array = (bytearray(save(_GRAY, kind)) for kind in ("BMP", "GIF", "NPY"))
    bitmap[18:26] = struct.pack("<II", 60_000, 60_000)
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    bombs += [bytes(bitmap), bytes(gif), bytes(array.replace(b"(12, 20)", b"(60000, 60000)"))]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in bombs:
        assert "is 60000 x 60000 px (3600 Mpx); the limit is 16.7 Mpx." in _refusal(bomb)
    assert "MB when decoded" in _refusal(tiff(_GRAY.astype(float), t256=4000, t257=4000, t277=4))
    canvas = b"VP8X" + struct.pack("<IIHBHB", 10, 0, 16_382, 0, 16_382, 0)
    webp = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    assert "is 16383 x 16383 px (268 Mpx); the limit is 16.7 Mpx." in _refusal(webp)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(os.urandom(100_000)))
    assert "packed text" in _refusal(png(4, 4, 8, 0, bytes(20), text))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize("data", [b"", b"\x89PNG", b"hello", b"PK\3\4" + bytes(99), b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_other_content(data: bytes) -> None:
    assert "is not a BMP, DICOM, GIF, JPEG, NIfTI, NPY, PNG, TIFF or WebP image" in _refusal(data)


def test_paths(tmp_path: Path) -> None:
    file = tmp_path / "named.jpg"
    file.write_bytes(save(_GRAY, "PNG"))
    assert np.array_equal(read_image(str(file)).pixels, _GRAY)
    assert "nowhere.png" in _refusal(tmp_path / "nowhere.png")
    _refusal(tmp_path)
    _refusal("x" * 5000)
    _refusal("a\0b")


def test_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = save(_GRAY, "PNG")
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_FILE_MB", "0.00005")
    (tmp_path / "big.png").write_bytes(data)
    for source in (data, tmp_path / "big.png"):
        assert "This file is" in _refusal(source)
    monkeypatch.delenv("UNET_PLAYGROUND_MAX_FILE_MB")
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_MEGAPIXELS", "0.0001")
    assert "20 x 12 px" in _refusal(data)
    for wrong in ("many", "", "nan", "inf", "-1", "0"):
        monkeypatch.setenv("UNET_PLAYGROUND_MAX_MEGAPIXELS", wrong)
        with pytest.raises(PlaygroundError, match="UNET_PLAYGROUND_MAX_MEGAPIXELS"):
            read_image(data)


def test_no_header_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = _SENTINEL
    info = chunk(b"tEXt", f"Author\0{_SENTINEL}".encode())
    rows = b"".join(b"\0" + row.tobytes() for row in _GRAY)
    files = [
        save(_RGB, "JPEG", exif=exif.tobytes(), comment=_SENTINEL),
        save(_RGB, "TIFF", exif=exif.tobytes(), description=_SENTINEL),
        png(20, 12, 8, 0, rows, info),
    ]
    for data in files:
        assert _SENTINEL.encode() in data
        picture = read_image(data)
        assert _SENTINEL not in repr(vars(picture)) and _SENTINEL.encode() not in picture.pixels.tobytes()
        assert picture.pixels.base is None or isinstance(picture.pixels.base, np.ndarray)
        assert _SENTINEL not in _refusal(data[: len(data) // 2])
