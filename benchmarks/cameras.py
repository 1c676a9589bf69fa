"""Vessels in photographs of another camera, rescaled to the field of view of the training photographs.

`python -m benchmarks.cameras --images FOLDER --labels FOLDER --degrees 45` scores the classic on photographs whose
lit disc is so many degrees wide, labels being named like their images (DRIVE: 45, STARE: 35, HRF: 60). Without folders
it takes the test photographs (UNET_PLAYGROUND_DATA) as if another camera had made them: fewer pixels, another gain per
colour, another gamma, noise and JPEG. That tells how much of the change of cameras is colour and sharpness; whether it
holds on a real one only photographs of one can tell.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.measure import Verdict
from unet_playground import Design, load_model, read_image, segment
from unet_playground.images import Picture
from unet_playground.images.labels import read_labels
from unet_playground.training.datasets import data_root, split
from unet_playground.training.metrics import Truth, score

WIDTH, DEGREES = 915, 30
"""How wide the lit disc of the training photographs is, in pixels (median) and in degrees."""
LIT = 0.1
"""Part of the photograph's own brightness that a pixel of the disc has in its brightest channel."""
PRETENDED = 0.6
"""Pixels along a side that the pretended camera has of those of the real one."""

Photograph = tuple[str, NDArray[Any], NDArray[np.bool_]]


def main() -> None:
    """Segment every photograph and hold the mean Dice against the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--degrees", type=float, default=DEGREES, help="field of view across the lit disc")
    parser.add_argument("--weights", default="auto", choices=["auto", "shared", "solo"])
    given = parser.parse_args()
    if bool(given.images) != bool(given.labels):
        parser.error("images and labels go together; give both folders or none")
    photographs = _of_folders(given.images, given.labels) if given.images else _pretended()
    model, dices = load_model("vessels", Design(), given.weights), []
    for name, pixels, vessels in tqdm(photographs, unit="photograph"):
        width = _lit_width(pixels)
        factor = (WIDTH / DEGREES) / (width / given.degrees)
        area = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        rescaled = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=area)
        found = segment(Picture.from_array(rescaled), model).mask
        back = cv2.resize(found, vessels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        dices.append(score("dice", back.astype(np.uint8), Truth(vessels.astype(np.uint8)), 2))
        tqdm.write(f"  {name}: disc of {width} pixels, rescaled by {factor:.2f}, Dice {dices[-1]:.3f}")
    camera = "another camera" if given.images else "a pretended camera"
    verdict = Verdict()
    verdict.at_least(f"mean Dice of the classic on {len(dices)} photographs of {camera}", float(np.mean(dices)), 0.65)
    verdict.finish()


def _lit_width(pixels: NDArray[Any]) -> int:
    """Columns of the disc: where a row through the middle is not dark."""
    middle = np.median(pixels[len(pixels) * 2 // 5 : len(pixels) * 3 // 5].max(2), axis=0)
    lit = np.flatnonzero(middle > LIT * np.percentile(middle, 90))
    return int(lit[-1] - lit[0] + 1)


def _of_folders(images: Path, labels: Path) -> Iterator[Photograph]:
    for path in sorted(images.iterdir()):
        pixels = read_image(path).pixels
        yield path.name, pixels[..., :3], read_labels(next(labels.glob(f"{path.stem}.*"))) > 0


def _pretended() -> Iterator[Photograph]:
    rng = np.random.default_rng(0)
    for sample in split("vessels", data_root())["test"]:
        pixels, vessels = read_image(sample.image).pixels, read_labels(sample.label) > 0
        small = cv2.resize(pixels, None, fx=PRETENDED, fy=PRETENDED, interpolation=cv2.INTER_AREA)
        seen = (small / 255 * (0.8, 1.15, 1.6)) ** 1.4 + rng.normal(0, 0.01, small.shape)
        _, file = cv2.imencode(".jpg", np.rint(seen.clip(0, 1) * 255).astype(np.uint8)[..., ::-1])
        truth = cv2.resize(vessels.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA) >= 0.5
        yield sample.name, read_image(file.tobytes()).pixels, truth


if __name__ == "__main__":
    main()
