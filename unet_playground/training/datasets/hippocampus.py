"""Hippocampus: the Medical Segmentation Decathlon's fourth task."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unet_playground.registry import Chinese, Paper
from unet_playground.training.arrange import arrange_hippocampus, wants_volumes
from unet_playground.training.datasets.slot import Dataset, Sample, datasets, paired
from unet_playground.training.recipe import Recipe
from unet_playground.training.sources import Source


@datasets.register(
    "hippocampus",
    title="Decathlon, hippocampus",
    zh=Chinese("医学分割十项全能：海马体", "220 个约 36×50×35 体素的 MR 体数据，按体数据划分，沿三个方向切片。"),
    paper=Paper(
        "Simpson et al.", 2019, "A large annotated medical image dataset (Decathlon, Task04)", "arXiv:1902.09063"
    ),
)
class HippocampusVolumes(Dataset):
    """220 MR volumes of about 36 x 50 x 35 voxels of 1 mm; labels 1 anterior, 2 posterior.

    Layout: `hippocampus/images/NAME.nii.gz` and `hippocampus/labels/NAME.nii.gz`. A volume is never divided between
    splits; networks learn from its slices in all three directions, or with dims=3 from all of it. All volumes lie
    as if of one side of the head; volumes taken whole are mirrored half of the time, so that both sides are known.
    """

    source = Source(
        address="https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar",
        licence="CC BY-SA 4.0",
        attribution="Medical Segmentation Decathlon, Task04 Hippocampus (Simpson et al., arXiv:1902.09063), Vanderbilt "
        "University Medical Center; unchanged files, for the shipped weights from "
        "github.com/udacity/nd320-c3-3d-imaging-starter",
        folder="hippocampus",
        wanted=wants_volumes,
        arrange=arrange_hippocampus,
        bytes=28_425_216,
    )
    recipe = Recipe(steps=4000, side=48, size=16, turns=False)
    bank_recipe = replace(recipe, steps=12000)
    bridgeless_recipe = replace(recipe, steps=12000)  # 0.69 after 4000 steps, 0.80 after these
    volume_recipe = Recipe(steps=2500, side=36, size=2, turns=False, mirrors=True)
    axes, unit = (0, 1, 2), "group"

    def samples(self, root: Path) -> Sequence[Sample]:
        return list(paired(root / "hippocampus", "images/*.nii.gz", "labels"))
