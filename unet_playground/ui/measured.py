"""What designs score on the test split, as a piece of HTML."""

from html import escape

from unet_playground.atlas import Row, classic_of, read_atlas
from unet_playground.training.metrics import metrics
from unet_playground.ui import texts
from unet_playground.ui.bench import Bench

SCORES = ("dice", "boundary_f1", "latency")
"""Columns of the atlas that stand beside the cost."""


def scores(bench: Bench, task: str, language: str) -> str:
    """What the designs score on the test split with the bank's weights, and the difference to the classic."""
    atlas = read_atlas(task)
    designs = {"": bench.a} if bench.b is None else {"A": bench.a, "B": bench.b}
    found = {name: (atlas.find(one, "shared"), atlas.find(classic_of(one), "shared")) for name, one in designs.items()}
    rows = "".join(
        _score(name, column, own[0], base[0] if base else None, language)
        for column in SCORES
        for name, (own, base) in found.items()
        if own
    )
    missing = [name for name, (own, _) in found.items() if not own]
    said = texts.SCORED.within(language).format(n=len(atlas.names)) if rows else ""
    lines = [*(f"{name} {texts.UNMEASURED.within(language)}".strip() for name in missing), *([said] if said else [])]
    told = "".join(f'<p class="line">{escape(line)}</p>' for line in lines)
    return f'{told}<table class="score">{rows}</table>' if rows else told


def _score(name: str, column: str, own: Row, classic: Row | None, language: str) -> str:
    value = own.value(column)
    beside = f"{value - classic.value(column):+.3f}" if classic else ""
    badge = f'<b class="badge {name.lower()}">{name}</b> ' if name else ""
    return f"<tr><th>{badge}{escape(_named(column, language))}</th><td>{value:.3f}</td><td>{beside}</td></tr>"


def _named(column: str, language: str) -> str:
    if column in metrics:
        return metrics[column].title.within(language)
    return texts.COLUMNS[column].within(language) if column in texts.COLUMNS else column
