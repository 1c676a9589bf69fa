"""Gradient flow: norms are those of autograd, ways add up, and vanishing is seen where it is and only there."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.analysis.models import loaded
from unet_playground import Design, UNet
from unet_playground.analysis import GradientFlow, Target, gradient_flow
from unet_playground.analysis.fresh import fresh
from unet_playground.analysis.gradient_flow import Flow, at_depth
from unet_playground.analysis.watch import Watch
from unet_playground.parts import skips
from unet_playground.taps import Tape
from unet_playground.training.losses import dice_and_cross_entropy

TRUTH = (torch.rand(13, 10, generator=torch.Generator().manual_seed(3)) > 0.6).numpy().astype(np.uint8)
STAGES = ("encoder.0", "encoder.1", "bottleneck", "decoder.1", "decoder.0")


def _image() -> Tensor:
    return torch.rand(1, 3, 13, 10)


def _expected(model: UNet, image: Tensor, truth: np.ndarray) -> tuple[float, dict[str, float], dict[str, float]]:
    """Loss, norms by stage of features and of parameters, by one plain backward pass."""
    tape = Tape()
    model.requires_grad_()
    loss = dice_and_cross_entropy(model(image, tape), torch.from_numpy(truth.astype(np.int64))[None])
    features = torch.autograd.grad(loss, [tape.features[stage] for stage in STAGES], retain_graph=True)
    loss.backward()
    sums: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    for name, parameter in model.named_parameters():
        side, level = name.split(".")[:2]
        stage = "bottleneck" if name.startswith(("bottleneck.", "encoder.2")) else f"{side}.{level.split('-')[0]}"
        if stage in sums and parameter.grad is not None:
            sums[stage] += float(parameter.grad.square().sum())
    norms = {stage: float(one.norm()) for stage, one in zip(STAGES, features, strict=True)}
    return float(loss.detach()), norms, {stage: square**0.5 for stage, square in sums.items()}


@pytest.mark.parametrize("skip", skips)
@pytest.mark.parametrize("down", ["max-pool", "none"])
def test_norms_are_those_of_one_plain_backward_pass(skip: str, down: str):
    model, image = loaded(Design(depth=2, width=3, skip=skip, down=down)), _image()
    result = gradient_flow(model, image, Target(), truth=TRUTH, deepest=0)
    loss, features, parameters = _expected(model, image, TRUTH)
    assert result.loss == pytest.approx(loss, rel=1e-5)
    assert result.now.stages == STAGES
    np.testing.assert_allclose(result.now.features, [*features.values()], rtol=1e-4)
    np.testing.assert_allclose(result.now.parameters, [*parameters.values()], rtol=1e-4)


def test_attention_over_the_bottleneck_counts_to_it():
    model, image = loaded(Design(depth=2, width=3, attention="se", site="bottleneck")), _image()
    result = gradient_flow(model, image, Target(), truth=TRUTH, deepest=0)
    np.testing.assert_allclose(result.now.parameters, [*_expected(model, image, TRUTH)[2].values()], rtol=1e-4)


@pytest.mark.parametrize("skip", skips)
def test_shares_add_up_at_every_stage_of_the_encoder(skip: str):
    result = gradient_flow(loaded(Design(depth=2, width=4, skip=skip)), _image(), Target(), truth=TRUTH, deepest=1)
    for flow in (result.now, *result.start):
        np.testing.assert_allclose(np.sum([*flow.shares.values()], axis=0), 1, rtol=0, atol=1e-5)
    crosses = skips[skip].make.crosses
    assert result.now.shares.keys() == ({"skip-0", "skip-1", "bottleneck"} if crosses else {"bottleneck"})
    if crosses:
        assert not result.now.shares["skip-0"][1:].any()
        assert result.now.shares["bottleneck"][2] == 1


def test_without_truth_the_loss_is_taken_against_the_own_mask_and_it_says_so():
    model, image = loaded(Design(depth=1, width=4)), _image()
    with torch.no_grad():
        own = model(image).argmax(1)
        expected = float(dice_and_cross_entropy(model(image), own))
    result = gradient_flow(model, image, Target(), deepest=0)
    assert result.loss == pytest.approx(expected, rel=1e-5)
    assert "the model's own mask" in result.facts.en
    assert "the truth" in gradient_flow(model, image, Target(), truth=TRUTH, deepest=0).facts.en


def test_a_large_image_is_cut_around_the_target():
    model, image = loaded(Design(depth=1, width=2)), torch.rand(1, 3, 150, 140)
    truth = (torch.rand(150, 140) > 0.5).numpy().astype(np.uint8)
    result = gradient_flow(model, image, Target(1, (149, 0)), truth=truth, deepest=0)
    part = gradient_flow(model, image[..., 22:, :128], Target(), truth=truth[22:, :128], deepest=0)
    assert result.loss == part.loss


def test_the_start_is_that_of_fresh_networks_of_every_depth():
    model, image = loaded(Design(depth=2, width=2, skip="add")), _image()
    result = gradient_flow(model, image, Target(), truth=TRUTH, deepest=3)
    assert [flow.depth for flow in result.start] == [1, 2, 3]
    alone = gradient_flow(fresh(model), image, Target(), truth=TRUTH, deepest=0).now
    np.testing.assert_array_equal(result.start[1].features, alone.features)
    assert {"start-1.features", "start-3.share.skip-2", "now.parameters"} < set(result.arrays())


@pytest.mark.parametrize(
    ("design", "depth", "expected"),
    [
        (Design(depth=2, width=4), 5, Design(depth=5, width=4)),
        (Design(depth=2, width=4, down="none"), 4, Design(depth=4, width=4, down="none")),
        (Design(depth=2, width=4, attention="se/cbam"), 1, Design(depth=1, width=4, attention="se")),
        (
            Design(depth=2, width=4, attention="se/cbam"),
            4,
            Design(depth=4, width=4, attention="se/cbam/cbam/cbam"),
        ),
        (Design(depth=2, width=64), 4, Design(depth=4, width=64)),
        (Design(depth=2, width=64), 5, None),
    ],
    ids=str,
)
def test_a_design_at_another_depth(design: Design, depth: int, expected: Design | None):
    assert at_depth(design, depth) == expected


def _flow(*relative: float) -> Flow:
    features = np.array(relative, np.float32)
    return Flow(STAGES[: len(relative)], features, features, {"bottleneck": np.ones(3, np.float32)})


@pytest.mark.parametrize(("weakest", "vanishes"), [(0.9e-3, True), (1.1e-3, False), (0.5, False), (0.0, True)], ids=str)
def test_it_vanishes_below_a_thousandth_of_the_last_stage(weakest: float, vanishes: bool):
    flow = _flow(4, 4 * weakest, 5, 6, 4)
    assert flow.vanishes == vanishes
    assert flow.weakest == ("encoder.1", pytest.approx(weakest, rel=1e-5))
    said = GradientFlow(1.0, True, flow, ()).check.en
    assert said.startswith("The gradient vanishes" if vanishes else "The gradient does not vanish")


def test_without_any_gradient_nothing_is_said_to_vanish():
    flow = _flow(0, 0, 0, 0, 0)
    assert not flow.vanishes
    assert "no gradient at all" in GradientFlow(0.0, True, flow, ()).check.en


def test_vanishing_is_seen_in_a_network_where_it_is():
    # What comes up from below counts a millionth beside what the skip brings, so hardly any gradient goes down there.
    model, image = loaded(Design(depth=2, width=4)), _image()
    clean = gradient_flow(model, image, Target(), truth=TRUTH, deepest=0)
    assert not clean.now.vanishes
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("decoder.0.up."):
                parameter.mul_(1e-6)
    result = gradient_flow(model, image, Target(), truth=TRUTH, deepest=2)
    assert result.now.vanishes
    assert result.now.weakest[0] in ("encoder.1", "bottleneck", "decoder.1")
    assert "The gradient vanishes" in result.check.en
    assert "before training at no depth" in result.check.en
    assert result.now.shares["skip-0"][0] > 0.99


def test_what_is_there_is_shown_before_every_depth_and_a_watch_can_end_it():
    shown: list[GradientFlow] = []

    class Ends(Watch):
        def between(self) -> None:
            if len(shown) == 2:
                raise KeyboardInterrupt

        def show(self, result: GradientFlow) -> None:
            shown.append(result)

    with pytest.raises(KeyboardInterrupt):
        gradient_flow(loaded(Design(depth=1, width=2)), _image(), Target(), watch=Ends())
    assert [len(one.start) for one in shown] == [0, 1]


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (3, 2)])
@pytest.mark.parametrize("design", [Design(depth=1, width=2), Design(depth=2, width=2, down="none")], ids=str)
def test_images_of_any_size_can_be_asked(size: tuple[int, int], design: Design):
    result = gradient_flow(loaded(design), torch.rand(1, 3, *size), Target(), deepest=2)
    assert all(np.isfinite(array).all() for array in result.arrays().values())
    assert result.facts.en.endswith(".")
    assert result.facts.zh.endswith("。")
