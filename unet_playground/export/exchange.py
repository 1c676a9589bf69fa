"""The network in the exchange format ONNX."""

import copy
import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from unet_playground import __version__
from unet_playground.errors import PlaygroundError
from unet_playground.model import UNet
from unet_playground.notice import NOTICE
from unet_playground.tasks import tasks

_NEEDED = ("onnx", "onnxscript")
_exporting = threading.Lock()


def onnx(model: UNet, sides: Sequence[int] | None = None) -> bytes:
    """The network as an ONNX model: `image` (n, channels, *sides) in, `logits` (n, classes, *sides) out.

    Args:
        model: Any network.
        sides: The only sides that the file takes; by default it takes any from one pixel up. The metadata says which.

    Raises:
        PlaygroundError: Packages are missing, or something in the design has no counterpart in ONNX.
    """
    if missing := " + ".join(name for name in _NEEDED if find_spec(name) is None):
        raise PlaygroundError(
            f'ONNX needs {missing}, not installed here; in the repository, pip install -e ".[onnx]" installs it.',
            f'ONNX 需要 {missing}，本机未安装；请在仓库中用 pip install -e ".[onnx]" 安装。',
        )
    design = model.design
    if sides is not None and (len(sides) != design.dims or min(sides) < 1):
        raise PlaygroundError(
            f"The sides {tuple(sides)} do not fit; give {design.dims} sides from one pixel up.",
            f"边长 {tuple(sides)} 不适用；请给出 {design.dims} 个不小于 1 像素的边长。",
        )
    network = _Bare(copy.deepcopy(model).cpu().eval())
    try:
        with _exporting, _quiet(), torch.no_grad():
            exported = _export(network, model, sides)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise PlaygroundError(
            f"ONNX has no counterpart for something in {design.to_link()} ({type(error).__name__}); change a part.",
            f"ONNX 无法表达 {design.to_link()} 中的某个部件（{type(error).__name__}）；请更换部件。",
        ) from None
    return _described(exported, model, sides)


class _Bare(nn.Module):
    """A network that takes an image and nothing else."""

    def __init__(self, network: UNet):
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image)


def _export(network: nn.Module, model: UNet, sides: Sequence[int] | None) -> Any:
    depth, dims = model.design.depth, model.design.dims
    # Sides that are odd at every level show the exporter every crop, and different ones that they are different.
    shown = sides or [2 ** (depth + 1 + axis) + 1 for axis in range(dims)]
    free = (0, *(() if sides else range(2, dims + 2)))
    image = torch.zeros(2, model.in_channels, *shown)
    # What a branch takes for granted becomes an assertion while running, which ONNX leaves out.
    program = torch.export.export(
        network,
        (image,),
        dynamic_shapes=({axis: torch.export.Dim.DYNAMIC for axis in free},),
        prefer_deferred_runtime_asserts_over_guards=True,
    )
    return torch.onnx.export(program, input_names=["image"], output_names=["logits"], verbose=False).model_proto  # type: ignore[union-attr]


def _described(exported: Any, model: UNet, sides: Sequence[int] | None) -> bytes:
    """The file, with what it is, and without the traces of the program that wrote it."""
    graph = exported.graph
    for node in (exported, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        node.doc_string = ""
        del node.metadata_props[:]
    del graph.value_info[:]
    [image], [logits] = graph.input, graph.output
    titles = ("n", "", *("depth", "height", "width")[-model.design.dims :])
    axes = zip(titles, image.type.tensor_type.shape.dim, logits.type.tensor_type.shape.dim, strict=True)
    for title, *both in axes:
        for axis in both:
            if axis.dim_param:
                axis.dim_param = title
    facts = {
        "design": model.design.to_link(),
        "sides": " x ".join(map(str, sides)) if sides else "any",
        "written_by": f"U-Net Playground {__version__}",
        "notice": f"{NOTICE.en}.",
    }
    if model.origin:
        labels = tasks[model.origin.task].make.labels
        facts |= {"task": model.origin.task, "weights": model.origin.weights, "weights_sha256": model.origin.sha256}
        facts["classes"] = ", ".join(label.title.en for label in labels)
    for key, value in facts.items():
        exported.metadata_props.add(key=key, value=value)
    return exported.SerializeToString()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that nothing here needs."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
