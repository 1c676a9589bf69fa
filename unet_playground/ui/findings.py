"""What is said and taken home of a volume that designs have read."""

from collections.abc import Iterator
from html import escape

from unet_playground.errors import PlaygroundError
from unet_playground.ui import panels
from unet_playground.ui import volume_texts as words
from unet_playground.ui.designer import named
from unet_playground.ui.rooms.export import File
from unet_playground.ui.store import read_once
from unet_playground.ui.study import Desk, Reading, Study, windows
from unet_playground.volumes.measuring import Measured, Table, to_csv
from unet_playground.volumes.report import report, short, three_planes
from unet_playground.volumes.segmenting import made_by
from unet_playground.volumes.writing import to_dicom_seg, to_nifti, to_pngs

LISTED = 5
"""Objects of a class that the page lists."""


def tables(study: Study, language: str) -> str:
    """The measurements of every reading; a corrected one says so."""
    return "".join(_section(name, one, language) for name, one in study.readings.items())


def mask_file(desk: Desk, which: str) -> File:
    """The mask on the volume's own grid."""
    study, one = _read(desk, which)
    return _named(one, "mask.nii.gz"), to_nifti(one.mask, study.volume, about=about(one))


def slices(desk: Desk, which: str) -> File:
    """Every slice of the mask as a picture, in a zip."""
    study, one = _read(desk, which)
    return _named(one, "slices.zip"), to_pngs(
        one.mask, study.volume, [label.color for label in study.labels], about=about(one)
    )


def numbers(desk: Desk, which: str) -> File:
    """The measurements as CSV."""
    _, one = _read(desk, which)
    return _named(one, "measurements.csv"), to_csv(one.table).encode()


def page_of(desk: Desk, which: str, language: str = "en") -> File:
    """One page with pictures, measurements, what made them, and the notice."""
    study, one = _read(desk, which)
    window = windows(study.volume, language)[0]
    low, high = (window["centre"] + side * window["width"] / 2 for side in (-1, 1))
    warning = [one.answer.warning] if one.answer.warning else []
    notes = [*study.volume.notes, *one.answer.found.notes, *warning]
    pictures = three_planes(study.volume, one.mask, study.labels, (low, high))
    return _named(one, "report.html"), report(one.table, pictures, notes, language=language).encode()


def segmentation(desk: Desk, which: str, series: list[str]) -> File:
    """The mask as DICOM-SEG of the series it was made of, which is given again: read once and removed."""
    study, one = _read(desk, which)
    with read_once(*series):
        found = one.answer.found
        known = {
            "weights": found.origin.sha256,
            "design": found.design.to_link(),
            "volume": study.volume,
            "edited": one.edited,
        }
        made = to_dicom_seg(one.mask, series, study.labels, **known)
    return _named(one, "segmentation.dcm"), made


def about(one: Reading) -> str:
    """What made a mask, and that a hand was at work where it was."""
    return f"{made_by(one.answer.found)}{' Corrected by hand.' if one.edited else ''}"


def _named(one: Reading, name: str) -> str:
    return f"edited-{name}" if one.edited else name


def _read(desk: Desk, which: str) -> tuple[Study, Reading]:
    study = desk.open
    if which not in study.readings:
        raise PlaygroundError(words.NONE_YET.en, words.NONE_YET.zh)
    return study, study.readings[which]


def _section(name: str, one: Reading, language: str) -> str:
    """The table of a reading: every class, its largest objects, and how sure its volume is."""
    parts = named(one.answer.found.design, language)
    title = (words.EDITED if one.edited else words.MADE).format(name=name, parts=parts).within(language)
    known = one.table.spaced and one.table.oriented
    axes = words.RAS if known else words.ALONG.format(length="mm" if one.table.spaced else "px")
    columns = (text.format(axes=axes) for text in words.COLUMNS.values())
    head = "".join(f"<th>{escape(text.within(language))}</th>" for text in columns)
    rows = [row for row in one.table.rows if row.number <= LISTED and (row.number == 0 or row.components != 1)]
    body = "".join(_row(row, one.table, language) for row in rows)
    left = len([row for row in one.table.rows if row.number > LISTED])
    more = panels.line(words.MORE.format(count=left), language) if left else ""
    return (
        f'<section class="reading" data-design="{name}"><h3>{escape(title)}</h3><div class="wide" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{more}{''.join(_doubts(one.table, language))}</section>"
    )


def _row(row: Measured, table: Table, language: str) -> str:
    """A class, or one of its objects."""
    title = row.title.within(language)
    name = words.OBJECT.format(number=row.number).within(language) if row.number else title
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row, table))
    return f'<tr class="{"object" if row.number else "class"}"><th>{escape(name)}</th>{cells}</tr>'


def _cells(row: Measured, table: Table) -> Iterator[str]:
    volume, area, length = ("ml", "mm²", "mm") if table.spaced else ("", "px", "px")
    size, values, units = row.size, row.values, table.units or ""
    yield "" if row.number else str(row.components)
    yield f"{short(size.volume)} {volume}"
    yield f"{short(size.area)} {area}"
    yield f"{size.diameters.longest:.1f} × {size.diameters.across:.1f} {length}"
    yield f"{values.mean:.1f} ± {values.sd:.1f} {units}" if values else ""
    yield f"{short(values.low)} – {short(values.high)} {units}" if values else ""
    yield ", ".join(f"{one:.1f}" for one in row.centroid) if row.centroid else ""
    yield f"{row.voxels:,}"


def _doubts(table: Table, language: str) -> Iterator[str]:
    """How far the volume of every class goes with what could as well have been chosen."""
    volume = "ml" if table.spaced else ""
    for row in table.rows:
        if row.doubts:
            ranges = " · ".join(
                words.RANGE.format(
                    low=short(low), high=f"{short(high)} {volume}".strip(), source=one.source.within(language)
                ).within(language)
                for one in row.doubts
                for low, high in [one.volume]
            )
            yield panels.line(words.DOUBTS.format(title=row.title.within(language), ranges=ranges), language)
