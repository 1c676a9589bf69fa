"""Images with labels: where they lie, how they are split, how they are read."""

import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unet_playground.errors import MissingData, Text
from unet_playground.images import read_image
from unet_playground.images.labels import read_labels
from unet_playground.registry import Catalogue, Chinese, Paper
from unet_playground.tasks import Task

TEST, VALIDATION = 0, 1
FOLDS = 5


@dataclass(frozen=True)
class Sample:
    """One image file and the label file that belongs to it."""

    image: Path
    label: Path


@dataclass(frozen=True)
class Example:
    """One image as a network takes it, with its truth.

    Attributes:
        name: The image's stem.
        image: float32 (channels, h, w).
        labels: uint8 (h, w), class numbers.
    """

    name: str
    image: Tensor
    labels: Tensor


class Dataset:
    """Where the images of a task lie and how they are split for good.

    Attributes:
        licence: Of the data.
        address: Where they come from.
    """

    licence: str
    address: str

    def samples(self, root: Path) -> Sequence[Sample]:
        """Every image with its label, in a fixed order."""
        raise NotImplementedError

    def fold(self, sample: Sample) -> int:
        """0 to 4, for good: 0 is the test split, 1 validation, the rest training.

        It is decided by the file's name alone, so that adding images moves none.
        """
        return zlib.crc32(sample.image.stem.encode()) % FOLDS


datasets: Catalogue[type[Dataset]] = Catalogue("dataset", Text("Data", "数据"))


@datasets.register(
    "nuclei",
    title="Data Science Bowl 2018",
    zh=Chinese("2018 数据科学碗", "474 幅 256 至 360 像素的显微图像，附逐个细胞核的标注。"),
    paper=Paper(
        "Caicedo et al.", 2019, "Nucleus segmentation across imaging experiments", "doi:10.1038/s41592-019-0612-7"
    ),
)
class NucleiImages(Dataset):
    """474 microscopy images of 256 to 360 pixels with instance labels, made binary.

    Layout: `nuclei/images/NAME.png` and `nuclei/labels/NAME.png`; a label is 0 for background.
    """

    licence = "CC0 1.0"
    address = "https://bbbc.broadinstitute.org/BBBC038"

    def samples(self, root: Path) -> Sequence[Sample]:
        images = sorted((root / "nuclei" / "images").glob("*.png"))
        return [Sample(image, root / "nuclei" / "labels" / image.name) for image in images]


def data_root(given: str | None = None) -> Path:
    """The folder with the data sets: `given`, else `UNET_PLAYGROUND_DATA`."""
    root = given or os.environ.get("UNET_PLAYGROUND_DATA")
    if not root or not Path(root).is_dir():
        raise MissingData(
            "No folder with data sets was found; name one with --data or in UNET_PLAYGROUND_DATA.",
            "找不到数据集文件夹；请用 --data 或环境变量 UNET_PLAYGROUND_DATA 指定。",
        )
    return Path(root)


def split(task: str, root: Path) -> dict[str, list[Sample]]:
    """The samples of a task as `train`, `validation` and `test`."""
    dataset = datasets[task].make()
    parts: dict[str, list[Sample]] = {"train": [], "validation": [], "test": []}
    for sample in dataset.samples(root):
        fold = dataset.fold(sample)
        parts["test" if fold == TEST else "validation" if fold == VALIDATION else "train"].append(sample)
    if not parts["train"] or not parts["test"]:
        raise MissingData(
            f"The data folder holds no images for {task}; see the task's data set for its layout.",
            f"数据文件夹中没有 {task} 的图像；请查看该任务数据集的目录结构。",
        )
    return parts


def split_hash(samples: Sequence[Sample]) -> str:
    """A hash of the names in a split, for the card."""
    return hashlib.sha256("\n".join(sample.image.name for sample in samples).encode()).hexdigest()


def read(sample: Sample, task: Task) -> Example:
    """One sample, ready for a network. With two classes every label above 0 is class 1."""
    picture = read_image(sample.image)
    labels = read_labels(sample.label)
    if labels.shape != (picture.height, picture.width):
        raise MissingData(
            f"{sample.label.name} is {labels.shape[0]} x {labels.shape[1]} px, its image {picture.height} x "
            f"{picture.width}; a label has the size of its image.",
            f"{sample.label.name} 为 {labels.shape[0]}×{labels.shape[1]} 像素，而图像为 {picture.height}×"
            f"{picture.width}；两者大小必须相同。",
        )
    binary = len(task.labels) == 2
    classes = (labels > 0).astype(np.uint8) if binary else labels.astype(np.uint8)
    return Example(sample.image.stem, task.prepare(picture), torch.from_numpy(classes))


def pair(images: Path, labels: Path) -> list[Sample]:
    """Images and labels of two folders: a label belongs to the image whose stem it has, alone or followed by `_`."""
    for folder in (images, labels):
        if not folder.is_dir():
            raise MissingData(f"There is no folder {folder.name}; name an existing one.", f"没有文件夹 {folder.name}。")
    files = sorted(path for path in images.iterdir() if path.is_file())
    owners: dict[Path, Path] = {}
    for label in sorted(path for path in labels.iterdir() if path.is_file()):
        own = [image for image in files if image != label and _belongs(label, image)]
        if own:
            # `a_b_mask` belongs to `a_b` rather than to `a`.
            owners.setdefault(max(own, key=lambda image: len(image.stem)), label)
    found = [Sample(image, owners[image]) for image in files if image in owners]
    if not found:
        raise MissingData(
            "No label has the stem of an image; name labels like their images, with or without a suffix after _.",
            "没有标注与图像同名；标注应与图像同名，可在 _ 之后加后缀。",
        )
    return found


def _belongs(label: Path, image: Path) -> bool:
    return label.stem == image.stem or label.stem.startswith(f"{image.stem}_")
