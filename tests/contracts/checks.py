"""What every part owes, as checks of one design: each raises when the design breaks its promise."""

import re
from copy import deepcopy

import torch
import torch.nn.functional as F
from matplotlib.mathtext import MathTextParser
from torch import Tensor, nn

from unet_playground import Design, UNet
from unet_playground.registry import Entry

CJK = re.compile(r"[\u4e00-\u9fff]")


def network_of(design: Design, seed: int = 0, noise: float = 0.0) -> UNet:
    """The same network for the same design and seed; `noise` moves every parameter off its initial value."""
    torch.manual_seed(seed)
    network = UNet(design).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    return network


def check_sides(design: Design, *shapes: tuple[int, ...]) -> None:
    """Logits have exactly the sides of the image, for shapes (n, *sides)."""
    network = network_of(design)
    for batch, *sides in shapes:
        logits = _run(network, torch.rand(batch, 3, *sides))
        assert logits.shape == (batch, 2, *sides)
        assert logits.isfinite().all()


def check_gradients(design: Design, side: int = 32) -> None:
    """A gradient that is finite and not zero reaches every parameter.

    Some parameters start where their gradient is zero (weights behind zero weights), and a ReLU can be closed for
    one draw of weights; so all parameters are moved off their start, and every parameter has to be reached in one of
    three draws.
    """
    missing = {name for name, _ in UNet(design).named_parameters()}
    for seed in range(3):
        network = network_of(design, seed, noise=0.1)
        labels = torch.randint(0, 2, (2, *[side] * design.dims))
        F.cross_entropy(network(torch.rand(2, 3, *labels.shape[1:])), labels).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, f"{name} has no gradient"
            assert parameter.grad.isfinite().all(), name
            if parameter.grad.any():
                missing.discard(name)
        if not missing:
            return
    raise AssertionError(f"no gradient reaches {sorted(missing)}")


def check_copy(design: Design) -> None:
    """A deep copy computes the same and shares nothing."""
    network = network_of(design, noise=0.1)
    image = torch.rand(1, 3, *[9] * design.dims)
    copy, before = deepcopy(network), _run(network, image)
    assert torch.equal(_run(copy, image), before)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.zero_()
    assert torch.equal(_run(network, image), before)


def check_independence(design: Design) -> None:
    """Evaluation gives the same bits twice, and what else is in the batch changes nothing, be it NaN.

    In double precision, because batches of different size may be added up in different order.
    """
    network = network_of(design, noise=0.1).double()
    image = torch.rand(1, 3, *[13] * design.dims, dtype=torch.float64)
    other = torch.full_like(image, torch.nan)
    alone, among = _run(network, image), _run(network, torch.cat([other, image, other]))
    assert torch.equal(_run(network, image), alone)
    torch.testing.assert_close(among[1:2], alone, rtol=0, atol=1e-10)
    assert among[0].isnan().any()


def check_autocast(design: Design, side: int = 33) -> None:
    """Under autocast to bfloat16 the logits are off by little more than rounding the weights alone makes them.

    The yardstick is the network's own: deep narrow ones with random weights turn the 0.4% of one rounding into up to
    30%. Autocast rounds features as well, which over these designs makes 1.2 to 2.3 times as much; a part that
    overflows or samples in the wrong place is off by 100%.
    """
    network = network_of(design, noise=0.05)
    image = torch.rand(1, 3, *[side] * design.dims)
    full = _run(network, image)
    with torch.autocast("cpu", torch.bfloat16):
        half = _run(network, image)
    rounded = _run(deepcopy(network).bfloat16().float(), image.bfloat16().float())
    assert half.isfinite().all()
    error, yardstick = ((one.float() - full).norm() / (full - full.mean()).norm() for one in (half, rounded))
    assert error < 3 * yardstick, f"bfloat16 is off by {error:.1%}, rounded weights by {yardstick:.1%}"


def check_written_forms(design: Design) -> None:
    """Link and JSON give back the same design."""
    assert Design.from_link(design.to_link()) == design
    assert Design.read_link(f"https://example.org/app?{design.to_link()}") == (design, ())
    assert Design.from_json(design.to_json()) == design


def check_texts(entry: Entry) -> None:
    """One-line summary, lesson and title in two languages, and a formula that can be drawn."""
    assert entry.title.en
    assert CJK.search(entry.summary.zh)
    assert CJK.search(entry.lesson.zh)
    assert entry.title.zh
    assert entry.summary.en.endswith(".")
    assert entry.summary.zh.endswith("。")
    assert "\n" not in entry.summary.en
    if entry.formula:
        width, height, *_ = MathTextParser("path").parse(entry.formula)
        assert width > height > 0


def check_all(design: Design) -> None:
    """Everything that a design owes."""
    check_sides(design, *_small_shapes(design.dims))
    check_gradients(design, side=32 if design.dims == 2 else 12)
    check_copy(design)
    check_independence(design)
    check_autocast(design, side=33 if design.dims == 2 else 9)
    check_written_forms(design)


def signal_ratio(part: nn.Module, channels: int, dims: int = 2) -> float:
    """How much louder or quieter typical features (after a ReLU) leave a part."""
    features = torch.randn(2, channels, *[12] * dims).relu()
    return float(_run(part, features).norm() / features.norm())


def _small_shapes(dims: int) -> tuple[tuple[int, ...], ...]:
    return ((1, 1, 1), (1, 1, 30), (3, 33, 47)) if dims == 2 else ((1, 1, 1, 1), (2, 9, 17, 12))


def _run(network: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        return network(image)
