"""Forward passes of designs at 256 x 256 beside the classic's: the slowest by estimate and seeded random ones.

Every design that takes over 10 times the classic's time has to be called slow at the moment of choice. The estimate
behind that warning is linear in multiply-adds, bytes written and sampled values; `--fit` prints the factors that fit
this machine's times best.
"""

import argparse
import random
from statistics import median

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.measure import Verdict, alternate
from unet_playground import Design, UNet
from unet_playground.cost import SLOW, cost
from unet_playground.space import draw, neighbours

SIDE = 256
TOO_LONG = 10


def main() -> None:
    """Time the designs, each in turns with the classic, and hold the warnings against the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drawn", type=int, default=400, help="designs that are drawn and ranked by estimate")
    parser.add_argument("--timed", type=int, default=40, help="of them timed: half the slowest, half at random")
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    designs = _chosen(given.drawn, given.timed)
    times = [_times_classic(design) for design in tqdm(designs, unit="design")]
    estimates = [_estimate(design) for design in designs]
    for measured, estimated, design in sorted(zip(times, estimates, designs, strict=True), key=lambda row: row[0]):
        print(f"{measured:6.2f}x  estimated {estimated:6.2f}x  {design.to_link()}")
    if given.fit:
        _fit(designs, times)
    silent = [time for time, estimate in zip(times, estimates, strict=True) if estimate <= SLOW]
    ratios = [estimate / time for time, estimate in zip(times, estimates, strict=True)]
    print(f"estimated / measured: median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")
    print(f"{sum(time > TOO_LONG for time in times)} of {len(times)} took over {TOO_LONG} times the classic's time")
    verdict = Verdict()
    verdict.at_most("times the classic's forward pass, slowest design without a warning", max(silent), TOO_LONG)
    verdict.finish()


def _chosen(drawn: int, timed: int) -> list[Design]:
    """Every single change of the classic and of the full-resolution network, then the slowest and some drawn ones."""
    rng = random.Random(0)
    pool = [draw(rng) for _ in range(drawn)]
    slowest = sorted(pool, key=_estimate)[-timed // 2 :]
    single = [*neighbours(Design()), *neighbours(Design(down="none"))]
    return [*dict.fromkeys([Design(), *single, *slowest, *pool[: timed // 2]])]


def _estimate(design: Design) -> float:
    return cost(design, SIDE).effort / cost(Design(), SIDE).effort


def _times_classic(design: Design) -> float:
    image = torch.rand(1, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    one, classic = (UNet(which).channels_last().eval() for which in (design, Design()))
    with torch.inference_mode():
        seconds = alternate({"design": lambda: one(image), "classic": lambda: classic(image)}, rounds=5)
    return seconds["design"] / seconds["classic"]


def _fit(designs: list[Design], times: list[float]) -> None:
    """Least squares of the relative error, in milliseconds where the classic takes 20."""
    counted = np.array([cost(design, SIDE).work for design in designs], np.float64)
    milliseconds = 20 * np.array(times)
    factors, *_ = np.linalg.lstsq(counted / milliseconds[:, None], np.ones(len(times)), rcond=None)
    print("factors per multiply-add, byte written, sampled value:", ", ".join(f"{factor:.2g}" for factor in factors))


if __name__ == "__main__":
    main()
