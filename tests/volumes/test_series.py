"""DICOM series as they come: shuffled, doubled, with holes, mixed, tilted, packed; right or refused by name."""

import random
import struct
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RLELossless, generate_uid
from volume_samples import PATIENT, PLACE, SENTINEL, enhanced, file, packed, slices

from unet_playground.errors import UnreadableImage
from unet_playground.images.apart import decoders
from unet_playground.images.volume_files import decode_volume
from unet_playground.images.volumes import Volume, open_volume
from unet_playground.limits import Limits


def _files(**tags: Any) -> list[bytes]:
    return [file(one) for one in slices(PATIENT, PLACE, **tags)]


def _said(sources: Any) -> str:
    with pytest.raises(UnreadableImage) as caught:
        open_volume(sources)
    assert SENTINEL not in caught.value.text.en + caught.value.text.zh
    return caught.value.text.en


def _moved(at: int, *move: float) -> list[bytes]:
    made = slices(PATIENT, PLACE)
    made[at].ImagePositionPatient = [*map(float.__add__, map(float, made[at].ImagePositionPatient), move)]
    return [file(one) for one in made]


def test_names_and_numbers_have_no_say_in_the_order() -> None:
    made = slices(PATIENT, PLACE)
    for one, number in zip(made, (3, 1, 4, 2), strict=True):
        one.InstanceNumber = number
    files = [file(one) for one in made]
    random.Random(0).shuffle(files)
    volume = open_volume(files)
    assert np.array_equal(volume.canonical(), PATIENT) and volume.notes == ()
    again = open_volume([packed({f"z{number}.dcm": one for number, one in enumerate(files[::-1])})])
    assert np.array_equal(again.values, volume.values) and np.array_equal(again.affine, volume.affine)


def test_every_slice_has_its_own_rescaling() -> None:
    made = slices(PATIENT, PLACE)
    for number, one in enumerate(made):
        one.RescaleSlope, one.RescaleIntercept = number + 1, -1000 * number
    volume = open_volume([file(one) for one in made])
    numbers = np.arange(4)
    assert np.array_equal(volume.canonical(), PATIENT * (numbers + 1.0) - 1000 * numbers)


def test_a_missing_slice_is_refused_by_the_distances() -> None:
    files = _files()
    said = _said(files[:1] + files[2:])
    assert "4 to 8 mm apart" in said and "Slices are missing" in said
    assert "3 to 5 mm apart" in _said(_moved(1, 0, 0, 1))
    assert np.array_equal(open_volume(_moved(1, 0, 0, 0.1)).canonical(), PATIENT)


def test_the_same_slice_twice_is_used_once_and_another_at_its_place_is_refused() -> None:
    files = _files()
    volume = open_volume(files + files[1:3])
    assert np.array_equal(volume.canonical(), PATIENT)
    assert [note.en for note in volume.notes] == ["2 slices were there twice and are used once."]
    other = slices(PATIENT + 1, PLACE)
    for one in other:
        one.SeriesInstanceUID = "1.2.3"
    mine = slices(PATIENT, PLACE, SeriesInstanceUID="1.2.3")
    both = [file(one) for one in [*mine, other[2]]]
    assert "Different slices lie at the same place" in _said(both)
    other[2].PixelData, other[2].RescaleIntercept = mine[2].PixelData, 5
    assert "Different slices lie at the same place" in _said([file(one) for one in [*mine, other[2]]])


def test_mixed_series_are_counted() -> None:
    assert "These files are of 3 series; one series makes a volume" in _said(_files() + _files() + _files()[:1])


def test_slices_that_are_not_alike_are_refused_by_what_differs() -> None:
    def changed(**tags: Any) -> str:
        made = slices(PATIENT, PLACE)
        for name, value in tags.items():
            setattr(made[1], name, value)
        return _said([file(one) for one in made])

    assert "differ in size (5 x 7 px and 7 x 5 px)" in changed(Rows=5, Columns=7)
    assert "lie in several directions" in changed(ImageOrientationPatient=[0, 1, 0, 1, 0, 0])
    assert "pixels of these slices differ in size" in changed(PixelSpacing=[3, 2.5])
    assert "coloured" in changed(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    assert "do not lie on one straight line" in _said(_moved(1, 1, 0, 0))


def test_a_tilted_gantry_is_kept_in_the_affine_and_said() -> None:
    tilted = PLACE.copy()
    tilted[1, 2] = 4 * np.tan(np.radians(15))
    volume = open_volume([file(one) for one in slices(PATIENT, tilted)])
    for voxel in ((0, 0, 0), (4, 6, 3), (2, 3, 1)):
        place = tilted @ [*voxel, 1]
        at = np.rint(np.linalg.inv(volume.affine) @ place).astype(int)[:3]
        assert np.allclose(volume.affine @ [*at, 1], place, atol=1e-4) and volume.values[tuple(at)] == PATIENT[voxel]
    assert "15.0 degrees off the right angle" in volume.notes[0].en
    assert abs(np.linalg.det(volume.affine[:3, :3])) == pytest.approx(2 * 3 * 4)


def test_what_is_not_said_is_not_known() -> None:
    def without(*names: str) -> Volume:
        made = slices(PATIENT, PLACE)
        for one in made:
            for name in names:
                delattr(one, name)
        return open_volume([file(one) for one in made[::-1]])

    volume = without("PixelSpacing")
    assert not volume.spaced and volume.oriented and np.allclose(volume.spacing, 1)
    assert not open_volume(_files(PixelSpacing=[0, 0])).spaced
    for missing in (["ImagePositionPatient"], ["ImageOrientationPatient"]):
        volume = without(*missing)
        assert not volume.oriented and not volume.spaced and np.array_equal(volume.values, PATIENT)
        assert "in the order of their numbers" in volume.notes[0].en
    alone = open_volume([file(slices(PATIENT, PLACE)[2])])
    assert (
        alone.spaced and np.allclose(alone.spacing, (2, 3, 4)) and np.array_equal(alone.values[..., 0], PATIENT[..., 2])
    )
    thin = slices(PATIENT, PLACE)[2]
    del thin.SliceThickness, thin.ImagePositionPatient
    alone = open_volume([file(thin)])
    assert alone.oriented and not alone.spaced


def test_many_frames_have_places_and_rescaling_of_their_own() -> None:
    volume = open_volume([file(enhanced(PATIENT, PLACE, (2, 0, 3, 1), slope=0.5))])
    assert np.array_equal(volume.canonical(), PATIENT * 0.5 + 100 * np.arange(4)) and volume.units == "HU"
    assert np.allclose(volume.spacing, (2, 3, 4)) and volume.oriented
    holed = file(enhanced(PATIENT, PLACE, (3, 0, 1)))
    assert "4 to 8 mm apart" in _said([holed])
    plain = slices(PATIENT, PLACE)[0]
    del plain.ImagePositionPatient
    plain.NumberOfFrames, plain.PixelData = 4, np.ascontiguousarray(PATIENT.transpose(2, 1, 0)).tobytes()
    volume = open_volume([file(plain)])
    assert np.array_equal(volume.values, PATIENT) and not volume.oriented and not volume.spaced


def test_frames_that_share_the_one_place_of_their_file_are_no_volume() -> None:
    dose = slices(PATIENT, PLACE, Modality="RTDOSE")[0]
    dose.NumberOfFrames, dose.PixelData = 4, np.ascontiguousarray(PATIENT.transpose(2, 1, 0)).tobytes()
    assert "frames of this DICOM file have no places of their own" in _said([file(dose)])
    dose.PixelData = np.zeros((4, 7, 5), np.int16).tobytes()  # nor are frames that are alike the same one
    assert "frames of this DICOM file have no places of their own" in _said([file(dose)])


def test_low_values_that_a_series_shows_white_are_turned_over_unless_their_units_are_known() -> None:
    mr = open_volume(_files(PhotometricInterpretation="MONOCHROME1", Modality="MR"))
    assert np.array_equal(mr.values, int(PATIENT.min()) + int(PATIENT.max()) - PATIENT)
    ct = open_volume(_files(PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(ct.values, PATIENT)
    assert ["turned over" in mr.notes[0].en, "kept in HU" in ct.notes[0].en] == [True, True]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_slices(syntax: str) -> None:
    made = slices(np.kron(PATIENT, np.ones((8, 8, 1), np.int16)) + 100, PLACE)
    expected = open_volume([file(one) for one in made])
    if syntax == RLELossless:
        for one in made:
            one.compress(RLELossless)
    else:
        made = [_in_jpeg_2000(one) for one in made]
    assert np.array_equal(open_volume([file(one) for one in made]).values, expected.values)


def _in_jpeg_2000(one: Dataset) -> Dataset:
    pixels = np.frombuffer(one.PixelData, np.int16).reshape(one.Rows, one.Columns)
    written = BytesIO()
    Image.fromarray(pixels.astype(np.uint16)).save(written, "JPEG2000", irreversible=False, no_jp2=True)
    one.PixelRepresentation = 0
    one.PixelData = encapsulate([written.getvalue()])
    one.file_meta.TransferSyntaxUID = JPEG2000Lossless
    return one


def test_other_files_among_them_are_passed_over() -> None:
    report = slices(PATIENT, PLACE)[0]
    del report.PixelData
    report.SeriesInstanceUID = generate_uid()
    inside = packed({"more.dcm": _files()[0]})
    files = {f"series/{number}": one for number, one in enumerate(_files())}
    mask = file(slices(PATIENT, PLACE, Modality="SEG")[0])
    others = {
        "series/": b"",
        "DICOMDIR": file(report),
        "mask": mask,
        "readme.txt": b"PHISENTINEL",
        "inside.zip": inside,
        "x": b"",
    }
    volume = open_volume([packed(files | others)])
    assert np.array_equal(volume.canonical(), PATIENT)
    assert [note.en for note in volume.notes] == ["Files that hold no slice and were passed over: 5."]
    for alone in (packed(others), packed({}), packed({"inside.zip": inside}), file(report)):
        assert "There is no volume in these files" in _said([alone])


def test_bombs_are_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed({f"{number}": bytes(50_000_000) for number in range(6)})
    assert len(bomb) < 1_000_000 and "This ZIP needs 300 MB when decoded; the limit is 256 MB" in _said([bomb])
    # One that lies: it declares 1000 bytes and holds fifty million.
    liar = bytearray(packed({"a": bytes(50_000_000)}))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", liar, liar.index(mark) + at, 1000)
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_DECODER_MB", "40")
    assert "This ZIP is damaged" in _said([bytes(liar)])
    monkeypatch.delenv("UNET_PLAYGROUND_MAX_DECODER_MB")
    assert "This ZIP is damaged" in _said([packed({"a": _files()[0]})[:-40]])
    assert "packed in a rare way" in _said([packed({"a": _files()[0]}, zipfile.ZIP_BZIP2)])
    assert "holds 20001 files; the limit is 20000" in _said([packed({str(number): b"" for number in range(20_001)})])
    locked = bytearray(packed({"a": _files()[0]}))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in _said([bytes(locked)])


def test_no_word_about_the_patient_comes_out() -> None:
    files = _files()
    assert all(SENTINEL.encode() in one for one in files)
    volume = open_volume(files + files[:1] + [b"PHISENTINEL"])
    assert len(volume.notes) == 2 and "PHISENTINEL" not in repr(vars(volume))
    for broken in ([files[0][:-5]], files[:1] + files[2:], files + _files()):
        assert "PHISENTINEL" not in _said(broken)
    warned = open_volume(_files(BurnedInAnnotation="YES"))
    assert [note.en for note in warned.notes] == ["Text may be part of this picture (names, dates); it is not removed."]


def _broken(files: list[bytes], chance: random.Random) -> list[bytes]:
    """Files with a few bytes changed, left out, put in, or cut off."""
    made = [bytearray(one) for one in files]
    for _ in range(chance.choice((1, 2, 8))):
        one, at = chance.choice(made), chance.randrange(1200)
        match chance.randrange(8):
            case 0:
                del one[at : at + chance.randrange(1, 40)]
            case 1:
                one[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 2:
                del one[chance.randrange(len(one)) :]
            case _ if at < len(one):
                one[at] = chance.choice((0, 1, 255))
    return [bytes(one) for one in made]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["files", "frames", "zip", "nifti"])
def test_whatever_breaks_a_volume_it_ends_as_one_or_in_a_sentence(kind: str) -> None:
    whole = {
        "files": _files(),
        "frames": [file(enhanced(PATIENT, PLACE, (2, 0, 3, 1)))],
        "zip": [packed(dict(zip("abcd", _files(), strict=True)))],
        "nifti": [nibabel.Nifti1Image(PATIENT, PLACE).to_bytes()],
    }[kind]
    read, said = 0, set()
    for seed in range(150):
        try:
            volume = decode_volume(_broken(whole, random.Random(seed)), 0, Limits())
        except UnreadableImage as error:
            said.add(error.text.en)
            continue
        read += 1
        assert np.isfinite(volume.values).all() and np.isfinite(volume.affine).all() and volume.order.shape == (3, 2)
    assert 0 < read < 150 and all(one.endswith("Nothing was kept.") and "PHISENTINEL" not in one for one in said)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_two_hundred_large_slices_take_a_decoder_less_than_a_gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNET_PLAYGROUND_PROFILE", "local")
    array = np.random.default_rng(0).integers(-1000, 2000, (512, 512, 200), dtype=np.int16)
    files = [file(one) for one in slices(array, np.diag([0.8, 0.8, 1.5, 1]))]
    volume = open_volume(files)
    assert np.array_equal(volume.values, array)
    [child] = [each.process.pid for each in decoders()._idle.queue if each][-1:]
    assert int(Path(f"/proc/{child}/status").read_text().split("VmHWM:")[1].split()[0]) < 1_000_000  # kB
