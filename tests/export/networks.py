"""Designs that hold every part and option once, and networks of them whose parameters all matter."""

import io
import zipfile
from pathlib import Path

import torch

from unet_playground import Design, UNet
from unet_playground.space import neighbours, option_variants

BASE = Design(depth=2, width=4)
MIXED = (
    BASE.replace(attention="se/cbam", up="carafe/deformable", site="decoder"),
    BASE.replace(skip="none", attention="spatial", site="fused"),
    BASE.replace(attention="none/se"),
    BASE.replace(attention="eca", site="bottleneck"),
    BASE.replace(down="none", skip="nested(supervision=true)", attention="scse"),
    BASE.replace(down="blur-pool", block="multi-scale", up="learned(by=shuffle)", dims=3),
    BASE.replace(down="none", skip="full-scale", attention="cbam", dims=3),
    Design(depth=1, width=2, skip="pyramid"),
    Design(depth=3, width=3, skip="dense", up="deformable/bilinear/transposed"),
)
DESIGNS = tuple(dict.fromkeys((BASE, *neighbours(BASE), *option_variants(BASE), *MIXED)))


def varied(design: Design) -> UNet:
    """A network whose parameters all matter."""
    torch.manual_seed(0)
    network = UNet(design).requires_grad_(False).channels_last().eval()
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def unpacked(content: bytes, folder: Path) -> Path:
    """The folder into which an exported zip was unpacked."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    return folder
