"""Volumes as files made on the spot: one asymmetric patient, written by nibabel and by pydicom."""

import itertools
import zipfile
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from pydicom import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

SENTINEL = "PHISENTINEL^SOMEBODY"
# Towards right, front and head; no two voxels are alike.
PATIENT = np.arange(5 * 7 * 4, dtype=np.int16).reshape(5, 7, 4) * 3 - 50
PLACE = np.array([[2.0, 0, 0, -11], [0, 3, 0, 17], [0, 0, 4, -5], [0, 0, 0, 1]])
CODES = ["".join(signs) for order in itertools.permutations(("RL", "AP", "SI")) for signs in itertools.product(*order)]


def turned(codes: str) -> Any:
    """The patient as nibabel stores it along other axes."""
    order = ornt_transform(io_orientation(PLACE), axcodes2ornt(tuple(codes)))
    return nibabel.Nifti1Image(PATIENT, PLACE).as_reoriented(order)  # type: ignore[arg-type]


def oblique(degrees: tuple[float, float, float] = (20, -35, 50)) -> np.ndarray:
    """The patient's place after turns around all three axes."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, two = [each for each in range(3) if each != axis]
        each = np.eye(3)
        each[[one, one, two, two], [one, two, one, two]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = turn @ each
    affine = PLACE.copy()
    affine[:3, :3] = turn @ affine[:3, :3]
    return affine


def slices(array: np.ndarray, affine: np.ndarray, **tags: Any) -> list[Dataset]:
    """A CT series of (i, j, k): i along rows, j along columns, a file for every k."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    directions = (affine[:3, :3] / lengths).T * (-1, -1, 1)
    made = []
    for number in range(array.shape[2]):
        one = _dataset(array[:, :, number].T, CTImageStorage)
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.InstanceNumber = number + 1
        one.PixelSpacing = [_text(lengths[1]), _text(lengths[0])]
        one.ImageOrientationPatient = [_text(each) for each in directions[:2].ravel()]
        one.ImagePositionPatient = [_text(each) for each in (affine @ [0, 0, number, 1])[:3] * (-1, -1, 1)]
        one.SliceThickness = _text(lengths[2])
        for name, value in tags.items():
            setattr(one, name, value)
        made.append(one)
    return made


def enhanced(array: np.ndarray, affine: np.ndarray, order: Iterable[int], slope: float = 1) -> Dataset:
    """One enhanced CT file, its frames in any order, each with a place and a rescaling of its own."""
    parts = slices(array, affine)
    order = list(order)
    made = _dataset(np.stack([array[:, :, number].T for number in order]), EnhancedCTImageStorage)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(made, name, getattr(parts[0], name))
    made.NumberOfFrames = len(order)
    made.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    made.InstanceNumber = 1
    shared = Dataset()
    shared.PixelMeasuresSequence = _within(parts[0], "PixelSpacing", "SliceThickness")
    shared.PlaneOrientationSequence = _within(parts[0], "ImageOrientationPatient")
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for number in order:
        group, rescale = Dataset(), Dataset()
        group.PlanePositionSequence = _within(parts[number], "ImagePositionPatient")
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = slope, 100 * number, "HU"
        group.PixelValueTransformationSequence = Sequence([rescale])
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return made


def file(made: Dataset) -> bytes:
    """A file's bytes."""
    written = BytesIO()
    made.save_as(written, enforce_file_format=True)
    return written.getvalue()


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of files by name; names that end with a slash are folders."""
    written = BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def _dataset(pixels: np.ndarray, kind: str) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = UID(kind)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.PatientName = made.PatientID = made.StudyDescription = made.ImageComments = SENTINEL
    made.PatientBirthDate = made.PatientSex = made.AccessionNumber = made.StudyID = made.ReferringPhysicianName = ""
    made.StudyDate, made.StudyTime, made.Modality = "20200102", "030405", "CT"
    made.Rows, made.Columns = pixels.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * pixels.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.RescaleSlope, made.RescaleIntercept = 1, 0
    made.PixelData = np.ascontiguousarray(pixels).tobytes()
    return made


def _within(part: Dataset, *names: str) -> Sequence:
    inner = Dataset()
    for name in names:
        setattr(inner, name, getattr(part, name))
    return Sequence([inner])


def _text(value: float) -> str:
    """A number as DICOM writes it: at most 16 signs."""
    return f"{value:.10f}"[:16]
