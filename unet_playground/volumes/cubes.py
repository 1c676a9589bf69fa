"""Volumes through networks that take them whole: on a grid of 1 mm, in blocks where they are large."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.errors import refusal
from unet_playground.images.volumes import plane
from unet_playground.inference import computed, spans, task_of
from unet_playground.model import UNet

BLOCK, OVERLAP = 64, 16
"""Voxels along the sides of a block, and over which two blocks are blended; multiples of the strides to depth 4."""
LARGEST = 320
"""Millimetres along the longest side of a volume; a head has less."""


def segment_cube(
    values: NDArray[np.float32],
    spacing: Sequence[float],
    model: UNet,
    progress: Callable[[int, int], None] = lambda done, total: None,
    scale: float = 1.0,
) -> NDArray[np.float32]:
    """The probability of every class at every voxel, (classes, x, y, z), 0 to 1, sums to 1 over the classes.

    The volume is resampled to the 1 mm of the training volumes. Up to `BLOCK` mm a side it is computed whole, else in
    blocks that overlap and are blended. Every block is stretched to its own brightness, as every training volume is:
    those are boxes of about 36 x 50 x 35 mm around one hippocampus, and the network knows nothing else.

    Args:
        values: (x, y, z), growing towards the patient's right, front and head, as `Volume.canonical` gives them.
        spacing: Of the voxels along x, y and z in mm.
        model: With dims=3, as `load_model` gives it.
        progress: Called with the blocks that are done and all blocks; whatever it raises ends the computation.
        scale: How much larger than it is the volume is shown.

    Raises:
        UnreadableImage: The volume is longer than `LARGEST` mm.
    """
    lengths = [side * each for side, each in zip(values.shape, spacing, strict=True)]
    if max(lengths) > LARGEST:
        raise _too_long(lengths)
    task = task_of(model)
    order = _order(task.plane)
    stack, sides = plane(values, task.plane).copy(), [max(1, round(lengths[axis] * scale)) for axis in order]
    cube = _resized(torch.from_numpy(stack)[None], sides)[0]
    device = next(model.parameters()).device
    total = torch.zeros(model.classes, *sides)
    blocks = list(product(*(spans(side, BLOCK, OVERLAP, OVERLAP) for side in sides)))
    for number, block in enumerate(blocks, 1):
        place, (deep, tall, wide) = zip(*block, strict=True)
        with torch.inference_mode():
            logits = computed(model, task.prepare_volume(cube[place].numpy())[None].to(device))[0]
        weight = deep[:, None, None] * tall[:, None] * wide
        total[:, *place] += logits.float().softmax(0).cpu() * weight
        progress(number, len(blocks))
    probability = _resized(total, stack.shape).numpy()[:, :, ::-1, ::-1]
    return probability.transpose(0, *(1 + np.argsort(order))).copy()


def _order(axis: int) -> tuple[int, int, int]:
    """The axes x, y, z in the order in which `plane` puts them."""
    across, down = (other for other in range(3) if other != axis)
    return axis, down, across


def _resized(values: Tensor, sides: Sequence[int]) -> Tensor:
    """(channels, *sides) on another grid over the same box: averaged where it is coarser, interpolated where finer."""
    coarser = [min(pair) for pair in zip(values.shape[1:], sides, strict=True)]
    averaged = F.interpolate(values[None], coarser, mode="area")
    return F.interpolate(averaged, list(sides), mode="trilinear", align_corners=False)[0]


def _too_long(lengths: Sequence[float]) -> Exception:
    size = " x ".join(f"{length:.0f}" for length in lengths)
    return refusal(
        f"This volume is {size} mm; a network for volumes takes up to {LARGEST} mm a side. Cut out the head, or check "
        "the distance of its voxels, and try again.",
        f"该体数据为 {size} 毫米；三维网络每边最多处理 {LARGEST} 毫米。请裁剪出头部或检查体素间距后重试。",
    )
