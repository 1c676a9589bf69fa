"""Which window, pixel and direction did the liver's training slices have? Their files say none of them.

`python -m benchmarks.liver_window` shows two CT volumes to the classic through many windows, at many sizes and turned
in many ways, and compares its masks with the volumes' own labels (made by another network); then it compares how wide
bodies are in the training slices and in one of the volumes. What it found stands in `tasks.Liver.scan`; the bounds hold
it there. It needs the data sets (UNET_PLAYGROUND_DATA) and takes minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.measure import Verdict
from unet_playground import Design, UNet, load_model, read_image
from unet_playground.images.labels import read_labels
from unet_playground.images.volumes import open_volume, plane, read_label_volume
from unet_playground.tasks import Scan
from unet_playground.training.datasets import data_root, split
from unet_playground.volumes.segmenting import AS_IT_IS, _pass, canonical_spacing, scan_of

LOWS, HIGHS = (-160, -100, -50, -25, 0, 25), (105, 150, 200, 255, 300, 400)
PIXELS = (0.9, 1.1, 1.3, 1.5, 1.7, 1.9, 2.2)
TURNS = {
    "as it is": lambda slices: slices,
    "mirrored": lambda slices: slices[..., ::-1],
    "upside down": lambda slices: slices[:, ::-1],
    "turned by 90 degrees": lambda slices: slices.swapaxes(1, 2)[:, ::-1],
}
LIVER = 5
"""TotalSegmentator's number of the liver."""


@dataclass(frozen=True)
class Slices:
    """Axial slices of one CT: values in HU and the liver, (n, h, w), square pixels of `pixel` mm."""

    values: NDArray[np.float32]
    truth: NDArray[np.bool_]
    pixel: float

    def dice(self, model: UNet, scan: Scan, turn: str = "as it is") -> float:
        """Agreement of the classic's masks with the truth over all slices."""
        values, truth = (np.ascontiguousarray(TURNS[turn](each)) for each in (self.values, self.truth))
        height, width = (round(n * self.pixel / scan.pixel) for n in values.shape[1:])
        masks = [_pass(values[n : n + 4], model, scan, AS_IT_IS, (height, width))[0] for n in range(0, len(values), 4)]
        found = np.concatenate(masks) == 1
        return float(2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth)))


def main() -> None:
    """Search one thing at a time, the others as the task has them."""
    root = data_root()
    volumes = _volumes(root / "volumes")
    model, verdict = load_model("liver", Design()), Verdict()
    scan = scan_of(model)

    def mean(scan: Scan, turn: str = "as it is") -> float:
        return float(np.mean([slices.dice(model, scan, turn) for slices in volumes]))

    chosen = mean(scan)
    windows = {(low, high): mean(replace(scan, window=(low, high))) for low in LOWS for high in HIGHS}
    print("Dice by window in HU, low by high:", *(f"{high:>6}" for high in HIGHS))
    for low in LOWS:
        print(f"{low:>33}:", *(f"{windows[low, high]:6.3f}" for high in HIGHS))
    verdict.at_most("best window's Dice less the task's", max(windows.values()) - chosen, 0.01)
    pixels = {pixel: mean(replace(scan, pixel=pixel)) for pixel in PIXELS}
    print("Dice by mm a pixel:", *(f"{pixel}: {dice:.3f}" for pixel, dice in pixels.items()))
    verdict.at_most("best pixel's Dice less the task's", max(pixels.values()) - chosen, 0.01)
    for turn in TURNS:
        print(f"Dice {turn}: {mean(scan, turn):.3f}")
    verdict.at_least("Dice as it is less mirrored", chosen - mean(scan, "mirrored"), 0.1)
    training, own = _widths(root), _width_of(volumes[0], scan)
    low, middle, high = np.percentile(training, [5, 50, 95])
    print(f"bodies in training slices are {low:.0f} to {high:.0f} px wide, {middle:.0f} in the middle; ", end="")
    print(f"that of the first volume {own:.0f} mm: {own / middle:.2f} mm a pixel if it is a middling one")
    verdict.at_most("deviation of the task's pixel from that", abs(own / middle / scan.pixel - 1), 0.15)
    verdict.finish()


def _volumes(folder: Path) -> Sequence[Slices]:
    """Slices of both CTs, every fourth and every second."""
    pairs = {
        "example_ct.nii.gz": ("example_seg_fast_force_split.nii.gz", 4),
        "ct_dicom_j2k": ("example_seg_dicom.nii.gz", 2),
    }
    found = []
    for image, (label, every) in pairs.items():
        volume = open_volume([folder / image])
        values, truth = plane(volume.canonical(), 2), plane(read_label_volume(folder / label), 2) == LIVER
        found.append(Slices(values[::every], truth[::every], canonical_spacing(volume)[0]))
    return found


def _widths(root: Path) -> list[float]:
    """Of bodies at the height of the liver, in pixels."""
    widths = [
        _width(read_image(sample.image).pixels, read_labels(sample.label) > 0)
        for sample in split("liver", root)["train"]
    ]
    return [width for width in widths if width]


def _width_of(slices: Slices, scan: Scan) -> float:
    """The middle width of one body in mm."""
    low, high = scan.window or (0, 1)
    shown = np.clip((slices.values - low) / (high - low), 0, 1) * 255
    widths = [_width(image, truth) for image, truth in zip(shown, slices.truth, strict=True)]
    return float(np.median([width for width in widths if width])) * slices.pixel


def _width(image: NDArray, liver: NDArray[np.bool_]) -> float:
    """Between the outermost things that are no fat, in the middle half of the liver's rows: there lies no table."""
    rows = np.flatnonzero(liver.any(1))
    if len(rows) < 20:
        return 0.0
    reach = (rows[-1] - rows[0]) // 4
    dense = ndimage.binary_opening(image > 25)[rows[0] + reach : rows[-1] - reach]
    columns = np.flatnonzero(dense.any(0))
    return float(np.ptp(columns)) + 1 if len(columns) else 0.0


if __name__ == "__main__":
    main()
