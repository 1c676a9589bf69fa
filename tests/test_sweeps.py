"""The whole space: random legal designs with random options run, train, are written down and cost what is said."""

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from unet_playground import Design, UNet, catalogues
from unet_playground.cost import cost
from unet_playground.design import SLOT_IDS
from unet_playground.errors import IllegalDesign
from unet_playground.registry import Choice, Option, Value
from unet_playground.space import draw
from unet_playground.weights import Card, WeightStore, read_card, write


def with_options(rng: random.Random, design: Design) -> Design:
    """The same parts, each with random legal values of its options."""
    written: dict[str, str] = {}
    for slot in filter(design.applies, SLOT_IDS):
        parts = [catalogues[slot].parse(text).id for text in getattr(design, slot).split("/")]
        written[slot] = "/".join(_with_options(rng, slot, id) for id in parts)
    return design.replace(**written)


def _with_options(rng: random.Random, slot: str, id: str) -> str:
    entry = catalogues[slot][id]
    return str(Choice(entry.id, tuple((option.id, _value(rng, option)) for option in entry.options)))


def _value(rng: random.Random, option: Option) -> Value:
    if option.choices:
        return rng.choice(option.choices)
    low, high = option.ends
    return rng.randrange(int(low), int(high) + 1, 2 if option.odd else 1)


def _random_design(seed: int, dims: int) -> Design:
    rng = random.Random(seed)
    return with_options(rng, draw(rng, base=Design(depth=rng.randint(1, 4), width=rng.randint(2, 8), dims=dims)))


IMAGES = [_random_design(seed, dims=2) for seed in range(500)]
VOLUMES = [_random_design(seed, dims=3) for seed in range(50)]


def _sweep(**quick: int) -> pytest.MarkDecorator:
    """Runs a test on all designs of the named kinds, all but the first few only where there is time."""
    designs = {"images": IMAGES, "volumes": VOLUMES}
    return pytest.mark.parametrize(
        "design",
        [
            pytest.param(design, marks=() if number < few else pytest.mark.long, id=f"{kind}-{number}")
            for kind, few in quick.items()
            for number, design in enumerate(designs[kind])
        ],
    )


def _run(design: Design, *sides: int) -> Tensor:
    with torch.no_grad():
        return UNet(design).eval()(torch.rand(1, 3, *sides))


def _assert_runs(design: Design, *sides: int) -> None:
    logits = _run(design, *sides)
    assert logits.shape == (1, 2, *sides), design.to_link()
    assert logits.isfinite().all(), design.to_link()


@_sweep(images=25)
@pytest.mark.parametrize("sides", [(1, 1), (33, 47)], ids=str)
def test_a_random_design_gives_finite_logits_of_the_sides_of_its_image(design: Design, sides: tuple[int, ...]):
    _assert_runs(design, *sides)


@_sweep(images=25)
def test_a_random_design_runs_on_a_large_image(design: Design):
    _assert_runs(design, 256, 256)


@_sweep(volumes=5)
def test_a_random_design_runs_on_a_volume(design: Design):
    _assert_runs(design, 9, 17, 12)


@_sweep(images=25, volumes=5)
def test_a_step_by_finite_gradients_of_every_parameter_lowers_the_loss_of_a_random_design(design: Design):
    sides = (33, 47) if design.dims == 2 else (9, 17, 12)
    network = UNet(design).train()
    images, labels = torch.rand(2, 3, *sides), torch.randint(0, 2, (2, *sides))
    before = F.cross_entropy(network(images), labels)
    before.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} of {design.to_link()}"
        assert parameter.grad.isfinite().all(), f"{name} of {design.to_link()}"
    # Deep networks at full resolution have gradients of size 30, shallow ones of size 1; for a step of this length the
    # gradient foretells a loss that is lower by 0.001.
    squared = sum(
        float(parameter.grad.square().sum()) for parameter in network.parameters() if parameter.grad is not None
    )
    torch.optim.SGD(network.parameters(), lr=1e-3 / squared).step()
    after = F.cross_entropy(network(images), labels)
    assert after < before, design.to_link()


@_sweep(images=25, volumes=5)
def test_link_and_card_give_back_a_random_design_and_its_weights(design: Design, tmp_path: Path):
    assert Design.from_link(design.to_link()) == design
    network = UNet(design)
    write(tmp_path, network.state_dict(), Card(task="nuclei", design=design.to_json(), shared=False))
    card = read_card(tmp_path / "card.json")
    assert Design.from_json(card.design) == design
    assert card.serves(design)
    drawn = WeightStore(tmp_path, card).network().state_dict()
    assert drawn.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(drawn[name], tensor.half().float()), f"{name} of {design.to_link()}"


@_sweep(images=25, volumes=5)
def test_a_random_design_costs_what_the_built_network_is_seen_to_do(design: Design):
    side = 33 if design.dims == 2 else 9
    network = UNet(design).eval()
    counted = cost(design, side)
    assert counted.parameters == sum(parameter.numel() for parameter in network.parameters()), design.to_link()
    # torch's own counter sees every convolution as it runs; a multiply-add is two of its operations.
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, *[side] * design.dims))
    assert 2 * counted.macs == counter.get_total_flops(), design.to_link()


def _parts_of(designs: list[Design]) -> set[tuple[str, str]]:
    return {(slot, choice.id) for design in designs for slot in SLOT_IDS for choice in design.levels(slot)}


def _parts(dims: int) -> set[tuple[str, str]]:
    """Every part of every slot that is defined in so many dimensions."""
    entries = [(slot, entry) for slot in SLOT_IDS for entry in catalogues[slot].entries()]
    return {(slot, entry.id) for slot, entry in entries if dims in getattr(entry.make, "dims", (2, 3))}


def test_the_random_designs_hold_every_part_and_every_option():
    assert _parts_of(IMAGES) >= _parts(2)
    assert _parts_of(VOLUMES) >= _parts(3)
    options = {(slot, id, option.id) for slot, id in _parts(2) for option in catalogues[slot][id].options}
    chosen = [(slot, choice) for design in IMAGES for slot in SLOT_IDS for choice in design.levels(slot)]
    assert {(slot, choice.id, name) for slot, choice in chosen for name, _ in choice.options} == options
    assert {(design.depth, design.width) for design in IMAGES} == {(d, w) for d in range(1, 5) for w in range(2, 9)}


@pytest.mark.parametrize(("slot", "id"), sorted(_parts(2) - _parts(3)))
def test_what_is_defined_for_images_only_refuses_volumes_by_name(slot: str, id: str):
    with pytest.raises(IllegalDesign) as refused:
        Design(dims=3).replace(**{slot: id})
    for text in (refused.value.text.en, refused.value.text.zh):
        assert f"{slot}={id}" in text
        assert "dims=3" in text


def test_reassembly_and_dynamic_sampling_are_all_that_is_defined_for_images_only():
    assert _parts(2) - _parts(3) == {("up", "carafe"), ("up", "dysample")}
