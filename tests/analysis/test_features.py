"""Feature maps are sorted by what cutting them out really changes."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.analysis.models import hooks_of, loaded
from tests.analysis.told import Told
from unet_playground import Design, PlaygroundError
from unet_playground.analysis import Target, features
from unet_playground.analysis.features import FeatureMaps, feature_maps
from unet_playground.analysis.watch import Watch
from unet_playground.taps import IGNORE, Tap

BOX = Target(1, box=(2, 3, 6, 7))
IMAGE = torch.rand(1, 3, 14, 11, generator=torch.Generator().manual_seed(1))


class Weighted(Told):
    """The logit is a weighted sum of three channels of `encoder.0`, which is the image."""

    weights = torch.tensor([0.5, -4.0, 2.0])

    def __init__(self) -> None:
        super().__init__({})

    def forward(self, image: Tensor, tap: Tap = IGNORE) -> Tensor:
        seen = tap.within("encoder.0")("", image.clone())
        logits = (self.weights[:, None, None] * seen).sum(1)
        return torch.stack([torch.zeros_like(logits), logits], 1)


class Replaced(Tap):
    def __init__(self, name: str, channel: int, value: float | None):
        self.name, self.channel, self.value = name, channel, value

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        if name != self.name:
            return tensor
        cut = tensor.clone()
        cut[:, self.channel] = tensor[:, self.channel].mean() if self.value is None else self.value
        return cut


@pytest.mark.parametrize("replacement", ["mean", "zero"])
def test_on_a_linear_network_the_effect_is_weight_times_what_is_taken_away(replacement: Any):
    result = feature_maps(Weighted(), IMAGE, BOX, stage="encoder", replacement=replacement)
    inside = IMAGE[0, :, 2:7, 3:8].mean((1, 2))
    taken = inside - IMAGE[0].mean((1, 2)) if replacement == "mean" else inside
    expected = (Weighted.weights * taken).numpy()
    order = np.argsort(-np.abs(expected))
    np.testing.assert_array_equal(result.order, order)
    np.testing.assert_allclose(result.effects, expected[order], atol=1e-5)
    np.testing.assert_allclose(result.estimates, expected[order], atol=1e-5)
    np.testing.assert_array_equal(result.maps, IMAGE[0].numpy()[order])
    assert result.correlation == pytest.approx(1, abs=1e-5)
    assert result.pixels == 25
    assert f"channel {order[0]} matters most" in result.facts.en
    assert f"changes by {-expected[order[0]]:+.2f}" in result.facts.en


@pytest.mark.parametrize("stage", ["up", "skip", "fused", "decoder"])
@pytest.mark.parametrize(("replacement", "value"), [("mean", None), ("zero", 0.0)])
def test_on_a_real_network_it_is_the_loop_over_channels(stage: Any, replacement: Any, value: float | None):
    model = loaded(Design(depth=2, width=4, skip="attention-gate", attention="scse"))
    result = feature_maps(model, IMAGE, BOX, stage=stage, level=1, replacement=replacement)
    base = model(IMAGE)[0, 1, 2:7, 3:8].mean()
    expected = {
        channel: float(base - model(IMAGE, Replaced(f"{stage}.1", channel, value))[0, 1, 2:7, 3:8].mean())
        for channel in range(result.channels)
    }
    assert sorted(result.order) == sorted(expected)
    np.testing.assert_allclose(result.effects, [expected[channel] for channel in result.order], atol=1e-5)
    assert (np.diff(np.abs(result.effects)) <= 0).all()
    assert f"by {result.correlation:.2f} with" in result.check.en
    seen = model.trace(IMAGE).features[f"{stage}.1"][0].numpy()
    np.testing.assert_allclose(result.maps, seen[result.order], atol=1e-6)


def test_the_estimate_is_the_derivative_of_fading_a_channel():
    model = loaded(Design(depth=1, width=3))
    result = feature_maps(model, IMAGE, BOX, stage="skip", replacement="zero")

    class Faded(Replaced):
        def __call__(self, name: str, tensor: Tensor) -> Tensor:
            cut = super().__call__(name, tensor)
            return tensor + 1e-2 * (cut - tensor)

    for channel, estimate in zip(result.order, result.estimates, strict=True):
        faded, full = model(IMAGE, Faded("skip.0", int(channel), 0.0)), model(IMAGE)
        slope = float((full - faded)[0, 1, 2:7, 3:8].mean()) / 1e-2
        assert estimate == pytest.approx(slope, abs=0.05 * float(np.abs(result.estimates).max()) + 1e-4)


@pytest.mark.parametrize("chunk", [1, 3])
def test_cutting_several_at_once_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch):
    model = loaded(Design(depth=1, width=4))
    together = feature_maps(model, IMAGE, BOX, stage="fused")
    monkeypatch.setattr(features, "CHUNK", chunk)
    one_by_one = feature_maps(model, IMAGE, BOX, stage="fused")
    np.testing.assert_array_equal(together.order, one_by_one.order)
    np.testing.assert_allclose(together.effects, one_by_one.effects, atol=1e-5)


def test_of_many_channels_those_with_the_largest_estimates_are_kept():
    result = feature_maps(loaded(Design(depth=1, width=40)), IMAGE, BOX, stage="bottleneck")
    assert result.place == "bottleneck"
    assert (result.channels, len(result.order), result.maps.shape) == (80, 64, (64, 7, 6))
    assert "Of 80 channels" in result.facts.en
    assert "over 64 channels" in result.check.en


def test_places_that_do_not_exist_are_refused_with_those_that_do():
    cases: tuple[tuple[Design, dict[str, Any], str], ...] = (
        (
            Design(depth=1, width=2),
            {"level": 1},
            "This design has no skip.1; choose one of bottleneck, decoder.0, "
            "encoder.0, encoder.1, fused.0, skip.0, up.0.",
        ),
        (
            Design(depth=1, width=2, skip="none"),
            {},
            "This design has no skip.0; choose one of bottleneck, decoder.0, encoder.0, encoder.1, fused.0, up.0.",
        ),
    )
    for design, options, words in cases:
        with pytest.raises(PlaygroundError) as refusal:
            feature_maps(loaded(design), IMAGE, Target(), **options)
        assert refusal.value.text.en == words
        assert refusal.value.text.zh.endswith("。")


@pytest.mark.parametrize("stage", ["encoder", "bottleneck", "up", "skip", "fused", "decoder"])
@pytest.mark.parametrize(
    "change", [{"down": "none"}, {"skip": "nested"}, {"skip": "full-scale"}, {"site": "bottleneck"}]
)
def test_every_place_of_every_design_has_its_maps(stage: Any, change: dict[str, Any]):
    model = loaded(Design(depth=2, width=2, attention="se", **change)).requires_grad_()
    result = feature_maps(model, torch.rand(1, 3, 5, 1), Target(0), stage=stage, level=1)
    assert all(np.isfinite(array).all() for array in result.arrays().values())
    assert hooks_of(model) == 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_class_without_a_pixel_depends_on_nothing():
    result = feature_maps(Weighted(), torch.zeros(1, 3, 14, 11), Target(1), stage="encoder")
    assert result.pixels == 0
    assert not result.effects.any()
    assert result.correlation == 0
    assert result.facts.en.startswith("The mask holds no pixel of this class")


def test_estimates_are_shown_before_channels_are_cut_out():
    class Noting(Watch):
        def __init__(self) -> None:
            self.shown: list[FeatureMaps] = []
            self.pauses = 0

        def between(self) -> None:
            self.pauses += 1

        def show(self, result: FeatureMaps) -> None:
            self.shown.append(result)

    watch = Noting()
    final = feature_maps(loaded(Design(depth=1, width=8)), IMAGE, BOX, stage="fused", watch=watch)
    [first] = watch.shown
    assert not first.finished and final.finished
    assert watch.pauses == 2  # 16 channels, 8 at a time
    np.testing.assert_array_equal(first.effects, first.estimates)
    assert sorted(first.order) == sorted(final.order)
    assert "no channel has been cut out yet" in first.check.en
