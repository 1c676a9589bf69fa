"""NPY: an array that NumPy has saved."""

from unet_playground.images.arrays import MAGIC, read_array
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import Picture
from unet_playground.limits import Limits


@image_format("NPY", lambda head: head.startswith(MAGIC))
def read_npy(data: bytes, limits: Limits) -> Picture:
    """Read an array as `Picture.from_array` does."""
    return Picture.from_array(read_array(data, limits))
