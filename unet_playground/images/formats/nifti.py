"""NIfTI: volumes of research scanners; of each one slice becomes a picture."""

from dataclasses import replace

import numpy as np

from unet_playground.errors import Text
from unet_playground.images.geometry import directions
from unet_playground.images.kinds import image_format
from unet_playground.images.nifti_file import VOLUME, is_nifti, open_nifti
from unet_playground.images.picture import Picture
from unet_playground.limits import Limits

_SLICE = Text("Axial slice {number} of {slices} is used.", "使用第 {number} 个横断面切片，共 {slices} 个。")


@image_format("NIfTI", is_nifti)
def read_nifti(data: bytes, limits: Limits) -> Picture:
    """Read the middle axial slice of the first volume as radiologists look at it: right is on the left."""
    from nibabel.orientations import apply_orientation, io_orientation

    file = open_nifti(data, limits)
    order = io_orientation(file.affine)
    canonical = apply_orientation(file.stored[..., 0], order)
    slices = canonical.shape[2]
    limits.check_frames("NIfTI", slices)
    # Columns grow to the patient's left and rows to the back.
    plane = canonical[::-1, ::-1, slices // 2].T
    limits.check_size("NIfTI", plane.shape[1], plane.shape[0], plane.itemsize)
    measured = file.measured(np.ascontiguousarray(plane))
    notes = (_SLICE.format(number=slices // 2 + 1, slices=slices),) if slices > 1 else ()
    notes += (VOLUME.format(number=1, volumes=file.volumes),) if file.volumes > 1 else ()
    picture = Picture.from_array(measured.astype(np.float32))
    columns, rows, _ = np.linalg.norm(file.affine[:3, :3], axis=0)[np.argsort(order[:, 0])]
    return replace(
        picture,
        bits=min(8 * file.stored.itemsize, 32),
        spacing=(float(rows), float(columns)) if file.spaced else None,
        orientation=directions(np.array([[-1.0, 0, 0], [0, -1.0, 0]])) if file.oriented else None,
        notes=notes + picture.notes,
        values=np.where(np.isfinite(measured), measured, 0).astype(np.float32),
    )
