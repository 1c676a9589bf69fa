"""What is written as PNG gives back the same numbers."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from unet_playground.errors import PlaygroundError
from unet_playground.images import read_image
from unet_playground.images.labels import read_labels
from unet_playground.images.writer import encode_labels, encode_png


def test_images_keep_their_values():
    for shape in ((5, 7), (5, 7, 3)):
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        np.testing.assert_array_equal(read_image(encode_png(image)).pixels, image)


def test_labels_of_16_bits_keep_their_numbers():
    labels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(read_labels(encode_png(labels)), labels)
    np.testing.assert_array_equal(read_labels(encode_png(labels[::-2, ::3])), labels[::-2, ::3])


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((5, 7), float), ((5, 7, 4), np.uint8), ((5, 7, 3), np.uint16), ((0, 7), np.uint8), ((5,), np.uint8)],
)
def test_other_arrays_are_refused(shape: tuple[int, ...], kind: type):
    with pytest.raises(PlaygroundError, match="not written as PNG"):
        encode_png(np.zeros(shape, kind))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_labels_in_a_colour_table_keep_their_numbers(kind: str):
    labels = np.random.default_rng(0).integers(0, 3, (6, 9), np.uint8)
    file = BytesIO()
    Image.open(BytesIO(encode_labels(labels, ["#000000", "#2fd0c0", "#e8b321"]))).save(file, kind)
    np.testing.assert_array_equal(read_labels(file.getvalue()), labels)
    assert read_image(file.getvalue()).pixels[..., 1].max() == 0xD0


def test_a_colour_table_that_does_not_begin_with_black_is_read_by_its_colours():
    labels = np.random.default_rng(0).integers(0, 2, (6, 9), np.uint8)
    image = Image.fromarray(labels)
    image.putpalette(b"\xff\xff\xff\x00\x00\x00")
    file = BytesIO()
    image.save(file, "PNG")
    np.testing.assert_array_equal(read_labels(file.getvalue()), 255 * (labels == 0))
