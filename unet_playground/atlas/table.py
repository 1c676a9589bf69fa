"""The table of a task's measured designs: plain CSV beside the weights, one line a design."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import PlaygroundError
from unet_playground.weights import checkpoint_root, replace_file

KEY = ("design", "weights", "seed")
COSTS = ("parameters", "macs", "activation_bytes", "latency")
"""Columns that say what a design costs; every column that stands neither here nor in front is a metric."""
FRONT = (*KEY, "sha256")
ERROR = "dice_error"
GROUP = "group"
DIGITS = 12
"""Of the weights' sha256 that a row keeps."""


@dataclass(frozen=True)
class Row:
    """One design as it was measured with one set of weights.

    Attributes:
        design: The design.
        weights: `shared` (the bank's) or `solo` (trained alone).
        seed: Of the training.
        sha256: The first digits of the weights' hash.
        metrics: Column -> mean over the test split, NaN where there is nothing to ask about.
        error: Standard error of the mean Dice over the images or groups of the test split.
        parameters: Learned numbers.
        macs: Multiply-adds for one image of 256 x 256.
        activation_bytes: The peak of memory for activations that inference on such an image needs, as counted.
        latency: How many times as long as the classic's a forward pass takes, both measured in alternation.
        images: Column -> its value for each image or volume of the test split, where they were kept.
    """

    design: Design
    weights: str
    seed: int
    sha256: str
    metrics: Mapping[str, float]
    error: float
    parameters: int
    macs: int
    activation_bytes: int
    latency: float
    images: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells rows apart."""
        return self.design.to_link(), self.weights, self.seed

    def value(self, column: str) -> float:
        """A metric or a cost by the name of its column; NaN where the task does not ask for it."""
        return float(getattr(self, column)) if column in COSTS else self.metrics.get(column, float("nan"))


@dataclass(frozen=True)
class Atlas:
    """The measured designs of a task.

    Attributes:
        rows: In the order of their keys.
        names: The images or volumes of the test split.
        groups: The group of each.
    """

    rows: tuple[Row, ...] = ()
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def of(self, weights: str) -> tuple[Row, ...]:
        """The rows with `shared` or with `solo` weights."""
        return tuple(row for row in self.rows if row.weights == weights)

    def find(self, design: Design, weights: str) -> tuple[Row, ...]:
        """The rows of a design, one for each seed."""
        return tuple(row for row in self.rows if row.design == design and row.weights == weights)

    def with_row(self, row: Row, names: Sequence[str], groups: Sequence[str]) -> "Atlas":
        """The atlas with a row put in, in the place of the one with its key; a design has one row of shared weights.

        Raises:
            PlaygroundError: The row was measured on other images.
        """
        if self.names and self.names != tuple(names):
            raise PlaygroundError(
                "The atlas was measured on other images; use the same data, or remove its tables and measure anew.",
                "图谱是在另一些图像上测得的；请使用相同的数据，或删除表格后重新测量。",
            )
        seed = None if row.weights == "shared" else row.seed
        replaced = [one.key for one in self.find(row.design, row.weights) if seed in (None, one.seed)]
        others = [one for one in self.rows if one.key not in replaced]
        return Atlas(tuple(sorted([*others, row], key=lambda one: one.key)), tuple(names), tuple(groups))


def differences(design: Design) -> dict[str, str]:
    """Slot -> choice, where a design differs from the classic of its size in a slot that applies."""
    classic = classic_of(design)
    return {
        slot: getattr(design, slot)
        for slot in SLOT_IDS
        if design.applies(slot) and getattr(design, slot) != getattr(classic, slot)
    }


def classic_of(design: Design) -> Design:
    """The classic of a design's depth, width and dims."""
    return Design(depth=design.depth, width=design.width, dims=design.dims)


def atlas_path(task: str) -> Path:
    """Where a task's table lies; the scores of single images lie beside it in `atlas-images.csv`."""
    return checkpoint_root() / task / "atlas.csv"


def read_atlas(task: str) -> Atlas:
    """The atlas of a task, empty where none has been measured.

    Raises:
        PlaygroundError: A table is damaged.
    """
    path = atlas_path(task)
    if not path.exists():
        return Atlas()
    try:
        return _read(path, *(one.stat().st_mtime_ns if one.exists() else 0 for one in (path, _images_path(path))))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        raise PlaygroundError(
            f"The atlas of {task} is damaged; restore its tables, or remove them and measure anew.",
            f"{task} 的图谱已损坏；请恢复表格，或删除后重新测量。",
        ) from None


def write_atlas(task: str, atlas: Atlas) -> None:
    """Write both tables, each so that at every moment either the old or the new one is whole."""
    path = atlas_path(task)
    path.parent.mkdir(parents=True, exist_ok=True)
    metrics = list(dict.fromkeys(metric for row in atlas.rows for metric in row.metrics))
    header = [*FRONT, *metrics, ERROR, *COSTS]
    # The scores of images go first: a row without them is measured again, scores without a row are ignored.
    replace_file(_images_path(path), _table(_image_lines(atlas)))
    replace_file(path, _table([header, *(_line(row, metrics) for row in atlas.rows)]))


def _images_path(path: Path) -> Path:
    return path.with_name("atlas-images.csv")


@lru_cache(maxsize=8)
def _read(path: Path, *changed: int) -> Atlas:
    """Both tables as they were at a time."""
    rows = [_row(line) for line in csv.DictReader(path.read_text("utf-8").splitlines())]
    names, groups, images = _read_images(_images_path(path))
    return Atlas(tuple(replace(row, images=images.get(row.key, {})) for row in rows), names, groups)


def _row(line: Mapping[str, str]) -> Row:
    known = {*FRONT, ERROR, *COSTS}
    return Row(
        design=Design.from_link(line["design"]),
        weights=line["weights"],
        seed=int(line["seed"]),
        sha256=line["sha256"],
        metrics={name: _number(text) for name, text in line.items() if name not in known},
        error=_number(line[ERROR]),
        parameters=int(line["parameters"]),
        macs=int(line["macs"]),
        activation_bytes=int(line["activation_bytes"]),
        latency=_number(line["latency"]),
    )


def _line(row: Row, metrics: Sequence[str]) -> list[str]:
    scores = [_spell(row.value(metric)) for metric in metrics]
    costs = [str(row.parameters), str(row.macs), str(row.activation_bytes), f"{row.latency:.4g}"]
    return [*map(str, row.key), row.sha256, *scores, _spell(row.error), *costs]


def _read_images(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], dict[tuple, dict[str, tuple[float, ...]]]]:
    """Names, groups, and key of a row -> column -> values."""
    if not path.exists():
        return (), (), {}
    header, groups, *lines = csv.reader(path.read_text("utf-8").splitlines())
    width = len(KEY) + 1
    images: dict[tuple, dict[str, tuple[float, ...]]] = {}
    for link, weights, seed, column, *values in lines:
        if len(values) != len(header) - width:
            raise ValueError(column)
        images.setdefault((link, weights, int(seed)), {})[column] = tuple(map(_number, values))
    return tuple(header[width:]), tuple(groups[width:]), images


def _image_lines(atlas: Atlas) -> Iterator[list[str]]:
    yield [*KEY, "column", *atlas.names]
    yield [*("" for _ in KEY), GROUP, *atlas.groups]
    for row in atlas.rows:
        for column, values in row.images.items():
            yield [*map(str, row.key), column, *(_spell(value, 3) for value in values)]


def _table(lines: Sequence[Sequence[str]] | Iterator[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _number(text: str | None) -> float:
    if text is None:
        raise ValueError("a line ends too early")
    return float(text) if text else float("nan")


def _spell(number: float, digits: int = 4) -> str:
    return "" if number != number else f"{number:.{digits}f}"
