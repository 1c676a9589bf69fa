"""BMP: what Windows writes; gray, colour or a colour table in up to 8 bits."""

import struct

from unet_playground.images.decoders import decode_ordinary
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import Picture
from unet_playground.limits import Limits

_OLD_HEADER = 12


@image_format("BMP", lambda head: head.startswith(b"BM"))
def read_bmp(data: bytes, limits: Limits) -> Picture:
    """Read a BMP."""
    old = struct.unpack_from("<I", data, 14)[0] == _OLD_HEADER
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    limits.check_size("BMP", width, abs(height), bytes_per_pixel=4)  # below 0: the rows begin at the top
    return decode_ordinary(data, "BMP")
