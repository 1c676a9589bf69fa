"""Retinal vessels: CHASE_DB1."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unet_playground.registry import Chinese, Paper
from unet_playground.training.arrange import arrange_vessels, wants_vessels
from unet_playground.training.datasets.slot import Dataset, Sample, datasets
from unet_playground.training.metrics import GENERAL
from unet_playground.training.recipe import Recipe
from unet_playground.training.sources import Source


@datasets.register(
    "vessels",
    title="CHASE_DB1",
    zh=Chinese("CHASE_DB1", "14 名儿童的 28 幅 999×960 眼底照片；以第一位观察者的标注为准，最后 8 幅用于测试。"),
    paper=Paper(
        "Fraz et al.",
        2012,
        "An ensemble classification-based approach applied to retinal blood vessel segmentation",
        "doi:10.1109/TBME.2012.2205687",
    ),
)
class VesselImages(Dataset):
    """28 fundus photographs, 999 x 960, of both eyes of 14 children; the first observer's masks.

    Layout: `vessels/Image_01L.jpg`, `vessels/Image_01L_1stHO.png`. The usual split: the last eight images (children
    11 to 14) for testing; child 10 for validation; nine children for training.
    """

    source = Source(
        address="https://researchdata.kingston.ac.uk/96/1/CHASEDB1.zip",
        licence="CC BY 4.0",
        attribution="CHASE_DB1 retinal vessel reference dataset (Fraz, Owen, Rudnicka, Barman et al.), Kingston "
        "University and St George's, University of London, https://researchdata.kingston.ac.uk/96/; unchanged files, "
        "for the shipped weights from github.com/sarah-antillia/Image-Segmentation-Retinal-Vessel",
        folder="vessels",
        wanted=wants_vessels,
        arrange=arrange_vessels,
    )
    recipe = Recipe(steps=5000, side=128, size=4)
    bank_recipe = replace(recipe, steps=12000, size=3)
    # At a rate of 2e-3 Dice stays 0, at 1e-3 it comes to 0.56, at this one to 0.77.
    bridgeless_recipe = replace(recipe, rate=5e-4)
    metrics = (*GENERAL, "cldice", "thin_recall", "thick_recall", "precision")
    validation, test = ("10",), ("11", "12", "13", "14")

    def samples(self, root: Path) -> Sequence[Sample]:
        images = sorted((root / "vessels").glob("Image_*.jpg"))
        return [Sample(image, image.with_name(f"{image.stem}_1stHO.png")) for image in images]

    def group(self, sample: Sample) -> str:
        """The child: `Image_01L` and `Image_01R` show one."""
        return sample.name.removeprefix("Image_")[:2]

    def part(self, sample: Sample) -> str:
        child = self.group(sample)
        return "test" if child in self.test else "validation" if child in self.validation else "train"
