"""What a design costs, stage by stage, before any weights exist: counted on a network without storage."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from weakref import finalize

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from unet_playground.design import Design
from unet_playground.model import UNet
from unet_playground.receptive_field import Field, receptive_field, with_gradients
from unet_playground.registry import remembered
from unet_playground.taps import Below, Tap

aten = torch.ops.aten

MILLISECONDS = (4e-9, 5e-8, 1.2e-6)
"""Per multiply-add, per byte written, per sampled value."""
SLOW = 8
"""Times the classic's effort beyond which a design is called slow at the moment of choice; estimates scatter, and
none that takes 10 times as long may pass."""


@dataclass(frozen=True)
class StageCost:
    """The cost of one stage for one image in float32.

    Attributes:
        stage: `encoder.0` (finest) ..., `bottleneck` where attention sits there, `decoder.3` ..., `head`.
        parameters: Learned numbers.
        macs: Multiply-adds of convolutions and matrix products (1 multiply and 1 add together count once).
        sampling: Values that are interpolated, sampled or read by a reassembly, counted apart.
        reassembled: Those of them that a reassembly reads: plain passes, whose time is that of the bytes they write.
        activation_bytes: Largest memory for activations at one time in the stage, inference; what later stages will
            need counts as well.
        training_bytes: Activations that the stage keeps for the backward pass.
        written_bytes: What all its operations write, one after the other.
    """

    stage: str
    parameters: int
    macs: int
    sampling: int
    reassembled: int
    activation_bytes: int
    training_bytes: int
    written_bytes: int


@dataclass(frozen=True)
class Cost:
    """The cost of one image in float32: the sum over the stages, for `activation_bytes` their maximum.

    Attributes:
        stages: In the order of computation.
        receptive_field: Of the middle pixel, clipped to the image.
    """

    stages: tuple[StageCost, ...]
    receptive_field: Field

    @property
    def parameters(self) -> int:
        return sum(stage.parameters for stage in self.stages)

    @property
    def macs(self) -> int:
        return sum(stage.macs for stage in self.stages)

    @property
    def sampling(self) -> int:
        return sum(stage.sampling for stage in self.stages)

    @property
    def activation_bytes(self) -> int:
        return max(stage.activation_bytes for stage in self.stages)

    @property
    def training_bytes(self) -> int:
        return sum(stage.training_bytes for stage in self.stages)

    @property
    def effort(self) -> float:
        """Estimated milliseconds of the forward pass on two CPU cores; only the ratio of two efforts means anything.

        `python -m benchmarks.designs` measures how well it predicts, and fits the three factors.
        """
        return sum(n * each for n, each in zip(self.work, MILLISECONDS, strict=True))

    @property
    def work(self) -> tuple[int, int, int]:
        """What takes time: multiply-adds, bytes written, values sampled otherwise than by plain passes."""
        stages = self.stages
        written, passes = sum(stage.written_bytes for stage in stages), sum(stage.reassembled for stage in stages)
        return self.macs, written, self.sampling - passes


@remembered(maxsize=512)
@with_gradients
def cost(design: Design, size: int = 256, in_channels: int = 3, classes: int = 2) -> Cost:
    """Count a design on an image with sides of `size` pixels. No weight is made and no pixel computed."""
    sides = (size,) * design.dims
    with torch.device("meta"):
        network = UNet(design, in_channels, classes).float()
        image = torch.empty(1, in_channels, *sides, dtype=torch.float32)
    parameters: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        stage = _stage_of(name)
        parameters[stage] = parameters.get(stage, 0) + parameter.numel()
    meter = _Meter(image)
    with meter, torch.autograd.graph.saved_tensors_hooks(meter.keep, lambda packed: packed):
        network(image, _Stages(meter, parameters))
    return Cost(
        tuple(StageCost(stage, parameters[stage], *counted) for stage, counted in meter.stages.items()),
        receptive_field(design, sides, (size // 2,) * design.dims),
    )


def times_classic(design: Design) -> float:
    """How much longer than the classic's a design's forward pass takes at 256 pixels, estimated."""
    return cost(design).effort / cost(Design(dims=design.dims)).effort


def _stage_of(name: str) -> str:
    """The stage that owns a parameter: `decoder.2-full.block...` belongs to `decoder.2`, `head.bias` to `head`."""
    part, _, rest = name.partition(".")
    level = re.match(r"\d+", rest)
    return f"{part}.{level[0]}" if level else part


class _Stages(Tap):
    """Closes a stage's account when the network tells what came out of it.

    Args:
        meter: Holds the accounts.
        names: Of all stages.
    """

    def __init__(self, meter: "_Meter", names: Collection[str]):
        self.meter, self.names = meter, names

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        if name == "logits":
            self.meter.close("head")
        elif name in self.names:
            self.meter.close(name)
        return tensor

    def within(self, place: str) -> Tap:
        return Below(self, place)


class Sketching(TorchDispatchMode):
    """Knows the shapes of what PyTorch, on the meta device, would compute in Python; changes nothing else."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        shape = _SHAPES.get(function.overloadpacket)
        return args[0].new_empty(shape(*args)) if shape else function(*args, **(kwargs or {}))


class _Meter(Sketching):
    """Counts operations, living bytes and bytes that the backward pass would keep, stage by stage.

    Attributes:
        stages: Stage -> (macs, sampling, of it reassembled, activation bytes, training bytes, written bytes).
    """

    def __init__(self, image: Tensor):
        super().__init__()
        self.stages: dict[str, tuple[int, ...]] = {}
        self.living = self.macs = self.sampling = self.reassembled = self.peak = self.kept = self.written = 0
        self._unkept = {image.untyped_storage()._cdata: image.nbytes}

    def close(self, stage: str) -> None:
        """Book what was counted since the last stage."""
        self.stages[stage] = (self.macs, self.sampling, self.reassembled, self.peak, self.kept, self.written)
        self.macs = self.sampling = self.reassembled = self.kept = self.written = 0
        self.peak = self.living

    def keep(self, tensor: Tensor) -> None:
        """Count what autograd saves, once, and let it go: there is no backward pass."""
        self.kept += self._unkept.pop(tensor.untyped_storage()._cdata, 0)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = super().__torch_dispatch__(function, types, args, kwargs)
        if function.overloadpacket in flop_registry:
            self.macs += flop_registry[function.overloadpacket](*args, **(kwargs or {}), out_val=result) // 2
        elif function.overloadpacket in _SAMPLING:
            self.sampling += result.numel()
        elif function.overloadpacket is aten.addcmul and args[0].shape == result.shape:
            # Weighed values on top of a sum of as many: one tap of a reassembly. Norms add theirs to a bias.
            self.sampling += result.numel()
            self.reassembled += result.numel()
        if function.is_view:
            return result
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, Tensor):
                self._live(tensor)
        return result

    def _live(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self.written += tensor.nbytes
        if storage._cdata in self._unkept:  # written in place
            return
        size = storage.nbytes()
        self._unkept[storage._cdata] = size
        self.living += size
        self.peak = max(self.peak, self.living)
        finalize(storage, self._die, storage._cdata, size)

    def _die(self, key: int, size: int) -> None:
        self._unkept.pop(key, None)
        self.living -= size


def _broadcast(*args: Any) -> torch.Size:
    return torch.broadcast_shapes(*(arg.shape for arg in args if isinstance(arg, Tensor)))


def _reduced(x: Tensor, order: float, axes: tuple[int, ...], keep: bool, *rest: Any) -> list[int]:
    if not keep:
        raise NotImplementedError("a norm that drops its axes")
    return [1 if axis in axes else side for axis, side in enumerate(x.shape)]


# PyTorch computes the shapes of these on the meta device in Python, in up to 8 ms each.
_SHAPES: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((aten.relu, aten.sigmoid, aten.pow, aten.mul, aten.add, aten.addcmul, aten.maximum), _broadcast),
    aten.upsample_nearest2d: lambda x, sides, *rest: (*x.shape[:2], *sides),
    aten.upsample_bilinear2d: lambda x, sides, *rest: (*x.shape[:2], *sides),
    aten.grid_sampler_2d: lambda x, grid, *rest: (*x.shape[:2], *grid.shape[1:-1]),
    aten.linalg_vector_norm: _reduced,
}
_SAMPLING = (
    aten.upsample_nearest2d,
    aten.upsample_nearest3d,
    aten.upsample_bilinear2d,
    aten.upsample_bicubic2d,
    aten.upsample_trilinear3d,
    aten.grid_sampler_2d,
    aten.grid_sampler_3d,
)
