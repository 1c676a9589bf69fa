"""Uncertainty: what a network is unsure of, and whether it is right to be."""

# isort: off
from unet_playground.analysis.uncertainty.doubt import Entropy, entropy, entropy_of
from unet_playground.analysis.uncertainty.ensemble import Disagreement, disagreement, drawn_designs
from unet_playground.analysis.uncertainty.variants import Augmented, augmented, turned, unturned
from unet_playground.analysis.uncertainty.curve import (
    Calibration,
    Reliability,
    calibration,
    calibration_on,
    reliability,
)
# isort: on

__all__ = [
    "Augmented",
    "Calibration",
    "Disagreement",
    "Entropy",
    "Reliability",
    "augmented",
    "calibration",
    "calibration_on",
    "disagreement",
    "drawn_designs",
    "entropy",
    "entropy_of",
    "reliability",
    "turned",
    "unturned",
]
