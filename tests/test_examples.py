"""The shipped example images: readable, labelled where promised, with source and licence."""

import re

import numpy as np
import pytest

from unet_playground import catalogues
from unet_playground.errors import Text, UnknownChoice, UnreadableImage
from unet_playground.examples import FOLDER, ShippedImage, example, examples, examples_of
from unet_playground.images.labels import read_labels

LARGEST = 1_500_000
"""Bytes of an example: a page that opens with it should not wait for it."""
LICENCES = re.compile("CC0 1.0|BSD-3-Clause|Apache-2.0")
each_example = pytest.mark.parametrize("shipped", examples(), ids=lambda shipped: f"{shipped.task}-{shipped.id}")


@each_example
def test_an_example_is_an_image_of_its_task(shipped: ShippedImage):
    picture = shipped.read()
    made = catalogues["task"][shipped.task].make
    assert min(picture.height, picture.width) >= 32
    assert shipped.image.stat().st_size <= LARGEST
    image = made().prepare(picture)
    assert image.shape == (made.channels, picture.height, picture.width)
    assert image.std() > 0.05


@each_example
def test_an_example_names_its_source_with_version_and_licence_in_both_languages(shipped: ShippedImage):
    for language in ("en", "zh"):
        source = shipped.source.within(language)
        assert LICENCES.search(source)
        assert re.search(r"\d+\.\d+\.\d+", source)
        assert shipped.title.within(language)
    if "CC0" not in shipped.source.en:
        assert "Copyright" in shipped.source.en


@each_example
def test_a_truth_holds_the_classes_of_the_task(shipped: ShippedImage):
    picture, classes = shipped.read(), len(catalogues["task"][shipped.task].make.labels)
    truth = shipped.truth(classes)
    assert (truth is None) == (shipped.label is None)
    if truth is not None:
        assert truth.shape == (picture.height, picture.width)
        assert set(np.unique(truth)) == set(range(classes))


def test_numbers_of_objects_are_one_class_and_refused_where_a_task_has_several():
    shipped = example("nuclei", "fluorescence")
    assert shipped.label is not None
    labels = read_labels(shipped.label)
    np.testing.assert_array_equal(shipped.truth(2), labels > 0)
    with pytest.raises(UnreadableImage, match=f"go up to {labels.max()}; this task has the classes 0 to 2"):
        shipped.truth(3)


def test_every_file_in_the_folder_is_listed():
    listed = {path for shipped in examples() for path in (shipped.image, shipped.label) if path}
    assert listed == set(FOLDER.rglob("*.png"))


def test_every_task_has_examples():
    assert all(examples_of(task) for task in catalogues["task"])
    assert sum(len(examples_of(task)) for task in catalogues["task"]) == len(examples())


def test_examples_are_found_by_task_and_id():
    first = examples()[0]
    assert example(first.task, first.id) == first
    with pytest.raises(UnknownChoice, match=first.id):
        example(first.task, "no-such-image")
    with pytest.raises(UnknownChoice, match="upper, lower, coarse"):
        example("liver", first.id)


def test_truth_of_the_liver_is_said_to_be_automatic():
    for shipped in examples_of("liver"):
        assert isinstance(shipped.source, Text)
        assert "automatic, not manual" in shipped.source.en
        assert "非人工标注" in shipped.source.zh
