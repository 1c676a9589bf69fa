"""Attributions by the gradient at the image or near it."""

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor

from unet_playground.analysis.attribution.result import CHUNK, SLOPE, Attribution, Question, answer, ask, flat
from unet_playground.analysis.base import Target, analyses
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper

SEED = 0
Checks = Annotated[bool, Knob("Checks", "检验")]
Samples = Annotated[int, Knob("Samples", "样本数", 2, 128)]


@analyses.register(
    "saliency",
    room="attribution",
    title="Saliency",
    formula=r"$a_i = |\partial F(x) / \partial x_i|$",
    paper=Paper("Simonyan et al.", 2013, "Deep Inside Convolutional Networks", "arXiv:1312.6034"),
    zh=Chinese(
        "显著图",
        "哪些像素稍作改变，目标变化最大。",
        "目标对每个像素的梯度的绝对值，各通道相加。它说的是局部的敏感度而非贡献：已经饱和的像素即使决定了结果也可能没有梯度。",
    ),
)
def saliency(
    model: UNet, image: Tensor, target: Target, *, checks: Checks = True, watch: Watch = UNWATCHED
) -> Attribution:
    """Which pixels move the target most when they change a little.

    The size of the target's gradient at every pixel, summed over channels. It speaks of sensitivity here, not of
    contribution: a pixel that settled the matter may have no gradient left.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it; is shown the result before it is checked.
    """

    def method(question: Question) -> Tensor:
        from captum.attr import Saliency

        return Saliency(question.aim).attribute(question.image.clone().requires_grad_())

    return answer(ask(model, image, target, watch), target, method, unit=SLOPE, checks=checks)


@analyses.register(
    "input-x-gradient",
    room="attribution",
    title="Input x gradient",
    formula=r"$a_i = x_i\, \partial F(x) / \partial x_i$",
    paper=Paper("Shrikumar et al.", 2016, "Not Just a Black Box", "arXiv:1605.01713"),
    zh=Chinese(
        "输入×梯度",
        "若网络是线性的，每个像素贡献多少。",
        "像素值乘以梯度：积分梯度只取路径终点的一步。对线性网络它是精确的；网络越弯曲，各值之和离目标的变化越远。",
    ),
)
def input_x_gradient(
    model: UNet, image: Tensor, target: Target, *, checks: Checks = True, watch: Watch = UNWATCHED
) -> Attribution:
    """What every pixel would add if the network were linear.

    The pixel times its gradient: integrated gradients with the end of the path as its only step. It is exact for a
    linear network; the more a network bends, the further the values are from adding up.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it; is shown the result before it is checked.
    """

    def method(question: Question) -> Tensor:
        from captum.attr import InputXGradient

        return InputXGradient(question.aim).attribute(question.image.clone().requires_grad_())

    return answer(ask(model, image, target, watch), target, method, checks=checks)


@analyses.register(
    "smooth-grad",
    room="attribution",
    title="SmoothGrad",
    formula=r"$a_i = \frac{1}{n} \sum_k |\partial F(x + \epsilon_k) / \partial x_i|$",
    paper=Paper("Smilkov et al.", 2017, "SmoothGrad: removing noise by adding noise", "arXiv:1706.03825"),
    zh=Chinese(
        "平滑梯度",
        "加噪图像上显著图的平均。",
        "单个梯度随像素剧烈跳动；在图像附近取多个加噪样本求平均后更平稳。噪声的标准差以图像取值范围的百分比给出。",
    ),
)
def smooth_grad(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    samples: Samples = 32,
    noise: Annotated[int, Knob("Noise, % of the range", "噪声（范围的 %）", 0, 50)] = 10,
    checks: Checks = True,
    watch: Watch = UNWATCHED,
) -> Attribution:
    """The mean saliency of noisy copies of the image.

    A single gradient jumps from pixel to pixel; averaged over samples around the image it is calmer. The noise is given
    as a share of the image's range. The samples are drawn here, because Captum's NoiseTunnel draws them from a
    generator that all threads share.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        samples: Noisy copies.
        noise: Standard deviation, in percent of the image's range.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it before every few samples; is shown coarse results.
    """
    question = ask(model, image, target, watch)

    def method(asked: Question) -> Tensor:
        draw, own = torch.Generator().manual_seed(SEED), asked.image
        spread = noise / 100 * float(own.max() - own.min())
        summed = torch.zeros_like(own)
        for done, count in _chunks(samples):
            shaken = own + spread * torch.randn((count, *own.shape[1:]), generator=draw).to(own)
            summed += asked.slope(shaken)[1].abs().sum(0, keepdim=True)
            if done <= samples // 2 and done & (done - 1) == 0:
                asked.watch.show(Attribution(target, flat(summed / done), 0.0, done, _pixels(asked), False, SLOPE))
        return summed / samples

    return answer(question, target, method, steps=samples, unit=SLOPE, checks=checks)


@analyses.register(
    "gradient-shap",
    room="attribution",
    title="Gradient SHAP",
    formula=r"$a_i = E_{x', t}\,[(x_i - x'_i)\, \partial F(x' + t (x - x')) / \partial x_i]$",
    paper=Paper("Lundberg and Lee", 2017, "A Unified Approach to Interpreting Model Predictions", "arXiv:1705.07874"),
    zh=Chinese(
        "梯度 SHAP",
        "对许多基线取平均的积分梯度。",
        "黑色未必代表“什么都没有”。这里每个样本以图像中随机一个像素的颜色作为纯色基线，并在路径上随机取一点；"
        "各值之和平均而言等于目标从这些基线到此图像的变化。",
    ),
)
def gradient_shap(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    samples: Samples = 32,
    checks: Checks = True,
    watch: Watch = UNWATCHED,
) -> Attribution:
    """Integrated gradients averaged over many baselines.

    Black need not stand for nothing. Here every sample has a plain baseline in the colour of a random pixel of the
    image, and one random point of the path to it; on average the values add up to the change of the target from these
    baselines. The samples are drawn here and a few at a time, because Captum's GradientShap draws from a generator that
    all threads share and computes all at once.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        samples: Pairs of a baseline and a point.
        checks: Whether deletion, insertion and shuffled weights are added.
        watch: May end it before every few samples; is shown coarse results.
    """
    question = ask(model, image, target, watch)
    colors = _colors(question.image, samples)
    draw = torch.Generator().manual_seed(SEED + 1)
    # One point in each of as many equal parts of the path as there are samples.
    parts = (torch.randperm(samples, generator=draw) + torch.rand(samples, generator=draw)) / samples
    parts = parts.to(colors)[:, None, None, None]

    def method(asked: Question) -> Tensor:
        own = asked.image
        summed = torch.zeros_like(own)
        for done, count in _chunks(samples):
            chosen = slice(done - count, done)
            way = own - colors[chosen]
            summed += (asked.slope(colors[chosen] + parts[chosen] * way)[1] * way).sum(0, keepdim=True)
            if done <= samples // 2 and done & (done - 1) == 0:
                asked.watch.show(Attribution(target, flat(summed / done), 0.0, done, _pixels(asked), False))
        return summed / samples

    baseline = colors.expand(-1, -1, *image.shape[2:])
    return answer(question, target, method, steps=samples, baseline=baseline, checks=checks)


def _colors(image: Tensor, count: int) -> Tensor:
    """The colours of random pixels, (count, c, 1, 1)."""
    draw, pixels = torch.Generator().manual_seed(SEED), image.flatten(2)
    chosen = torch.randint(pixels.shape[2], (count,), generator=draw).to(image.device)
    return pixels[0, :, chosen].T[:, :, None, None]


def _chunks(samples: int) -> Iterator[tuple[int, int]]:
    """How many samples are done after each chunk, and how many of them it holds."""
    for start in range(0, samples, CHUNK):
        count = min(CHUNK, samples - start)
        yield start + count, count


def _pixels(question: Question) -> int:
    return int(question.region.sum())
