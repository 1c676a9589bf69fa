"""Every method of attribution where the right answer is known, and what all of them owe."""

import copy
import threading
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop, IntegratedGradients, LayerGradCam
from torch import Tensor, nn

from tests.analysis.models import CENTRE, Failing, Known, hooks_of, loaded
from unet_playground import Design, PlaygroundError, UNet
from unet_playground.analysis import Attribution, Target, analyses, integrated_gradients
from unet_playground.analysis.attribution import class_activation
from unet_playground.analysis.attribution.result import ask
from unet_playground.analysis.attribution.twin import Twin
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.taps import IGNORE, Tap

METHODS = (
    "integrated-gradients",
    "saliency",
    "input-x-gradient",
    "smooth-grad",
    "gradient-shap",
    "occlusion",
    "feature-ablation",
    "grad-cam",
    "guided-grad-cam",
    "deep-lift",
)
PLAIN = Design(depth=2, width=4)
IMAGE = torch.rand(1, 3, 14, 11, generator=torch.Generator().manual_seed(3))
POINT = Target(1, CENTRE)
each_method = pytest.mark.parametrize("method", METHODS)


class Shown(Watch):
    def __init__(self) -> None:
        self.results: list[Any] = []

    def show(self, result: Any) -> None:
        self.results.append(result)


def _run(method: str, model: UNet, target: Target = POINT, image: Tensor = IMAGE, **options: Any) -> Attribution:
    result = analyses[method].make(model, image, target, **options)
    assert isinstance(result, Attribution)
    return result


def _linear() -> tuple[UNet, Tensor]:
    weight = torch.randn(3, 14, 11)
    return Known(lambda x: (weight * x).sum((1, 2, 3))[:, None, None].expand(-1, 14, 11)), weight


@each_method
def test_what_decides_nothing_gets_nothing(method: str):
    model = loaded(PLAIN)
    model.head.weight.zero_()  # type: ignore[operator, union-attr]
    result = _run(method, model)
    assert not result.values.any()
    assert (result.total, result.gap) == (0, 0)
    assert "no pixel has any attribution" in result.facts.en


@pytest.mark.parametrize("method", ["integrated-gradients", "input-x-gradient", "deep-lift"])
def test_on_a_linear_network_it_is_weight_times_input(method: str):
    model, weight = _linear()
    np.testing.assert_allclose(_run(method, model).values, (weight * IMAGE[0]).sum(0).numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["saliency", "smooth-grad"])
def test_on_a_linear_network_it_is_the_size_of_the_weight(method: str):
    model, weight = _linear()
    np.testing.assert_allclose(_run(method, model).values, weight.abs().sum(0).numpy(), rtol=0, atol=1e-4)


def test_on_a_linear_network_gradient_shap_is_weight_times_distance_to_the_mean_baseline():
    model, weight = _linear()
    result = _run("gradient-shap", model, samples=8)
    assert result.gap < 1e-3
    # Every baseline is plain, so attribution over weight differs from the image by one number per channel.
    one_channel = Known(lambda x: (weight[0] * x[:, 0]).sum((1, 2))[:, None, None].expand(-1, 14, 11))
    level = IMAGE[0, 0].numpy() - _run("gradient-shap", one_channel, samples=8).values / weight[0].numpy()
    assert np.ptp(level) < 1e-3
    assert IMAGE[0, 0].min() <= level.mean() <= IMAGE[0, 0].max()


def test_feature_ablation_and_occlusion_add_up_on_a_linear_network():
    model, weight = _linear()
    total = float((weight * IMAGE).sum())
    ablated = _run("feature-ablation", model, superpixels=8, checks=False)
    assert ablated.values.sum() == pytest.approx(total, abs=1e-3)
    assert len(np.unique(ablated.values.round(5))) > 3
    # One window that covers all: every pixel has the whole change.
    np.testing.assert_allclose(_run("occlusion", model, across=1).values, total, rtol=1e-4)


def test_fixed_steps_are_those_of_captum():
    model, target = loaded(Design(depth=2, width=4, attention="spatial")), Target(1, (6, 5))
    theirs = IntegratedGradients(lambda x: model(x)[:, 1, 6, 5]).attribute(IMAGE.clone(), n_steps=7)
    ours = integrated_gradients(model, IMAGE, target, steps=7)
    np.testing.assert_allclose(ours.values, theirs[0].sum(0).detach().numpy(), rtol=0, atol=2e-5)


def test_by_default_the_path_is_looked_at_where_the_network_decides():
    # The class appears between 4% and 5% of the way: 32 fixed points miss it or count it twice.
    mean = float(IMAGE.sum())
    model = Known(lambda x: torch.sigmoid(2000 * (x.sum((1, 2, 3)) / mean - 0.045))[:, None, None].expand(-1, 14, 11))
    result = _run("integrated-gradients", model)
    assert result.gap < 0.02
    assert result.steps < 100
    assert _run("integrated-gradients", model, steps=32).gap > 0.2


def test_by_default_no_more_than_256_steps_are_spent():
    # A staircase has no gradient anywhere, so no number of steps explains it.
    result = _run("integrated-gradients", Known(lambda x: 0 * x.sum(1) + (x > 0.2).sum(1)))
    assert result.steps == 256
    assert result.gap == pytest.approx(1)
    assert "100.0% with 256 steps" in result.check.en


@pytest.mark.parametrize("seed", range(4))
def test_by_default_the_gap_is_small_or_all_steps_are_spent(seed: int):
    torch.manual_seed(seed)
    result = _run("integrated-gradients", loaded(PLAIN))
    assert result.gap < 0.02 or result.steps == 256


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("skip", ["concat", "nested"])
def test_grad_cam_is_that_of_captum(level: int, skip: str):
    model = loaded(Design(depth=2, width=4, skip=skip))
    private = copy.deepcopy(model).requires_grad_()
    layer = private.decoder[str(level)] if level < 2 else private.encoder["2"]
    theirs = LayerGradCam(lambda x: private(x)[:, 1, 3, 4], layer).attribute(IMAGE.clone())
    ours = class_activation(ask(model, IMAGE, POINT, UNWATCHED), f"decoder.{level}" if level < 2 else "bottleneck")
    assert isinstance(theirs, Tensor)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=0, atol=1e-6)
    shown = _run("grad-cam", model, level=level).values
    assert shown.shape == (14, 11)
    assert float(shown.max()) <= float(ours.max()) + 1e-6


def test_guided_backpropagation_stops_negative_gradients_at_every_relu():
    model = loaded(PLAIN)
    twin = Twin(ask(model, IMAGE, POINT, UNWATCHED))
    assert sum(isinstance(layer, nn.ReLU) for layer in twin.layers) == 10  # two per stage, five stages
    image = IMAGE.clone().requires_grad_()
    (plain,) = torch.autograd.grad(twin(image).sum(), image)
    (known,) = torch.autograd.grad(model(image)[0, 1, 3, 4], image)
    torch.testing.assert_close(plain, known)
    guided = GuidedBackprop(twin).attribute(image, 0)
    assert not torch.allclose(guided, plain)


def test_guided_grad_cam_lies_where_grad_cam_lies_on_sides_that_halve_unevenly():
    model, whole = loaded(PLAIN), Target(0, box=(0, 0, 13, 10))
    guided = GuidedBackprop(Twin(ask(model, IMAGE, whole, UNWATCHED))).attribute(IMAGE.clone().requires_grad_(), 0)
    place = np.maximum(_run("grad-cam", model, whole, level=2).values, 0)
    expected = guided[0].sum(0).detach().numpy() * place
    assert expected.any()
    np.testing.assert_allclose(_run("guided-grad-cam", model, whole).values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "design",
    [
        PLAIN,
        Design(depth=2, width=4, down="avg-pool", block="residual"),
        Design(depth=2, width=4, skip="full-scale"),
        Design(depth=2, width=4, skip="nested", up="transposed"),
        Design(depth=1, width=4, down="none", skip="none", block="dilated"),
    ],
    ids=lambda design: design.to_link(),
)
def test_deep_lift_is_complete_on_networks_with_skips(design: Design):
    result = _run("deep-lift", loaded(design), Target(1, box=(2, 2, 10, 9)))
    assert result.total != 0
    assert result.gap < 1e-3
    assert "in one pass" in result.check.en


@pytest.mark.parametrize(
    ("design", "named"),
    [
        (Design(depth=2, width=4, attention="cbam"), "channel"),
        (Design(depth=2, width=4, skip="attention-gate"), "gate"),
        (Design(depth=2, width=4, up="deformable"), "offsets"),
        (Design(depth=2, width=4, down="blur-pool"), "max pooling whose windows overlap"),
    ],
)
def test_deep_lift_refuses_parts_without_a_rule_by_name(design: Design, named: str):
    with pytest.raises(PlaygroundError, match=named) as refusal:
        _run("deep-lift", loaded(design))
    assert refusal.value.text.en.count(".") - refusal.value.text.en.count("up.") <= 4
    assert refusal.value.text.zh.endswith("。")


@each_method
@pytest.mark.parametrize(
    "design",
    [
        Design(depth=1, width=2, down="none", skip="none"),
        Design(depth=2, width=2, skip="nested"),
        Design(depth=1, width=4, attention="se", site="bottleneck"),
        Design(depth=1, width=4, attention="cbam", site="fused", up="deformable"),
    ],
    ids=lambda design: design.to_link(),
)
@pytest.mark.parametrize("sides", [(1, 1), (5, 9)])
def test_designs_of_all_kinds_are_explained_or_refused(method: str, design: Design, sides: tuple[int, int]):
    image = torch.rand(1, 3, *sides)
    try:
        result = _run(method, loaded(design), Target(1, (0, 0)), image)
    except PlaygroundError as refusal:
        if method != "deep-lift" or "DeepLIFT has no rule for " not in refusal.text.en:
            raise
        return
    for array in result.arrays().values():
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    assert result.values.shape == sides
    for text in (result.check, result.facts):
        assert text.en.endswith(".") and text.zh.endswith("。")


@each_method
def test_nothing_is_left_on_the_model_also_after_an_error(method: str):
    for model in (loaded(PLAIN), Failing(PLAIN, at=2)):
        settings = [set(vars(module)) - {"calls"} for module in model.modules()]
        if isinstance(model, Failing):
            with pytest.raises(RuntimeError, match="injected"):
                _run(method, model, Target())
        else:
            _run(method, model)
        assert hooks_of(model) == 0
        assert [set(vars(module)) - {"calls"} for module in model.modules()] == settings


@pytest.mark.parametrize("method", ["guided-grad-cam", "deep-lift"])
def test_an_error_behind_the_hooks_leaves_none(method: str, monkeypatch: pytest.MonkeyPatch):
    model = loaded(PLAIN)

    def broken(self: Twin, images: Tensor) -> Tensor:
        raise RuntimeError("injected")

    monkeypatch.setattr(Twin, "forward", broken)
    with pytest.raises(RuntimeError, match="injected"):
        _run(method, model)
    assert hooks_of(model) == 0


def test_fifty_explanations_at_once_are_those_one_after_another():
    model, image = loaded(PLAIN), IMAGE.clone()
    asked = [(METHODS[number % len(METHODS)], Target(1, (number % 14, number % 11))) for number in range(50)]
    few: dict[str, dict[str, int]] = {
        "integrated-gradients": {"steps": 4},
        "smooth-grad": {"samples": 4},
        "gradient-shap": {"samples": 4},
        "occlusion": {"across": 2},
        "feature-ablation": {"superpixels": 6},
    }
    options = [{"checks": False, **few.get(method, {})} for method, _ in asked]
    alone = [_run(method, model, target, image, **own) for (method, target), own in zip(asked, options, strict=True)]
    together: dict[int, Attribution] = {}

    def work(number: int) -> None:
        method, target = asked[number]
        together[number] = _run(method, model, target, image, **options[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 50
    for number, expected in enumerate(alone):
        np.testing.assert_array_equal(together[number].values, expected.values)
    assert hooks_of(model) == 0
    assert not image.requires_grad


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("integrated-gradients", {"steps": 32}),
        ("smooth-grad", {}),
        ("gradient-shap", {}),
        ("occlusion", {}),
        ("feature-ablation", {}),
    ],
)
def test_a_coarse_picture_comes_after_a_tenth_of_the_work(method: str, options: dict[str, Any]):
    calls = [0]

    class Counting(Known):
        def forward(self, image: Tensor, tap: Tap = IGNORE) -> Tensor:
            calls[0] += len(image)
            return super().forward(image)

    first: list[int] = []

    class First(Watch):
        def show(self, result: Any) -> None:
            first.append(calls[0])

    model = Counting(lambda x: x.square().sum(1))
    image = torch.rand(1, 3, 64, 64)
    result = _run(method, model, Target(1, (20, 30)), image, watch=First(), **options)
    assert first[0] <= 0.15 * calls[0]
    assert result.values.any()


@each_method
def test_it_can_be_ended_on_the_way(method: str):
    class Enough(Exception):
        pass

    class Ending(Watch):
        calls = 0

        def between(self) -> None:
            self.calls += 1
            if self.calls == 2:
                raise Enough

    with pytest.raises(Enough):
        _run(method, loaded(PLAIN), watch=Ending())


@each_method
def test_it_is_shown_before_it_is_checked(method: str):
    watch = Shown()
    result = _run(method, loaded(PLAIN), watch=watch, checks=True)
    assert watch.results[-1].curves is watch.results[-1].kept is None
    np.testing.assert_array_equal(watch.results[-1].values, result.values)
    assert result.kept is not None
    assert "rank correlation with the same method on shuffled weights" in result.check.en
    assert (result.curves is None) == ("deletion says nothing here" in result.check.en)
