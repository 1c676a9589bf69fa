"""What a design costs, before any weights exist: counted on a network without storage."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import finalize

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.receptive_field import Field, receptive_field

aten = torch.ops.aten
_VIEWS = ("view", "_unsafe_view", "permute", "slice", "expand", "unsqueeze", "detach", "alias", "select")


@dataclass(frozen=True)
class Cost:
    """The cost of one image in float32.

    Attributes:
        parameters: Learned numbers.
        macs: Multiply-adds of convolutions (1 multiply and 1 add together count once).
        sampling: Values that are interpolated or sampled, counted apart.
        activation_bytes: Largest memory for activations at one time, inference.
        training_bytes: Activations kept for the backward pass.
        receptive_field: Of the middle pixel, clipped to the image.
    """

    parameters: int
    macs: int
    sampling: int
    activation_bytes: int
    training_bytes: int
    receptive_field: Field


@lru_cache(maxsize=512)
def cost(design: Design, size: int = 256, in_channels: int = 3, classes: int = 2) -> Cost:
    """Count a design on an image with sides of `size` pixels. No weight is made and no pixel computed."""
    sides = (size,) * design.dims
    with torch.device("meta"):
        network = UNet(design, in_channels, classes)
        image = torch.empty(1, in_channels, *sides)
    meter = _Meter()
    with torch.no_grad(), meter:
        network(image)
    return Cost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=meter.macs,
        sampling=meter.sampling,
        activation_bytes=meter.peak,
        training_bytes=_kept(network, image),
        receptive_field=receptive_field(design, sides, (size // 2,) * design.dims),
    )


class _Meter(TorchDispatchMode):
    """Counts operations and living bytes as they happen."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = self.sampling = self.living = self.peak = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if function is aten.convolution.default:
            self.macs += _convolution_macs(args, result)
        elif name.startswith(("upsample", "grid_sampler")):
            self.sampling += result.numel()
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, Tensor) and name not in _VIEWS:
                self._live(tensor)
        return result

    def _live(self, tensor: Tensor) -> None:
        size = tensor.numel() * tensor.element_size()
        self.living += size
        self.peak = max(self.peak, self.living)
        finalize(tensor.untyped_storage(), self._die, size)

    def _die(self, size: int) -> None:
        self.living -= size


def _convolution_macs(args: tuple, result: Tensor) -> int:
    """Every weight meets every position: of the output, or of the input for a transposed convolution."""
    x, weight, transposed = args[0], args[1], args[6]
    positions = (x if transposed else result)[0, 0].numel()
    return x.shape[0] * positions * weight.numel()


def _kept(network: UNet, image: Tensor) -> int:
    """Bytes that autograd keeps for the backward pass, weights apart."""
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not (tensor.is_leaf and tensor.requires_grad):
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(image)
    return sum(storage.nbytes() for storage in kept.values())
