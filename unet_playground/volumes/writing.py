"""Volumes and masks as files that other programs lay over the original.

Nothing of a patient is in them, except in a DICOM-SEG, which belongs to its series.
"""

import gzip
import zipfile
from collections.abc import Sequence
from io import BytesIO
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground import __version__
from unet_playground.errors import PlaygroundError, refusal
from unet_playground.images.apart import decoders
from unet_playground.images.volumes import Volume, contents, open_volume, plane
from unet_playground.images.writer import encode_labels
from unet_playground.limits import Limits
from unet_playground.notice import NOTICE
from unet_playground.tasks.slot import Label

_DESCRIPTION = f"U-Net Playground {__version__}; not for diagnosis"
_LARGEST_SIDE = 32767
_FAST = 1
_SCANNER = 1


def to_nifti(array: NDArray[Any], volume: Volume, *, about: str = "") -> bytes:
    """An array on a volume's grid as a .nii.gz file.

    Its affine is the volume's bit for bit, as sform and, where axes are at right angles, as qform, in mm. What is not
    known of a volume is not known of the file: without a place in the patient it has none, without lengths those are 0
    and the place stands in the qform alone. A comment behind the header (NIfTI's extension 6) carries the notice and
    what made the file.

    Args:
        array: (i, j, k), boolean, or whole or real numbers of up to 64 bits.
        volume: Whose grid it is on.
        about: What made it, as a hash of weights and a design.

    Raises:
        PlaygroundError: The array is not on this grid.
    """
    from nibabel.nifti1 import Nifti1Extension, Nifti1Image
    from nibabel.nifti2 import Nifti2Image
    from nibabel.spatialimages import HeaderDataError

    _check_grid(array, volume)
    array = array.astype(np.uint8) if array.dtype == bool else array
    kind = Nifti1Image if max(array.shape) <= _LARGEST_SIDE else Nifti2Image
    image = kind(array, None, dtype=array.dtype)
    header = image.header
    header.set_zooms(volume.spacing)
    header.set_xyzt_units("mm" if volume.spaced else "unknown")
    header["descrip"] = _DESCRIPTION.encode()
    header.extensions.append(Nifti1Extension("comment", _made_by(about).encode()))
    if volume.oriented:
        try:
            header.set_qform(volume.affine, _SCANNER, strip_shears=False)
        except HeaderDataError:  # a quaternion holds no shear
            header["qform_code"] = 0
    known = volume.oriented and volume.spaced
    image.set_sform(volume.affine if known else None, _SCANNER if known else 0)
    data = bytearray(image.to_bytes())
    if not volume.spaced:  # nibabel itself would write 1
        np.frombuffer(data, header.structarr.dtype, 1)["pixdim"][0, 1:4] = 0
    return gzip.compress(data, _FAST, mtime=0)


def to_pngs(mask: NDArray[np.uint8], volume: Volume, colors: Sequence[str], *, about: str = "") -> bytes:
    """A mask as a ZIP of PNG files, one an axial slice, from feet to head, with the patient's right on the left.

    A pixel's number is its label, and the file's palette gives it its colour. `about.txt` says what the slices are.

    Args:
        mask: (i, j, k) labels.
        volume: Whose grid it is on.
        colors: `#rrggbb` of every label, the background first.
        about: What made it, as a hash of weights and a design.

    Raises:
        PlaygroundError: The mask is not on this grid, or holds a label without a colour.
    """
    _check_grid(mask, volume)
    slices = plane(volume.canonical(mask), 2)
    columns, rows, between = np.linalg.norm(volume.affine[:3, :3], axis=0)[np.argsort(volume.order[:, 0])]
    said = [
        _made_by(about),
        f"{len(slices)} axial slices from feet to head, rows towards the back, columns towards the patient's left."
        if volume.oriented
        else f"{len(slices)} slices; orientation unknown.",
        f"A pixel is {columns:.6g} x {rows:.6g} mm, slices are {between:.6g} mm apart."
        if volume.spaced
        else "The size of a pixel is unknown.",
        *(f"{label}: {color}" for label, color in enumerate(colors)),
    ]
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("about.txt"), "\n".join(said) + "\n")
        for number, each in enumerate(slices, start=1):
            archive.writestr(zipfile.ZipInfo(f"slice-{number:04}.png"), encode_labels(each, colors))
    return file.getvalue()


def to_dicom_seg(
    mask: NDArray[np.uint8],
    series: Sequence[str | PathLike[str] | bytes],
    labels: Sequence[Label],
    *,
    weights: str,
    design: str,
    volume: Volume | None = None,
    edited: bool = False,
) -> bytes:
    """A mask as a DICOM-SEG file that refers to the series it was made from.

    The series is given again, because nothing of its headers was kept. It is read in a decoder's process, like every
    file; what it says of patient and study is copied into this one file, as the standard wants.

    Args:
        mask: (i, j, k) labels on the grid that `open_volume` makes of the series.
        series: Its files, as for `open_volume`.
        labels: Of the task, the background first.
        weights: sha256 of the weights.
        design: Link of the design.
        edited: Whether a hand has corrected the mask.
        volume: What the mask was made from; given, the series must hold exactly its values.

    Raises:
        UnreadableImage: These files are no DICOM series, or another one than the mask's.
        PlaygroundError: The mask holds a label that has no name.
    """
    limits = Limits.from_environment()
    _check_labels(mask, len(labels))
    files = contents(series, limits)
    if volume is not None:
        again = open_volume(files)
        if not (np.array_equal(again.affine, volume.affine) and np.array_equal(again.values, volume.values)):
            raise refusal(
                "This series is another one than the mask was made from. Choose that series and try again.",
                "该序列不是生成此掩膜的序列。请选择原序列后重试。",
            )
    said = {
        "what": "segmentation",
        "segments": [
            {"label": label.title.en, "color": label.color, "structure": label.structure} for label in labels[1:]
        ],
        "version": __version__,
        "weights": weights,
        "design": design,
        "edited": edited,
    }
    return decoders().ask(said, [mask.T, *files], limits)[1][0].tobytes()


def _made_by(about: str) -> str:
    return f"U-Net Playground {__version__}. {NOTICE.en}. {about}".strip()


def _check_grid(array: NDArray[Any], volume: Volume) -> None:
    if array.shape != volume.values.shape or array.dtype.kind not in "buif":
        given, wanted = (" x ".join(map(str, shape)) for shape in (array.shape, volume.values.shape))
        raise PlaygroundError(
            f"This array is {given}; an export has the volume's grid, {wanted}, and holds numbers. Resample it first.",
            f"该数组为 {given}；导出须与体数据网格 {wanted} 一致且为数值。请先重采样。",
        )


def _check_labels(mask: NDArray[np.uint8], count: int) -> None:
    largest = int(mask.max(initial=0))
    if mask.ndim != 3 or mask.dtype != np.uint8 or largest >= count:
        raise PlaygroundError(
            f"This mask goes up to {largest}; it has three axes and uint8 labels from 0 to {count - 1}. Convert it.",
            f"该掩膜最大值为 {largest}；应为三维 uint8 标签，取值 0 至 {count - 1}。请先转换。",
        )
