"""Operators under the microscope: what every way down and up does to numbers, edges, dots and positions."""

from unet_playground.analysis.operators.alignment import Alignment, alignments
from unet_playground.analysis.operators.example import WorkedExample, trained_example, worked_example
from unet_playground.analysis.operators.look import NoOperators, Operators, operators_at
from unet_playground.analysis.operators.part import Operator, fresh, plain
from unet_playground.analysis.operators.response import Dots, Edges, dots, edges
from unet_playground.analysis.operators.unevenness import Checkerboard, checkerboard, fresh_checkerboard

__all__ = [
    "Alignment",
    "Checkerboard",
    "Dots",
    "Edges",
    "NoOperators",
    "Operator",
    "Operators",
    "WorkedExample",
    "alignments",
    "checkerboard",
    "dots",
    "edges",
    "fresh",
    "fresh_checkerboard",
    "operators_at",
    "plain",
    "trained_example",
    "worked_example",
]
