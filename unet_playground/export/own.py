"""A user's own weights, which may be anything, as a network."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from unet_playground.design import Design
from unet_playground.errors import UnusableWeights
from unet_playground.model import Origin, UNet
from unet_playground.tasks import tasks

OWN = "own"
"""Where the weights of such a network come from, as its `origin` says."""

_HEADER = 1_000_000
_WIDEST = 8
"""Bytes of the widest number that is read, float64."""
_NAMED = 3


def load_own(path: str | os.PathLike[str], design: Design, task: str) -> UNet:
    """A network with weights of the user's own, frozen and in evaluation mode, on the CPU.

    Tensors are named as in `weights.safetensors` of an exported design. Nothing of the file is run, and no tensor is
    read before all names and shapes are right.

    Args:
        path: A safetensors file.
        design: What the weights were trained for.
        task: Id of a task.

    Raises:
        IllegalDesign: The design does not fit the task's images.
        UnusableWeights: The file is too large, no safetensors, or holds other tensors than the design names.
    """
    made = tasks[task].make
    made.check_dims(design)
    with torch.device("meta"):
        network = UNet(design, made.channels, len(made.labels))
    wanted = {name: [*parameter.shape] for name, parameter in network.named_parameters()}
    _check_size(Path(path), sum(parameter.numel() for parameter in network.parameters()))
    try:
        with safe_open(path, "pt") as stored:
            there = {name: stored.get_slice(name).get_shape() for name in stored.keys()}  # noqa: SIM118
            _check_names(wanted, there)
            tensors = {name: stored.get_tensor(name) for name in wanted}
    except (SafetensorError, OSError):
        raise UnusableWeights(
            "This file is not safetensors or is damaged; save the state dict with safetensors.torch.save_file.",
            "该文件不是 safetensors 或已损坏；请用 safetensors.torch.save_file 保存 state dict。",
        ) from None
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.float().isfinite().all():
            raise UnusableWeights(
                f"{name} holds values that are not finite numbers; train again with a lower rate.",
                f"{name} 含有非有限数值；请降低学习率重新训练。",
            )
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    network.origin = Origin(task, OWN, hashlib.sha256(Path(path).read_bytes()).hexdigest())
    return network.requires_grad_(False).channels_last().eval()


def _check_size(path: Path, numbers: int) -> None:
    size, most = path.stat().st_size if path.is_file() else 0, numbers * _WIDEST + _HEADER
    if size > most:
        raise UnusableWeights(
            f"This file has {size / 1e6:.1f} MB; the weights of this design have at most {most / 1e6:.1f} MB: choose "
            "the design that it was trained for.",
            f"该文件为 {size / 1e6:.1f} MB；此设计的权重最多 {most / 1e6:.1f} MB：请选择训练时所用的设计。",
        )


def _check_names(wanted: dict[str, list[int]], there: dict[str, list[int]]) -> None:
    """Refuse tensors that are missing, have another shape, or belong to another design, and name the first few."""
    en, zh = [*_faults(wanted, there, 0)], [*_faults(wanted, there, 1)]
    if en:
        raise UnusableWeights(
            f"These weights are of another design: {_listed(en)}; choose the design that they were trained for.",
            f"这些权重属于另一个设计：{_listed(zh)}；请选择训练时所用的设计。",
        )


def _faults(wanted: dict[str, list[int]], there: dict[str, list[int]], language: int) -> Iterator[str]:
    for name in wanted:
        if name not in there:
            yield (f"{name} is missing", f"缺少 {name}")[language]
        elif there[name] != wanted[name]:
            given, right = _shape(there[name]), _shape(wanted[name])
            yield (f"{name} is {given} instead of {right}", f"{name} 为 {given}，应为 {right}")[language]
    for name in there:
        if name not in wanted:
            readable = "".join(filter(str.isprintable, name))[:80]
            yield (f"{readable} is not part of it", f"{readable} 不属于它")[language]


def _shape(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides)) or "one number"


def _listed(faults: Sequence[str]) -> str:
    more = f", + {len(faults) - _NAMED}" if len(faults) > _NAMED else ""
    return ", ".join(faults[:_NAMED]) + more
