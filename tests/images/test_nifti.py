"""NIfTI files made on the spot: the middle axial slice as a radiologist looks at it, whatever the axes."""

import gzip
import itertools
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from unet_playground.errors import UnreadableImage
from unet_playground.images import read_image

_VOLUME = np.arange(5 * 7 * 4, dtype=np.int16).reshape(5, 7, 4)  # towards right, front and head
_CODES = ["".join(signs) for order in itertools.permutations(("RL", "AP", "SI")) for signs in itertools.product(*order)]


def _file(array: np.ndarray, affine: np.ndarray | None = None, kind: Any = nibabel.Nifti1Image, **header: Any) -> bytes:
    image = kind(array, np.diag([2.0, 3, 4, 1]) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    return image.to_bytes()


def _said(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        read_image(data)
    return caught.value.text.en


@pytest.mark.parametrize("codes", _CODES)
def test_left_is_left_in_all_48_orientations(codes: str) -> None:
    """The same patient, stored along other axes by nibabel, gives the same picture."""
    affine = np.diag([2.0, 3, 4, 1])
    turned = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(codes)))
    image = nibabel.Nifti1Image(_VOLUME, affine).as_reoriented(turned)  # type: ignore[arg-type]
    assert nibabel.aff2axcodes(image.affine) == tuple(codes)
    picture = read_image(image.to_bytes())
    expected = _VOLUME[::-1, ::-1, 2].T  # the patient's right on the left, front above
    assert picture.values is not None and np.array_equal(picture.values, expected)
    assert picture.spacing == (3.0, 2.0) and picture.orientation == "LP"
    assert picture.notes[0].en == "Axial slice 3 of 4 is used."


def test_without_a_place_in_the_patient_the_orientation_is_unknown() -> None:
    image = nibabel.Nifti1Image(_VOLUME, np.eye(4))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    assert read_image(image.to_bytes()).orientation is None


def test_scaling() -> None:
    image = nibabel.Nifti1Image(_VOLUME, np.eye(4))
    image.header.set_slope_inter(0.5, -10)
    again = nibabel.Nifti1Image.from_bytes(image.to_bytes())
    assert again.get_fdata().max() == 139 * 0.5 - 10
    picture = read_image(image.to_bytes())
    assert picture.values is not None and np.array_equal(picture.values, again.get_fdata()[::-1, ::-1, 2].T)
    unscaled = read_image(_file(_VOLUME, scl_slope=0)).values
    assert unscaled is not None and np.array_equal(unscaled, _VOLUME[::-1, ::-1, 2].T)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64", ">i2"])
def test_every_way_of_writing(pack: Any, kind: Any, dtype: str) -> None:
    picture = read_image(pack(_file(_VOLUME.astype(dtype), kind=kind)))
    assert picture.values is not None and np.array_equal(picture.values, _VOLUME[::-1, ::-1, 2].T)


def test_other_numbers_of_axes() -> None:
    flat = read_image(_file(_VOLUME[:, :, 0]))
    assert flat.values is not None and np.array_equal(flat.values, _VOLUME[::-1, ::-1, 0].T)
    many = read_image(_file(np.stack([_VOLUME, _VOLUME * 2, _VOLUME * 3], axis=3)))
    assert many.values is not None and np.array_equal(many.values, _VOLUME[::-1, ::-1, 2].T)
    assert [note.en for note in many.notes][:2] == ["Axial slice 3 of 4 is used.", "Volume 1 of 3 is used."]


def test_units_of_length() -> None:
    image = nibabel.Nifti1Image(_VOLUME, np.diag([0.002, 0.003, 0.004, 1]))
    image.header.set_xyzt_units("meter")
    spacing = read_image(image.to_bytes()).spacing
    assert spacing is not None and np.allclose(spacing, (3, 2))


def test_missing_values_become_nothing() -> None:
    holed = _VOLUME.astype(np.float32)
    holed[:, 3] = np.nan
    picture = read_image(_file(holed))
    assert picture.values is not None and np.isfinite(picture.values).all() and np.isfinite(picture.pixels).all()


def test_what_is_refused() -> None:
    whole = _file(_VOLUME)
    assert "damaged" in _said(whole[:-5])
    assert "damaged" in _said(gzip.compress(whole)[:-9])
    assert "damaged" in _said(gzip.compress(b"something else"))
    assert "complex numbers or colours" in _said(_file(_VOLUME.astype(np.complex64)))
    bomb = gzip.compress(_file(np.zeros((640, 640, 320), np.int16)), 9)
    assert len(bomb) < 1_000_000
    assert "MB when decoded; the limit is 256 MB" in _said(bomb)
    assert "has 600 frames; the limit is 512" in _said(_file(np.zeros((3, 3, 600), np.uint8)))
    assert "is 5000 x 4000 px" in _said(gzip.compress(_file(np.zeros((5000, 4000, 1), np.uint8)), 1))


def test_no_text_of_the_header_is_kept() -> None:
    data = _file(_VOLUME, descrip=b"PHISENTINEL", aux_file=b"PHISENTINEL", db_name=b"PHISENTINEL")
    assert data.count(b"PHISENTINEL") == 3 and "PHISENTINEL" not in repr(vars(read_image(data)))
