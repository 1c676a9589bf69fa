"""Which input pixels a decision rests on, through Captum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.registry import Chinese, Knob, Paper

CHUNK = 2
"""Steps that are computed together: fastest on a CPU, and memory stays small."""


@dataclass(frozen=True)
class Attribution:
    """How much each input pixel adds to the target.

    Attributes:
        target: What was asked about.
        values: float32 (h, w), summed over input channels; positive speaks for the class.
        total: Target of the image minus target of the black image: what the values should add up to.
        steps: Points of the path that were computed.
        pixels: Whose logits were added up; 0 where the model gives the class no pixel.
    """

    target: Target
    values: NDArray[np.float32]
    total: float
    steps: int
    pixels: int = 1

    @property
    def gap(self) -> float:
        """|sum of the values - total| / |total|: 0 when the attribution is complete."""
        error = abs(float(self.values.sum(dtype=np.float64)) - self.total)
        return error / abs(self.total) if self.total else (0.0 if error == 0 else float("inf"))

    @property
    def check(self) -> Text:
        """The completeness gap."""
        if not self.pixels:
            return Text(
                "The mask holds no pixel of this class, so there is nothing to attribute: click a pixel or ask about "
                "another class.",
                "掩膜中没有该类别的像素，因此无可归因：请点击一个像素，或询问其他类别。",
            )
        return Text(
            f"Completeness gap {100 * self.gap:.1f}% with {self.steps} steps: the values should add up to the change "
            "of the target between a black image and this one.",
            f"{self.steps} 步的完备性误差 {100 * self.gap:.1f}%：各值之和应等于目标从全黑图像到此图像的变化。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {"attribution": self.values}


@analyses.register(
    "integrated-gradients",
    title="Integrated gradients",
    formula=r"$a_i = (x_i - x'_i) \int_0^1 \partial F(x' + t (x - x')) / \partial x_i \, dt$",
    paper=Paper("Sundararajan et al.", 2017, "Axiomatic Attribution for Deep Networks", "arXiv:1703.01365"),
    zh=Chinese(
        "积分梯度",
        "决定依据的是哪些输入像素。",
        "沿着从全黑图像到此图像的直线累积梯度。目标是一个像素的 logit，或某类掩膜内 logit 之和（掩膜先固定）。"
        "各值之和应等于目标的变化；误差写在图旁。",
    ),
)
def integrated_gradients(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    steps: Annotated[int, Knob("Steps", "步数", 2, 256)] = 32,
    watch: Watch = UNWATCHED,
) -> Attribution:
    """Which input pixels the decision rests on.

    Gradients are added up along the straight path from a black image to this one. The target is the logit of one
    pixel, or the sum of a class's logits over the mask that the model gives it (frozen first). The values should add
    up to the change of the target; how far they do not stands beside the picture.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: What is asked about.
        steps: Points on the path (Gauss-Legendre quadrature).
        watch: May end it before every few steps.
    """
    from captum.attr import IntegratedGradients

    region = target.pixels(model, image)

    def aim(images: Tensor) -> Tensor:
        watch.between()
        return (model(images)[:, target.label] * region).sum((1, 2))

    with torch.enable_grad():
        values = IntegratedGradients(aim).attribute(image, n_steps=steps, internal_batch_size=CHUNK)
    with torch.no_grad():
        total = float(aim(image) - aim(torch.zeros_like(image)))
    summed: Tensor = values.detach()[0].sum(0)
    return Attribution(target, summed.float().cpu().numpy(), total, steps, int(region.sum()))
