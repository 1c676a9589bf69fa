"""One visitor's volume and what designs made of it: how it goes to the browser, and how a correction comes back."""

import base64
import binascii
import gzip
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar

import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from numpy.typing import NDArray

from unet_playground.errors import PlaygroundError, Text, refusal
from unet_playground.images.volumes import Volume, contents, open_volume
from unet_playground.limits import Limits
from unet_playground.model import UNet
from unet_playground.phantoms.trunk import SPACING, trunk
from unet_playground.tasks import Label, in_hounsfield, tasks
from unet_playground.ui.store import read_once
from unet_playground.volumes.measuring import Table, measure
from unet_playground.volumes.quality import entropy
from unet_playground.volumes.segmenting import VolumeSegmentation
from unet_playground.volumes.writing import to_nifti

KEPT = 4
"""How many volumes of all visitors are kept in memory."""
SECONDS = 3600
"""For which a volume that nobody asks about stays there."""
LEVELS = 15
"""Steps in which doubt is shown."""
LARGEST_SHOWN = 120_000_000
"""Bytes of a volume beyond which a coarser one is shown."""
SOURCE = Text(
    "A trunk drawn by code: no patient, 3 mm voxels, organs as in CT.",
    "由代码绘制的躯干：并非患者，3 mm 体素，器官如 CT。",
)
AUTOMATIC = Text("automatic", "自动")
PRESETS = (
    (Text("soft tissue", "软组织"), 400, 40),
    (Text("lung", "肺"), 1500, -600),
    (Text("liver", "肝脏"), 150, 90),
    (Text("bone", "骨"), 2500, 480),
    (Text("brain", "脑"), 80, 40),
)
"""Windows of CT in HU: name, width and centre."""
GONE = Text("There is no volume here any more; open it again.", "这里已没有体数据；请重新打开。")
COARSER = Text(
    "Shown coarser than it is, one voxel of {steps}, because it is large; masks, numbers and files are of the whole "
    "volume. It cannot be corrected by hand here.",
    "体数据较大，显示时每 {steps} 个体素取一个；掩膜、数值与导出文件均对应完整体数据。此处无法手动修正。",
)
LOST = Text("The file does not say which way is left: left and right are not marked.", "文件未说明方位：不标注左右。")
UNSPACED = Text(
    "The file does not say how large a voxel is: lengths are in pixels.", "文件未说明体素大小：长度以像素计。"
)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of a volume.

    Attributes:
        model: Which says it.
        found: Of the volume as it is.
        views: Of other views of it.
        warning: That the volume is unlike those in training; None where it is not.
    """

    model: UNet
    found: VolumeSegmentation
    views: tuple[VolumeSegmentation, ...] = ()
    warning: Text | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """A mask of a volume: an answer's own, or as a hand corrected it.

    Attributes:
        mask: uint8 (i, j, k), class numbers.
        answer: Whose it is.
        table: What it measures.
        edited: Whether a hand has corrected it.
    """

    mask: NDArray[np.uint8]
    answer: Answer
    table: Table
    edited: bool = False

    @property
    def doubt(self) -> NDArray[np.uint8]:
        """(i, j, k): the entropy of every voxel's class, 0 certain, `LEVELS` all classes equally likely."""
        return np.rint(entropy(self.answer.found) * LEVELS).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Study:
    """A volume, and what designs made of it.

    Attributes:
        volume: The volume.
        picture: Place of the file that the browser draws; its name is known to this visitor alone.
        task: Whose classes the readings have.
        readings: `A` and, where two designs were compared, `B`.
        id: Of the volume.
        run: Of the readings; empty before the first.
        source: Where the volume comes from; None for a visitor's own.
        files: What it was read from, kept where another of its volumes may be asked for.
    """

    volume: Volume
    picture: str
    task: str = ""
    readings: Mapping[str, Reading] = field(default_factory=dict)
    id: str = field(default_factory=lambda: token_hex(8))
    run: str = ""
    source: Text | None = None
    files: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def editable(self) -> bool:
        """Whether it is shown voxel by voxel, so that a hand can correct its masks."""
        return steps(self.volume) == (1, 1, 1)

    @property
    def edited(self) -> bool:
        """Whether a hand has corrected a mask."""
        return any(one.edited for one in self.readings.values())

    @property
    def labels(self) -> tuple[Label, ...]:
        """The classes of its readings, background first."""
        return tasks[self.task].make.labels if self.task else ()

    def other(self, number: int) -> "Study":
        """Another volume of the same file, from 0, which nothing has read yet.

        Raises:
            UnreadableImage: There is none.
        """
        return of_files(self.files, number)

    def read_by(self, task: str, answers: Mapping[str, Answer]) -> "Study":
        """The same volume with what models say of it, measured."""
        study = replace(self, task=task, readings={}, run=token_hex(8))
        return replace(study, readings={name: study._reading(name, one, answers) for name, one in answers.items()})

    def corrected(self, name: str, text: str) -> "Study":
        """The same readings, one of them as a hand corrected it.

        Args:
            name: Of the reading.
            text: As `packed` packs a mask.

        Raises:
            PlaygroundError: It is no mask of this volume.
        """
        mask = unpacked(text, self.volume, len(self.labels))
        answers = {other: one.answer for other, one in self.readings.items()}
        changed = self._reading(name, answers[name], answers, mask)
        return replace(self, readings={**self.readings, name: changed})

    def _reading(
        self, name: str, answer: Answer, answers: Mapping[str, Answer], corrected: NDArray[np.uint8] | None = None
    ) -> Reading:
        """A mask with its measures; what others say tells how sure these are."""
        mask, edited = (answer.found.mask, False) if corrected is None else (corrected, True)
        others = [one.found for other, one in answers.items() if other != name]
        known = {"found": answer.found, "views": answer.views, "designs": others, "edited": edited}
        return Reading(mask, answer, measure(self.volume, mask, self.labels, **known), edited)


class Desk:
    """A visitor's place for one volume; of all visitors', only the last `KEPT` stay in memory."""

    _taken: ClassVar[list["Desk"]] = []
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.study: Study | None = None
        self._before: Study | None = None
        self.stopped = False
        self._asked = ""
        self._drawn = ""
        self._used = time.monotonic()

    @classmethod
    def clear_idle(cls) -> None:
        """Take the volumes off all desks that nobody has come to for an hour; Gradio tells of no tab that is closed."""
        with cls._lock:
            idle = [desk for desk in cls._taken if desk._used < time.monotonic() - SECONDS]
        for desk in idle:
            desk.leave()

    def take(self, study: Study) -> None:
        """Look at this volume instead of the one before."""
        with Desk._lock:
            if self in Desk._taken:
                Desk._taken.remove(self)
            Desk._taken.append(self)
            # The file before is still on its way to the browser, perhaps; the one before that is not.
            drawn, self._drawn = self._drawn, self.study.picture if self.study else ""
            _remove(drawn)
            self.stopped, self.study, self._before, self._used = True, study, None, time.monotonic()
            while len(Desk._taken) > KEPT:
                emptied = min(Desk._taken[:-1], key=lambda desk: desk._used)
                Desk._taken.remove(emptied)
                emptied._empty()

    def may_replace(self, by: str) -> bool:
        """Whether this may take the place of what lies here: corrected masks go only when it is asked for twice."""
        edited = self.study is not None and self.study.edited
        may = not edited or self._asked == by
        self._asked = "" if may else by
        return may

    def lay(self, study: Study, before: Study | None = None) -> bool:
        """Its readings instead of those before; False where another volume was opened meanwhile.

        Args:
            study: The volume with its readings.
            before: What lay here when they were asked for: what a hand has corrected since then stays instead.
        """
        with Desk._lock:
            same = self.study is not None and self.study.id == study.id
            same = same and (before is None or self.study is before)
            if same:
                self.study, self._before = study, before
            self._asked = "" if same else self._asked  # what was asked before concerned other masks
        return same

    def leave(self) -> None:
        """Nothing lies on it any more."""
        with Desk._lock:
            self._empty()
            if self in Desk._taken:
                Desk._taken.remove(self)

    def go_on(self) -> bool:
        """Whether a reading of what lies here shall go on; its visitor waits, so nobody else gets the place."""
        self._used = time.monotonic()
        return not self.stopped

    def _empty(self) -> None:
        """Forget what lies here, with the files that the browser has drawn."""
        for drawn in (self._drawn, self.study.picture if self.study else ""):
            _remove(drawn)
        self.stopped, self.study, self._before, self._drawn = True, None, None, ""

    def of_run(self, volume: object, run: object) -> Study | None:
        """What lies here, or lay here before the last run ended, if it is that volume with that run's masks.

        Raises:
            PlaygroundError: Nothing lies here any more.
        """
        return next((one for one in (self.open, self._before) if one and (one.id, one.run) == (volume, run)), None)

    @property
    def open(self) -> Study:
        """What lies on it.

        Raises:
            PlaygroundError: Nothing does, or not any more.
        """
        self._used, study = time.monotonic(), self.study
        if study is None:
            raise PlaygroundError(GONE.en, GONE.zh)
        return study


def _remove(picture: str) -> None:
    """Remove a file that the browser has drawn, if there is one; the store may have been swept."""
    with suppress(OSError):
        Path(picture).unlink()


def of_example() -> Study:
    """A trunk that is drawn by code."""
    values, _ = trunk()
    return study_of(Volume(values, np.diag([SPACING, SPACING, SPACING, 1.0]), "HU"), SOURCE)


def of_upload(paths: list[str]) -> Study:
    """A visitor's files; they are read once and removed.

    Raises:
        UnreadableImage: They are no volume.
    """
    with read_once(*paths):
        return of_files(contents(paths, Limits.from_environment()))


def of_files(files: Sequence[bytes], number: int = 0) -> Study:
    """One volume, from 0, of files; they are held on to only where there are several volumes.

    Raises:
        UnreadableImage: They hold no such volume.
    """
    study = study_of(open_volume(files, number))
    return replace(study, files=tuple(files)) if study.volume.volumes > 1 else study


def study_of(volume: Volume, source: Text | None = None) -> Study:
    """A volume with the file that the browser draws, which lies in the store until that is swept."""
    seen = shown(volume)
    content = to_nifti(drawable(seen.values), seen)
    place = save_bytes_to_cache(content, f"{token_hex(16)}.nii.gz", get_upload_folder())
    return Study(volume, place, source=source)


def steps(volume: Volume) -> tuple[int, int, int]:
    """Of how many voxels along right, front and head one is shown."""
    shape, found = np.array(volume.canonical().shape), np.ones(3, int)
    while 2 * np.ceil(shape / found).prod() > LARGEST_SHOWN:
        found[np.argmax(shape / found)] *= 2
    return int(found[0]), int(found[1]), int(found[2])


def shown(volume: Volume) -> Volume:
    """The volume as the browser draws it: axes towards right, front and head, coarser where it is large.

    What is not known of it is taken as it stands, since a file to be drawn needs lengths and directions.
    """
    from nibabel.orientations import inv_ornt_aff

    taken = steps(volume)
    affine = volume.affine @ inv_ornt_aff(volume.order, volume.values.shape)
    known = {"affine": affine @ np.diag([*taken, 1]), "spaced": True, "oriented": True}
    return replace(volume, values=_every(volume.canonical(), taken), **known)


def drawable(values: NDArray[np.float32]) -> NDArray[Any]:
    """The same numbers, in two bytes each where they fit."""
    narrow = values.astype(np.int16) if np.abs(values).max(initial=0) < 32768 else values
    return narrow if np.array_equal(narrow, values) else values


def packed(mask: NDArray[np.uint8], volume: Volume) -> str:
    """A mask (i, j, k) as the browser draws it: classes in the order of `shown`, right first, gzip and base64."""
    seen = _every(volume.canonical(mask), steps(volume))
    return base64.b64encode(gzip.compress(seen.tobytes(order="F"), 4, mtime=0)).decode()


def unpacked(text: str, volume: Volume, classes: int) -> NDArray[np.uint8]:
    """The reverse of `packed`, checked as an upload would be.

    Raises:
        UnreadableImage: It is no mask of this volume.
    """
    shape, size = volume.canonical().shape, volume.values.size
    try:
        raw = base64.b64decode(text, validate=True) if len(text) < 2 * size + 4096 else b""
        data = zlib.decompressobj(wbits=31).decompress(raw, size + 1)
    except (binascii.Error, ValueError, zlib.error):
        data = b""
    mask = np.frombuffer(data, np.uint8)
    if mask.size != size or mask.max(initial=0) >= classes or steps(volume) != (1, 1, 1):
        raise refusal(
            "This correction is no mask of the volume that is open; open the volume again and correct it there.",
            "该修正不是当前体数据的掩膜；请重新打开体数据后再修正。",
        )
    return np.ascontiguousarray(volume.native(mask.reshape(shape, order="F")))


def windows(volume: Volume, language: str) -> list[dict[str, Any]]:
    """Windows to choose from, the first one to begin with: soft tissue where numbers are HU, else what they span.

    Numbers of unknown units that reach down to those of air, as no other scanner's do, are seen as HU.
    """
    shown = volume.values[::2, ::2, ::2]
    low, high = np.percentile(shown, [0.5, 99.5])
    spans = (AUTOMATIC, float(high - low) or 1.0, float(high + low) / 2)
    listed = (*PRESETS, spans) if in_hounsfield(volume.units, shown) else (spans, *PRESETS)
    return [{"title": title.within(language), "width": width, "centre": centre} for title, width, centre in listed]


def remarks(volume: Volume, language: str) -> list[str]:
    """What is to be known of a volume before it is looked at, a sentence each."""
    taken = steps(volume)
    said = [
        *volume.notes,
        *([] if volume.oriented else [LOST]),
        *([] if volume.spaced else [UNSPACED]),
        *([] if taken == (1, 1, 1) else [COARSER.format(steps=" × ".join(map(str, taken)))]),
    ]
    return [one.within(language) for one in said]


def _every(array: NDArray[Any], taken: tuple[int, int, int]) -> NDArray[Any]:
    i, j, k = taken
    return array[::i, ::j, ::k]
