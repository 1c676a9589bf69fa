"""The command that fetches data sets."""

import argparse
from pathlib import Path

from tqdm import tqdm

from unet_playground.commands.shared import tell
from unet_playground.training.datasets import data_root, datasets
from unet_playground.training.sources import check_request, obtain


def data(given: argparse.Namespace) -> None:
    """Download a public data set with its licence, check it and lay it out for training."""
    source = datasets[given.task].make.source
    root = Path(given.data) if given.data else data_root()  # a folder that is named is made
    check_request(source, root, given.address, given.sha256)  # before anything is printed: a refusal stands alone
    address = given.address or source.address
    size = f"{source.bytes / 1e6:,.0f} MB" if source.bytes else "not known beforehand"
    if not given.json:
        print(f"{address}\nlicence: {source.licence}\n{source.attribution}\nsize: {size}", flush=True)
    bars: list[tqdm] = []

    def show(done: int, total: int | None) -> None:
        if not bars:
            bars.append(tqdm(total=total, initial=done, unit="B", unit_scale=True, disable=given.json or None))
        bars[0].update(done - bars[0].n)

    try:
        result = obtain(source, root, show, address=given.address, sha256=given.sha256)
    finally:
        for bar in bars:
            bar.close()
    answer = {
        "task": given.task,
        "address": address,
        "licence": source.licence,
        "attribution": source.attribution,
        "images": result.images,
        "sha256": result.sha256,
        "sha256_expected": result.expected,
        "note": result.note.en if result.note else None,
    }
    checked = "as expected" if result.expected else "with nothing known to compare it with; pin it with --sha256"
    words = f"{source.folder}: {result.images} images, sha256 {result.sha256}, {checked}."
    tell(given, answer, f"{words} {result.note.en}" if result.note else words)
