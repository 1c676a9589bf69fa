"""Feeds the reader whatever breaks it: `make fuzz`, or `python -m tests.fuzz.reader [-max_total_time=60] [FOLDER]`.

Guided by coverage (atheris, on Linux). A file ends as a sound picture or volume or as a
refusal; anything else is a finding.
FOLDER holds files to start from; without one, whole files of every kind are written into a new one.
"""

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["unet_playground", "pydicom", "nibabel", "PIL"]):  # type: ignore[attr-defined]
    from unet_playground.errors import UnreadableImage
    from unet_playground.images import decoders
    from unet_playground.images.kinds import decode, formats
    from unet_playground.images.volume_files import decode_volume
    from unet_playground.limits import Limits

sys.path.insert(0, str(Path(__file__).parent.parent / "images"))
LIMITS = Limits(pixels=1_000_000, decoded_bytes=20_000_000)


def test_one(data: bytes) -> None:
    """Decode in this very process, so that a crash is seen."""
    with suppress(UnreadableImage, MemoryError):
        decode_volume([data], 0, LIMITS)
    try:
        picture = decode(data, LIMITS)
    except (UnreadableImage, MemoryError):
        return
    if picture.pixels.ndim not in (2, 3) or picture.pixels.dtype.kind not in "uf":
        raise RuntimeError("no sound picture")


def main() -> None:
    """Fuzz until time or patience ends."""
    formats()
    decoders.warm()
    given = sys.argv[1:]
    if not any(Path(each).is_dir() for each in given):
        from sample_files import whole_files  # type: ignore[import-not-found]

        folder = Path(tempfile.mkdtemp())
        for name, data in whole_files().items():
            (folder / name).write_bytes(data)
        given.append(str(folder))
    atheris.Setup([sys.argv[0], *given], test_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
