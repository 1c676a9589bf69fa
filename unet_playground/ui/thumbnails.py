"""What every place of the drawing computes of the image: its strongest feature map, small."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.lane import lane
from unet_playground.model import UNet
from unet_playground.ui.layers import address

SIDE = 64
"""Pixels of the longer side, at most; coarser maps keep their own."""
NAVY, ICE = np.array([11, 28, 58], np.float32), np.array([223, 243, 255], np.float32)


def thumbnails(drawing: Mapping[str, Any], model: UNet, image: Tensor) -> dict[str, str]:
    """Node -> `data:` address of a PNG: the channel that varies most, from its smallest value (navy) to its largest.

    Args:
        drawing: As `drawing` gives it, for the model's design.
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
    """
    places = {node["id"]: node["place"] for node in drawing["nodes"]}
    with lane.turn(), torch.inference_mode():
        features = model.trace(image, set(places.values()).__contains__).features
    return {id: address(_colored(features[place][0])) for id, place in places.items() if place in features}


def _colored(maps: Tensor) -> NDArray[np.uint8]:
    """RGB of one map of (channels, h, w)."""
    flat = maps.float().flatten(1)
    strongest = maps[int((flat.amax(1) - flat.amin(1)).argmax())].float()
    step = -(-max(strongest.shape) // SIDE)
    small = torch.nn.functional.avg_pool2d(strongest[None], step, ceil_mode=True)[0].cpu().numpy()
    shares = (small - small.min()) / max(float(np.ptp(small)), 1e-9)
    return np.rint(NAVY + shares[..., None] * (ICE - NAVY)).astype(np.uint8)
