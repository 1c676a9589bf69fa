"""Left is left: one patient in every orientation is read to the same place that nibabel and SimpleITK find."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from nibabel.affines import apply_affine
from volume_samples import CODES, PATIENT, PLACE, SENTINEL, file, oblique, packed, slices, turned

from unet_playground.errors import UnreadableImage
from unet_playground.images import read_image
from unet_playground.images.volumes import Volume, open_volume


def _said(sources: Any, number: int = 0) -> str:
    with pytest.raises(UnreadableImage) as caught:
        open_volume(sources, number)
    assert SENTINEL not in caught.value.text.en and caught.value.text.zh.endswith("。未保留任何内容。")
    return caught.value.text.en


def _with(data: bytes, at: int, other: bytes) -> bytes:
    return data[:at] + other + data[at + len(other) :]


def _is_where_simple_itk_puts_it(volume: Volume, image: Any) -> None:
    """Every voxel's value and place, by SimpleITK, whose x and y point the other way."""
    indices = np.argwhere(np.ones(image.GetSize(), bool))
    places = np.array([image.TransformIndexToPhysicalPoint(each.tolist()) for each in indices]) * (-1, -1, 1)
    ours = np.rint(apply_affine(np.linalg.inv(volume.affine), places)).astype(int)
    assert np.abs(apply_affine(volume.affine, ours) - places).max() < 1e-4
    assert volume.values.shape == image.GetSize()
    assert np.array_equal(volume.values[tuple(ours.T)], SimpleITK.GetArrayFromImage(image).T[tuple(indices.T)])


def _series_by_simple_itk(files: list[bytes], folder: Path) -> Any:
    for number, content in enumerate(files):
        (folder / f"{number}.dcm").write_bytes(content)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("codes", CODES)
def test_left_is_left_in_all_48_orientations_of_nifti(codes: str, tmp_path: Path) -> None:
    image = turned(codes)
    volume = open_volume([image.to_bytes()])
    assert nibabel.aff2axcodes(volume.affine) == tuple(codes)
    assert np.array_equal(volume.affine, image.affine) and np.array_equal(volume.values, image.get_fdata())
    assert np.array_equal(volume.canonical(), nibabel.as_closest_canonical(image).get_fdata())
    assert np.array_equal(volume.canonical(), PATIENT) and volume.spaced and volume.oriented and not volume.notes
    assert np.array_equal(volume.native(volume.canonical()), volume.values)
    (tmp_path / "one.nii").write_bytes(image.to_bytes())
    _is_where_simple_itk_puts_it(volume, SimpleITK.ReadImage(str(tmp_path / "one.nii")))


@pytest.mark.parametrize("codes", CODES)
def test_left_is_left_in_all_48_orientations_of_dicom(codes: str, tmp_path: Path) -> None:
    image = turned(codes)
    files = [file(one) for one in slices(image.get_fdata().astype(np.int16), image.affine)]
    volume = open_volume(files)
    assert np.array_equal(volume.canonical(), PATIENT) and volume.units == "HU" and not volume.notes
    assert np.allclose(np.sort(volume.spacing), [2, 3, 4]) and volume.spaced and volume.oriented
    assert nibabel.aff2axcodes(volume.affine)[:2] == tuple(codes)[:2]
    _is_where_simple_itk_puts_it(volume, _series_by_simple_itk(files, tmp_path))


@pytest.mark.parametrize("degrees", [(20, -35, 50), (-80, 10, 5), (3, 170, -100)])
def test_oblique_volumes(degrees: tuple[float, float, float], tmp_path: Path) -> None:
    affine = oblique(degrees)
    image = nibabel.Nifti1Image(PATIENT, affine)
    volume = open_volume([image.to_bytes()])
    stored: Any = nibabel.Nifti1Image.from_bytes(image.to_bytes())
    assert np.array_equal(volume.affine, stored.affine)
    (tmp_path / "one.nii").write_bytes(image.to_bytes())
    _is_where_simple_itk_puts_it(volume, SimpleITK.ReadImage(str(tmp_path / "one.nii")))
    files = [file(one) for one in slices(PATIENT, affine)]
    series = open_volume(files)
    assert np.allclose(series.affine, affine, atol=1e-5) and np.array_equal(series.values, PATIENT)
    (tmp_path / "series").mkdir()
    _is_where_simple_itk_puts_it(series, _series_by_simple_itk(files, tmp_path / "series"))


def test_qform_alone_and_units_of_length() -> None:
    image = nibabel.Nifti1Image(PATIENT, oblique())
    image.set_sform(None, 0)
    image.set_qform(oblique(), 1)
    volume = open_volume([image.to_bytes()])
    assert np.allclose(volume.affine, oblique(), atol=1e-5) and volume.oriented and volume.spaced
    metres = nibabel.Nifti1Image(PATIENT, np.diag([0.002, 0.003, 0.004, 1]))
    metres.header.set_xyzt_units("meter")
    assert np.allclose(open_volume([metres.to_bytes()]).spacing, (2, 3, 4))


def test_without_a_place_nothing_is_oriented_and_without_lengths_nothing_is_spaced() -> None:
    image = nibabel.Nifti1Image(PATIENT, PLACE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    volume = open_volume([image.to_bytes()])
    assert not volume.oriented and volume.spaced and volume.spacing == (2, 3, 4)
    again: Any = nibabel.Nifti1Image.from_bytes(image.to_bytes())
    assert np.array_equal(volume.affine, again.affine)
    # nibabel never writes a distance of 0, so it is put at its place in the bytes, as is a row of no numbers.
    unspaced = _with(image.to_bytes(), 84, bytes(4))
    volume = open_volume([unspaced])
    assert not volume.spaced and volume.spacing == (1, 1, 1) and read_image(unspaced).spacing is None
    image.set_qform(PLACE, 1)
    volume = open_volume([_with(image.to_bytes(), 84, bytes(4))])
    assert volume.oriented and not volume.spaced and volume.spacing == (1, 1, 1)
    image.set_sform(oblique(), 1)
    volume = open_volume([_with(image.to_bytes(), 280, np.full(4, np.nan, "<f4").tobytes())])
    assert volume.oriented and np.allclose(volume.affine, PLACE)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64", ">i2"])
def test_every_way_of_writing(pack: Any, kind: Any, dtype: str) -> None:
    values = (PATIENT + 50).astype(dtype) // 2
    image = kind(values, PLACE)
    image.header.set_slope_inter(0.5, -10)
    data = image.to_bytes()
    expected = kind.from_bytes(data).get_fdata().astype(np.float32)
    assert np.array_equal(expected, (values * 0.5 - 10).astype(np.float32))
    volume = open_volume([pack(data)])
    assert volume.values.dtype == np.float32 and np.array_equal(volume.values, expected)


def test_gzip_in_several_pieces_is_read_whole_and_as_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = turned("RAS").to_bytes()
    pieces = b"".join(gzip.compress(data[at : at + 100]) for at in range(0, len(data), 100))
    assert np.array_equal(open_volume([pieces]).values, PATIENT)
    assert "damaged" in _said([pieces[:-5]])
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_DECODED_MB", "0.00001")
    assert "when decoded; the limit is" in _said([pieces])


def test_one_volume_of_several_is_chosen_by_number() -> None:
    many = nibabel.Nifti1Image(np.stack([PATIENT, PATIENT * 2, PATIENT - 7], axis=3), PLACE).to_bytes()
    for number, expected in enumerate((PATIENT, PATIENT * 2, PATIENT - 7)):
        volume = open_volume([many], number)
        assert np.array_equal(volume.values, expected)
        assert [note.en for note in volume.notes] == [f"Volume {number + 1} of 3 is used."]
        assert (volume.number, volume.volumes) == (number, 3)
    for number in (3, -1):
        assert f"has no volume {number}; it holds 0 to 2" in _said([many], number)


def test_what_is_no_number_becomes_0_and_a_shear_is_said() -> None:
    holed = PATIENT.astype(np.float64)
    holed[1, 2, 3], holed[0, 0, 0], holed[0, 0, 1] = np.nan, np.inf, 1e200
    volume = open_volume([nibabel.Nifti1Image(holed, PLACE).to_bytes()])
    assert np.isfinite(volume.values).all() and volume.values[1, 2, 3] == 0 and "became 0" in volume.notes[0].en
    sheared = PLACE.copy()
    sheared[1, 2] = 4 * np.tan(np.radians(12))
    volume = open_volume([nibabel.Nifti1Image(PATIENT, sheared).to_bytes()])
    assert np.allclose(volume.affine, sheared) and "12.0 degrees off the right angle" in volume.notes[0].en


def test_no_text_of_the_header_is_kept() -> None:
    image = nibabel.Nifti1Image(PATIENT, PLACE)
    for name in ("descrip", "aux_file", "db_name"):
        image.header[name] = b"PHISENTINEL"
    assert image.to_bytes().count(b"PHISENTINEL") == 3
    assert "PHISENTINEL" not in repr(vars(open_volume([image.to_bytes()])))


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    nifti = nibabel.Nifti1Image(PATIENT, PLACE).to_bytes()
    scan = file(slices(PATIENT, PLACE)[0])
    assert "No file was given" in _said([])
    assert "There is no volume in these files" in _said([b"\x89PNG\r\n\x1a\n" + bytes(600)])
    assert "These are 2 NIfTI and 0 DICOM files" in _said([nifti, nifti])
    assert "These are 1 NIfTI and 1 DICOM files" in _said([nifti, scan])
    assert "damaged" in _said([nifti[:-3]])
    assert "damaged" in _said([scan[:-3]])
    assert "complex numbers or colours" in _said([nibabel.Nifti1Image(PATIENT + 1j, PLACE).to_bytes()])
    assert "No file called nothing.nii can be opened" in _said([tmp_path / "nothing.nii"])


def test_volumes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_FRAMES", "3")
    nifti, scans = nibabel.Nifti1Image(PATIENT, PLACE).to_bytes(), [file(one) for one in slices(PATIENT, PLACE)]
    assert "has 4 frames; the limit is 3" in _said([nifti])
    assert "has 4 frames; the limit is 3" in _said(scans)
    monkeypatch.delenv("UNET_PLAYGROUND_MAX_FRAMES")
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_DECODED_MB", "0.0005")
    assert "when decoded; the limit is" in _said([nifti])
    assert "when decoded; the limit is" in _said(scans[:1] * 6)
    monkeypatch.delenv("UNET_PLAYGROUND_MAX_DECODED_MB")
    monkeypatch.setenv("UNET_PLAYGROUND_MAX_FILE_MB", "0.003")
    assert "The first 3 files are 0 MB together; the limit is 0 MB" in _said(scans)
    assert "set UNET_PLAYGROUND_PROFILE=local on a machine of your own" in _said(scans)
    monkeypatch.setenv("UNET_PLAYGROUND_PROFILE", "local")
    assert "PROFILE" not in _said(scans)
    monkeypatch.delenv("UNET_PLAYGROUND_PROFILE")
    monkeypatch.delenv("UNET_PLAYGROUND_MAX_FILE_MB")
    bomb = gzip.compress(nibabel.Nifti1Image(np.zeros((640, 640, 160), np.uint8), PLACE).to_bytes(), 1)
    # Small as stored; its values need four bytes each.
    assert len(bomb) < 1_000_000 and "needs 262 MB when decoded; the limit is 256 MB" in _said([bomb])


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("volumes/ct_dicom_j2k", "HU"),  # JPEG 2000
        ("dicom_seg/dcmqi/ct-3slice", "HU"),
        ("dicom_seg/dcmqi/23x38x3/image", None),
        ("dicom_seg/dcmqi/24x38x3/multiframe", None),
    ],
)
def test_a_real_series_is_what_simple_itk_reads(data: Path, name: str, units: str | None) -> None:
    folder = data / name
    if not folder.is_dir():
        pytest.skip(f"needs UNET_PLAYGROUND_DATA/{name}")
    volume = open_volume([folder])
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    image = image[:, :, :, 0] if image.GetDimension() == 4 else image  # of a file with many frames
    assert np.array_equal(volume.values, SimpleITK.GetArrayFromImage(image).T) and volume.units == units
    steps = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    expected = np.diag([-1, -1, 1]) @ np.column_stack([steps, image.GetOrigin()])
    assert np.allclose(volume.affine[:3], expected, atol=1e-4)


def test_a_real_nifti_file_is_what_nibabel_reads(data: Path) -> None:
    path = data / "volumes" / "example_ct.nii.gz"
    if not path.is_file():
        pytest.skip("needs UNET_PLAYGROUND_DATA/volumes")
    volume, image = open_volume([path]), nibabel.load(path)
    assert np.array_equal(volume.values, image.get_fdata()) and np.array_equal(volume.affine, image.affine)  # type: ignore[attr-defined]


def test_zip_of_nifti_is_opened() -> None:
    volume = open_volume([packed({"a/": b"", "a/one.nii.gz": gzip.compress(turned("LPI").to_bytes())})])
    assert np.array_equal(volume.canonical(), PATIENT)
