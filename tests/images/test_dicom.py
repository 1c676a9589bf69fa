"""DICOM files made on the spot: the look of the plain equivalent, values in their units, and no word of the header."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG2MPML,
    UID,
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from unet_playground.errors import UnreadableImage
from unet_playground.images import Picture, read_image

_GRAY = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
_DEEP = (np.arange(240, dtype=np.uint16) * 17).reshape(12, 20)
_SENTINEL = "PHISENTINEL^SOMEBODY"


def _dataset(pixels: np.ndarray, **tags: Any) -> Dataset:
    """A file of one gray or RGB frame, or of frames where there are four axes or tags say so."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.PatientName = made.PatientID = made.StudyDescription = _SENTINEL
    coloured = pixels.shape[-1] == 3
    made.Rows, made.Columns = pixels.shape[-3:-1] if coloured else pixels.shape[-2:]
    made.SamplesPerPixel = 3 if coloured else 1
    made.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.Modality = "OT"
    made.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def _file(made: Dataset) -> bytes:
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _read(pixels: np.ndarray, **tags: Any) -> Picture:
    return read_image(_file(_dataset(pixels, **tags)))


def _said(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        read_image(data)
    assert _SENTINEL not in caught.value.text.en
    return caught.value.text.en


def test_a_plain_file_looks_like_a_plain_image() -> None:
    picture = _read(_GRAY)
    assert np.array_equal(picture.pixels, _GRAY) and picture.bits == 8 and picture.notes == ()
    rgb = np.stack([_GRAY, 255 - _GRAY, _GRAY // 2], axis=2)
    assert np.array_equal(_read(rgb).pixels, rgb)
    planes = _read(np.ascontiguousarray(rgb), PlanarConfiguration=1, PixelData=rgb.transpose(2, 0, 1).tobytes())
    assert np.array_equal(planes.pixels, rgb)


def test_monochrome_1_is_inverted_and_its_values_are_not() -> None:
    picture = _read(_GRAY, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(picture.pixels, 255 - _GRAY)
    assert picture.values is not None and np.array_equal(picture.values, _GRAY)
    windowed = _read(_DEEP, PhotometricInterpretation="MONOCHROME1", WindowCenter=2000, WindowWidth=1000)
    assert windowed.pixels[0, 0] == 1 and windowed.pixels[-1, -1] == 0


def test_a_ct_keeps_its_hounsfield_units() -> None:
    stored = _DEEP.astype(np.int16)
    picture = _read(stored, Modality="CT", RescaleSlope="0.5", RescaleIntercept="-1024")
    assert picture.units == "HU" and picture.values is not None
    assert np.array_equal(picture.values, stored * 0.5 - 1024)
    assert _read(stored, RescaleType="US", RescaleSlope="2").units is None
    dose = _read(_DEEP.astype(np.uint32), DoseGridScaling="0.001", DoseUnits="GY")
    assert dose.units == "Gy" and dose.values is not None and np.allclose(dose.values, _DEEP * 0.001)


@pytest.mark.parametrize("shape", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_does_what_pydicom_does(shape: str) -> None:
    tags = {"WindowCenter": ["1800", "3"], "WindowWidth": ["900", "4"], "VOILUTFunction": shape}
    made = _dataset(_DEEP, **tags)
    expected = apply_voi_lut(_DEEP, made, index=0) / 65535
    picture = read_image(_file(made))
    assert np.abs(picture.pixels - expected).max() < 1e-4
    assert [note.en for note in picture.notes] == ["The file's own window was applied: centre 1800, width 900."]


@pytest.mark.parametrize(("centre", "width"), [(100, 0), (100, -5), (None, 100), (100, 0.5)])
def test_an_impossible_window_is_left_out(centre: float | None, width: float) -> None:
    picture = _read(_DEEP, WindowCenter=centre, WindowWidth=width)
    assert picture.pixels.min() == 0 and picture.pixels.max() == 1 and "names no window" in picture.notes[0].en


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [(["0.5", "2"], (0.5, 2.0)), (["0", "1"], None), (["-1", "1"], None), (None, None), (["1"], None)],
)
def test_spacing_is_rows_then_columns_or_unknown(spacing: Any, expected: Any) -> None:
    assert _read(_GRAY, **({"PixelSpacing": spacing} if spacing else {})).spacing == expected


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ([1, 0, 0, 0, 1, 0], "LP"),
        ([-1, 0, 0, 0, 1, 0], "RP"),
        ([1, 0, 0, 0, 0, -1], "LI"),
        ([0, 1, 0, 0, 0, -1], "PI"),
        ([0.9, 0.1, 0.2, -0.1, 0.95, 0.1], "LP"),
        ([0, 0, 0, 0, 1, 0], None),
        ([1, 0, 0, 1, 0, 0], None),
    ],
)
def test_which_way_is_left(axes: list[float], expected: str | None) -> None:
    picture = _read(_GRAY, ImageOrientationPatient=axes)
    assert picture.orientation == expected
    noted = any("turn it, or open it as a volume" in note.en for note in picture.notes)
    assert noted == (expected == "RP")


def test_a_mirrored_slice_says_what_is_where() -> None:
    [note] = _read(_GRAY, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]).notes
    assert note.en.startswith("The right of the patient is on the right of this picture, the front at the bottom.")
    assert note.zh.startswith("此图像的右方为患者的右侧，下方为前侧。")


def test_geometry_of_many_frames_stands_in_the_shared_groups() -> None:
    frames = np.stack([_GRAY, _GRAY // 2, _GRAY // 3])
    measures, plane, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [0.7, 0.8]
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    picture = _read(frames, NumberOfFrames=3, SharedFunctionalGroupsSequence=Sequence([shared]))
    assert np.array_equal(picture.pixels, _GRAY) and picture.spacing == (0.7, 0.8) and picture.orientation == "LP"
    assert [note.en for note in picture.notes] == ["Frame 1 of 3 is used."]
    assert "has 513 frames; the limit is 512" in _said(_file(_dataset(_GRAY, NumberOfFrames=513)))


def test_the_window_of_many_frames_stands_in_the_groups_too() -> None:
    window, shared = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth, window.VOILUTFunction = [40, 400], [80, 1500], "LINEAR_EXACT"
    shared.FrameVOILUTSequence = Sequence([window])
    frames = np.stack([_DEEP, _DEEP])
    picture = _read(frames, NumberOfFrames=2, SharedFunctionalGroupsSequence=Sequence([shared]))
    plain = _read(_DEEP, WindowCenter=[40, 400], WindowWidth=[80, 1500], VOILUTFunction="LINEAR_EXACT")
    assert np.array_equal(picture.pixels, plain.pixels) and 0 < picture.pixels.mean() < 1
    assert set(plain.notes) < set(picture.notes)


def test_a_colour_table_is_applied() -> None:
    table = np.arange(256, dtype=np.uint16)[::-1] * 257
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    picture = _read(_GRAY, **tags)
    assert picture.pixels.shape == (12, 20, 3)
    assert np.abs(picture.pixels[..., 1] - (255 - _GRAY.astype(float)) / 255).max() < 1e-6


def test_what_lies_above_the_stored_bits_is_left_out() -> None:
    dirty = (_DEEP & 0xFFF) | 0xF000
    picture = _read(dirty.astype(np.uint16), BitsStored=12, HighBit=11)
    assert picture.values is not None and np.array_equal(picture.values, _DEEP & 0xFFF)
    deep = np.stack([_DEEP & 0xFFF] * 3, axis=2)
    assert np.abs(_read(deep, BitsStored=12, HighBit=11).pixels - deep / 4095).max() < 1e-6


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, RLELossless, "1.2.840.10008.1.2.1.99"])
def test_other_ways_of_writing(syntax: str) -> None:
    made = _dataset(_DEEP)
    if syntax == RLELossless:
        made.compress(RLELossless)
    elif syntax == ExplicitVRBigEndian:
        made["PixelData"].value = _DEEP.astype(">u2").tobytes()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    picture = read_image(file.getvalue())
    assert picture.values is not None and np.array_equal(picture.values, _DEEP)


def test_a_way_of_writing_without_a_decoder_is_named() -> None:
    made = _dataset(_GRAY)
    made.compress(RLELossless)
    made.file_meta.TransferSyntaxUID = MPEG2MPML
    said = _said(_file(made))
    assert "compressed as MPEG2" in said and "needs a plugin" in said


def test_texts_in_the_picture_are_warned_of() -> None:
    for tags in ({"BurnedInAnnotation": "YES"}, {"Modality": "US"}):
        assert "Text may be part of this picture (names, dates); it is not removed." in [
            note.en for note in _read(_GRAY, **tags).notes
        ]


def test_no_tag_is_kept() -> None:
    data = _file(_dataset(_GRAY, RescaleType=_SENTINEL[:16], VOILUTFunction=_SENTINEL[:16]))
    assert data.count(_SENTINEL.encode()) >= 3
    picture = read_image(data)
    assert "PHISENTINEL" not in repr(vars(picture))
    assert "PHISENTINEL" not in _said(data[: len(data) - 100])


def test_a_file_without_pixels_is_refused_by_name() -> None:
    made = _dataset(_GRAY)
    del made.PixelData
    assert "There is no image in this DICOM file" in _said(_file(made))


@pytest.mark.parametrize("depth", [10, 400, 100_000])
def test_nesting_is_bounded(depth: int) -> None:
    deeper = bytes.fromhex("00522992") + b"SQ\0\0" + b"\xff" * 4 + bytes.fromhex("feff00e0") + b"\xff" * 4
    shallower = bytes.fromhex("feff0de0") + bytes(4) + bytes.fromhex("feffdde0") + bytes(4)
    data = _file(_dataset(_GRAY))
    at = data.index(bytes.fromhex("e07f1000"))
    nested = data[:at] + deeper * depth + shallower * depth + data[at:]
    if depth == 10:
        assert np.array_equal(read_image(nested).pixels, _GRAY)
    else:
        assert "damaged" in _said(nested)
