"""The page's pieces of HTML that rest on measured designs: the score of a design, and the verdicts on claims."""

from collections.abc import Iterator
from html import escape

from unet_playground.atlas import Row, classic_of, differences, read_atlas
from unet_playground.claims import Claim, Judgement, claims, judge
from unet_playground.claims.verdict import VERDICTS, Finding
from unet_playground.design import Design
from unet_playground.registry import Entry
from unet_playground.tasks import tasks
from unet_playground.training.metrics import metrics
from unet_playground.ui import texts

SCORES = ("dice", "boundary_f1", "latency")
"""Columns of the atlas that stand beside the cost."""


def score(design: Design, task: str, language: str) -> str:
    """What this design scores on the test split with the bank's weights, and the difference to the classic."""
    atlas = read_atlas(task)
    own, base = (atlas.find(one, "shared") for one in (design, classic_of(design)))
    title = f"<h2>{texts.SCORE.within(language)}</h2>"
    if not own:
        return f'{title}<p class="line">{texts.UNMEASURED.within(language)}</p>'
    rows = "".join(_score(column, own[0], base[0] if base else None, language) for column in SCORES)
    said = texts.SCORED.within(language).format(n=len(atlas.names))
    return f'{title}<p class="line">{said}</p><table class="score">{rows}</table>'


def judged(language: str) -> str:
    """Every claim of the two texts with its verdict; folded away: the numbers, and links that open both designs."""
    atlases = {task: read_atlas(task) for task in tasks}
    return "".join(_claim(entry, made := entry.make(), judge(made, atlases), language) for entry in claims.entries())


def _score(column: str, own: Row, classic: Row | None, language: str) -> str:
    value = own.value(column)
    beside = f"{value - classic.value(column):+.3f}" if classic else ""
    return f"<tr><th>{escape(_named(column, language))}</th><td>{value:.3f}</td><td>{beside}</td></tr>"


def _claim(entry: Entry, claim: Claim, judgement: Judgement, language: str) -> str:
    verdict = VERDICTS[judgement.verdict].within(language)
    kind = judgement.verdict.replace(" ", "-")
    rows = "".join(_finding(one, language) for one in judgement.findings)
    pair = texts.PAIR.within(language).format(first=_link(claim.first, language), second=_link(claim.second, language))
    return (
        f'<details class="claim"><summary><b class="{kind}">{escape(verdict)}</b> '
        f"{escape(entry.summary.within(language))}</summary><p>{pair}</p><table>{rows}</table></details>"
    )


def _finding(one: Finding, language: str) -> str:
    cells = (
        tasks[one.task].title.within(language),
        _named(one.column, language),
        f"{one.difference:+.3f}",
        f"{one.low:+.3f} … {one.high:+.3f}",
        texts.SPEAKS[one.speaks].within(language),
        texts.KINDS[one.weights].within(language) if one.weights else "",
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _named(column: str, language: str) -> str:
    if column in metrics:
        return metrics[column].title.within(language)
    return texts.COLUMNS[column].within(language) if column in texts.COLUMNS else column


def _link(design: Design, language: str) -> str:
    """A design in words, which opens it."""
    said = ", ".join(_spelled(design)) or texts.CLASSIC.within(language)
    page = "/zh" if language == "zh" else "/"
    return f'<a href="{page}?{escape(design.to_link())}">{escape(said)}</a>'


def _spelled(design: Design) -> Iterator[str]:
    return (f"{slot}={choice}" for slot, choice in differences(design).items())
