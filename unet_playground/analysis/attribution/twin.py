"""A network seen as modules of its own, for what Captum does by hooks: they stay on the twin, which nobody shares."""

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unet_playground.analysis.attribution.result import Question
from unet_playground.model import UNet
from unet_playground.parts.layers import Norm
from unet_playground.taps import Freeze

# Captum announces hooks; here they are nobody else's business.
warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning, module="captum")


class Twin(nn.Module):
    """Images (n, c, h, w) -> target (n, 1), with a module of its own for every ReLU and max pooling.

    Parts call them as functions, which no hook sees. Here every call is handed to a module, and with a view of its
    input: Captum changes gradients at the tensor that enters a module, whoever else uses it, and on a U-Net what enters
    a pooling also crosses as a skip.

    Args:
        question: What is asked.
        averaged: Whether norms follow DeepLift's rule; then the network is copied, its weights are shared.

    Attributes:
        held: Names of the gates and sampling positions that the network computes from the image.
    """

    def __init__(self, question: Question, averaged: bool = False):
        super().__init__()
        # In a tuple the shared network is none of the modules that are given hooks.
        self._asked = (question, _averaged(question.model) if averaged else question.model)
        self.layers = nn.ModuleList()
        freeze = Freeze()
        with torch.no_grad(), _Routed(self.layers):
            self._asked[1](question.image, freeze)
        self.held = tuple(freeze.frozen)

    def forward(self, images: Tensor) -> Tensor:
        question, network = self._asked
        question.watch.between()
        with _Routed(self.layers):
            logits = network(images)
        return (logits[:, question.label] * question.region).sum((1, 2))[:, None]


class _Routed(TorchFunctionMode):
    """While it is on in a thread, ReLUs and max poolings are calls of modules, in their order, made when first met."""

    def __init__(self, layers: nn.ModuleList):
        super().__init__()
        self.layers, self.met = layers, 0

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is F.relu:
            return self._handed(args[0], nn.ReLU)
        if func is F.max_pool2d:
            return self._handed(args[0], lambda: nn.MaxPool2d(*args[1:], **(kwargs or {})))
        return func(*args, **(kwargs or {}))

    def _handed(self, x: Tensor, make: Callable[[], nn.Module]) -> Tensor:
        if self.met == len(self.layers):
            self.layers.append(make())
        layer = self.layers[self.met]
        self.met += 1
        y = layer(x.view_as(x))
        if hasattr(layer, "input") and hasattr(layer, "output"):
            # What Captum's hooks copied is in the graph as well.
            layer.input, layer.output = x.detach(), y.detach()
        return y


def _averaged(network: UNet) -> UNet:
    """A copy on the same weights whose norms follow DeepLift's rule."""
    private = copy.deepcopy(network, {id(parameter): parameter for parameter in network.parameters()})
    for module in [*private.modules()]:
        for name, child in module.named_children():
            if isinstance(child, Norm):
                setattr(module, name, _Averaged(child))
    return private


class _Averaged(nn.Module):
    """A norm over a batch of images and then their baselines, with DeepLift's multipliers for a gradient."""

    def __init__(self, norm: Norm):
        super().__init__()
        self.bias, self.epsilon = norm.bias, norm.epsilon

    def forward(self, x: Tensor) -> Tensor:
        return _Multiplied.apply(x, self.bias.detach(), self.epsilon)  # type: ignore[no-any-return]


class _Multiplied(torch.autograd.Function):
    r"""$x s(p) + b$ with $s(p) = (p + \epsilon)^{-1/2}$ and $p = mean_c(x^2)$.

    A product changes by $\bar{s} \Delta x + \bar{x} \Delta s$ (bars: means of image and baseline), $s$ by its slope
    between the two, and $p$ by $2\, mean_c(\bar{x} \Delta x)$: each exact, so nothing is lost or made up. The result
    is kept instead of x, because the ReLU that follows keeps it too.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        size = x.square().mean(1, keepdim=True).add_(epsilon).rsqrt_()
        y = torch.addcmul(bias, x, size)
        ctx.save_for_backward(y, bias, size)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        y, bias, sizes = ctx.saved_tensors
        (x, other), (size, rest) = ((y - bias).div_(sizes).chunk(2), sizes.chunk(2))
        middle = (x + other).div_(2)
        # (s(p) - s(q)) / (p - q) without the difference of near equals.
        slope = -size * rest * size * rest / (size + rest)
        multipliers = []
        for half in grad.chunk(2):
            along = (half * middle).sum(1, keepdim=True) * slope * 2 / middle.shape[1]
            multipliers.append(torch.addcmul(half * ((size + rest) / 2), middle, along))
        return torch.cat(multipliers), None, None
