"""When a network says 90%, is it right in 90 of 100 pixels?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses, probability_of
from unet_playground.analysis.uncertainty.doubt import fitting
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import PlaygroundError, Text
from unet_playground.examples import examples_of
from unet_playground.inference import prepare, task_of
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Paper
from unet_playground.training.datasets import data_root, examples
from unet_playground.training.datasets import split as splits

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Confidence beside accuracy, by bins of equal width; confidence is the probability of the class that was chosen.

    Attributes:
        confidence: float32 (bins,), mean in each bin; its middle where the bin is empty.
        accuracy: float32 (bins,), share of right pixels in each bin; 0 where it is empty.
        counts: float32 (bins,), pixels in each bin.
    """

    confidence: NDArray[np.float32]
    accuracy: NDArray[np.float32]
    counts: NDArray[np.float32]

    @property
    def share(self) -> NDArray[np.float32]:
        """Share of all pixels in each bin."""
        return (self.counts / max(1.0, float(self.counts.sum(dtype=np.float64)))).astype(np.float32)

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of accuracy from confidence, bins weighed by their pixels."""
        return float((self.share.astype(np.float64) * np.abs(self.accuracy - self.confidence)).sum())

    @property
    def last(self) -> float:
        """Share of the error that comes from the last bin, the pixels of highest confidence; 0 without error."""
        own = float(self.share[-1]) * abs(float(self.accuracy[-1]) - float(self.confidence[-1]))
        return own / self.error if self.error else 0.0

    @property
    def excess(self) -> float:
        """Mean confidence less accuracy over all pixels; positive is overconfident."""
        return float((self.share.astype(np.float64) * (self.confidence - self.accuracy)).sum())

    @property
    def largest(self) -> float:
        """The largest distance in a bin with at least a thousandth of the pixels."""
        filled = self.share >= 1e-3
        return float(np.abs(self.accuracy - self.confidence)[filled].max(initial=0))


@dataclass(frozen=True)
class Calibration:
    """A reliability curve and what it was measured on.

    Attributes:
        measured: The curve.
        on: What it was measured on.
        images: Number of images.
        classes: Number of classes; confidence is never below 1 / classes.
        here: float32 (bins,), share of the pixels of the image at hand in each bin of confidence.
    """

    measured: Reliability
    on: Text
    images: int
    classes: int
    here: NDArray[np.float32]

    @property
    def check(self) -> Text:
        """How many pixels stand behind the curve."""
        one = self.measured
        filled, most, of_error = int((one.counts > 0).sum()), 100 * float(one.share[-1]), 100 * one.last
        return Text(
            f"{one.counts.sum(dtype=np.float64):.0f} pixels fill {filled} of {BINS} bins, the last one with "
            f"{most:.1f}% of them and {of_error:.0f}% of the error.",
            f"共 {one.counts.sum(dtype=np.float64):.0f} 个像素，填入 {BINS} 个区间中的 {filled} 个，"
            f"最后一个占其中 {most:.1f}%，占误差的 {of_error:.0f}%。",
        )

    @property
    def facts(self) -> Text:
        """The expected calibration error and its direction."""
        one, way = self.measured, Text("overconfident", "过于自信")
        if self.measured.excess < 0:
            way = Text("underconfident", "不够自信")
        return Text(
            f"Expected calibration error {one.error:.4f} on {self.on.en} ({BINS} bins), largest in a bin "
            f"{one.largest:.3f}; on the whole {way.en} by {abs(one.excess):.4f}.",
            f"在{self.on.zh}上，期望校准误差为 {one.error:.4f}（{BINS} 个区间），单个区间最大 {one.largest:.3f}；"
            f"总体{way.zh}，差 {abs(one.excess):.4f}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        one = self.measured
        return {"confidence": one.confidence, "accuracy": one.accuracy, "counts": one.counts, "here": self.here}


@analyses.register(
    "calibration",
    room="uncertainty",
    title="Calibration",
    formula=r"$\mathrm{ECE} = \sum_b \frac{n_b}{n} |\mathrm{acc}_b - \mathrm{conf}_b|$",
    paper=Paper("Guo et al.", 2017, "On Calibration of Modern Neural Networks", "arXiv:1706.04599"),
    zh=Chinese(
        "校准",
        "网络说 90% 的像素中，是否真的有九成正确。",
        "按网络对所选类别的把握把像素分成 15 个区间，比较每个区间的平均把握与实际正确率。在对角线上为校准良好，"
        "在其下方为过于自信。有真值时在这幅图上测量，否则用该任务附带的有真值的示例。大多数像素是容易的背景，"
        "因此总误差很小并不说明轮廓上的把握可信；要看各个区间。",
    ),
)
def calibration(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    watch: Watch = UNWATCHED,
    truth: NDArray[np.uint8] | None = None,
) -> Calibration:
    """Whether the network is right in 90 of 100 pixels where it says 90%.

    Pixels are sorted into 15 bins by the network's confidence in the class that it chose, and in each bin the mean
    confidence is compared with the share of right pixels. On the diagonal it is calibrated, below it overconfident.
    With the truth of this image at hand it is measured here, else on the shipped examples of the task that have one.
    Most pixels are easy background, so a small error over all does not make the confidence along outlines
    trustworthy: look at the bins.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Is checked; every class counts.
        watch: May end it between images.
        truth: uint8 (h, w), true classes.
    """
    target.checked(model, image)
    own = probability_of(model, image)
    if truth is not None:
        measured = reliability([(own, fitting(truth, own[0]))])
        on, images = Text("this image", "这幅图"), 1
    else:
        pairs = _shipped(model, watch)
        measured, images = reliability(pairs), len(pairs)
        on = Text(f"{images} shipped example{'s' * (images > 1)}", f" {images} 幅附带的示例")
    here = _binned(own.max(0))
    shares = np.bincount(here.ravel(), minlength=BINS) / here.size
    return Calibration(measured, on, images, model.classes, shares.astype(np.float32))


def calibration_on(
    task: str, model: UNet, data: str | None = None, split: str = "test", watch: Watch = UNWATCHED
) -> Calibration:
    """The reliability curve over every image of a split.

    Args:
        task: Id of a task.
        model: A network for it.
        data: Folder with the data sets; `UNET_PLAYGROUND_DATA` by default.
        split: `test`, `validation` or `train`.
        watch: May end it between images.
    """
    parts = splits(task, data_root(data))
    if split not in parts:
        raise PlaygroundError(
            f'There is no split "{split}"; choose one of {", ".join(parts)}.',
            f"没有“{split}”这一部分；可选 {'、'.join(parts)}。",
        )
    device = next(model.parameters()).device
    sums, images = np.zeros((3, BINS)), 0
    for sample in parts[split]:
        for example in examples(task, [sample]):
            watch.between()
            sums += _sums(probability_of(model, example.image[None].to(device)), example.labels.numpy())
            images += 1
    total = _curve(sums)
    on = Text(f"the {split} split ({images} images)", f"数据集的 {split} 部分（{images} 幅）")
    return Calibration(total, on, images, model.classes, total.share)


def reliability(pairs: Iterable[tuple[NDArray[np.float32], NDArray[np.uint8]]]) -> Reliability:
    """Confidence beside accuracy over all pixels of some images.

    Args:
        pairs: Probabilities (classes, h, w) and true classes (h, w) of each image.
    """
    return _curve(sum((_sums(*pair) for pair in pairs), np.zeros((3, BINS))))


def _sums(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(3, bins): pixels, confidence and right pixels of each bin."""
    confidence = probability.max(0)
    bins, right = _binned(confidence).ravel(), (probability.argmax(0) == truth).ravel()
    return np.stack([np.bincount(bins, one, BINS) for one in (np.ones(bins.size), confidence.ravel(), right)]).astype(
        float
    )


def _binned(confidence: NDArray[np.float32]) -> NDArray[np.intp]:
    """The bin of each confidence, 0 to 14; certainty belongs to the last."""
    return np.minimum((confidence.astype(np.float64) * BINS).astype(np.intp), BINS - 1)


def _curve(sums: NDArray[np.float64]) -> Reliability:
    counts, confidence, right = sums
    filled, middle = counts > 0, (np.arange(BINS) + 0.5) / BINS
    each = np.maximum(counts, 1)
    return Reliability(
        np.where(filled, confidence / each, middle).astype(np.float32),
        (right / each).astype(np.float32),
        counts.astype(np.float32),
    )


def _shipped(model: UNet, watch: Watch) -> list[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Probabilities and truth of every shipped example of the model's task that has one."""
    task_of(model)
    pairs = []
    for one in examples_of(model.origin.task if model.origin else ""):
        truth = one.truth(model.classes)
        if truth is not None:
            watch.between()
            pairs.append((probability_of(model, prepare(one.read(), model)), truth))
    if not pairs:
        raise PlaygroundError(
            "Calibration needs a truth, and no shipped example of this task has one; give the truth of this image.",
            "校准需要真值，而该任务附带的示例都没有；请提供这幅图的真值。",
        )
    return pairs
