"""What each option adds, and which pairs of options do more or less together than they do apart."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from unet_playground.atlas.table import Row
from unet_playground.design import DEFAULTS, SLOT_IDS, Design
from unet_playground.errors import Text

RESAMPLES = 1000
FEWEST = 3
"""Designs that a pair of options needs to be reported."""
Term = tuple[str, str]
"""A slot and the id of an option."""
CAUTION = Text(
    "Intervals say how much other designs would change this; not other images, seeds or another bank. Where a "
    "branch of the bank was trained further, as without skips, that training is part of the effect; some branches "
    "were kept because these very scores rose, which makes them a little too good. Attention parts got few steps "
    "of the bank's training: SE and ECA stay near their start, so theirs are the effects of hardly any attention. "
    "Where designs were trained alone, their scores are the better guide. One pair in twenty stands out by chance.",
    "区间表示换一批设计会带来的变化，不含其他图像、种子或另一个权重库。权重库的分支（如无跳跃连接）经过继续训练，"
    "其作用包含这部分训练；有些分支正是因为这些得分上升才保留的，因此得分略偏高。"
    "注意力部件在权重库中得到的训练步数很少：SE 和 ECA 仍接近初始状态，其作用几乎等于没有注意力。"
    "有单独训练结果的设计，应以其得分为准。每二十对中约有一对只是随机波动。",
)
"""What effects and interactions of a bank do not tell."""


@dataclass(frozen=True)
class Effect:
    """What an option changes against the classic's option in its slot, all other slots being equal.

    Attributes:
        family: `halving` (designs that give up resolution), `full` (those that do not), or `all`.
        slot: Of the option.
        option: Its id.
        difference: In the metric's unit.
        low: End of the 95% bootstrap interval over designs.
        high: The other end.
        designs: How many hold the option at every level, or at some.
    """

    family: str
    slot: str
    option: str
    difference: float
    low: float
    high: float
    designs: int


@dataclass(frozen=True)
class Interaction:
    """What two options do together beyond the sum of what they do.

    Attributes:
        family: `halving` or `full`, as of an effect.
        first: Slot and option.
        second: Slot and option of another slot.
        extra: What the pair adds to the sum of both effects, in the metric's unit.
        low: End of the 95% bootstrap interval over designs.
        high: The other end.
        designs: How many hold both at every level.
    """

    family: str
    first: Term
    second: Term
    extra: float
    low: float
    high: float
    designs: int


def main_effects(rows: Sequence[Row], metric: str = "dice") -> list[Effect]:
    """The effect of every option on a metric, in the two families apart and together.

    Ordinary least squares on the share of decoder levels that hold each option: 1 where a design holds it everywhere,
    1/2 at half of the levels. The classic's option of a slot is what the others are compared with. A slot that does
    not apply holds nothing: leaving `up` empty is part of what `down=none` does (in `all`), and the site's effects are
    among designs with attention. Effects that these designs, or most resamples of them, cannot tell from one another
    are left out.

    The interval is over designs and so says how much other designs from the same space would change it. It knows
    nothing of other images, other seeds or another bank: a bank's scores come from weights that all designs share, and
    an option whose tensors were trained less looks worse than it is. Where a branch of the bank was trained further,
    that training is part of the effect: all designs without skips may owe it to theirs, and no design tells it apart.

    Args:
        rows: Measured designs, of a bank and its branches or trained alone.
        metric: Column of the score; designs without it are left out.
    """
    families = _families(rows, metric)
    families["all"] = [row for members in families.values() for row in members]
    return [effect for family, members in families.items() if members for effect in _effects(family, members, metric)]


def interactions(rows: Sequence[Row], metric: str = "dice", top: int = 10) -> list[Interaction]:
    """The pairs of options that depart most from the sum of their main effects.

    For every pair of options of different slots that at least three designs of a family hold at every level: its
    coefficient when it joins the main effects of that family as one more column, which is the residual of its designs,
    divided by the share of it that the main effects have not taken up. What an option does in one family and not in
    the other is no interaction here: the main effects of both tell it. Strongest are those whose interval ends farthest
    from zero on its near side, so that a few lucky designs do not lead the list. Of hundreds of pairs one in twenty
    leaves zero outside its interval by chance, and what is said of intervals and shared weights at `main_effects` holds
    here.

    Args:
        rows: Measured designs, of a bank and its branches or trained alone.
        metric: Column of the score.
        top: How many to give.
    """
    families = _families(rows, metric)
    found = [pair for family, members in families.items() if members for pair in _pairs(family, members, metric)]
    return sorted(found, key=_strength, reverse=True)[:top]


def _families(rows: Sequence[Row], metric: str) -> dict[str, list[Row]]:
    """The designs that have the score: those that give up resolution, and those that do not."""
    known = [row for row in rows if not np.isnan(row.value(metric))]
    return {
        "halving": [row for row in known if row.design.halves],
        "full": [row for row in known if not row.design.halves],
    }


def _pairs(family: str, rows: Sequence[Row], metric: str) -> Iterator[Interaction]:
    fit = _Fit(rows, metric)
    shares = [_shares(row.design) for row in rows]
    terms = sorted({term for own in shares for term in own}, key=_place)
    whole = {term: np.array([own.get(term) == 1 for own in shares]) for term in terms}
    for one, other in combinations(terms, 2):
        members = np.flatnonzero(whole[one] & whole[other])
        if one[0] != other[0] and len(members) >= FEWEST:
            extra, samples = fit.added(members)
            low, high = _interval(samples)
            if not np.isnan([extra, low]).any():
                yield Interaction(family, one, other, extra, low, high, len(members))


def _strength(one: Interaction) -> tuple[float, float]:
    clear = one.low * one.high > 0
    return min(abs(one.low), abs(one.high)) if clear else 0.0, abs(one.extra)


def _place(term: Term) -> tuple[int, str]:
    return SLOT_IDS.index(term[0]), term[1]


def _effects(family: str, rows: Sequence[Row], metric: str) -> list[Effect]:
    fit = _Fit(rows, metric)
    effects = []
    for at, (slot, option) in enumerate(fit.terms, start=1):
        low, high = _interval(fit.drawn_coefficients[:, at])
        if fit.told_apart[at] and not np.isnan(low):
            count = int((fit.matrix[:, at] > 0).sum())
            effects.append(Effect(family, slot, option, float(fit.coefficients[at]), low, high, count))
    return effects


def _shares(design: Design) -> dict[Term, float]:
    """The share of decoder levels that hold each option, for the slots that apply."""
    shares: dict[Term, float] = {}
    for slot in SLOT_IDS:
        if design.applies(slot):
            levels = design.levels(slot)
            counts = Counter(choice.id for choice in levels)
            shares |= {(slot, id): count / len(levels) for id, count in counts.items()}
    return shares


class _Fit:
    """Least squares on the shares of options, once as it is and once for every resample of the designs.

    Attributes:
        terms: The options that are no reference, in the order of slots; a column each, behind the constant's.
        matrix: (designs, columns).
        coefficients: (columns,).
        told_apart: (columns,) whether the designs determine a coefficient.
        drawn_coefficients: (resamples, columns), NaN where a resample does not determine one.
    """

    def __init__(self, rows: Sequence[Row], metric: str):
        shares = [_shares(row.design) for row in rows]
        seen = {term for own in shares for term in own}
        references = {(slot, id) for slot, id in DEFAULTS.items()}
        self.terms = sorted(seen - references, key=_place)
        self.matrix = np.array([[1.0, *(own.get(term, 0.0) for term in self.terms)] for own in shares])
        self.scores = np.array([row.value(metric) for row in rows])
        n = len(rows)
        draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
        # The first weighting is the table as it is, the others are its resamples.
        self._weights = np.concatenate([np.ones((1, n)), draws])
        x, columns = self.matrix, self.matrix.shape[1]
        products = (x[:, :, None] * x[:, None, :]).reshape(n, -1)
        gram = (self._weights @ products).reshape(-1, columns, columns)
        self._inverse = np.linalg.pinv(gram, rcond=1e-9, hermitian=True)
        right = self._weights @ (x * self.scores[:, None])
        solved = (self._inverse @ right[:, :, None])[:, :, 0]
        self._residuals = self.scores - solved @ x.T
        # A coefficient is determined when its direction lies in the space of the rows.
        determined = np.abs(np.einsum("bij,bji->bi", self._inverse, gram) - 1) < 1e-6
        self.coefficients, self.told_apart = solved[0], determined[0]
        self.drawn_coefficients = np.where(determined, solved, np.nan)[1:]

    def added(self, members: NDArray[np.integer]) -> tuple[float, NDArray[np.floating]]:
        """The coefficient of one more column that is 1 for some designs; as it is, and for every resample.

        NaN where the other columns already say which designs these are.

        Source: Frisch and Waugh 1933, Partial time regressions as compared with individual trends.
        """
        weights, x = self._weights[:, members], self.matrix[members]
        projected = weights @ x
        count = weights.sum(1)
        own = count - np.einsum("bi,bij,bj->b", projected, self._inverse, projected, optimize=True)
        left = (weights * self._residuals[:, members]).sum(1)
        coefficients = np.divide(left, own, out=np.full(len(own), np.nan), where=own > 1e-6 * np.maximum(count, 1))
        return float(coefficients[0]), coefficients[1:]


def _interval(samples: NDArray[np.floating]) -> tuple[float, float]:
    """The 2.5th and the 97.5th percentile; NaN where most resamples do not determine the number."""
    known = samples[~np.isnan(samples)]
    if len(known) < len(samples) / 2:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
