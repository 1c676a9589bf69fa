"""Which input pixels really move one output pixel, beside the pixels that could."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.receptive_field import Field, kinds, receptive_field
from unet_playground.registry import Chinese, Paper


@dataclass(frozen=True)
class EffectiveField:
    """The receptive field of one output pixel, in theory and in effect.

    Attributes:
        point: (row, column) of the output pixel.
        energy: float32 (h, w), squared gradient of its logit, summed over input channels, largest value 1.
        theory: The box of all pixels that can reach it.
        radius_50: Distance in pixels within which half of the energy lies.
        radius_95: Likewise 95%.
        outside: Share of the energy outside the box; only what is held still for the box can bring it there.
    """

    point: tuple[int, int]
    energy: NDArray[np.float32]
    theory: Field
    radius_50: float
    radius_95: float
    outside: float

    @property
    def check(self) -> Text:
        """How much of the effective field lies outside the theoretical one."""
        share = f"{100 * self.outside:.2f}%" if self.outside >= 5e-5 else "0%" if self.outside < 1e-9 else "<0.01%"
        if self.theory.through:
            names = ", ".join(kinds(self.theory.through))
            return Text(
                f"{share} of the energy lies outside the box: {names} takes in the whole image.",
                f"{share} 的能量在方框之外：{names} 能看到整幅图。",
            )
        if self.theory.held:
            names = ", ".join(kinds(self.theory.held))
            return Text(
                f"{share} of the energy lies outside the box, for which {names} is held still; it looks further.",
                f"{share} 的能量在方框之外；计算方框时 {names} 视为固定，而它们看得更远。",
            )
        return Text(
            f"{share} of the energy lies outside the theoretical box (0% is right: nothing here sees further).",
            f"{share} 的能量在理论方框之外（应为 0%：没有任何部件能看得更远）。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {"energy": self.energy}


@analyses.register(
    "receptive-field",
    title="Receptive field",
    formula=r"$E(q) = \sum_c (\partial z_p / \partial x_{c,q})^2$",
    paper=Paper("Luo et al.", 2016, "Understanding the Effective Receptive Field", "arXiv:1701.04128"),
    zh=Chinese(
        "感受野",
        "输出像素能看到哪里，实际又看了哪里。",
        "方框是理论感受野：按连线能到达的所有像素（门和可变形位移视为固定）。热图是该像素 logit 对输入梯度的平方；"
        "两个圆内分别有 50% 和 95% 的能量，通常比方框小得多。",
    ),
)
def effective_field(model: UNet, image: Tensor, target: Target) -> EffectiveField:
    """Where an output pixel can look, and where it really looks.

    The box is the theoretical receptive field: every pixel that the wiring lets through, with gates and deformable
    positions held still. The heat map is the squared gradient of the pixel's logit with respect to the image. Half
    of it lies within the solid circle, 95% within the dashed one: usually far less than the box.
    """
    target.checked(model, image)
    row, column = point = target.point_in(image)
    asked = image.detach().clone().requires_grad_()
    with torch.enable_grad():
        logit = model(asked)[0, target.label, row, column]
        (gradient,) = torch.autograd.grad(logit, asked)
    energy = gradient[0].float().square().sum(0).cpu().numpy()
    theory = receptive_field(model.design, tuple(image.shape[2:]), point)
    return EffectiveField(
        point=point,
        energy=(energy / max(float(energy.max()), 1e-30)).astype(np.float32),
        theory=theory,
        radius_50=_radius(energy, point, 0.50),
        radius_95=_radius(energy, point, 0.95),
        outside=_outside(energy, theory),
    )


def _radius(energy: NDArray[np.float32], point: tuple[int, int], share: float) -> float:
    """Smallest distance from `point` within which `share` of the energy lies."""
    rows, columns = np.indices(energy.shape)
    distance = np.hypot(rows - point[0], columns - point[1]).ravel()
    order = np.argsort(distance, kind="stable")
    summed = np.cumsum(energy.ravel()[order].astype(np.float64))
    if summed[-1] == 0:
        return 0.0
    return float(distance[order][np.searchsorted(summed, share * summed[-1])])


def _outside(energy: NDArray[np.float32], theory: Field) -> float:
    (top, left), (bottom, right) = theory.low, theory.high
    total = float(energy.sum(dtype=np.float64))
    inside = float(energy[top : bottom + 1, left : right + 1].sum(dtype=np.float64))
    return max(0.0, 1 - inside / total) if total else 0.0
