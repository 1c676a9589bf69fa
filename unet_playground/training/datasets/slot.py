"""What a data set is: where its images lie, how they are split for good, how they become examples."""

import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.design import Design
from unet_playground.errors import MissingData, Text, UnreadableImage
from unet_playground.images import Picture, read_image
from unet_playground.images.labels import as_classes, read_labels
from unet_playground.images.volumes import Volume, is_volume, plane, read_label_volume, read_volume, stem
from unet_playground.parts import skips
from unet_playground.registry import Catalogue
from unet_playground.tasks import Task, tasks
from unet_playground.training.metrics import GENERAL
from unet_playground.training.recipe import Recipe
from unet_playground.training.sources import Source

FOLDS = 5
PARTS = ("test", "validation", "train", "train", "train")
"""What each fold is for."""


@dataclass(frozen=True)
class Sample:
    """One image file, or one volume, and the label file that belongs to it."""

    image: Path
    label: Path

    @property
    def name(self) -> str:
        """The image's file name without its kind."""
        return stem(self.image)


@dataclass(frozen=True)
class Example:
    """One image as a network takes it, with its truth; a whole volume is its slices on top of each other.

    Attributes:
        name: The image's stem; of a slice with axis and number behind it.
        image: float32 (channels, h, w) or (channels, slices, h, w).
        labels: uint8 (h, w) or (slices, h, w), class numbers.
        group: Who or what it shows: a patient, a child, a volume.
        objects: int32 (h, w), instance numbers from 1; None where there are none.
    """

    name: str
    image: Tensor
    labels: Tensor
    group: str = ""
    objects: Tensor | None = None


class Dataset:
    """Where the images of a task lie and how they are split for good.

    Attributes:
        source: Where the data come from, with licence and whom to name.
        recipe: How a network is trained on it, unless told otherwise.
        bank_recipe: How a bank is trained on it, unless told otherwise: longer, because its parts take turns.
        volume_recipe: How a network that takes volumes whole is trained on it, where the task has such.
        bridgeless_recipe: How a design without skips is trained on it, where the usual recipe does not do.
        axes: Across which axes volumes are cut for training.
        unit: What is scored as one: an `image`, or a `group` of slices, which make a volume.
        metrics: Ids of the scores that tell designs apart on this task.
    """

    source: ClassVar[Source]
    recipe: ClassVar[Recipe] = Recipe()
    bank_recipe: ClassVar[Recipe] = Recipe(steps=12000)
    volume_recipe: ClassVar[Recipe] = Recipe(size=2, side=36)
    bridgeless_recipe: ClassVar[Recipe | None] = None
    axes: ClassVar[tuple[int, ...]] = (2,)
    unit: ClassVar[Literal["image", "group"]] = "image"
    metrics: ClassVar[tuple[str, ...]] = GENERAL

    @classmethod
    def recipe_of(cls, design: Design) -> Recipe:
        """How a design is trained alone on it, unless told otherwise."""
        if design.dims == 3:
            return cls.volume_recipe
        bridges = skips[design.choice("skip").id].make.crosses
        return cls.recipe if bridges else cls.bridgeless_recipe or cls.recipe

    def samples(self, root: Path) -> Sequence[Sample]:
        """Every image with its label, in a fixed order."""
        raise NotImplementedError

    def group(self, sample: Sample) -> str:
        """Who or what a sample shows; the images of a group are never divided between splits."""
        return sample.name

    def part(self, sample: Sample) -> str:
        """`train`, `validation` or `test`, for good.

        It is decided by the group's name alone, so that adding images moves none.
        """
        return PARTS[zlib.crc32(self.group(sample).encode()) % FOLDS]


datasets: Catalogue[type[Dataset]] = Catalogue("dataset", Text("Data", "数据"))


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
        parts[dataset.part(sample)].append(sample)
    if not parts["train"] or not parts["test"]:
        raise MissingData(
            f"The data folder holds no images for {task}; see the task's data set for its layout.",
            f"数据文件夹中没有 {task} 的图像；请查看该任务数据集的目录结构。",
        )
    return parts


def split_hash(samples: Sequence[Sample]) -> str:
    """A hash of the names in a split, for the card."""
    return hashlib.sha256("\n".join(sample.image.name for sample in samples).encode()).hexdigest()


def examples(task: str, samples: Sequence[Sample], training: bool = False, dims: int = 2) -> list[Example]:
    """The examples of a task's own data, each with its group.

    For training volumes are cut across several axes, unless networks take them whole (`dims` 3).
    """
    dataset, made = datasets[task].make(), tasks[task].make()
    axes = dataset.axes if training else (made.plane,)
    return [one for sample in samples for one in read(sample, made, dataset.group(sample), axes, dims)]


def read(
    sample: Sample, task: Task, group: str | None = None, axes: Sequence[int] | None = None, dims: int = 2
) -> list[Example]:
    """One sample, ready for a network: one example for an image, one per slice for a volume, or one for all of it.

    With two classes every label above 0 is class 1, and the labels are kept as instances where there are several.

    Args:
        sample: The two files.
        task: Says how images are prepared and across which axis a volume is cut.
        group: Whom the sample shows; by default its own name.
        axes: Other axes to cut across.
        dims: 3 for networks that take a volume whole: its slices in the task's plane, on top of each other.
    """
    group = sample.name if group is None else group
    if dims == 3:
        return [_volume(sample, task, group)]
    if not is_volume(sample.image):
        with naming(sample.image):
            picture = read_image(sample.image)
        labels = read_truth(sample, (picture.height, picture.width))
        return [_example(sample.name, picture, labels, task, group)]
    values, labels = _solid(sample)
    return [
        _example(f"{sample.name}-{'xyz'[axis]}{number}", Picture.from_array(image), truth, task, group)
        for axis in axes or (task.plane,)
        for number, (image, truth) in enumerate(zip(plane(values, axis), plane(labels, axis), strict=True))
    ]


def read_truth(sample: Sample, sides: tuple[int, ...]) -> NDArray[np.uint16]:
    """The labels of an image, (h, w), or of a volume, (x, y, z) in the order of `read_volume`.

    Args:
        sample: The two files.
        sides: Of the image or the volume.

    Raises:
        MissingData: They are not of the same size.
    """
    with naming(sample.label):
        labels = read_label_volume(sample.label) if is_volume(sample.image) else read_labels(sample.label)
    if labels.shape != sides:
        one, other = (" x ".join(map(str, each)) for each in (labels.shape, sides))
        raise MissingData(
            f"{sample.label.name} is {one} px, its image {other}; a label has the size of its image.",
            f"{sample.label.name} 为 {one} 像素，而图像为 {other}；两者大小必须相同。",
        )
    return labels


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a file's name before the refusal to read it."""
    try:
        yield
    except UnreadableImage as error:
        en, zh = f"{path.name}: {error.text.en}", f"{path.name}：{error.text.zh}"
        raise UnreadableImage(en, zh) from None


def check_grid(sample: Sample, image: Volume, label: Volume) -> None:
    """Refuse a label volume whose header contradicts its image's: its voxels would be held against others.

    Both are compared with their axes turned as `read_volume` turns them. Spacings may differ by 1%, origins by a voxel.

    Args:
        sample: The two files.
        image: What the first holds.
        label: What the second holds, read the same way, of the same shape.
    """
    (spacing, origin), (own, place) = _grid(image), _grid(label)
    if np.allclose(own, spacing, rtol=0.01, atol=0) and (np.abs(place - origin) <= spacing).all():
        return
    raise MissingData(
        f"{sample.label.name} lies elsewhere than its image by orientation, spacing or origin in their headers, which "
        "must agree; save the label with the image's own affine.",
        f"{sample.label.name} 与其图像文件头中的方向、体素间距或原点不一致，两者必须相同；"
        "请用图像自身的 affine 保存标注。",
    )


def _grid(volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Along the patient's axes: the spacing, and where the voxel lies that is first in the order of `read_volume`."""
    axes, signs = volume.order.astype(int).T
    first = np.where(signs < 0, np.array(volume.values.shape) - 1, 0)
    return np.array(volume.spacing)[np.argsort(axes)], (volume.affine @ [*first, 1])[:3]


def _solid(sample: Sample) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """A volume and its labels."""
    with naming(sample.image):
        volume = read_volume(sample.image)
    labels = read_truth(sample, volume.values.shape)
    check_grid(sample, volume, read_volume(sample.label))
    return volume.values, labels


def in_classes(name: str, labels: NDArray[np.uint16], task: Task) -> tuple[NDArray[np.uint8], NDArray[np.int32] | None]:
    """The labels as the task numbers them, and with two classes the objects that they tell apart, if several.

    Args:
        name: Of the file, for a refusal.
        labels: Of any shape.
        task: Whose classes.

    Raises:
        MissingData: There is a number beyond the classes.
    """
    try:
        classes = np.ascontiguousarray(as_classes(labels, len(task.labels)))
    except UnreadableImage as error:
        en, zh = f"{name}: {error.text.en}", f"{name}：{error.text.zh}"
        raise MissingData(en, zh) from None
    several = len(task.labels) == 2 and len(np.unique(labels)) > 2
    return classes, labels.astype(np.int32) if several else None


def check_solid(sample: Sample) -> None:
    """Refuse an image where a design takes volumes."""
    if not is_volume(sample.image):
        raise MissingData(
            f"{sample.image.name} is an image, and a design with dims=3 takes volumes: give NIfTI files, or choose "
            "dims=2.",
            f"{sample.image.name} 是图像，而 dims=3 的设计需要体数据：请提供 NIfTI 文件，或选择 dims=2。",
        )


def _volume(sample: Sample, task: Task, group: str) -> Example:
    check_solid(sample)
    values, labels = _solid(sample)
    classes, _ = in_classes(sample.name, plane(labels, task.plane), task)
    return Example(sample.name, task.prepare_volume(plane(values, task.plane)), torch.from_numpy(classes), group)


def _example(name: str, picture: Picture, labels: NDArray[np.uint16], task: Task, group: str) -> Example:
    classes, objects = in_classes(name, labels, task)
    told = None if objects is None else torch.from_numpy(objects)
    return Example(name, task.prepare(picture), torch.from_numpy(classes), group, told)


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
            owners.setdefault(max(own, key=lambda image: len(stem(image))), label)
    found = [Sample(image, owners[image]) for image in files if image in owners]
    if not found:
        raise MissingData(
            "No label has the stem of an image; name labels like their images, with or without a suffix after _.",
            "没有标注与图像同名；标注应与图像同名，可在 _ 之后加后缀。",
        )
    return found


def paired(folder: Path, images: str, labels: str) -> Iterator[Sample]:
    """The files that match `images` below a folder, each with the file of its name in the folder `labels`."""
    for image in sorted(folder.glob(images)):
        label = folder / labels / image.name
        if label.is_file():
            yield Sample(image, label)


def _belongs(label: Path, image: Path) -> bool:
    return stem(label) == stem(image) or stem(label).startswith(f"{stem(image)}_")
