"""Writes the documents in docs/ from the catalogues: `make docs`. Every number is counted."""

from collections.abc import Iterator
from pathlib import Path

from unet_playground import Design, catalogues
from unet_playground.analysis import analyses
from unet_playground.cost import cost
from unet_playground.design import SLOT_IDS
from unet_playground.phantoms import phantoms
from unet_playground.presets import compare, presets
from unet_playground.registry import Choice, Entry, spell
from unet_playground.space import change
from unet_playground.training.datasets import datasets
from unet_playground.training.metrics import metrics

FOLDER = Path(__file__).parent
SIZE = 256
COLUMNS = ("parameters", "GMAC", "sampled", "activations", "in training", "receptive field")
ABOUT = f"""# Every part and option, and what it costs

Written by `make docs`. Each row is the classic U-Net (width 16, depth 4) with one choice changed, for one image of
{SIZE} x {SIZE} pixels: learned numbers; multiply-adds of convolutions (1 multiply and 1 add count once); values that
are interpolated or sampled, counted apart; largest memory for activations at one time, and what training keeps for the
backward pass, in float32; sides of the middle pixel's theoretical receptive field, clipped to the image, `+` where
pooled gates let the whole image in besides. Sites are shown with attention `se`.
"""

INSTRUMENTS = """# Instruments

Written by `make docs`. `python -m unet_playground explain IMAGE --task TASK --method "ID(option=value)" --out FOLDER`
writes the picture, the arrays and the numbers of one; the page shows them; in Python `analyses["ID"].make(model,
prepare(picture, model), Target())` gives a frozen dataclass of arrays. Every result has a check of itself.
"""

DATA = """# Data sets, scores and phantoms

Written by `make docs`. Data sets lie in the folder that `UNET_PLAYGROUND_DATA` names; `python -m unet_playground data
TASK` downloads one, checks that it is whole and lays it out as described here; for nuclei, liver and hippocampus these
are more or other images than the shipped weights were trained on, as the command says at the end: score the shipped
weights on them with care. Splits are fixed by patient, child, volume or image
name, so that adding images moves none: of five folds one is for testing and one for validation unless the text says
otherwise.
"""


def main() -> None:
    """Write every document."""
    for name, text in documents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def documents() -> dict[str, str]:
    """File name -> text."""
    written = {"parts": _parts, "presets": _presets, "instruments": _instruments, "data": _data}
    return {f"{name}.md": "\n".join(write()) for name, write in written.items()}


def _parts() -> Iterator[str]:
    yield ABOUT
    for slot in SLOT_IDS:
        yield f"## {slot}\n"
        base = Design(attention="se") if slot == "site" else Design()
        yield _head(slot) + "\n".join(_rows(base, slot)) + "\n"
    yield "## At full resolution\n\nThe same with `down=none`, one width in every stage.\n"
    full = Design(down="none")
    yield _head("choice") + "\n".join(row for slot in ("block", "skip") for row in _rows(full, slot)) + "\n"


def _rows(base: Design, slot: str) -> Iterator[str]:
    for entry in catalogues[slot].entries():
        for choice in _choices(entry):
            design = change(base, **{slot: choice})
            if isinstance(design, Design):
                yield _row(choice, design)


def _choices(entry: Entry) -> Iterator[str]:
    """A part by itself, then with every value of every option (numbers: both ends)."""
    yield entry.id
    for option in entry.options:
        for value in option.choices or option.ends:
            if value != option.default:
                yield str(Choice(entry.id, ((option.id, value),)))


def _head(title: str) -> str:
    return f"| {' | '.join((title, *COLUMNS))} |\n|---|{'--:|' * len(COLUMNS)}\n"


def _row(title: str, design: Design) -> str:
    counted = cost(design, SIZE)
    field = counted.receptive_field
    reach = " x ".join(map(str, field.sides)) + (" +" if field.through else "")
    return (
        f"| `{title}` | {counted.parameters:,} | {counted.macs / 1e9:.2f} | {counted.sampling / 1e6:.1f} M "
        f"| {counted.activation_bytes / 1e6:.1f} MB | {counted.training_bytes / 1e6:.1f} MB | {reach} |"
    )


def _presets() -> Iterator[str]:
    yield (
        "# Presets\n\nWritten by `make docs`. Cost for one image of "
        f"{SIZE} x {SIZE} pixels; what the columns mean stands in [parts.md](parts.md).\n"
    )
    yield _head("preset") + "\n".join(_row(entry.id, entry.make()) for entry in presets.entries()) + "\n"
    for entry in presets.entries():
        paper = f" *{entry.paper}*." if entry.paper else ""
        yield f"## {entry.title.en}\n\n`{entry.id}`: {entry.summary.en} {entry.lesson.en}{paper}\n"
        comparison = compare(entry.id)
        if comparison:
            yield f"{comparison.summary.en}\n"


def _instruments() -> Iterator[str]:
    yield INSTRUMENTS
    for entry in analyses.entries():
        paper = f" *{entry.paper}*." if entry.paper else ""
        yield f"## {entry.id}: {entry.title.en}\n\n{entry.summary.en} {entry.lesson.en}{paper}\n"
        for option in entry.options:
            yield f"- `{option.id}`: {option.title.en.lower()}, {option.allowed}; `{spell(option.default)}` by default."
        yield ""


def _data() -> Iterator[str]:
    yield DATA
    for entry in datasets.entries():
        source = entry.make.source
        yield f"## {entry.id}: {entry.title.en}\n\n{entry.summary.en}\n\n{entry.lesson.en}\n"
        yield f"- Licence: {source.licence}. {source.attribution}."
        yield f"- Source: <{source.address}>, sha256 {source.sha256 or 'not known here: never fetched'}."
        yield f"- Paper: {entry.paper}."
        yield f"- Scores: {', '.join(entry.make.metrics)}; one for every {entry.make.unit}.\n"
    yield "## Scores\n"
    yield "Means over images, or volumes; `dice_pooled` is the Dice over the pixels of all together. Each comes with"
    yield "its 95% bootstrap interval; patients, children or volumes are drawn whole.\n"
    yield "| id | what | unit |\n|---|---|---|"
    for entry in metrics.entries():
        yield f"| `{entry.id}` | {entry.summary.en} | {entry.make.scale.unit} |"
    yield "\n## Phantoms\n\nDrawn by code with exact masks; they need no data.\n"
    for entry in phantoms.entries():
        knobs = ", ".join(f"`{option.id}` {option.allowed}" for option in entry.options)
        yield f"- `{entry.id}`: {entry.summary.en} Knobs: {knobs}."
    yield ""


if __name__ == "__main__":
    main()
