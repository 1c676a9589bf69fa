"""The command `segment` on volumes: a NIfTI file, a DICOM series, or a folder or ZIP of one."""

import argparse
import gzip
import time
from collections.abc import Callable
from pathlib import Path

from unet_playground.commands.shared import check_apart, chosen_design, model_facts, tell, write
from unet_playground.errors import PlaygroundError
from unet_playground.images.volumes import Volume, open_volume
from unet_playground.inference import load_model
from unet_playground.tasks import tasks
from unet_playground.volumes.measuring import measure, to_csv
from unet_playground.volumes.quality import unusual_volume
from unet_playground.volumes.segmenting import VolumeSegmentation, made_by, segment_volume
from unet_playground.volumes.writing import to_dicom_seg, to_nifti, to_pngs

Write = Callable[[VolumeSegmentation, Volume, argparse.Namespace], bytes]


def _nifti(found: VolumeSegmentation, volume: Volume, given: argparse.Namespace) -> bytes:
    return to_nifti(found.mask, volume, about=made_by(found))


def _plain_nifti(found: VolumeSegmentation, volume: Volume, given: argparse.Namespace) -> bytes:
    return gzip.decompress(_nifti(found, volume, given))


def _pngs(found: VolumeSegmentation, volume: Volume, given: argparse.Namespace) -> bytes:
    return to_pngs(found.mask, volume, [label.color for label in tasks[given.task].make.labels], about=made_by(found))


def _dicom(found: VolumeSegmentation, volume: Volume, given: argparse.Namespace) -> bytes:
    labels, link = tasks[given.task].make.labels, found.design.to_link()
    return to_dicom_seg(found.mask, [given.file], labels, weights=found.origin.sha256, design=link, volume=volume)


KINDS: dict[str, Write] = {".nii.gz": _nifti, ".nii": _plain_nifti, ".zip": _pngs, ".dcm": _dicom}
"""What a mask of a volume is written as, by the end of the name."""


def is_for_volumes(out: str) -> bool:
    """Whether a name asks for the mask of a volume."""
    return out.lower().endswith(tuple(KINDS))


def segment(given: argparse.Namespace) -> None:
    """Write the mask of a volume on the volume's own grid, and what it measures."""
    from tqdm import tqdm

    if given.probability:
        raise PlaygroundError(
            f"--probability belongs to the mask of an image; --out {Path(given.out).name} asks for that of a volume. "
            "Leave it out.",
            f"--probability 只用于图像的掩膜；--out {Path(given.out).name} 要求体数据的掩膜。请去掉它。",
        )
    check_apart({"--out": given.out, "--measurements": given.measurements}, [given.file])
    volume = open_volume([given.file], given.volume or 0)
    model = load_model(given.task, chosen_design(given), given.weights)
    started = time.perf_counter()
    with tqdm(unit="slice", disable=None) as bar:

        def progress(done: int, slices: int) -> None:
            bar.total = slices
            bar.update(done - bar.n)

        found = segment_volume(volume, model, progress=progress)
    seconds = time.perf_counter() - started
    labels, name, warning = tasks[given.task].make.labels, given.out.lower(), unusual_volume(volume, found, model)
    content = next(kind for end, kind in KINDS.items() if name.endswith(end))(found, volume, given)
    write(Path(given.out), content)
    if given.measurements:
        table = to_csv(measure(volume, found.mask, labels, found=found))
        write(Path(given.measurements), table.encode(), "--measurements")
    voxels = {label.title.en: int((found.mask == number).sum()) for number, label in enumerate(labels)}
    answer = {
        **model_facts(given, model),
        "classes": [label.title.en for label in labels],
        "voxels": voxels,
        "notes": [note.en for note in (*volume.notes, *found.notes, *filter(None, [warning]))],
        "seconds": round(seconds, 4),
    }
    shares = ", ".join(f"{name} {count / found.mask.size:.1%}" for name, count in voxels.items())
    words = f"{given.out}: {shares} ({found.origin.weights} weights, {seconds:.2f} s)"
    tell(given, answer, " ".join([words, *answer["notes"]]))
