"""Skips under the microscope: what crosses twice, what the mask owes to it, what noise and what meaning it carries."""

# isort: off
from unet_playground.analysis.skips.redundancy import Redundancy, skip_redundancy
from unet_playground.analysis.skips.operations import Operation, mean_crossings, operated
from unet_playground.analysis.skips.surgery import Operated, Scores, Surgery, skip_surgery
from unet_playground.analysis.skips.noise import Change, PassThrough, pass_through
from unet_playground.analysis.skips.semantic_gap import SemanticGap, semantic_gap
# isort: on

__all__ = [
    "Change",
    "Operated",
    "Operation",
    "PassThrough",
    "Redundancy",
    "Scores",
    "SemanticGap",
    "Surgery",
    "mean_crossings",
    "operated",
    "pass_through",
    "semantic_gap",
    "skip_redundancy",
    "skip_surgery",
]
