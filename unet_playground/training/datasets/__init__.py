"""Images with labels, one data set a file."""

# Importing a file registers its data set, so this is the order of lists.
# isort: off
from unet_playground.training.datasets.slot import (
    Dataset,
    Example,
    Sample,
    check_grid,
    check_solid,
    data_root,
    datasets,
    examples,
    in_classes,
    naming,
    pair,
    read,
    read_truth,
    split,
    split_hash,
)
from unet_playground.training.datasets.nuclei import NucleiImages
from unet_playground.training.datasets.vessels import VesselImages
from unet_playground.training.datasets.liver import LiverSlices
from unet_playground.training.datasets.hippocampus import HippocampusVolumes
# isort: on

__all__ = [
    "Dataset",
    "Example",
    "HippocampusVolumes",
    "LiverSlices",
    "NucleiImages",
    "Sample",
    "VesselImages",
    "check_grid",
    "check_solid",
    "data_root",
    "datasets",
    "examples",
    "in_classes",
    "naming",
    "pair",
    "read",
    "read_truth",
    "split",
    "split_hash",
]
