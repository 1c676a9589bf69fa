"""What it costs to decode apart: an ordinary PNG through `read_image` against the same decoder in this process."""

from benchmarks.crowd import cells, png
from benchmarks.measure import Verdict, alternate
from unet_playground import read_image
from unet_playground.images.apart import decoders
from unet_playground.images.kinds import decode
from unet_playground.limits import Limits

MORE = 0.030
"""Seconds that an ordinary PNG may take longer."""


def main() -> None:
    """Time both, in turns."""
    decoders().warm()
    verdict, limits = Verdict(), Limits.from_environment()
    for side in (256, 512, 1024, 2048):
        file = png(cells(1, side))
        times = alternate({"apart": lambda file=file: read_image(file), "here": lambda file=file: decode(file, limits)})
        shown = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in times.items())
        print(f"gray PNG of {side} x {side} px ({len(file) / 1e3:.0f} kB): {shown}")
        if side <= 1024:
            verdict.at_most(f"seconds more for {side} x {side} px", times["apart"] - times["here"], MORE)
    verdict.finish()


if __name__ == "__main__":
    main()
