"""The trunk that is drawn by code: anatomy on its right side, tissue in Hounsfield units, and a liver that is found."""

import numpy as np

from unet_playground.design import Design
from unet_playground.images.volumes import Volume
from unet_playground.inference import load_model
from unet_playground.phantoms.trunk import SPACING, trunk
from unet_playground.volumes.segmenting import segment_volume


def test_it_is_the_same_every_time_and_its_liver_lies_on_the_right() -> None:
    values, liver = trunk()
    again, other = trunk()
    assert np.array_equal(values, again) and np.array_equal(liver, other)
    assert values.shape == liver.shape and values.dtype == np.float32
    assert np.argwhere(liver)[:, 0].mean() > values.shape[0] / 2
    assert 80 < np.median(values[liver == 1]) < 160 and values[0].mean() < -900 and values.max() > 500


def test_the_classic_finds_its_liver() -> None:
    values, liver = trunk()
    volume = Volume(values, np.diag([SPACING, SPACING, SPACING, 1.0]), "HU")
    found = segment_volume(volume, load_model("liver", Design())).mask
    assert 2 * (found & liver).sum() / (found.sum() + liver.sum()) > 0.85
