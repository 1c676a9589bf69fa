"""Networks whose explanation is known beforehand: U-Nets by type, formulas by content."""

from collections.abc import Callable

import torch
from torch import Tensor

from unet_playground import Design, UNet
from unet_playground.model import Origin
from unet_playground.taps import IGNORE, Tap

CENTRE = (3, 4)


class Known(UNet):
    """Two classes: class 0 is silent, class 1 is a formula of the image (n, 3, h, w) -> (n, h, w)."""

    def __init__(self, formula: Callable[[Tensor], Tensor]):
        super().__init__(Design(depth=1, width=2))
        self.formula = formula
        self.origin = Origin("nuclei", "untrained", "")
        self.requires_grad_(False)

    def forward(self, image: Tensor, tap: Tap = IGNORE) -> Tensor:
        logits = self.formula(image)
        return torch.stack([torch.zeros_like(logits), logits], 1)


class Failing(UNet):
    """Breaks at its call number `at`, never by default, and counts its calls."""

    def __init__(self, design: Design, at: int | None = None):
        super().__init__(design)
        self.calls, self.at = 0, at
        self.origin = Origin("nuclei", "untrained", "")

    def forward(self, image: Tensor, tap: Tap = IGNORE) -> Tensor:
        self.calls += 1
        if self.calls == self.at:
            raise RuntimeError("injected")
        return super().forward(image, tap)


def loaded(design: Design) -> UNet:
    """A frozen network whose gates and offsets are off their start."""
    network = UNet(design).requires_grad_(False).eval()
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    network.origin = Origin("nuclei", "untrained", "")
    return network


def hooks_of(network: UNet) -> int:
    """How many hooks of any kind sit on any module."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")
    return sum(len(getattr(module, kind)) for module in network.modules() for kind in kinds)
