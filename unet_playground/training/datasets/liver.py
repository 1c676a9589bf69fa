"""Liver: slices of the Medical Segmentation Decathlon's third task."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unet_playground.registry import Chinese, Paper
from unet_playground.training.arrange import arrange_liver, wants_volumes
from unet_playground.training.datasets.slot import Dataset, Sample, datasets, paired
from unet_playground.training.recipe import Recipe
from unet_playground.training.sources import Source


@datasets.register(
    "liver",
    title="Decathlon, liver slices",
    zh=Chinese("医学分割十项全能：肝脏切片", "102 名患者的 538 幅 256×256 CT 轴位切片，按患者划分。"),
    paper=Paper(
        "Simpson et al.", 2019, "A large annotated medical image dataset (Decathlon, Task03)", "arXiv:1902.09063"
    ),
)
class LiverSlices(Dataset):
    """538 axial CT slices, 256 x 256, of 102 patients, liver with tumour.

    Layout: `liver/images/PATIENT_SLICE.png` and `liver/masks/PATIENT_SLICE.png`. The number before `_` is the patient,
    who is never divided between splits.
    """

    source = Source(
        address="https://msd-for-monai.s3-us-west-2.amazonaws.com/Task03_Liver.tar",
        licence="CC BY-SA 4.0",
        attribution="Medical Segmentation Decathlon, Task03 Liver (Simpson et al., arXiv:1902.09063), whose volumes "
        "come from the LiTS challenge (CC BY-NC-ND 4.0 on its own site); the shipped weights learned from copies at "
        "kaggle.com/prathamgrover/3d-liver-segmentation and github.com/sarah-antillia/Image-Segmentation-Liver-Tumor "
        "(which states ODC DbCL 1.0): axial slices 256 x 256, windowed to 8 bits, compressed as JPEG, flips undone, "
        "masks made binary",
        folder="liver",
        wanted=wants_volumes,
        arrange=arrange_liver,
        bytes=28_925_891_584,
    )
    recipe = Recipe(steps=5000, side=160, size=4, turns=False)
    bank_recipe = replace(recipe, steps=12000, size=3, side=128)

    def samples(self, root: Path) -> Sequence[Sample]:
        return list(paired(root / "liver", "images/*.png", "masks"))

    def group(self, sample: Sample) -> str:
        """The patient."""
        return sample.name.split("_")[0]
