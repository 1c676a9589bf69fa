"""Large volumes: memory stays below its bound, and the page hears of the progress every second.

`python -m benchmarks.volumes` segments 200 slices of 512 x 512 with the classic for liver.
"""

import resource
import sys
import time

import numpy as np

from benchmarks.measure import Verdict
from unet_playground import Design, load_model
from unet_playground.images.volumes import Volume
from unet_playground.phantoms import draw
from unet_playground.volumes.measuring import measure, to_csv
from unet_playground.volumes.segmenting import segment_volume, task_of

SLICES, SIDE = 200, 512
LONGEST, MOST_GB = 1.0, 3.0


def main() -> None:
    """Measure in this process, whose memory was never larger."""
    volume, model = _volume(), load_model("liver", Design())
    told = [time.perf_counter()]
    found = segment_volume(volume, model, progress=lambda done, slices: told.append(time.perf_counter()))
    table = measure(volume, found.mask, task_of(model).labels)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    seconds = told[-1] - told[0]
    print(
        f"{SLICES} x {SIDE} x {SIDE}: {seconds:.1f} s, {seconds / SLICES:.3f} s a slice, {len(to_csv(table))} B of CSV"
    )
    verdict = Verdict()
    verdict.at_most("GB at the peak", peak / 1e9, MOST_GB)
    verdict.at_most("seconds between two words of progress", float(np.diff(told).max()), LONGEST)
    verdict.finish()


def _volume() -> Volume:
    """A drawn belly, the same in every slice but for its brightness."""
    pixels = np.asarray(draw("organs", SIDE, 1).pixels, np.float32)
    slice_ = (pixels if pixels.ndim == 2 else pixels.mean(2)).T * 255
    values = np.empty((SLICES, SIDE, SIDE), np.float32).T
    for number in range(SLICES):
        values[..., number] = slice_ + number % 7
    return Volume(values, np.diag([-0.75, -0.75, 1.0, 1.0]), "HU")


if __name__ == "__main__":
    main()
