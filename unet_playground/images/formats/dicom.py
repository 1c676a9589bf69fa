"""DICOM: what scanners write; its first frame becomes a picture."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unet_playground.errors import Text, refusal
from unet_playground.images.dicom_file import Frame, count_frames, has_pixels, is_dicom, read_tags, warnings
from unet_playground.images.geometry import directions, seen_otherwise
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import FRAME, Picture
from unet_playground.limits import Limits

_WINDOW = Text(
    "The file's own window was applied: centre {centre:g}, width {width:g}.",
    "已应用文件自带的窗口：窗位 {centre:g}，窗宽 {width:g}。",
)
_LOWEST_TO_HIGHEST = Text(
    "The file names no window: the lowest value is black and the highest is white.",
    "文件未给出窗口：最低值为黑，最高值为白。",
)


@image_format("DICOM", is_dicom)
def read_dicom(data: bytes, limits: Limits) -> Picture:
    """Read the first frame of a DICOM file, with rescaled values in the units of its modality."""
    tags = read_tags(data)
    if not has_pixels(tags):
        raise refusal(
            "There is no image in this DICOM file; files with pixels are read. Choose one of the image's own files "
            "and try again.",
            "该 DICOM 文件中没有图像；仅读取含像素的文件。请选择图像文件后重试。",
        )
    frames = count_frames(tags, limits)
    frame = Frame(tags, 0 if frames > 1 else None)
    stored = frame.stored()
    picture = _coloured(stored, tags) if stored.ndim == 3 or _has_table(tags) else _measured(stored, frame)
    orientation = None if frame.axes is None else directions(frame.axes)
    notes = (FRAME.format(frames=frames),) if frames > 1 else ()
    return replace(
        picture,
        bits=min(int(tags.BitsAllocated), 32),
        spacing=frame.spacing,
        orientation=orientation,
        notes=notes + seen_otherwise(orientation) + warnings(tags) + picture.notes,
    )


def _has_table(tags: Any) -> bool:
    return tags.PhotometricInterpretation == "PALETTE COLOR"


def _coloured(stored: NDArray[Any], tags: Any) -> Picture:
    from pydicom.pixels.processing import apply_color_lut

    colours = apply_color_lut(stored, tags)[..., :3] if _has_table(tags) else stored
    if colours.dtype.kind == "u" and not _has_table(tags) and int(tags.BitsStored) != 8 * colours.itemsize:
        colours = (colours / (2 ** int(tags.BitsStored) - 1)).clip(0, 1)
    return Picture.from_array(colours)


def _measured(stored: NDArray[Any], frame: Frame) -> Picture:
    """Gray: the values in their units, and how they look through the file's own window."""
    values, bits = frame.measured(stored), int(frame.tags.BitsStored)
    missing = ~np.isfinite(values)
    values[missing] = values[~missing].min() if not missing.all() else 0
    if window := frame.window:
        looks, notes = _through(values, *window), (_WINDOW.format(centre=window[0], width=window[1]),)
    elif bits == 1 or (stored.dtype == np.uint8 and bits == 8):
        looks, notes = stored.astype(bool) if bits == 1 else stored, ()
    else:
        low, high = values.min(), values.max()
        looks, notes = (values - low) / ((high - low) or 1), (_LOWEST_TO_HIGHEST,)
    if frame.tags.PhotometricInterpretation == "MONOCHROME1":
        looks = 1 - looks if looks.dtype.kind == "f" else np.invert(looks)
    picture = Picture.from_array(looks)
    return replace(picture, notes=notes, units=frame.units, values=values.astype(np.float32))


def _through(values: NDArray[np.float64], centre: float, width: float, shape: str) -> NDArray[np.float64]:
    """Values through a window: 0 to 1. Source: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if shape == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if shape == "LINEAR":
        centre, width = centre - 0.5, max(width - 1, 1e-6)
    return ((values - centre) / width + 0.5).clip(0, 1)
