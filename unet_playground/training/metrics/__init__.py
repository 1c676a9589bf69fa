"""How well a mask agrees with the truth. Importing this registers every metric, in the order of these imports."""

# isort: off
from unet_playground.training.metrics.catalogue import Mask, Metric, Scale, Truth, mean_known, metrics, score
from unet_playground.training.metrics.overlap import Counts, count_classes, dice, iou, pooled_dice, precision
from unet_playground.training.metrics.boundary import boundary_dice, boundary_f1, edge, hd95, interior_dice
from unet_playground.training.metrics.objects import large_recall, merges, object_f1, small_recall, splits
from unet_playground.training.metrics.vessels import cldice, thick_recall, thin_recall, widths
from unet_playground.training.metrics.bootstrap import dice_interval, mean_interval
# isort: on

GENERAL = tuple(entry.id for entry in metrics.entries() if entry.make.scale.general)
"""Ids of the metrics that every task asks for."""

__all__ = [
    "GENERAL",
    "Counts",
    "Mask",
    "Metric",
    "Scale",
    "Truth",
    "boundary_dice",
    "boundary_f1",
    "cldice",
    "count_classes",
    "dice",
    "dice_interval",
    "edge",
    "hd95",
    "interior_dice",
    "iou",
    "large_recall",
    "mean_interval",
    "mean_known",
    "merges",
    "metrics",
    "object_f1",
    "pooled_dice",
    "precision",
    "score",
    "small_recall",
    "splits",
    "thick_recall",
    "thin_recall",
    "widths",
]
