"""The one door for image files: bytes go to a decoder in a process of its own, numbers come back."""

import os
from pathlib import Path

from unet_playground.errors import refusal
from unet_playground.images.apart import decoders
from unet_playground.images.picture import Picture
from unet_playground.limits import Limits

_LONGEST_NAME = 80


def read_image(source: str | os.PathLike[str] | bytes) -> Picture:
    """Read an image file; what kind it is, its content decides and not its name.

    Decoding happens in another process, which is bounded in time and memory. Of multi-page, multi-frame and
    volume files one image is read, and a note says which.

    Args:
        source: A path, or the bytes of a file.

    Raises:
        UnreadableImage: In one sentence, for every file that is missing, damaged, too large or of another
            kind.
        PlaygroundError: If an environment variable that sets a limit holds no number.
    """
    limits = Limits.from_environment()
    return decoders().picture(content_of(source, limits), limits)


def content_of(source: str | os.PathLike[str] | bytes, limits: Limits) -> bytes:
    """A file's bytes, of which there are not more than is allowed.

    Raises:
        UnreadableImage: The file cannot be opened or is too large.
    """
    data = source if isinstance(source, bytes) else _content(Path(source), limits)
    limits.check_file(len(data))
    return data


def _content(path: Path, limits: Limits) -> bytes:
    try:
        if path.is_file():  # a pipe or a device would never end
            limits.check_file(path.stat().st_size)
            with path.open("rb") as file:
                return file.read(limits.file_bytes + 1)
    except OSError:
        pass
    name = "".join(filter(str.isprintable, path.name))[:_LONGEST_NAME]
    raise refusal(
        f"No file called {name} can be opened; the name of an image file is needed. Check the name and try again.",
        f"无法打开名为 {name} 的文件；需要图像文件的名称。请检查名称后重试。",
    )
