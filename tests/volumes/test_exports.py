"""Exports, reloaded by nibabel, SimpleITK, Pillow and highdicom: the same labels at the same place, and no patient."""

import gzip
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image
from pydicom.sr.codedict import codes
from volume_samples import CODES, PATIENT, PLACE, SENTINEL, enhanced, file, oblique, packed, slices, turned

from unet_playground import __version__
from unet_playground.errors import PlaygroundError, Text, UnreadableImage
from unet_playground.images.volumes import Volume, open_volume
from unet_playground.notice import NOTICE
from unet_playground.tasks import tasks
from unet_playground.tasks.slot import Label
from unet_playground.volumes.writing import to_dicom_seg, to_nifti, to_pngs

_LABELS = (Label(Text("background", "背景"), "#000000"), Label(Text("liver", "肝脏"), "#1b9e77", "Liver"))
_LABELS += (Label(Text("small part", "小部分"), "#e6ab02"),)
_COLORS = [label.color for label in _LABELS]
_WEIGHTS = "5d" * 32


def _mask(volume: Volume) -> np.ndarray:
    """Three labels without symmetry, by the values, which are the patient's own."""
    return (volume.values > 40).astype(np.uint8) + (volume.values > 200)


def _again(data: bytes) -> Any:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(data))


def _seg(mask: np.ndarray, files: list[bytes], **more: Any) -> bytes:
    return to_dicom_seg(mask, files, _LABELS, weights=_WEIGHTS, design="?depth=2", **more)


@pytest.mark.parametrize("axes", CODES[::5])
def test_a_mask_as_nifti_lies_where_the_volume_lies(axes: str, tmp_path: Path) -> None:
    volume = open_volume([turned(axes).to_bytes()])
    mask = _mask(volume)
    image = _again(to_nifti(mask, volume))
    assert np.array_equal(image.affine, volume.affine) and np.array_equal(image.get_sform(), volume.affine)
    assert np.allclose(image.get_qform(), volume.affine, atol=1e-5) and image.header["qform_code"] == 1
    assert image.get_data_dtype() == np.uint8 and np.array_equal(np.asarray(image.dataobj), mask)
    assert image.header.get_xyzt_units()[0] == "mm"
    again = open_volume([to_nifti(mask, volume)])
    assert np.array_equal(again.affine, volume.affine) and np.array_equal(again.values, mask)
    (tmp_path / "mask.nii.gz").write_bytes(to_nifti(mask, volume))
    (tmp_path / "image.nii.gz").write_bytes(to_nifti(volume.values, volume))
    read = SimpleITK.ReadImage(str(tmp_path / "mask.nii.gz"))
    original = SimpleITK.ReadImage(str(tmp_path / "image.nii.gz"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(read).T, mask)
    assert read.GetOrigin() == original.GetOrigin() and read.GetDirection() == original.GetDirection()
    assert np.array_equal(SimpleITK.GetArrayFromImage(original).T, volume.values)


@pytest.mark.parametrize("affine", [PLACE, oblique()])
def test_a_mask_of_a_series_lies_where_simple_itk_sees_the_series(affine: np.ndarray, tmp_path: Path) -> None:
    files = [file(one) for one in slices(PATIENT, affine)]
    volume = open_volume(files)
    for number, content in enumerate(files):
        (tmp_path / f"{number}.dcm").write_bytes(content)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    series = reader.Execute()
    (tmp_path / "mask.nii.gz").write_bytes(to_nifti(_mask(volume), volume))
    mask = SimpleITK.ReadImage(str(tmp_path / "mask.nii.gz"))
    laid = SimpleITK.Resample(mask, series, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 99)
    overlap = SimpleITK.GetArrayFromImage(laid) == SimpleITK.GetArrayFromImage(
        series > 40
    ) + SimpleITK.GetArrayFromImage(series > 200)
    assert overlap.mean() == 1


def test_a_volume_without_a_place_is_written_without_one() -> None:
    image = nibabel.Nifti1Image(PATIENT, PLACE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    volume = open_volume([image.to_bytes()])
    again = _again(to_nifti(_mask(volume), volume))
    assert again.header["sform_code"] == again.header["qform_code"] == 0
    assert np.array_equal(again.affine, volume.affine)
    assert not open_volume([to_nifti(_mask(volume), volume)]).oriented
    unplaced = slices(PATIENT, PLACE)
    for one in unplaced:
        del one.ImagePositionPatient
    volume = open_volume([file(one) for one in unplaced])
    again = open_volume([to_nifti(_mask(volume), volume)])
    assert not again.oriented and not again.spaced and np.array_equal(again.values, _mask(volume))


def test_a_volume_without_lengths_claims_no_millimetres() -> None:
    volume = open_volume([file(one) for one in slices(PATIENT, PLACE, PixelSpacing=[0, 0])])
    image = _again(to_nifti(_mask(volume), volume))
    assert image.header.get_xyzt_units()[0] == "unknown" and np.array_equal(image.affine, volume.affine)
    again = open_volume([to_nifti(_mask(volume), volume)])
    assert again.oriented and not again.spaced and np.array_equal(again.affine, volume.affine)
    about = zipfile.ZipFile(BytesIO(to_pngs(_mask(volume), volume, _COLORS))).read("about.txt").decode()
    assert "The size of a pixel is unknown." in about and "mm" not in about


def test_a_shear_is_kept_by_the_sform_alone() -> None:
    tilted = PLACE.copy()
    tilted[1, 2] = 1
    volume = open_volume([file(one) for one in slices(PATIENT, tilted)])
    image = _again(to_nifti(_mask(volume), volume))
    assert np.array_equal(image.affine, volume.affine) and image.header["qform_code"] == 0


def test_pngs_are_axial_slices_whose_numbers_are_labels() -> None:
    for axes in ("RAS", "PIL", "SLA"):
        volume = open_volume([turned(axes).to_bytes()])
        archive = zipfile.ZipFile(BytesIO(to_pngs(_mask(volume), volume, _COLORS)))
        expected = (PATIENT > 40).astype(np.uint8) + (PATIENT > 200)
        names = [name for name in archive.namelist() if name.endswith(".png")]
        assert names == [f"slice-000{number}.png" for number in (1, 2, 3, 4)]
        for number, name in enumerate(names):
            image = Image.open(BytesIO(archive.read(name)))
            assert np.array_equal(np.array(image), expected[::-1, ::-1, number].T)
            place = tuple(np.argwhere(np.array(image) == 1)[0])
            assert np.array(image.convert("RGB"))[place].tolist() == [0x1B, 0x9E, 0x77]
        about = archive.read("about.txt").decode()
        assert "not for diagnosis" in about and __version__ in about
        assert "2 x 3 mm, slices are 4 mm apart" in about and "towards the patient's left" in about


@pytest.mark.parametrize("turn", CODES[::7])
def test_a_dicom_seg_lies_on_its_series(turn: str) -> None:
    image = turned(turn)
    made = slices(image.get_fdata().astype(np.int16), image.affine)
    files = [file(one) for one in made][::-1]
    volume = open_volume(files)
    mask = _mask(volume)
    data = _seg(mask, [packed({str(number): one for number, one in enumerate(files)})], volume=volume)
    seg = highdicom.seg.segread(BytesIO(data))
    for label in (1, 2):
        for one in made:
            where = highdicom.seg.segread(BytesIO(data)).get_pixels_by_source_instance(
                [one.SOPInstanceUID], segment_numbers=[label]
            )
            stored = np.frombuffer(one.PixelData, np.int16).reshape(one.Rows, one.Columns)
            assert np.array_equal(where[0, ..., 0], (stored > 40) & (stored <= 200) if label == 1 else stored > 200)
    assert seg.SeriesInstanceUID != made[0].SeriesInstanceUID and seg.StudyInstanceUID == made[0].StudyInstanceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == made[0].SeriesInstanceUID
    again = seg.get_volume(combine_segments=True).to_patient_orientation("LPH")
    assert np.array_equal(again.array, np.where(PATIENT > 200, 2, PATIENT > 40)[::-1, ::-1, :])


def test_a_dicom_seg_says_what_made_it() -> None:
    files = [file(one) for one in slices(PATIENT, PLACE)]
    seg = highdicom.seg.segread(BytesIO(_seg(_mask(open_volume(files)), files)))
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["liver", "small part"]
    types = [one.SegmentedPropertyTypeCodeSequence[0] for one in seg.SegmentSequence]
    assert (types[0].CodeValue, types[0].CodingSchemeDesignator) == ("10200004", "SCT")  # SNOMED CT: liver
    assert types[1].CodeMeaning == "small part" and types[1].CodingSchemeDesignator.startswith("99")  # a private one
    [algorithm] = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmVersion == __version__
    assert _WEIGHTS in algorithm.AlgorithmParameters and "?depth=2" in algorithm.AlgorithmParameters
    assert "not for diagnosis" in seg.SeriesDescription and seg.PatientName == SENTINEL
    assert NOTICE.en in seg.ImageComments
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "tags",
    [
        {"SpecificCharacterSet": "ISO_IR 6"},
        {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"},
        {"SpecificCharacterSet": ["ISO_IR 13", "ISO 2022 IR 87"], "PatientName": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"},
        {"PatientSex": "U"},
        {"PatientBirthDate": "1950"},
        {"StudyDate": "00000000"},
        {"StudyTime": "12:00"},
        {"SliceThickness": None},
        {"SliceThickness": "-1", "SpacingBetweenSlices": None},
    ],
    ids=str,
)
def test_an_unusual_header_is_put_right_for_a_dicom_seg(tags: dict[str, Any]) -> None:
    files = [file(one) for one in slices(PATIENT, PLACE, **tags)]
    volume = open_volume(files)
    seg = highdicom.seg.segread(BytesIO(_seg(_mask(volume), files, volume=volume)))
    assert np.array_equal(seg.get_volume(combine_segments=True).array[::-1], _mask(volume).transpose(2, 1, 0))
    assert seg.PatientName == tags.get("PatientName", SENTINEL)
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == 4
    assert all(not seg.get(name) for name in tags if name.startswith(("PatientSex", "PatientBirth", "Study")))


def test_what_a_dicom_seg_cannot_say_of_its_series_is_said_and_called_no_damage() -> None:
    def said(**changed: Any) -> str:
        made = slices(PATIENT, PLACE)
        for name, value in changed.items():
            for number, one in enumerate(made):
                setattr(one, name, value[number])
        files = [file(one) for one in made]
        with pytest.raises(UnreadableImage) as caught:
            _seg(_mask(open_volume(files)), files)
        return caught.value.text.en

    assert "does not say how far apart its voxels are" in said(PixelSpacing=[[0, 0]] * 4)
    assert "values that do not go into a DICOM-SEG. Export" in said(
        StudyInstanceUID=["1.2.3", "1.2.4", "1.2.3", "1.2.3"]
    )


def test_every_class_of_a_task_with_volumes_has_a_code() -> None:
    named = [label.structure for entry in tasks.entries() if entry.make.scan for label in entry.make.labels[1:]]
    assert named and all(getattr(codes.SCT, name).scheme_designator == "SCT" for name in named)


def test_a_dicom_seg_of_one_file_with_many_frames() -> None:
    source = enhanced(PATIENT, PLACE, (2, 0, 3, 1))
    volume = open_volume([file(source)])
    seg = highdicom.seg.segread(BytesIO(_seg(_mask(volume), [file(source)], volume=volume)))
    found = seg.get_pixels_by_source_frame(source.SOPInstanceUID, [1, 2, 3, 4], combine_segments=True)
    # Frame 1 holds slice 2, whose values are 200 higher.
    for frame, number in enumerate((2, 0, 3, 1)):
        stored = (PATIENT[:, :, number] + 100.0 * number).T
        assert np.array_equal(found[frame], np.where(stored > 200, 2, stored > 40))


def test_several_files_with_many_frames_are_not_mixed_up() -> None:
    one, other = (enhanced(PATIENT, PLACE, order) for order in ((0, 1), (2, 3)))
    other.SeriesInstanceUID = one.SeriesInstanceUID
    files = [file(one), file(other)]
    volume = open_volume(files)
    assert volume.values.shape == PATIENT.shape
    with pytest.raises(UnreadableImage, match="several files of many frames each"):
        _seg(_mask(volume), files)


def test_an_empty_mask_is_a_dicom_seg_too() -> None:
    files = [file(one) for one in slices(PATIENT, PLACE)]
    seg = highdicom.seg.segread(BytesIO(_seg(np.zeros(PATIENT.shape, np.uint8), files)))
    assert not seg.get_volume(combine_segments=True).array.any()


def test_another_series_is_refused() -> None:
    files = [file(one) for one in slices(PATIENT, PLACE)]
    volume = open_volume(files)
    for other, said in (
        ([file(one) for one in slices(PATIENT + 1, PLACE)], "another one than the mask was made from"),
        ([file(one) for one in slices(PATIENT, oblique())], "another one than the mask was made from"),
    ):
        with pytest.raises(UnreadableImage, match=said):
            _seg(_mask(volume), other, volume=volume)
    with pytest.raises(UnreadableImage, match="is 5 x 7 x 3 voxels and the mask is 5 x 7 x 4"):
        _seg(_mask(volume), files[:3])
    with pytest.raises(UnreadableImage, match="refers to a DICOM series"):
        _seg(_mask(volume), [to_nifti(volume.values, volume)])
    unplaced = slices(PATIENT, PLACE)
    for one in unplaced:
        del one.ImagePositionPatient
    with pytest.raises(UnreadableImage, match="does not say where its slices lie"):
        _seg(_mask(volume), [file(one) for one in unplaced])


def test_what_does_not_fit_is_not_written() -> None:
    volume = open_volume([turned("RAS").to_bytes()])
    mask = _mask(volume)
    with pytest.raises(PlaygroundError, match="This array is 5 x 7 x 3"):
        to_nifti(mask[..., :3], volume)
    with pytest.raises(PlaygroundError, match="there are 2 colours"):
        to_pngs(mask, volume, _COLORS[:2])
    with pytest.raises(PlaygroundError, match="labels from 0 to 1"):
        to_dicom_seg(mask, [b""], _LABELS[:2], weights="", design="")


def test_no_patient_in_nifti_or_pngs_and_no_date() -> None:
    files = [file(one) for one in slices(PATIENT, PLACE)]
    assert all(SENTINEL.encode() in one for one in files)
    volume = open_volume(files)
    mask = _mask(volume)
    nifti = to_nifti(mask, volume, about=_WEIGHTS[:12])
    assert nifti[4:8] == bytes(4) and nifti == to_nifti(mask, volume, about=_WEIGHTS[:12])
    assert b"PHISENTINEL" not in gzip.decompress(nifti) and _WEIGHTS[:12].encode() in gzip.decompress(nifti)
    pngs = to_pngs(mask, volume, _COLORS)
    [comment] = _again(nifti).header.extensions
    for said in (comment.get_content(), zipfile.ZipFile(BytesIO(pngs)).read("about.txt")):
        assert NOTICE.en.encode() in (said if isinstance(said, bytes) else said.encode())
    assert pngs == to_pngs(mask, volume, _COLORS)
    archive = zipfile.ZipFile(BytesIO(pngs))
    assert not any(b"PHISENTINEL" in archive.read(name) for name in archive.namelist())


def test_a_real_series_carries_a_mask_of_totalsegmentator(data: Path) -> None:
    folder = data / "volumes" / "ct_dicom_j2k"
    if not folder.is_dir():
        pytest.skip("needs UNET_PLAYGROUND_DATA/volumes")
    volume = open_volume([folder])
    truth = open_volume([data / "volumes" / "example_seg_dicom.nii.gz"])
    # That file stores the same grid from the back, so it is brought into the same order by where it lies.
    mask = volume.native(truth.canonical() > 0).astype(np.uint8) * 2
    assert np.allclose(volume.spacing, truth.spacing) and mask.any()
    image = _again(to_nifti(mask, volume))
    assert np.array_equal(nibabel.as_closest_canonical(image).get_fdata() > 0, truth.canonical() > 0)
    data_set = highdicom.seg.segread(BytesIO(to_dicom_seg(mask, [folder], _LABELS, weights=_WEIGHTS, design="")))
    again = data_set.get_volume(segment_numbers=[2]).array[..., 0]
    assert np.array_equal(again[::-1], mask.transpose(2, 1, 0) > 0)


def test_a_mask_that_a_hand_corrected_says_so_as_dicom() -> None:
    files = [file(one) for one in slices(PATIENT, PLACE)]
    mask = _mask(open_volume(files))
    made = (to_dicom_seg(mask, files, _LABELS, weights=_WEIGHTS, design="", edited=one) for one in (False, True))
    automatic, corrected = (highdicom.seg.segread(BytesIO(one)) for one in made)
    assert automatic.SegmentSequence[0].SegmentAlgorithmType == "AUTOMATIC"
    assert corrected.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert "hand" in corrected.ImageComments and "hand" not in automatic.ImageComments
