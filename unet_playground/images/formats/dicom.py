"""DICOM: what scanners write. Only tags of geometry and pixels are looked at; names, dates and texts never are."""

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.images.geometry import directions
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import FRAME, Picture
from unet_playground.limits import Limits

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_ALLOWED = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable"),
    *("ExtendedOffsetTableLengths", "Modality", "BurnedInAnnotation"),
    *("PixelSpacing", "ImageOrientationPatient", "SharedFunctionalGroupsSequence"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "DoseGridScaling", "DoseUnits"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction"),
    *(
        f"{colour}PaletteColorLookupTable{part}"
        for colour in ("Red", "Green", "Blue")
        for part in ("Descriptor", "Data")
    ),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *_PIXELS,
)
_MOST_ELEMENTS = 50_000
_UNITS = {"HU": "HU", "OD": "OD", "GY": "Gy"}

_WINDOW = Text(
    "The file's own window was applied: centre {centre:g}, width {width:g}.",
    "已应用文件自带的窗口：窗位 {centre:g}，窗宽 {width:g}。",
)
_LOWEST_TO_HIGHEST = Text(
    "The file names no window: the lowest value is black and the highest is white.",
    "文件未给出窗口：最低值为黑，最高值为白。",
)
_BURNED_IN = Text(
    "Text may be part of this picture (names, dates); it is not removed.",
    "图像中可能含有文字（姓名、日期），未被去除。",
)


def _is_dicom(head: bytes) -> bool:
    # Without its preamble a file begins with an element of group 2 or 8, whose number is even and small.
    return head[128:132] == b"DICM" or (head[:1] in (b"\x02", b"\x08") and head[1:2] == b"\0" and head[3:4] == b"\0")


@image_format("DICOM", _is_dicom)
def read_dicom(data: bytes, limits: Limits) -> Picture:
    """Read the first frame of a DICOM file, with rescaled values in the units of its modality."""
    tags = _tags(data)
    if not any(name in tags for name in _PIXELS):
        raise refusal(
            "There is no image in this DICOM file; files with pixels are read. Choose one of the image's own files "
            "and try again.",
            "该 DICOM 文件中没有图像；仅读取含像素的文件。请选择图像文件后重试。",
        )
    frames = int(tags.get("NumberOfFrames") or 1)
    limits.check_frames("DICOM", frames)
    samples, bits = int(tags.SamplesPerPixel), int(tags.BitsAllocated)
    if samples not in (1, 3) or bits not in (1, 8, 16, 32, 64) or not isinstance(tags.Rows, int):
        raise ValueError("no such image")
    limits.check_size("DICOM", int(tags.Columns), int(tags.Rows), max(1, samples * bits // 8))
    stored = _stored(tags, frames)
    picture = _coloured(stored, tags) if stored.ndim == 3 or _has_table(tags) else _measured(stored, tags)
    notes = (FRAME.format(frames=frames),) if frames > 1 else ()
    if str(tags.get("BurnedInAnnotation", "")).upper() == "YES" or tags.get("Modality") == "US":
        notes += (_BURNED_IN,)
    shared = _shared(tags)
    return replace(
        picture,
        bits=min(bits, 32),
        spacing=_spacing(tags.get("PixelSpacing") or _within(shared, "PixelMeasuresSequence", "PixelSpacing")),
        orientation=_orientation(
            tags.get("ImageOrientationPatient")
            or _within(shared, "PlaneOrientationSequence", "ImageOrientationPatient")
        ),
        notes=notes + picture.notes,
    )


def _tags(data: bytes) -> Any:
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    count = 0

    def too_many(*_: Any) -> bool:
        nonlocal count
        count += 1
        if count > _MOST_ELEMENTS:
            raise ValueError("too many elements")
        return False

    return read_partial(BytesIO(data), stop_when=too_many, specific_tags=[Tag(name) for name in _ALLOWED], force=True)


def _stored(tags: Any, frames: int) -> NDArray[Any]:
    """The first frame as it is stored, colours as RGB: (h, w) or (h, w, 3)."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import UID, AllTransferSyntaxes, ImplicitVRLittleEndian

    if "TransferSyntaxUID" not in tags.file_meta:
        tags.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    syntax = UID(tags.file_meta.TransferSyntaxUID)
    if syntax not in AllTransferSyntaxes:
        raise ValueError("unknown transfer syntax")
    try:
        known = get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        raise refusal(
            f"This DICOM file is compressed as {syntax.name}, which needs a plugin that is not installed here. "
            "Save it uncompressed and try again.",
            f"该 DICOM 文件以 {syntax.name} 压缩，需要此处未安装的插件。请另存为未压缩格式后重试。",
        )
    try:
        return pixel_array(tags, index=0 if frames > 1 else None)
    except RuntimeError:  # what its plugins raise
        pass
    raise ValueError("not decoded")


def _has_table(tags: Any) -> bool:
    return tags.PhotometricInterpretation == "PALETTE COLOR"


def _coloured(stored: NDArray[Any], tags: Any) -> Picture:
    from pydicom.pixels.processing import apply_color_lut

    colours = apply_color_lut(stored, tags)[..., :3] if _has_table(tags) else stored
    if colours.dtype.kind == "u" and not _has_table(tags) and int(tags.BitsStored) != 8 * colours.itemsize:
        colours = (colours / (2 ** int(tags.BitsStored) - 1)).clip(0, 1)
    return Picture.from_array(colours)


def _measured(stored: NDArray[Any], tags: Any) -> Picture:
    """Gray: the values in their units, and how they look through the file's own window."""
    slope = _number(tags.get("RescaleSlope"), 1) * _number(tags.get("DoseGridScaling"), 1)
    stored = stored.astype(bool) if int(tags.BitsStored) == 1 else stored
    values = stored.astype(np.float64) * slope + _number(tags.get("RescaleIntercept"), 0)
    missing = ~np.isfinite(values)
    values[missing] = values[~missing].min() if not missing.all() else 0
    plain = stored.dtype in (np.uint8, bool) and int(tags.BitsStored) in (1, 8)
    if window := _window(tags):
        looks, notes = _through(values, *window), (_WINDOW.format(centre=window[0], width=window[1]),)
    elif plain:
        looks, notes = stored, ()
    else:
        low, high = values.min(), values.max()
        looks, notes = (values - low) / ((high - low) or 1), (_LOWEST_TO_HIGHEST,)
    if tags.PhotometricInterpretation == "MONOCHROME1":
        looks = 1 - looks if looks.dtype.kind == "f" else np.invert(looks)
    picture = Picture.from_array(looks)
    # A CT without a type of rescaling measures Hounsfield units, says the standard.
    kind = str(tags.get("RescaleType") or tags.get("DoseUnits") or ("HU" if tags.get("Modality") == "CT" else ""))
    return replace(picture, notes=notes, units=_UNITS.get(kind.upper()), values=values.astype(np.float32))


def _window(tags: Any) -> tuple[float, float, str] | None:
    centre, width = ((_numbers(tags.get(name)) or [None])[0] for name in ("WindowCenter", "WindowWidth"))
    shape = str(tags.get("VOILUTFunction") or "LINEAR").upper()
    if centre is None or width is None or not (width >= 1 if shape == "LINEAR" else width > 0):
        return None
    return centre, width, shape


def _through(values: NDArray[np.float64], centre: float, width: float, shape: str) -> NDArray[np.float64]:
    """Values through a window: 0 to 1. Source: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if shape == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if shape == "LINEAR":
        centre, width = centre - 0.5, max(width - 1, 1e-6)
    return ((values - centre) / width + 0.5).clip(0, 1)


def _spacing(given: Any) -> tuple[float, float] | None:
    numbers = _numbers(given)
    if len(numbers) != 2 or any(each is None or each <= 0 for each in numbers):
        return None
    return numbers[0], numbers[1]  # type: ignore[return-value]


def _orientation(given: Any) -> str | None:
    numbers = _numbers(given)
    if len(numbers) != 6 or None in numbers:
        return None
    # DICOM's axes grow to the left, to the back and to the head.
    return directions(np.reshape(np.asarray(numbers, float), (2, 3)) * (-1, -1, 1))


def _shared(tags: Any) -> Any:
    groups = tags.get("SharedFunctionalGroupsSequence")
    return groups[0] if groups else {}


def _within(group: Any, sequence: str, name: str) -> Any:
    inner = group.get(sequence)
    return inner[0].get(name) if inner else None


def _numbers(value: Any) -> list[Any]:
    """The numbers of a tag that holds none, one or several; None for each that is no number."""
    several = isinstance(value, list) or type(value).__name__ == "MultiValue"
    return [] if value is None else [_number(each, None) for each in (value if several else [value])]


def _number(value: Any, default: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return default
    return number if np.isfinite(number) else default
