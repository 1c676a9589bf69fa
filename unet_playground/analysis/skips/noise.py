"""How far noise outside an object reaches: what the encoder offers, what crosses, what the decoder makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses, in_cells
from unet_playground.analysis.skips.crossing import levels_crossed, percent
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import Text
from unet_playground.inference import read_out
from unet_playground.model import Trace, UNet
from unet_playground.registry import Chinese, Knob

STAGES = ("encoder", "skip", "decoder")


@dataclass(frozen=True)
class Change:
    """How much noise outside the object changes the features of one place.

    Attributes:
        stage: `encoder` (what is offered), `skip` (what crosses) or `decoder`.
        level: Level of resolution, 0 is the finest.
        outside: Root mean square of the change where the image was disturbed, relative to that of the features.
        inside: Likewise in the object.
    """

    stage: str
    level: int
    outside: float
    inside: float


@dataclass(frozen=True)
class PassThrough:
    """What noise outside an object does to features and mask.

    Attributes:
        changes: By stage, then by level, finest first.
        repeated: The same with other noise of the same strength.
        noise: float32 (h, w), root mean square over the image's channels of what was added, in units of the image.
        strength: Standard deviation of the noise, in units of the image.
        region: bool (h, w), the object.
        inside: Share of the object's pixels that the class loses or gains.
        outside: Likewise of the pixels that were disturbed.
    """

    changes: tuple[Change, ...]
    repeated: tuple[Change, ...]
    noise: NDArray[np.float32]
    strength: float
    region: NDArray[np.bool_]
    inside: float
    outside: float

    def of(self, stage: str) -> tuple[Change, ...]:
        """The changes of one stage, finest level first."""
        return tuple(one for one in self.changes if one.stage == stage)

    @property
    def check(self) -> Text:
        """How much of it is this one draw of noise."""
        apart = max(
            max(abs(one.outside - two.outside), abs(one.inside - two.inside))
            for one, two in zip(self.changes, self.repeated, strict=True)
        )
        return Text(
            f"Other noise of the same strength gives the same numbers within {100 * apart:.1f} percentage points.",
            f"换用同样强度的另一噪声，各数相差不超过 {100 * apart:.1f} 个百分点。",
        )

    @property
    def facts(self) -> Text:
        """What crosses at the finest level, beside what was offered, and what becomes of the mask."""
        if not self.region.any():
            return Text(
                "The target has no pixel here, so there is no inside: ask about another class or region.",
                "目标在此没有像素，因此没有内部：请询问其他类别或区域。",
            )
        if np.allclose(self.noise, 0, atol=1e-6):
            return Text(
                "Nothing was disturbed: the target and its margin fill the image, or the image is constant.",
                "没有任何扰动：目标及其边缘占满图像，或图像处处相同。",
            )
        end = Text(
            f"the mask changes at {percent(self.outside)} of the disturbed pixels and at {percent(self.inside)} of the "
            "object's.",
            f"掩膜在 {percent(self.outside)} 的受扰动像素和 {percent(self.inside)} 的物体像素上改变。",
        )
        if not self.of("skip"):
            return Text(f"Nothing crosses in this design; {end.en}", f"该设计中没有任何特征跨越；{end.zh}")
        offered, crossed = self.of("encoder")[0], self.of("skip")[0]
        return Text(
            f"Noise outside the object changes what crosses at level 0 by {percent(crossed.outside)} there (offered: "
            f"{percent(offered.outside)}) and by {percent(crossed.inside)} in the object; {end.en}",
            f"物体外的噪声使第 0 级跨越的特征在该处改变 {percent(crossed.outside)}"
            f"（编码器提供：{percent(offered.outside)}），在物体内改变 {percent(crossed.inside)}；{end.zh}",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        found = {"noise": self.noise, "object": self.region.astype(np.float32)}
        for stage in STAGES:
            for side in ("outside", "inside"):
                found[f"{stage}.{side}"] = np.array([getattr(one, side) for one in self.of(stage)], np.float32)
        return found | {"mask-change": np.array([self.inside, self.outside], np.float32)}


@analyses.register(
    "pass-through",
    room="skips",
    title="Noise pass-through",
    formula=r"$\Delta_k = \mathrm{rms}_\Omega (s_k(x + n) - s_k(x))\, /\, \mathrm{rms}(s_k(x))$",
    zh=Chinese(
        "噪声穿透",
        "物体之外的噪声能走多远。",
        "在物体（及其边缘）之外给图像加高斯噪声，逐级测量特征改变了多少：编码器提供的、跨越的、解码器的，分别在受扰动处和物体内。"
        "改变量除以整幅图上特征的均方根，因此把物体外压低的门会显出来：跨越的低于提供的。粗的级一个格子就盖住许多像素，"
        "物体内的格子也看得到外面。",
    ),
)
def pass_through(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    strength: Annotated[
        float, Knob("Noise, share of the image's deviation", "噪声（图像标准差的倍数）", 0.05, 2)
    ] = 0.5,
    margin: Annotated[int, Knob("Margin in pixels", "边缘（像素）", 0, 64)] = 4,
    seed: Annotated[int, Knob("Seed", "随机种子", 0, 9999)] = 0,
    watch: Watch = UNWATCHED,
) -> PassThrough:
    """How far noise outside an object reaches.

    Gaussian noise is added to the image outside the object and a margin around it. Level by level it is measured how
    much the features change, where the image was disturbed and in the object: what the encoder offers, what crosses,
    and what the decoder makes of it. The change is divided by the root mean square of the undisturbed features over
    the whole image; a gate that closes outside the object therefore shows: less crosses than is offered. At coarse
    levels one cell covers many pixels, and cells of the object see what lies outside it.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: The object: every pixel of the class, of one object, or of a region.
        strength: Standard deviation of the noise, in standard deviations of the image.
        margin: Pixels around the object that stay as they are.
        seed: Of the noise.
        watch: May end it between passes through the network.
    """
    region = target.pixels(model, image)
    free = 1 - _widened(region, margin)
    deviation = strength * float(image.std(correction=0))
    names = {f"{stage}.{level}" for stage in STAGES for level in range(model.design.depth)}
    with torch.inference_mode():
        clean = model.trace(image, names.__contains__)
        found, masks = [], [read_out(clean.logits).mask == target.label]
        for number in (seed, seed + 1):
            watch.between()
            noise = deviation * _gaussian(image, number) * free
            disturbed = model.trace(image + noise, names.__contains__)
            found.append((noise, _changes(clean, disturbed, region, free, model.design.depth)))
            masks.append(read_out(disturbed.logits).mask == target.label)
    inner, outer = region.cpu().numpy() > 0, free.cpu().numpy() > 0
    return PassThrough(
        changes=found[0][1],
        repeated=found[1][1],
        noise=found[0][0][0].square().mean(0).sqrt().float().cpu().numpy(),
        strength=deviation,
        region=inner,
        inside=_changed(masks, inner),
        outside=_changed(masks, outer),
    )


def _widened(region: Tensor, margin: int) -> Tensor:
    """A region (h, w) with every pixel at most `margin` rows and columns away."""
    side = 2 * margin + 1
    rows = F.max_pool2d(region[None, None], (side, 1), 1, (margin, 0))
    return F.max_pool2d(rows, (1, side), 1, (0, margin))[0, 0]


def _changed(masks: Sequence[NDArray[np.bool_]], region: NDArray[np.bool_]) -> float:
    """Share of the pixels of a region at which the first two masks differ; 0 of an empty one."""
    return float(np.mean((masks[0] != masks[1])[region])) if region.any() else 0.0


def _gaussian(image: Tensor, seed: int) -> Tensor:
    """Noise of deviation 1, the same on every device."""
    return torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)).to(image)


def _changes(clean: Trace, disturbed: Trace, region: Tensor, free: Tensor, depth: int) -> tuple[Change, ...]:
    levels = {"encoder": range(depth), "skip": levels_crossed(clean.features), "decoder": range(depth)}
    return tuple(
        Change(stage, level, *_change(clean.features[name], disturbed.features[name], (free, region)))
        for stage in STAGES
        for level, name in ((level, f"{stage}.{level}") for level in levels[stage])
    )


def _change(clean: Tensor, disturbed: Tensor, regions: Sequence[Tensor]) -> list[float]:
    """Root mean square of the change in each region (h, w), relative to that of the features everywhere.

    A cell of a coarse level belongs to a region by the share of its pixels.
    """
    change = (disturbed - clean).float().square().mean((0, 1))
    scale = float(clean.float().square().mean()) or 1.0
    height, width = change.shape
    found = []
    for region in regions:
        share = in_cells(region[None, None], (height, width))[0, 0]
        total = float(share.sum())
        found.append((float((change * share).sum()) / total / scale) ** 0.5 if total else 0.0)
    return found
