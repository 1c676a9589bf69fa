"""Redundancy where the right answer is known."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.analysis.models import loaded
from tests.analysis.told import Told
from unet_playground import Design
from unet_playground.analysis import Target
from unet_playground.analysis.skips import Redundancy, skip_redundancy
from unet_playground.training.redundancy import effective_rank, moments_of


def _independent(channels: int) -> Tensor:
    """Channels of mean 0 and equal variance without any correlation, (1, channels, 8, 8)."""
    raw = np.linalg.qr(np.c_[np.ones(64), np.random.default_rng(1).normal(size=(64, channels))])[0][:, 1:]
    return torch.from_numpy(8 * raw.T).float().reshape(1, channels, 8, 8)


def _of(crossed: Tensor, decoded: Tensor) -> Redundancy:
    return skip_redundancy(
        Told({"up.0": lambda _: decoded, "skip.0": lambda _: crossed}), torch.rand(1, 3, 8, 8), Target()
    )


def test_four_channels_copied_four_times_are_worth_four():
    result = _of(_independent(4).repeat(1, 4, 1, 1), _independent(4))
    assert result.rank == pytest.approx([4], abs=1e-4)
    assert result.channels.tolist() == [16]
    assert result.share == pytest.approx([0.25], abs=1e-5)
    # Of the 15 others each channel equals 3 and has nothing in common with 12.
    assert result.correlation == pytest.approx([3 / 15], abs=1e-5)


def test_the_effective_rank_is_the_exponential_of_the_entropy():
    x = _independent(3) * torch.tensor([2.0, 1.0, 1.0])[:, None, None]  # shares of variance 4/6, 1/6, 1/6
    expected = np.exp(-(4 / 6 * np.log(4 / 6) + 2 / 6 * np.log(1 / 6)))
    assert effective_rank(moments_of(x + 5, x), 3) == pytest.approx(expected, rel=1e-4)
    assert np.isnan(effective_rank(moments_of(torch.zeros(1, 3, 8, 8), x), 3))


def test_features_are_entirely_similar_to_their_rotation_and_not_at_all_to_independent_ones():
    both = _independent(10) * torch.linspace(1, 3, 10)[:, None, None]
    rotation = torch.from_numpy(np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0]).float()
    own = both[:, :5]
    assert _of(own + 3, 0.1 * torch.einsum("ij,njhw->nihw", rotation, own)).cka == pytest.approx([1], abs=1e-5)
    assert _of(own, both[:, 5:]).cka == pytest.approx([0], abs=1e-5)
    # Half of the variance is shared: CKA of [a, b] with a, equal variances, is 1 / sqrt 2.
    equal = _independent(2)
    assert _of(equal, equal[:, :1]).cka == pytest.approx([0.5**0.5], abs=1e-5)


def test_shuffled_pixels_leave_what_is_chance():
    wide = torch.randn(1, 30, 8, 8)
    result = _of(wide, wide)
    assert result.cka == pytest.approx([1], abs=1e-5)
    assert 0.2 < result.chance[0] < 0.6
    assert f"{result.chance[0]:.3f}" in result.check.en and f"{result.chance[0]:.3f}" in result.check.zh


def test_on_a_real_network_it_is_that_of_the_textbooks():
    model, image = loaded(Design(depth=2, width=4, skip="attention-gate")), torch.rand(1, 3, 14, 11)
    result = skip_redundancy(model, image, Target())
    features = model.trace(image).features
    assert result.levels == (0, 1)
    for level in range(2):
        own, other = (features[f"{name}.{level}"][0].flatten(1).double().numpy() for name in ("skip", "up"))
        own, other = (one - one.mean(1, keepdims=True) for one in (own, other))
        singular = np.linalg.svd(own, compute_uv=False) ** 2
        shares = singular[singular > 0] / singular.sum()
        cka = ((own @ other.T) ** 2).sum() / np.linalg.norm(own @ own.T) / np.linalg.norm(other @ other.T)
        assert result.rank[level] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)
        assert result.cka[level] == pytest.approx(cka, rel=1e-3)
        alive = own[own.std(1) > 1e-6 * own.std(1).max()]
        pairs = np.abs(np.corrcoef(alive))[~np.eye(len(alive), dtype=bool)]
        assert result.correlation[level] == pytest.approx(pairs.mean(), rel=1e-3)


def test_the_facts_name_the_most_redundant_level_by_each_number():
    numbers = [np.array(row, np.float32) for row in ([4, 8, 8], [4, 2, 7], [0.1, 0.2, 0.7], [0.9, 0.5, 0.6], [0, 0, 0])]
    facts = Redundancy((0, 1, 2), *numbers).facts
    assert "effective rank is level 1 (its 8 channels are worth 2.0)" in facts.en
    assert "between channels level 2 (0.70)" in facts.en
    assert "the decoder level 0 (CKA 0.90)" in facts.en
    assert "第 1 级（8 个通道相当于 2.0 个）" in facts.zh


@pytest.mark.parametrize("change", [{"down": "none"}, {"skip": "nested"}, {"skip": "full-scale"}, {"skip": "add"}])
@pytest.mark.parametrize("sides", [(14, 11), (1, 1)])
def test_every_design_and_size_gets_finite_numbers(change: dict[str, Any], sides: tuple[int, int]):
    result = skip_redundancy(loaded(Design(depth=2, width=2, **change)), torch.rand(1, 3, *sides), Target())
    assert result.levels == (0, 1)
    assert all(np.isfinite(array).all() and array.shape == (2,) for array in result.arrays().values())
    if sides == (1, 1):
        assert not result.rank.any() and not result.cka.any()


def test_where_nothing_crosses_nothing_is_redundant():
    result = skip_redundancy(loaded(Design(depth=2, width=2, skip="none")), torch.rand(1, 3, 8, 8), Target())
    assert result.levels == ()
    assert result.facts.en == result.check.en == "Nothing crosses in this design."
