"""Large images: time grows with the pixels, memory does not, and no seam is seen.

`python -m benchmarks.tiles` computes the classic on drawn cells of 1, 4 and 16 megapixels.
"""

import subprocess
import sys
import time

import numpy as np
import torch

from benchmarks.measure import Verdict
from unet_playground import Design, Picture, load_model, segment
from unet_playground.inference import TILES, _by_tiles, prepare
from unet_playground.phantoms import draw

SIDES = (1100, 2048, 4080)


def main() -> None:
    """Measure each size in a process of its own, because memory is never given back."""
    if len(sys.argv) > 1:
        print(*_measured(int(sys.argv[1])))
        return
    verdict, found = Verdict(), []
    for side in SIDES:
        run = subprocess.run([sys.executable, "-m", "benchmarks.tiles", str(side)], capture_output=True, check=True)
        seconds, size = map(float, run.stdout.split())
        found.append((seconds / side**2 * 1e6, size))
        print(f"{side} x {side} px: {seconds:.2f} s, {found[-1][0]:.2f} s a megapixel, {size / 1e6:.0f} MB more")
    verdict.at_most("time a megapixel, largest image over smallest", found[-1][0] / found[0][0], 1.5)
    # Input, sum and probabilities of 16.6 megapixels take 470 MB; the activations of the whole would take gigabytes.
    verdict.at_most("MB more for the largest image", found[-1][1] / 1e6, 600)
    model, picture = load_model("nuclei", Design()), Picture.from_array(draw("cells", (900, 1300), 1).pixels)
    with torch.inference_mode():
        image = prepare(picture, model)
        whole = _by_tiles(image, model, 2000)
        for side in TILES:
            tiled = _by_tiles(image, model, side)
            verdict.at_least(
                f"agreement with the whole image, tiles of {side}", (whole.mask == tiled.mask).mean(), 0.999
            )
    verdict.finish()


def _measured(side: int) -> tuple[float, float]:
    """Seconds, and bytes that the process grew by at most."""
    import resource

    tile = draw("cells", 1020, 1).pixels
    pixels = np.tile(np.rint(tile * 255).astype(np.uint8), (4, 4))[:side, :side]
    model = load_model("nuclei", Design())
    segment(Picture.from_array(pixels[:1020, :1020]), model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    segment(Picture.from_array(pixels), model)
    return time.perf_counter() - begun, 1000.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


if __name__ == "__main__":
    main()
