"""GIF: a colour table of at most 256 colours, often animated."""

import struct
from dataclasses import replace

from unet_playground.images.decoders import count_frames, decode_ordinary
from unet_playground.images.kinds import image_format
from unet_playground.images.picture import FRAME, Picture
from unet_playground.limits import Limits


@image_format("GIF", lambda head: head.startswith((b"GIF87a", b"GIF89a")))
def read_gif(data: bytes, limits: Limits) -> Picture:
    """Read the first frame of a GIF."""
    limits.check_size("GIF", *struct.unpack_from("<HH", data, 6), bytes_per_pixel=4)
    picture = decode_ordinary(data, "GIF")
    frames = count_frames(data, "GIF", limits)
    more = (FRAME.format(frames=frames),) if frames > 1 else ()
    return replace(picture, notes=picture.notes + more)
