"""Which normalisation a block should have: accuracy, forward time, and whether receptive fields stay local.

Trains the classic, and the classic without skips, for a few minutes each on nuclei with every candidate:
`python -m benchmarks.normalisation [--steps 600] [--seeds 2]` needs UNET_PLAYGROUND_DATA. Every candidate is a block
of its own, registered here.
"""

import argparse
import time
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.parts import Place, blocks
from unet_playground.parts.block import Plain
from unet_playground.parts.layers import Norm
from unet_playground.registry import Chinese
from unet_playground.training.datasets import Example, data_root, examples, split
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import Bank, Recipe, Trainer


class LayerNorm(nn.Module):
    """Mean and variance of the channels of one pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.inner = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.movedim(1, -1)).movedim(-1, 1)


class Level(nn.Module):
    """No normalisation: a learned level per channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


CANDIDATES: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(8, channels),
    "layer-per-pixel": LayerNorm,
    "rms-per-pixel": lambda channels: Norm(channels, 2),
    "none": Level,
}


def _register(name: str, make: Callable[[int], nn.Module]) -> None:
    class Candidate(Plain):
        """A plain block with another normalisation."""

        def __init__(self, sources: Mapping[str, int], channels: int, place: Place):
            super().__init__(sources, channels, place)
            self.first_norm, self.second_norm = make(channels), make(channels)

        def forward(self, joined: Tensor, tap: object = None) -> Tensor:
            return F.relu(self.second_norm(self.second(F.relu(self.first_norm(self.first(joined))))))

    blocks.register(name, title=name, zh=Chinese(name, name))(Candidate)


def main() -> None:
    """Train and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    parts = split("nuclei", data_root())
    train, held = (examples("nuclei", parts[name]) for name in ("train", "validation"))
    print(f"{'normalisation':16} {'seed':>4} {'Dice':>7} {'no skips':>9} {'ms':>6}  sees")
    for name, make in CANDIDATES.items():
        _register(name, make)
        milliseconds, local = _forward(Design(block=name)), _is_local(Design(block=name, depth=2))
        for seed in range(given.seeds):
            recipe = Recipe(steps=given.steps, seed=seed)
            dice = [_train(Design(block=name, skip=skip), recipe, train, held) for skip in ("concat", "none")]
            sees = "its neighbourhood" if local else "the whole image"
            print(f"{name:16} {seed:4} {dice[0]:7.4f} {dice[1]:9.4f} {milliseconds:6.1f}  {sees}", flush=True)


def _train(design: Design, recipe: Recipe, train: list[Example], held: list[Example]) -> float:
    bank = Bank(design, 3, 2, shared=False, seed=recipe.seed)
    for _ in Trainer(bank, recipe, train).run():
        pass
    network = bank.network(design)
    network.load_state_dict(bank.average, strict=False)
    return evaluate(network.eval(), held).dice


def _forward(design: Design) -> float:
    network = UNet(design).channels_last().eval()
    image = torch.rand(1, 3, 256, 256).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(12):
            begun = time.perf_counter()
            network(image)
            times.append(time.perf_counter() - begun)
    return 1000 * sorted(times)[6]


def _is_local(design: Design) -> bool:
    """Whether a pixel far outside the convolutions' reach leaves an output alone."""
    network = UNet(design).eval()
    image = torch.rand(1, 3, 160, 160)
    other = image.clone()
    other[..., 150:, 150:] = 0
    with torch.inference_mode():
        return bool(torch.equal(network(image)[..., :40, :40], network(other)[..., :40, :40]))


if __name__ == "__main__":
    main()
