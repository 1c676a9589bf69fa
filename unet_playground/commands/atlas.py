"""Commands about measured designs: the atlas, the references trained alone, and what texts claim."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

from unet_playground.atlas import (
    CAUTION,
    WEAK,
    Agreement,
    Atlas,
    Effect,
    Interaction,
    Row,
    agreement,
    alone,
    classic_of,
    differences,
    interactions,
    main_effects,
    pareto,
    read_atlas,
    weak,
)
from unet_playground.atlas.table import DIGITS
from unet_playground.claims import CAVEAT, Claim, Finding, Judgement, designs_of_claims, judge
from unet_playground.claims import claims as catalogue
from unet_playground.commands.shared import check_rate, tell, write
from unet_playground.design import Design
from unet_playground.errors import MissingData, PlaygroundError
from unet_playground.registry import Entry
from unet_playground.space import change
from unet_playground.tasks import tasks
from unet_playground.training.datasets import data_root
from unet_playground.training.evaluate import POOLED
from unet_playground.training.measure import MeasureJob, bank_card, time_again
from unet_playground.training.metrics import metrics
from unet_playground.training.selection import atlas_designs, references, solo_designs
from unet_playground.training.solo import DICES, solo_jobs, weak_jobs
from unet_playground.training.sweep import Failure, sweep


def atlas(given: argparse.Namespace) -> None:
    """Print what the measured designs of a task say: effects, interactions, the Pareto front; or measure them."""
    task = tasks[given.task].id
    metric = given.metric if given.metric == POOLED else metrics[given.metric].id
    if given.measure:
        _measure(given, task)
    if given.time:
        _time(task)
    table = read_atlas(task)
    bank, solo = table.of("shared"), table.of("solo")
    if not bank:
        raise MissingData(
            f"There is no atlas of {task} yet; measure it with --measure.",
            f"{task} 还没有图谱；请用 --measure 测量。",
        )
    if all(isnan(row.value(metric)) for row in bank):
        raise MissingData(
            f"{task} has no {metric}; choose one of {', '.join(_known(bank))}.",
            f"{task} 没有 {metric}；可选 {'、'.join(_known(bank))}。",
        )
    effects, pairs = main_effects(bank, metric), interactions(bank, metric)
    front = pareto(bank, metric, given.cost, metric == POOLED or metrics[metric].make.scale.higher)
    agreed = agreement(bank, references(solo), metric, table.groups)
    files = _plot(Path(given.out), bank, front, effects, metric, given.cost) if given.out else []
    answer = {
        "task": task,
        "metric": metric,
        "rows": [_as_json(row) for row in table.rows],
        "effects": [asdict(one) for one in effects],
        "interactions": [asdict(one) for one in pairs],
        "pareto": [row.design.to_link() for row in front],
        "agreement": {**asdict(agreed), "worst": agreed.worst and agreed.worst.to_link()},
        "files": files,
    }
    tell(given, _plain(answer), _words(table, metric, given.cost, effects, pairs, front, agreed))


def solo(given: argparse.Namespace) -> None:
    """Train designs alone: one factor at a time around the classic, or weak ones; goes on where it stopped."""
    task = tasks[given.task].id
    if given.count < 1 or (given.steps is not None and given.steps < 1):
        raise PlaygroundError("--count and --steps are at least 1.", "--count 与 --steps 至少为 1。")
    check_rate(given.rate)
    _check_means(given)
    jobs = weak_jobs(task, given.weak) if given.weak else solo_jobs(task, given.count)
    jobs = [replace(job, steps=given.steps, rate=given.rate, data=given.data) for job in jobs]
    data_root(given.data)
    with _bar("training") as progress:
        failures = sweep(jobs, given.workers, given.ray, given.gpus, progress)
    _raise(failures, len(jobs))
    rows = read_atlas(task).of("solo")
    lines = [f"{row.value('dice'):.4f}  seed {row.seed}  {_name(row.design)}" for row in rows]
    tell(given, _plain({"task": task, "rows": [_as_json(row) for row in rows]}), "\n".join(lines))


def claims(given: argparse.Namespace) -> None:
    """List what texts claim about U-Nets, each with the verdict of the measured designs."""
    chosen = None if given.task is None else [tasks[given.task].id]
    atlases = {task: read_atlas(task) for task in tasks}
    judged = [(entry, made := entry.make(), judge(made, atlases, tasks=chosen)) for entry in catalogue.entries()]
    answer = {"claims": [_claim_as_json(*one) for one in judged]}
    tell(given, _plain(answer), "\n\n".join([*(_claim_in_words(*one) for one in judged), CAVEAT.en]))


def _known(rows: Sequence[Row]) -> list[str]:
    """The scores that rows have."""
    return [id for id in (*metrics, POOLED) if any(not isnan(row.value(id)) for row in rows)]


def _measure(given: argparse.Namespace, task: str) -> None:
    """Measure what the table lacks."""
    from unet_playground.lessons import designs_of_lessons

    if given.designs < 1:
        raise PlaygroundError("--designs is at least 1.", "--designs 至少为 1。")
    _check_means(given)
    card = bank_card(task)
    data_root(given.data)
    base = Design.from_json(card.design)
    compared = (*designs_of_claims(), *designs_of_lessons(), *solo_designs())
    asked = [design for design in compared if classic_of(design) == base and card.serves(design)]
    designs = atlas_designs(base, given.designs, also=asked, served=card.serves)
    banks = {one: bank_card(task, one).sha256[:DIGITS] for one in designs}
    jobs = [MeasureJob(task, one, bank, one in asked, given.data) for one, bank in banks.items()]
    with _bar("design") as progress:
        failures = sweep(jobs, given.workers, given.ray, given.gpus, progress)
    _raise(failures, len(jobs))


def _time(task: str) -> None:
    """Take the times of all measured designs again, one after another."""
    designs = list(dict.fromkeys(row.design for row in read_atlas(task).rows))
    with _bar("design") as progress:
        for number, design in enumerate(designs, start=1):
            time_again(task, design)
            progress(number, len(designs), design.to_link())


def _raise(failures: Sequence[Failure], total: int) -> None:
    if failures:
        first = failures[0]
        raise PlaygroundError(
            f"{len(failures)} of {total} jobs failed, the first one, {first.job}, with: {first.reason.rstrip('.')}; "
            "the others are kept, and the same command tries the failed ones again.",
            f"{total} 个任务中有 {len(failures)} 个失败，第一个是 {first.job}：{first.reason.rstrip('.')}；"
            "其余结果已保存，再次运行同一命令会重试失败的任务。",
        )


def _check_means(given: argparse.Namespace) -> None:
    if given.workers < 1 or not 0 <= given.gpus < inf:
        raise PlaygroundError("--workers is at least 1 and --gpus at least 0.", "--workers 至少为 1，--gpus 不小于 0。")


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int, str], None]]:
    from tqdm import tqdm

    bar = tqdm(unit=unit, smoothing=0.05)

    def show(done: int, total: int, name: str) -> None:
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        bar.close()


def _plot(
    out: Path, rows: Sequence[Row], front: Sequence[Row], effects: Sequence[Effect], metric: str, cost: str
) -> list[str]:
    from unet_playground.figures import to_png
    from unet_playground.figures.atlas import draw_effects, draw_front, to_svg

    figures = {"front": draw_front(rows, front, metric, cost)}
    if effects:  # a handful of designs tells none
        figures["effects"] = draw_effects(effects, metric)
    files = []
    for name, figure in figures.items():
        for ending, content in ((".png", to_png(figure)), (".svg", to_svg(figure))):
            write(out / f"{name}{ending}", content)
            files.append(f"{name}{ending}")
    return files


def _words(
    table: Atlas,
    metric: str,
    cost: str,
    effects: Sequence[Effect],
    pairs: Sequence[Interaction],
    front: Sequence[Row],
    agreed: Agreement,
) -> str:
    bank = table.of("shared")
    lines = [f"{len(bank)} designs with shared weights, {len(table.of('solo'))} trainings alone; {metric}", ""]
    lines += [f"{'against the classic':34}{'resolution halved':>27}{'full resolution':>27}  the classic so, alone"]
    lines += _effect_lines(effects, table.of("solo"), metric)
    lines += [
        "",
        "Pairs that do more or less together than apart (95% interval; designs), one in twenty by chance:",
        *_pair_lines(pairs),
        "",
        CAUTION.en,
    ]
    lines += ["", f"Pareto front of {metric} against {cost}:"]
    lines += [f"  {row.value(metric):.4f}  {row.value(cost):>14,.5g}  {_name(row.design)}" for row in front]
    lines += ["", *_agreement_lines(agreed), *_weak_lines(bank, table.of("solo"), metric)]
    return "\n".join(lines)


def _effect_lines(effects: Sequence[Effect], solo: Sequence[Row], metric: str) -> Iterator[str]:
    """One line an option with both families side by side; what only both together know stands by itself.

    At the end, where both were trained alone, how far the classic with this option is above the classic.
    """
    by = {(one.slot, one.option, one.family): one for one in effects}
    for slot, option in dict.fromkeys((one.slot, one.option) for one in effects):
        found = [by.get((slot, option, family)) for family in ("halving", "full", "all")]
        cells = [_interval(one.difference, one) if one else "" for one in found]
        shown = f"{cells[0]:>27}{cells[1]:>27}" if any(cells[:2]) else f"{cells[2]:>27}{'(both families)':>27}"
        added = _alone(slot, option, solo, metric)
        shown += "" if isnan(added) else f"  {added:+.4f}"
        yield f"  {slot + '=' + option:32}{shown}".rstrip()


def _alone(slot: str, option: str, solo: Sequence[Row], metric: str) -> float:
    """How far the classic with an option is above the classic, both trained alone; NaN where they were not."""
    changed = change(Design(), **{slot: option})
    if not isinstance(changed, Design) or changed == Design():  # as a site without attention leaves it
        return nan
    return alone(changed, solo, metric) - alone(Design(), solo, metric)


def _pair_lines(pairs: Sequence[Interaction]) -> Iterator[str]:
    clear = [one for one in pairs if one.low * one.high > 0]
    for one in clear:
        family = "resolution halved" if one.family == "halving" else "full resolution"
        yield f"  {_term(one.first)} + {_term(one.second)}, {family}: {_interval(one.extra, one)} {one.designs}"
    if not clear:
        yield "  none whose interval leaves out zero"


def _agreement_lines(agreed: Agreement) -> Iterator[str]:
    if not agreed.designs:
        yield "No design has been trained alone yet; train some with solo."
        return
    yield (
        f"Bank against {agreed.designs} references trained alone: mean gap {agreed.mean_gap:.4f}, worst "
        f"{agreed.worst_gap:.4f} ({_name(agreed.worst)}), solo less shared {agreed.bias:+.4f}."  # type: ignore[arg-type]
    )
    if agreed.pairs:
        told = f"{agreed.pairs}; the bank orders {agreed.ordered:.0%} the same way"
    else:
        told = "none, or not known: standard errors need scores of single images"
    yield f"Pairs that solo scores tell apart: {told}."
    if agreed.seeded:
        yield _seed_line(agreed)


def _seed_line(agreed: Agreement) -> str:
    pairs = f"; of {agreed.seed_pairs} pairs told apart the second seed orders {agreed.seed_ordered:.0%} the same way"
    told = pairs if agreed.seed_pairs else ""
    return f"Two seeds of {agreed.seeded} designs: mean gap {agreed.seed_gap:.4f}{told}."


def _weak_lines(bank: Sequence[Row], solo: Sequence[Row], metric: str) -> Iterator[str]:
    if metric not in DICES:
        return
    found = weak(bank, solo, metric)
    if isnan(found.classic):
        yield "The classic has not been measured yet."
        return
    told = f", {len(found.alone)} of them as weak when trained alone" if found.designs else ""
    yield f"Designs more than {WEAK} below the classic's {metric} of {found.classic:.4f}: {len(found.designs)}{told}."
    for row in bank:
        if row.design in found.alone:
            yield f"  {_name(row.design)}: {row.value(metric):.4f}, alone {alone(row.design, solo, metric):.4f}"


def _claim_in_words(entry: Entry, claim: Claim, judged: Judgement) -> str:
    spoken = Counter(one.speaks for one in judged.findings)
    tally = ", ".join(f"{spoken[kind]} {kind}" for kind in ("for", "against", "undecided"))
    told = f" ({tally})" if spoken else ""
    lines = [f"{judged.verdict.upper()}{told}: {entry.summary.en}"]
    lines.append(f"  {_name(claim.first)} against {_name(claim.second)}")
    lines += [
        f"  {one.task or 'all':12}{_compared(one):34}{_interval(one.difference, one):>28}  {one.speaks:10}{one.weights}"
        for one in judged.findings
    ]
    return "\n".join(line.rstrip() for line in lines)


def _compared(one: Finding) -> str:
    """The number that a finding is about, and what takes the place of the claim's second design."""
    than = one.other or (_name(one.beside) if one.beside else "")
    return f"{one.column} / {than}" if than else one.column


def _claim_as_json(entry: Entry, claim: Claim, judged: Judgement) -> dict[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title.en,
        "summary": entry.summary.en,
        "summary_zh": entry.summary.zh,
        "first": claim.first.to_link(),
        "second": claim.second.to_link(),
        "verdict": judged.verdict,
        "findings": [{**asdict(one), "beside": one.beside and one.beside.to_link()} for one in judged.findings],
    }


def _as_json(row: Row) -> dict[str, Any]:
    """A row without the scores of single images."""
    return {**{k: v for k, v in vars(row).items() if k != "images"}, "design": row.design.to_link()}


def _plain(value: Any) -> Any:
    """The same for JSON, which knows no NaN."""
    if isinstance(value, float) and isnan(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _interval(value: float, one: Any) -> str:
    return f"{value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"


def _term(term: tuple[str, str]) -> str:
    return "=".join(term)


def _name(design: Design) -> str:
    return ", ".join(f"{slot}={choice}" for slot, choice in differences(design).items()) or "the classic"
