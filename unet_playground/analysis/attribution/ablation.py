"""Attributions by taking pieces of the image away."""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from unet_playground.analysis.attribution.gradients import Checks
from unet_playground.analysis.attribution.result import CHUNK, Attribution, Question, answer, ask, flat
from unet_playground.analysis.base import Target, analyses
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper


@analyses.register(
    "occlusion",
    room="attribution",
    title="Occlusion",
    formula=r"$a_i = mean_{W \ni i}\,[F(x) - F(x\ \mathrm{without}\ W)]$",
    paper=Paper("Zeiler and Fergus", 2014, "Visualizing and Understanding Convolutional Networks", "arXiv:1311.2901"),
    zh=Chinese(
        "遮挡",
        "遮住一个方窗，目标下降多少。",
        "黑色方窗以半个边长的步幅滑过图像；每个像素取覆盖它的各窗的平均变化。不用梯度，因此没有饱和问题；"
        "但黑窗本身也是网络从未见过的东西。",
    ),
)
def occlusion(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    across: Annotated[int, Knob("Windows across", "横向窗数", 1, 32)] = 8,
    checks: Checks = True,
    watch: Watch = UNWATCHED,
) -> Attribution:
    """How much the target falls when a window is covered.

    A black window slides over the image by half its side; a pixel has the mean change of the windows that cover it.
    No gradient is involved, so nothing saturates; but a black window is itself something that the network never saw.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        across: Windows along the longer side, without overlap.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it before every few windows; is shown coarse results.
    """
    question = ask(model, image, target, watch)

    def covered(asked: Question, side: int, stride: int) -> Tensor:
        from captum.attr import Occlusion

        channels, *sides = asked.image.shape[1:]
        window = [min(side, own) for own in sides]
        strides = (channels, *(min(stride, own) for own in window))
        return (
            Occlusion(asked.aim).attribute(asked.image, (channels, *window), strides, perturbations_per_eval=CHUNK)
            / channels
        )

    side = -(-max(image.shape[2:]) // across)
    _show_coarse(question, target, lambda asked: covered(asked, 2 * side, 2 * side), across >= 4)
    return answer(question, target, lambda asked: covered(asked, side, max(1, side // 2)), checks=checks)


@analyses.register(
    "feature-ablation",
    room="attribution",
    title="Superpixel ablation",
    formula=r"$a_i = F(x) - F(x\ \mathrm{without}\ S),\quad i \in S$",
    paper=Paper("Achanta et al.", 2012, "SLIC Superpixels", "doi:10.1109/TPAMI.2012.120"),
    zh=Chinese(
        "超像素消融",
        "去掉一个超像素，目标下降多少。",
        "SLIC 把图像分成沿边缘的小块，逐块涂黑；块内每个像素取目标变化除以块的大小，因此各块的和就是它的变化。"
        "比方窗更贴合物体，但各块单独去掉，看不到它们的共同作用。",
    ),
)
def feature_ablation(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    superpixels: Annotated[int, Knob("Superpixels", "超像素数", 2, 256)] = 64,
    checks: Checks = True,
    watch: Watch = UNWATCHED,
) -> Attribution:
    """How much the target falls when a superpixel is taken away.

    SLIC cuts the image into pieces that follow its edges, and each is blackened in turn; its change is spread evenly
    over its pixels, so that they add up to it. The pieces fit objects better than windows do, but each goes alone: what
    several do together is not seen.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        superpixels: About how many pieces.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it before every few pieces; is shown coarse results.
    """
    question = ask(model, image, target, watch)

    def without(asked: Question, count: int) -> Tensor:
        from captum.attr import FeatureAblation

        pieces = _slic(asked.image, count)
        sizes = torch.bincount(pieces.flatten())[pieces].to(asked.image)
        change = FeatureAblation(asked.aim).attribute(asked.image, feature_mask=pieces, perturbations_per_eval=CHUNK)
        return change[0, 0] / sizes[0, 0]

    _show_coarse(question, target, lambda asked: without(asked, superpixels // 16), superpixels >= 32)
    return answer(question, target, lambda asked: without(asked, superpixels), checks=checks)


def _show_coarse(question: Question, target: Target, method: Callable[[Question], Tensor], worth: bool) -> None:
    """Show a picture of few large pieces, where that is little of the work."""
    if worth:
        values = flat(method(question))
        question.watch.show(Attribution(target, values, 0.0, 1, int(question.region.sum()), complete=False))


def _slic(image: Tensor, count: int) -> Tensor:
    """Numbers from 0 of about `count` superpixels, (1, 1, h, w)."""
    from skimage.segmentation import slic

    pixels = image[0].permute(1, 2, 0).float().cpu().numpy()
    low, high = float(pixels.min()), float(pixels.max())
    even = (pixels - low) / max(high - low, 1e-6)
    found = slic(even, min(count, even[..., 0].size), start_label=0, convert2lab=False, channel_axis=2)
    _, numbers = np.unique(found, return_inverse=True)
    return torch.from_numpy(numbers.reshape(found.shape)).to(image.device)[None, None]
