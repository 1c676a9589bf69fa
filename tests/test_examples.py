"""The shipped example images: readable, labelled where promised, with source and licence."""

import numpy as np
import pytest

from unet_playground import catalogues
from unet_playground.errors import UnknownChoice
from unet_playground.examples import FOLDER, ShippedImage, example, examples


@pytest.mark.parametrize("shipped", examples(), ids=lambda shipped: shipped.id)
def test_an_example_is_an_image_of_its_task_with_its_source(shipped: ShippedImage):
    picture = shipped.read()
    assert shipped.task in catalogues["task"]
    assert min(picture.height, picture.width) >= 64
    assert shipped.source
    assert shipped.title.en
    assert shipped.title.zh
    truth = shipped.truth()
    if truth is not None:
        assert truth.shape == (picture.height, picture.width)
        assert set(np.unique(truth)) == {0, 1}


def test_every_file_in_the_folder_is_listed():
    listed = {path for shipped in examples() for path in (shipped.image, shipped.label) if path}
    assert listed == set(FOLDER.rglob("*.png"))


def test_examples_are_found_by_task_and_id():
    first = examples()[0]
    assert example(first.task, first.id) == first
    with pytest.raises(UnknownChoice, match=first.id):
        example(first.task, "no-such-image")
