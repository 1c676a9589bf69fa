"""Arrays become pictures without losing levels; masks become files without losing anything."""

import os
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sample_files import save_deep

from unet_playground.errors import PlaygroundError, UnreadableImage
from unet_playground.images import Picture, encode_mask


def test_from_array() -> None:
    half = Picture.from_array(np.full((4, 5), 32768, np.uint16))
    assert half.bits == 16 and half.pixels[0, 0] == np.float32(32768 / 65535) and half.notes == ()
    black = Picture.from_array(np.eye(4, dtype=bool))
    assert black.bits == 1 and black.pixels.dtype == np.uint8 and set(np.unique(black.pixels)) == {0, 255}
    rgb = np.arange(12 * 20 * 3, dtype=np.uint8).reshape(12, 20, 3)
    source = rgb.copy()
    picture = Picture.from_array(source)
    source[:] = 0
    assert np.array_equal(picture.pixels, rgb) and (picture.height, picture.width) == (12, 20)
    pedestal = Picture.from_array(np.arange(1000).reshape(10, 100) + 10**12)
    assert len(np.unique(pedestal.pixels)) == 1000 and pedestal.bits == 32
    wild = Picture.from_array(np.array([[1e300, -np.inf, np.nan], [3.0, 5.0, 7.0]]))
    assert np.array_equal(wild.pixels, np.array([[0, 0, 0], [0, 0.5, 1]], np.float32)) and len(wild.notes) == 2
    for wrong in (np.zeros(3), np.zeros((2, 2, 2)), np.zeros((0, 4)), np.zeros((2, 2), complex)):
        with pytest.raises(UnreadableImage, match="Nothing was kept"):
            Picture.from_array(wrong)


def test_encode_mask_is_exact() -> None:
    mask = np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8)
    for labels in (mask, mask.T, mask[::2, ::3]):
        assert np.array_equal(np.array(Image.open(BytesIO(encode_mask(labels)))), labels)
    with pytest.raises(PlaygroundError):
        encode_mask(mask.astype(np.int64))  # pyright: ignore[reportArgumentType]


def test_import_loads_no_decoder() -> None:
    code = "import unet_playground.images, sys; print({'cv2', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_opencv_is_limited_before_it_is_loaded() -> None:
    code = (
        "import os, sys; from unet_playground.images.kinds import decode; early = 'cv2' in sys.modules; "
        "from unet_playground.limits import Limits; decode(sys.stdin.buffer.read(), Limits()); "
        "print(early, os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'])"
    )
    data = save_deep(np.zeros((4, 4, 3), np.uint16), ".png")
    free = {key: value for key, value in os.environ.items() if key != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, env=free)
    assert done.stdout.split() == [b"False", b"16700000"]
