"""What a DICOM file says about pixels and geometry. Names, dates and texts are never looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.limits import Limits

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# The series is compared with those of other files, the number orders slices without a place; neither is handed out.
_ALLOWED = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "ExtendedOffsetTable"),
    *("ExtendedOffsetTableLengths", "Modality", "BurnedInAnnotation"),
    *("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SpacingBetweenSlices", "SliceThickness"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("SeriesInstanceUID", "InstanceNumber"),
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
# Where a multi-frame file keeps what a file of one frame says at its top.
_GROUP = {
    "PixelSpacing": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
}
_MOST_ELEMENTS = 50_000
_NO_SLICES = ("SEG", "SM")
_UNITS = {"HU": "HU", "OD": "OD", "GY": "Gy"}
_BURNED_IN = Text(
    "Text may be part of this picture (names, dates); it is not removed.",
    "图像中可能含有文字（姓名、日期），未被去除。",
)


def is_dicom(head: bytes) -> bool:
    """Whether a file is DICOM, by its first bytes."""
    # Without its preamble a file begins with an element of group 2 or 8, whose number is even and small.
    return head[128:132] == b"DICM" or (head[:1] in (b"\x02", b"\x08") and head[1:2] == b"\0" and head[3:4] == b"\0")


def read_tags(data: bytes) -> Any:
    """The allowed tags of a file, pixels among them."""
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


def has_pixels(tags: Any) -> bool:
    """Whether there is an image in a file."""
    return any(name in tags for name in _PIXELS)


def has_slices(tags: Any) -> bool:
    """Whether the image in a file is what a scanner measured: neither somebody's mask nor tiles of a microscope."""
    return has_pixels(tags) and tags.get("Modality") not in _NO_SLICES


def count_frames(tags: Any, limits: Limits) -> int:
    """How many frames a file has.

    Raises:
        UnreadableImage: They are too many, or too large.
        ValueError: They are none that DICOM knows.
    """
    frames = int(tags.get("NumberOfFrames") or 1)
    limits.check_frames("DICOM", frames)
    samples, bits = int(tags.SamplesPerPixel), int(tags.BitsAllocated)
    if frames < 1 or samples not in (1, 3) or bits not in (1, 8, 16, 32, 64) or not isinstance(tags.Rows, int):
        raise ValueError("no such image")
    limits.check_size("DICOM", int(tags.Columns), int(tags.Rows), max(1, samples * bits // 8))
    return frames


def warnings(tags: Any) -> tuple[Text, ...]:
    """What a reader must be told about the pixels of a file."""
    burned = str(tags.get("BurnedInAnnotation", "")).upper() == "YES" or tags.get("Modality") == "US"
    return (_BURNED_IN,) if burned else ()


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a DICOM file. What its tags say is read when it is asked for; None where they say nothing of use.

    Attributes:
        tags: Of its file.
        index: Its number there, from 0; None in a file of one frame.
    """

    tags: Any
    index: int | None = None

    @property
    def spacing(self) -> tuple[float, float] | None:
        """Distance of neighbouring rows and of neighbouring columns in mm."""
        rows, columns = self._lengths("PixelSpacing", 2) or (0.0, 0.0)
        return (rows, columns) if rows > 0 and columns > 0 else None

    @property
    def distance(self) -> float | None:
        """What the file says about the distance of slices in mm; the thickness where it says nothing else."""
        for name in ("SpacingBetweenSlices", "SliceThickness"):
            [length] = self._lengths(name, 1) or [0.0]
            if length > 0:
                return length
        return None

    @property
    def axes(self) -> NDArray[np.float64] | None:
        """(2, 3): where a row and where a column grow to, towards right, front and head."""
        # DICOM's axes grow to the left, to the back and to the head.
        given = self._lengths("ImageOrientationPatient", 6)
        return None if given is None else np.reshape(given, (2, 3)) * (-1, -1, 1)

    @property
    def position(self) -> NDArray[np.float64] | None:
        """(3,): where the first pixel's centre lies, in mm towards right, front and head."""
        given = self._lengths("ImagePositionPatient", 3)
        return None if given is None else np.asarray(given) * (-1, -1, 1)

    @property
    def units(self) -> str | None:
        """What the values measure."""
        # A CT without a type of rescaling measures Hounsfield units, says the standard.
        usual = "HU" if self.tags.get("Modality") == "CT" else ""
        return _UNITS.get(str(self._said("RescaleType") or self.tags.get("DoseUnits") or usual).upper())

    @property
    def window(self) -> tuple[float, float, str] | None:
        """Centre, width and shape of the first window through which the file is to be seen."""
        centre, width = ((numbers(self._said(name)) or [None])[0] for name in ("WindowCenter", "WindowWidth"))
        shape = str(self._said("VOILUTFunction") or "LINEAR").upper()
        if centre is None or width is None or not (width >= 1 if shape == "LINEAR" else width > 0):
            return None
        return centre, width, shape

    def stored(self) -> NDArray[Any]:
        """The pixels as they are stored, colours as RGB: (h, w) or (h, w, 3).

        Raises:
            UnreadableImage: The plugin that they need is not there.
        """
        from pydicom.pixels.utils import pixel_array

        _check_syntax(self.tags)
        try:
            return pixel_array(self.tags, index=self.index)
        except RuntimeError:  # what its plugins raise
            pass
        raise ValueError("not decoded")

    def measured(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Stored numbers in their units."""
        slope = number(self._said("RescaleSlope"), 1) * number(self.tags.get("DoseGridScaling"), 1)
        stored = stored.astype(bool) if int(self.tags.BitsStored) == 1 else stored
        return stored.astype(np.float64) * slope + number(self._said("RescaleIntercept"), 0)

    def _lengths(self, name: str, count: int) -> list[float] | None:
        given = numbers(self._said(name))
        return None if len(given) != count or None in given else given

    def _said(self, name: str) -> Any:
        for group in self._groups():
            inner = group.get(_GROUP[name])
            if inner and inner[0].get(name) is not None:
                return inner[0].get(name)
        return self.tags.get(name)

    def _groups(self) -> Iterator[Any]:
        own, shared = (self.tags.get(f"{kind}FunctionalGroupsSequence") for kind in ("PerFrame", "Shared"))
        if own:
            yield own[self.index or 0]
        if shared:
            yield shared[0]


def numbers(value: Any) -> list[Any]:
    """The numbers of a tag that holds none, one or several; None for each that is no number."""
    several = isinstance(value, list) or type(value).__name__ == "MultiValue"
    return [] if value is None else [number(each, None) for each in (value if several else [value])]


def number(value: Any, default: Any) -> Any:
    """The finite number that a tag holds, or else `default`."""
    try:
        given = float(value)
    except (TypeError, ValueError):
        return default
    return given if np.isfinite(given) else default


def _check_syntax(tags: Any) -> None:
    from pydicom.pixels.decoders.base import get_decoder
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
