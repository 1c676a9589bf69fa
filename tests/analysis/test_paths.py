"""Ways from the image to the output: their parts add up, and each is what it is called."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.analysis.models import loaded
from unet_playground import Design, UNet
from unet_playground.analysis.fresh import fresh
from unet_playground.analysis.paths import Cut, gradients_by_way, listed, name_of, place_of
from unet_playground.parts import skips

each_skip = pytest.mark.parametrize("skip", skips)
each_down = pytest.mark.parametrize("down", ["max-pool", "none"])


def _model(design: Design) -> UNet:
    return loaded(design).double()


def _image() -> Tensor:
    return torch.rand(1, 3, 13, 10, dtype=torch.float64, requires_grad=True)


def _parts(model: UNet, image: Tensor, pixel: tuple[int, int] = (6, 5)) -> dict[str, Tensor]:
    cut = Cut()
    return {way: one for way, (one,) in gradients_by_way(model(image, cut)[0, 1, *pixel], cut, [image]).items()}


def _whole(model: UNet, image: Tensor, pixel: tuple[int, int] = (6, 5)) -> Tensor:
    return torch.autograd.grad(model(image)[0, 1, *pixel], image)[0]


@each_skip
@each_down
@pytest.mark.parametrize("attention", ["none", "cbam"])
def test_the_parts_of_all_ways_add_up_to_the_gradient(skip: str, down: str, attention: str):
    site = "fused" if attention != "none" else ""
    model = _model(Design(depth=2, width=3, skip=skip, down=down, attention=attention, site=site))
    image = _image()
    whole, parts = _whole(model, image), _parts(model, image)
    torch.testing.assert_close(
        torch.stack([*parts.values()]).sum(0), whole, rtol=1e-9, atol=1e-12 * float(whole.norm())
    )
    assert parts.keys() == ({"skip-0", "skip-1", "bottleneck"} if skips[skip].make.crosses else {"bottleneck"})


def test_cutting_changes_no_logit():
    model, image = _model(Design(depth=2, width=3, skip="nested", attention="cbam")), _image()
    torch.testing.assert_close(model(image, Cut()), model(image), rtol=1e-12, atol=1e-12)


class _Without(Cut):
    """Hands on what crosses at one level as a constant, so that no gradient comes back that way."""

    def __init__(self, level: int):
        super().__init__()
        self.level = level

    def crossing(self, encoded: Sequence[Tensor]) -> Sequence[Tensor]:
        return [one.detach() if level == self.level else one for level, one in enumerate(encoded)]


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("skip", ["concat", "dense", "cross-stage", "nested"])
def test_a_part_is_the_gradient_that_is_lost_when_its_way_alone_is_closed(level: int, skip: str):
    model, image = _model(Design(depth=2, width=3, skip=skip)), _image()
    way = ["skip-0", "skip-1", "bottleneck"][level]
    (rest,) = torch.autograd.grad(model(image, _Without(level))[0, 1, 6, 5], image)
    torch.testing.assert_close(_parts(model, image)[way], _whole(model, image) - rest, rtol=1e-9, atol=1e-12)


def test_what_has_not_left_the_encoder_took_no_way_across():
    model, image = _model(Design(depth=2, width=3)), _image()
    cut = Cut(lambda name: name == "encoder.1")
    model(image, cut)
    parts = gradients_by_way(cut.features["encoder.1"].sum(), cut, [image])
    assert list(parts) == ["encoder"]
    assert parts["encoder"][0].any()


def test_a_stage_gets_nothing_by_a_way_that_leaves_above_it():
    model, image = _model(Design(depth=2, width=3)), _image()
    cut = Cut()
    asked = model(image, cut)[0, 1, 6, 5]
    parts = gradients_by_way(asked, cut, cut.encoded)
    assert not parts["skip-0"][1].any()
    assert not parts["skip-1"][2].any()
    assert all(parts[way][0].any() for way in parts)


def test_ways_and_places_have_names():
    assert place_of("encoder", 2) == "encoder.2"
    assert place_of("bottleneck", 2) == "bottleneck"
    assert place_of("logits", 1) == "logits"
    assert [name_of(way).en for way in ("skip-3", "bottleneck", "encoder")] == [
        "skip 3",
        "the bottleneck",
        "the encoder alone",
    ]
    assert listed({"skip-0": 0.634, "bottleneck": 0.366}).en == "skip 0 63%, the bottleneck 37%"
    assert listed({"skip-0": 0.634, "bottleneck": 0.366}).zh == "跳跃 0 63%、瓶颈 37%"


def test_fresh_networks_are_always_the_same_and_leave_the_generator_alone():
    model = loaded(Design(depth=2, width=3))
    before = torch.random.get_rng_state()
    one, other = fresh(model), fresh(model)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, parameter in one.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name))
        assert not parameter.requires_grad
    assert one.design == model.design
    assert fresh(model, Design(depth=1, width=3)).design.depth == 1
