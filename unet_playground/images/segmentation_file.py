"""DICOM-SEG: a mask that other programs lay over the series it was made from.

The only place where what a file says of a patient is copied: a DICOM-SEG belongs to its study, or it is none.
"""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import refusal
from unet_playground.images.dicom_file import has_slices, number, read_tags
from unet_playground.images.kinds import guarded
from unet_playground.images.series import Stack, stack
from unet_playground.images.volume_files import sorted_files
from unet_playground.limits import Limits
from unet_playground.notice import NOTICE

_NAME = "U-Net Playground"
_TITLE = "Research and teaching only; not for diagnosis"
"""The notice as far as a title may go; the whole of it is in the comments."""
_SCHEME = "99UNETPLAYGROUND"
_LONGEST_CODE, _LONGEST_TEXT = 16, 64
# What the standard wants to be there, if only empty.
_EXPECTED = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"),
    *("StudyTime", "ReferringPhysicianName"),
)
_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_SEXES = ("M", "F", "O")
_PLAIN, _UTF_8 = (None, "", "ISO_IR 6"), "ISO_IR 192"


def write_segmentation(files: list[bytes], mask: NDArray[np.uint8], said: dict[str, Any], limits: Limits) -> bytes:
    """A DICOM-SEG file that refers to a series, made in this very process; `to_dicom_seg` does it in another one.

    Args:
        files: Of the series; the list is emptied on the way.
        mask: (slices, rows, columns) on the grid of the volume that the same files make; 0 is background.
        said: `segments`, label, colour and structure of 1, 2 ...; `version`, `weights` and `design`.
        limits: That hold.

    Raises:
        UnreadableImage: The files make no volume, another grid than the mask's, or no place in the patient.
    """
    scans, _, _ = guarded("ZIP", sorted_files, files, limits)
    return guarded("DICOM series", lambda scans, limits: _written(scans, mask, said, limits), scans, limits)


def _written(scans: list[bytes], mask: NDArray[np.uint8], said: dict[str, Any], limits: Limits) -> bytes:
    from pydicom import dcmread

    tags, headers = [], {}
    while scans:
        data = scans.pop(0)
        one = read_tags(data)
        if has_slices(one):
            tags.append(one)
            headers[id(one)] = dcmread(BytesIO(data), stop_before_pixels=True, force=True)
    if not tags:
        raise refusal(
            "A DICOM-SEG refers to a DICOM series, and these files are none. Choose the files of the series and try "
            "again.",
            "DICOM-SEG 须引用 DICOM 序列，而这些文件不是。请选择该序列的文件后重试。",
        )
    made = stack(tags, limits)
    _check(made, mask)
    try:
        _complete(list(headers.values()), made.distance)
        return _segmentation(*_sources(made, headers, mask), said)
    except MemoryError:
        raise
    except Exception:  # highdicom has a kind for every value that it does not take
        pass
    raise refusal(
        "The header of this series holds values that do not go into a DICOM-SEG. Export the mask as NIfTI or PNG.",
        "该序列的文件头含有无法写入 DICOM-SEG 的值。请改为导出 NIfTI 或 PNG。",
    )


def _check(made: Stack, mask: NDArray[np.uint8]) -> None:
    """Whether a DICOM-SEG can refer to a series."""
    if made.shape != mask.shape[::-1]:
        given, wanted = (" x ".join(map(str, shape)) for shape in (made.shape, mask.shape[::-1]))
        raise refusal(
            f"This series is {given} voxels and the mask is {wanted}; they must be the same. Choose the series that "
            "the mask was made from and try again.",
            f"该序列为 {given} 体素，掩膜为 {wanted}；两者应相同。请选择生成该掩膜的序列后重试。",
        )
    for known, en, zh in (
        (made.oriented, "where its slices lie in the patient", "切片在患者体内的位置"),
        (made.spaced, "how far apart its voxels are", "体素间距"),
    ):
        if not known:
            raise refusal(
                f"This series does not say {en}, which a DICOM-SEG needs. Export the mask as NIfTI or PNG.",
                f"该序列未说明{zh}，而 DICOM-SEG 需要此信息。请改为导出 NIfTI 或 PNG。",
            )
    if made.frames[0].index is not None and len({id(frame.tags) for frame in made.frames}) > 1:
        raise refusal(
            "This series is several files of many frames each, and a DICOM-SEG refers to one. Export the mask as NIfTI "
            "or PNG.",
            "该序列由多个多帧文件组成，而 DICOM-SEG 只能引用一个。请改为导出 NIfTI 或 PNG。",
        )


def _complete(headers: list[Any], distance: float) -> None:
    """Give anonymised series what they lack: empty values, the file's own identifiers, and new ones for all slices."""
    from highdicom import UID

    made = {name: UID() for name in _IDENTIFIERS}
    for header in headers:
        _corrected(header, distance)
        for name in ("SOPClassUID", "SOPInstanceUID"):
            if not header.get(name):
                setattr(header, name, header.file_meta[f"MediaStorage{name}"].value)
        for name in _IDENTIFIERS:
            if not header.get(name):
                setattr(header, name, made[name])


def _corrected(header: Any, distance: float) -> None:
    """Put right what highdicom refuses: texts in several sets of signs become UTF-8, what is not allowed becomes empty.

    Args:
        header: Is changed.
        distance: Of slices in mm; as thick they are where the header says nothing.
    """
    if header.get("SpecificCharacterSet") in _PLAIN:  # what else stands in such a text stays there byte for byte
        header.pop("SpecificCharacterSet", None)
    else:
        header.decode()
        header.SpecificCharacterSet = _UTF_8
    for name in _EXPECTED:
        if not _allowed(name, header.setdefault(name, None)):
            setattr(header, name, None)
    shared = header.get("SharedFunctionalGroupsSequence")
    measures = shared[0].PixelMeasuresSequence[0] if shared else header
    if not number(measures.get("SliceThickness"), 0) > 0:
        measures.SliceThickness = f"{distance:.6g}"


def _allowed(name: str, value: Any) -> bool:
    """Whether the standard allows a value; of a patient's sex, of dates and of times, highdicom wants that."""
    from pydicom.valuerep import DA, TM

    kind = {"PatientSex": _SEXES.index, "PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}.get(name)
    try:
        return not value or kind is None or kind(value) is not None
    except (TypeError, ValueError):
        return False


def _sources(made: Stack, headers: dict[int, Any], mask: NDArray[np.uint8]) -> tuple[list[Any], NDArray[np.uint8]]:
    """The files that are referred to, and the mask in their order."""
    first = made.frames[0]
    if first.index is None:
        return [headers[id(frame.tags)] for frame in made.frames], mask
    frames = np.zeros((int(first.tags.NumberOfFrames), *mask.shape[1:]), np.uint8)
    frames[[frame.index or 0 for frame in made.frames]] = mask
    return [headers[id(first.tags)]], frames


def _segmentation(sources: list[Any], frames: NDArray[np.uint8], said: dict[str, Any]) -> bytes:
    from highdicom import UID, AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentationTypeValues
    from pydicom.sr.codedict import codes

    algorithm = AlgorithmIdentificationSequence(
        name=_NAME,
        family=codes.DCM.ArtificialIntelligence,
        version=said["version"],
        parameters={"weights": said["weights"], "design": said["design"]},
    )
    made = Segmentation(
        source_images=sources,
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _segment(number, algorithm, said["edited"], **segment)
            for number, segment in enumerate(said["segments"], start=1)
        ],
        series_instance_uid=UID(),
        series_number=1,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=_NAME,
        manufacturer_model_name=_NAME,
        software_versions=said["version"],
        device_serial_number=said["weights"][:_LONGEST_TEXT],
        omit_empty_frames=False,  # who opens it gets the whole grid back
        content_label="UNET_PLAYGROUND",
        content_description=_TITLE,
        series_description=_TITLE,
    )
    made.ImageComments = f"{NOTICE.en}. {'Corrected by hand.' if said['edited'] else ''}".strip()
    file = BytesIO()
    made.save_as(file)
    return file.getvalue()


def _segment(number: int, algorithm: Any, edited: bool, label: str, color: str, structure: str) -> Any:
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    own = CodedConcept(label.upper().replace(" ", "_")[:_LONGEST_CODE], _SCHEME, label[:_LONGEST_TEXT])
    return SegmentDescription(
        segment_number=number,
        segment_label=label[:_LONGEST_TEXT],
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=getattr(codes.SCT, structure) if structure else own,
        algorithm_type=SegmentAlgorithmTypeValues["SEMIAUTOMATIC" if edited else "AUTOMATIC"],
        algorithm_identification=algorithm,
        display_color=CIELabColor.from_rgb(*bytes.fromhex(color.removeprefix("#"))),
    )
