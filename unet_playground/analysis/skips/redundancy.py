"""How much of what crosses is said twice: among its channels, and by the decoder itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses
from unet_playground.analysis.skips.crossing import NOTHING, levels_crossed
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Paper
from unet_playground.training.redundancy import alignment, correlation, effective_rank, moments_of

SEED = 0


@dataclass(frozen=True)
class Redundancy:
    """Three numbers for every level at which something crosses, finest first; empty where nothing does.

    Attributes:
        levels: The levels.
        channels: How many channels cross.
        rank: Effective rank of what crosses, 1 to `channels`; 0 where nothing varies.
        correlation: Mean absolute correlation between two channels that cross, 0 to 1; 0 where fewer than two vary.
        cka: Linear CKA of what crosses with the upsampled features that it meets, 0 to 1; 0 where nothing varies.
        chance: The same once the pixels of one of them are shuffled: what few pixels and many channels give alone.
    """

    levels: tuple[int, ...]
    channels: NDArray[np.float32]
    rank: NDArray[np.float32]
    correlation: NDArray[np.float32]
    cka: NDArray[np.float32]
    chance: NDArray[np.float32]

    @property
    def share(self) -> NDArray[np.float32]:
        """Effective rank as a share of the channels: low where few axes hold all the variance."""
        return self.rank / self.channels

    @property
    def check(self) -> Text:
        """The similarity that is left when the pixels no longer belong together."""
        if not self.levels:
            return NOTHING
        at = int(np.argmax(self.chance))
        return Text(
            f"With the pixels of one side shuffled CKA is at most {self.chance[at]:.3f} (level {self.levels[at]}): "
            "only what exceeds that is similarity.",
            f"打乱其中一方的像素后，CKA 最高为 {self.chance[at]:.3f}（第 {self.levels[at]} 级）：超出的部分才是相似。",
        )

    @property
    def facts(self) -> Text:
        """The most redundant level by each number."""
        if not self.levels:
            return NOTHING
        rank, pairs, cka = int(np.argmin(self.share)), int(np.argmax(self.correlation)), int(np.argmax(self.cka))
        worth = f"{self.rank[rank]:.1f}", f"{self.channels[rank]:.0f}"
        return Text(
            f"Most redundant by effective rank is level {self.levels[rank]} (its {worth[1]} channels are worth "
            f"{worth[0]}), by correlation between channels level {self.levels[pairs]} ({self.correlation[pairs]:.2f}), "
            f"by similarity with the decoder level {self.levels[cka]} (CKA {self.cka[cka]:.2f}); level 0 is the "
            "finest.",
            f"冗余最大的级：按有效秩为第 {self.levels[rank]} 级（{worth[1]} 个通道相当于 {worth[0]} 个），"
            f"按通道间相关为第 {self.levels[pairs]} 级（{self.correlation[pairs]:.2f}），"
            f"按与解码器的相似为第 {self.levels[cka]} 级（CKA {self.cka[cka]:.2f}）；第 0 级最精细。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {
            "level": np.array(self.levels, np.float32),
            "channels": self.channels,
            "effective-rank": self.rank,
            "correlation": self.correlation,
            "cka": self.cka,
            "cka-by-chance": self.chance,
        }


@analyses.register(
    "redundancy",
    room="skips",
    title="Redundancy of skips",
    formula=r"$\mathrm{CKA} = \|X^\top Y\|_F^2 / (\|X^\top X\|_F\, \|Y^\top Y\|_F),\quad r = \exp(-\sum p_i \ln p_i)$",
    paper=Paper("Kornblith et al.", 2019, "Similarity of neural network representations revisited", "arXiv:1905.00414"),
    zh=Chinese(
        "跳跃的冗余",
        "跨越的特征有多少是重复的。",
        "每一级三个数。有效秩：跨越的通道相当于多少个独立通道（主轴方差占比的熵取指数）。相关：两个通道之间相关系数绝对值的平均。"
        "CKA：跨越的特征与它遇到的上采样特征有多相似，旋转和整体缩放不影响。像素少而通道多时，这些数自身就会偏高："
        "图中的虚线是打乱像素后剩下的 CKA。",
    ),
)
def skip_redundancy(model: UNet, image: Tensor, target: Target) -> Redundancy:
    """How much of what crosses is said twice.

    Three numbers for every level. The effective rank: how many independent channels the ones that cross are worth
    (exp of the entropy of the shares of variance along their principal axes). The correlation: its mean absolute
    value between two channels. CKA: how similar what crosses is to the upsampled features that it meets, whatever
    either is rotated or scaled by. Few pixels and many channels alone raise them: the dotted line is the CKA that is
    left once the pixels are shuffled.

    Source: Kornblith et al. 2019 (linear CKA); Roy and Vetterli 2007, The effective rank: a measure of effective
    dimensionality.
    """
    target.checked(model, image)
    with torch.inference_mode():
        features = model.trace(image, lambda name: name.startswith(("skip.", "up."))).features
        levels = levels_crossed(features)
        rows = [_row(features[f"skip.{level}"], features[f"up.{level}"]) for level in levels]
    columns = np.nan_to_num(np.array(rows, np.float32).reshape(len(levels), 5)).T
    return Redundancy(levels, *columns)


def _row(crossed: Tensor, decoded: Tensor) -> tuple[float, ...]:
    """Channels, effective rank, correlation, CKA and CKA by chance of features (1, c, h, w)."""
    # Products of what is far from 0 leave no digits for a small covariance.
    crossed, decoded = (one.float() - one.float().mean((2, 3), keepdim=True) for one in (crossed, decoded))
    channels = crossed.shape[1]
    sums = moments_of(crossed, decoded)
    order = torch.from_numpy(np.random.default_rng(SEED).permutation(crossed[0, 0].numel())).to(crossed.device)
    shuffled = moments_of(crossed.flatten(2)[..., None], decoded.flatten(2)[:, :, order, None])
    return (
        channels,
        effective_rank(sums, channels),
        correlation(sums, channels),
        alignment(sums, channels),
        alignment(shuffled, channels),
    )
