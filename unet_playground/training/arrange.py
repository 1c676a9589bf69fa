"""From unpacked archives to the folders that the data sets document, one function a data set."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from unet_playground.errors import Text
from unet_playground.images import read_image
from unet_playground.images.labels import read_labels
from unet_playground.images.volumes import plane, read_label_volume, read_volume, stem
from unet_playground.images.writer import encode_png
from unet_playground.training.unpack import BadArchive

LARGEST_NUCLEI = 360
"""Longest side in pixels; the few larger images of stage1_train are other microscopes'."""

LIVER_SIDE = 256
LIVER_SLICES = 6
"""Per patient, spread over the slices that show liver; neighbouring ones hardly differ."""

LIVER_WINDOW = (0.0, 255.0)
"""Hounsfield units that become 0 and 255, as in the shipped slices (`tasks.Liver.scan`)."""

_VESSELS = re.compile(r"Image_\d\d[LR](\.jpg|_(1st|2nd)HO\.png)")
_OBSERVERS = ("1stHO", "2ndHO")

_NUCLEI_NOTE = Text(
    "These are the original annotations and all images up to 360 pixels; the shipped weights saw a part of them, with "
    "corrected annotations.",
    "这是原始标注及 360 像素以内的全部图像；随附权重使用的是其中一部分，且标注经过修正。",
)
_LIVER_NOTE = Text(
    "Slices and patient numbers are not those of the set that the shipped weights were trained on, so patients fall "
    "into other splits: do not score those weights on these images.",
    "切片与患者编号不同于随附权重所用的数据，患者会落入不同的划分：请勿用这些图像评估随附权重。",
)
_HIPPOCAMPUS_NOTE = Text(
    "These are all volumes with labels; the shipped weights saw 220 of them.",
    "这是全部带标注的体数据；随附权重使用了其中 220 个。",
)


@dataclass(frozen=True)
class Arranged:
    """What an archive gave.

    Attributes:
        images: Images or volumes with labels.
        note: How they differ from what the shipped weights were trained on; None where they do not.
    """

    images: int
    note: Text | None = None


def wants_nuclei(name: str) -> bool:
    """Images and masks of stage1_train: `ID/images/ID.png`, `ID/masks/*.png`."""
    path = PurePosixPath(name)
    return path.suffix == ".png" and path.parent.name in ("images", "masks") and not _hidden(path)


def wants_vessels(name: str) -> bool:
    """Photographs and both observers' masks."""
    return _VESSELS.fullmatch(PurePosixPath(name).name) is not None


def wants_volumes(name: str) -> bool:
    """A Decathlon task's volumes with labels; `imagesTs` has none."""
    path = PurePosixPath(name)
    return path.name.endswith(".nii.gz") and path.parent.name in ("imagesTr", "labelsTr") and not _hidden(path)


def arrange_nuclei(unpacked: Path, folder: Path) -> Arranged:
    """Write `images/KIND_ID.png` and `labels/KIND_ID.png` of the Data Science Bowl's stage1_train.

    Every nucleus has a mask file of its own; they become one label image of 16 bits, numbered in the order of their
    names. KIND is `fluo` for images without colour and `stained` for those with any, since fluorescence is stored as
    equal channels; ID is the first 12 characters of the image's own. Alpha, opaque everywhere, is dropped.
    """
    images, labels = _new(folder, "images", "labels")
    count = 0
    for path in sorted(unpacked.rglob("images/*.png")):
        pixels: NDArray[Any] = read_image(path).pixels
        if max(pixels.shape[:2]) > LARGEST_NUCLEI:
            continue
        if pixels.dtype != np.uint8:
            pixels = np.rint(pixels * 255).astype(np.uint8)
        coloured = pixels.ndim == 3 and bool(np.ptp(pixels, axis=2).any())
        name = f"{'stained' if coloured else 'fluo'}_{path.stem[:12]}.png"
        merged = _merged(path, sorted((path.parents[1] / "masks").glob("*.png")), pixels.shape[:2])
        (labels / name).write_bytes(encode_png(merged))
        (images / name).write_bytes(encode_png(pixels if coloured or pixels.ndim == 2 else pixels[..., 0]))
        count += 1
    return Arranged(_some(count), _NUCLEI_NOTE)


def arrange_vessels(unpacked: Path, folder: Path) -> Arranged:
    """Move CHASE_DB1's photographs and both observers' masks into one folder, unchanged."""
    folder.mkdir(parents=True)
    photographs = sorted(unpacked.rglob("Image_*.jpg"))
    for photograph in photographs:
        for part in (photograph, *(photograph.with_name(f"{photograph.stem}_{who}.png") for who in _OBSERVERS)):
            _move(part, folder / part.name)
    return Arranged(_some(len(photographs)))


def arrange_hippocampus(unpacked: Path, folder: Path) -> Arranged:
    """Move Task04's volumes into `images/` and `labels/`, unchanged."""
    images, labels = _new(folder, "images", "labels")
    pairs = list(_volumes(unpacked))
    for image, label in pairs:
        _move(image, images / image.name)
        _move(label, labels / label.name)
    return Arranged(_some(len(pairs)), _HIPPOCAMPUS_NOTE)


def arrange_liver(unpacked: Path, folder: Path) -> Arranged:
    """Write axial slices of Task03 as `images/PATIENT_SLICE.png` and `masks/PATIENT_SLICE.png`, 256 x 256.

    PATIENT is N of `liver_N`, SLICE counts from the feet. Values are windowed to 8 bits, slices seen from below as
    radiologists do, a mask is 255 in liver and tumour. The shipped set went another way from the same volumes: through
    JPEG, with another choice of slices and with other patient numbers. So neither slices nor splits are the same.
    """
    images, masks = _new(folder, "images", "masks")
    low, high = LIVER_WINDOW
    count = 0
    for image, label in _volumes(unpacked):
        patient = stem(image).split("_")[-1]
        values, truth = plane(read_volume(image).values, 2), plane(read_label_volume(label), 2) > 0
        if values.shape != truth.shape:
            raise _misfit(label.name)
        for number in _spread(np.asarray(truth.any(axis=(1, 2)))):
            name = f"{patient}_{number}.png"
            shown = np.clip((values[number] - low) / (high - low), 0, 1)
            inside = _resized(truth[number]) >= 0.5
            (images / name).write_bytes(encode_png(np.rint(_resized(shown) * 255).astype(np.uint8)))
            (masks / name).write_bytes(encode_png(inside.astype(np.uint8) * np.uint8(255)))
            count += 1
    return Arranged(_some(count), _LIVER_NOTE)


def _merged(image: Path, masks: list[Path], shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Numbers of the objects that masks show, (h, w); where two overlap, the later one's."""
    if not masks:
        raise _missing(image.name)
    merged = np.zeros(shape, np.uint16)
    for number, mask in enumerate(masks, 1):
        inside = read_labels(mask) > 0
        if inside.shape != shape:
            raise _misfit(image.name)
        merged[inside] = number
    return merged


def _volumes(unpacked: Path) -> Iterator[tuple[Path, Path]]:
    """Every volume with its labels."""
    for image in sorted(unpacked.rglob("imagesTr/*.nii.gz")):
        label = image.parents[1] / "labelsTr" / image.name
        if not label.is_file():
            raise _missing(image.name)
        yield image, label


def _spread(shown: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Up to `LIVER_SLICES` numbers of slices, evenly spread over those that show something."""
    found = np.flatnonzero(shown)
    count = min(len(found), LIVER_SLICES)
    middles = (np.arange(count) + 0.5) * len(found) / max(count, 1)
    return found[middles.astype(int)]


def _resized(values: NDArray[Any]) -> NDArray[np.float32]:
    """(h, w) averaged to the slices' side."""
    square = np.ascontiguousarray(values, np.float32)
    return F.interpolate(torch.from_numpy(square)[None, None], (LIVER_SIDE, LIVER_SIDE), mode="area")[0, 0].numpy()


def _new(folder: Path, *names: str) -> list[Path]:
    folders = [folder / name for name in names]
    for each in folders:
        each.mkdir(parents=True)
    return folders


def _move(file: Path, target: Path) -> None:
    if not file.is_file():
        raise _missing(file.name)
    file.rename(target)


def _hidden(path: PurePosixPath) -> bool:
    """Whether a file is what macOS puts beside every file, `._NAME`."""
    return path.name.startswith(".")


def _some(count: int) -> int:
    if not count:
        raise BadArchive(
            "The archive holds no images of this data set; another file may lie at that address. Check it, or give "
            "another with --address.",
            "该归档中没有此数据集的图像；该地址可能是另一个文件。请检查地址，或用 --address 另给地址。",
        )
    return count


def _missing(name: str) -> BadArchive:
    return BadArchive(
        f"The archive is not complete: {name} or a label of it is missing. Download it again, or give another address "
        "with --address.",
        f"该归档不完整：缺少 {name} 或其标注。请重新下载，或用 --address 另给地址。",
    )


def _misfit(name: str) -> BadArchive:
    return BadArchive(
        f"The labels of {name} have another size than the image; the archive is not the expected one. Give another "
        "address with --address.",
        f"{name} 的标注与图像大小不同；该归档不是预期的文件。请用 --address 另给地址。",
    )
