"""What is said and taken home of a volume that designs have read."""

from html import escape
from pathlib import Path

from unet_playground.errors import PlaygroundError
from unet_playground.tasks import Label, tasks
from unet_playground.ui import volume_texts as words
from unet_playground.ui.rooms.export import File
from unet_playground.ui.study import Desk, Reading, Study
from unet_playground.volumes.writing import to_dicom_seg, to_nifti, to_pngs


def headings(study: Study, language: str) -> str:
    """What made every mask; a corrected one says so."""
    return "".join(
        f'<h3 class="reading">{escape(_made(name, one, language))}</h3>' for name, one in study.readings.items()
    )


def mask_file(desk: Desk, which: str) -> File:
    """The mask on the volume's own grid."""
    study, one = _read(desk, which)
    return _named(one, "mask.nii.gz"), to_nifti(one.mask, study.volume, about=about(one))


def slices(desk: Desk, which: str) -> File:
    """Every slice of the mask as a picture, in a zip."""
    study, one = _read(desk, which)
    return _named(one, "slices.zip"), to_pngs(one.mask, study.volume, [label.color for label in labels_of(study)])


def labels_of(study: Study) -> tuple[Label, ...]:
    """The classes of its readings, background first."""
    return tasks[study.task].make.labels


def _made(name: str, one: Reading, language: str) -> str:
    return (words.EDITED if one.edited else words.MADE).format(name=name).within(language)


def about(one: Reading) -> str:
    """The hash of the weights; said that a hand was at work where it was."""
    sha256 = one.model.origin.sha256[:12] if one.model.origin else ""
    return f"{sha256} edited" if one.edited else sha256


def _named(one: Reading, name: str) -> str:
    return f"edited-{name}" if one.edited else name


def _read(desk: Desk, which: str) -> tuple[Study, Reading]:
    study = desk.open
    if which not in study.readings:
        raise PlaygroundError(words.NONE_YET.en, words.NONE_YET.zh)
    return study, study.readings[which]


def segmentation(desk: Desk, which: str, series: list[str]) -> File:
    """The mask as DICOM-SEG of the series it was made of, which is given again: read once and removed."""
    study, one = _read(desk, which)
    try:
        weights = one.model.origin.sha256 if one.model.origin else ""
        known = {"weights": weights, "design": one.design.to_link(), "volume": study.volume}
        made = to_dicom_seg(one.mask, series, labels_of(study), **known)
    finally:
        for path in series:
            Path(path).unlink(missing_ok=True)
    return _named(one, "segmentation.dcm"), made
