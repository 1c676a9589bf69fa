"""The one reader of image files and the one writer of masks."""

from unet_playground.images.picture import Picture
from unet_playground.images.reader import read_image
from unet_playground.images.writer import encode_mask

__all__ = ["Picture", "encode_mask", "read_image"]
