"""Which input pixels really move one output pixel, beside the pixels that could, and which way they take."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.base import Target, analyses, step_of
from unet_playground.analysis.fresh import fresh
from unet_playground.analysis.paths import Cut, gradients_by_way, listed, place_of
from unet_playground.analysis.watch import UNWATCHED, Watch
from unet_playground.errors import Text
from unet_playground.model import UNet
from unet_playground.receptive_field import LOGITS, Field, kinds, receptive_field, sides_of
from unet_playground.registry import Chinese, Knob, Paper

Stage = Literal["logits", "encoder", "bottleneck", "skip", "decoder"]
NOISE = 0.25
"""Standard deviation of the noise of further inputs, as a share of the image's own."""


@dataclass(frozen=True)
class Way:
    """What reaches the pixel by one way from the image.

    Attributes:
        share: <g_way, g> / <g, g>, summed over inputs, channels and pixels, where g is the whole gradient and g_way the
            part of it that took this way. The shares of all ways add up to 1; one is negative where a way works
            against the others.
        gradient: float32 (h, w), g_way summed over the image's channels, mean over the inputs, in logits a unit of the
            prepared image. The gradients of all ways add up to the field's own.
        radius_50: Distance in pixels within which half of this way's own energy |g_way|^2 lies.
        radius_95: Likewise 95%.
    """

    share: float
    gradient: NDArray[np.float32]
    radius_50: float
    radius_95: float


@dataclass(frozen=True)
class EffectiveField:
    """The receptive field of one pixel of the output or of a feature map, in theory and in effect.

    Attributes:
        point: (row, column) of the pixel asked about, in the image.
        energy: float32 (h, w), squared gradient, summed over input channels, mean over inputs, largest value 1.
        theory: The box of all pixels that can reach it.
        radius_50: Distance in pixels within which half of the energy lies.
        radius_95: Likewise 95%.
        outside: Share of the energy outside the box; only what is held still for the box can bring it there.
        place: Name of the feature map whose pixel is asked about.
        inputs: Over how many images the energy is averaged.
        trained: Whether the model's own weights were asked and somebody has trained them.
        ways: Way (`skip-0`, `bottleneck`; `encoder` where nothing has left the encoder) -> what took it.
    """

    point: tuple[int, int]
    energy: NDArray[np.float32]
    theory: Field
    radius_50: float
    radius_95: float
    outside: float
    place: str = LOGITS
    inputs: int = 1
    trained: bool = True
    ways: Mapping[str, Way] = field(default_factory=dict)

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

    @property
    def facts(self) -> Text:
        """Radii, box, and the share of every way."""
        row, column = self.point
        height, width = self.theory.sides
        half, most = f"{self.radius_50:.0f}", f"{self.radius_95:.0f}"
        ways = listed({way: one.share for way, one in self.ways.items()})
        weights = Text("trained", "训练后") if self.trained else Text("fresh", "训练前")
        return Text(
            f"At {self.place} (row {row}, column {column}; {weights.en} weights, {self.inputs} input(s)) half of the "
            f"energy lies within {half} px and 95% within {most} px, in a box of {height} x {width} px; by way: "
            f"{ways.en or 'none'}.",
            f"{self.place}（行 {row}，列 {column}；{weights.zh}权重，{self.inputs} 个输入）：一半能量在 {half} 像素内，"
            f"95% 在 {most} 像素内，方框为 {height} × {width} 像素；按路径：{ways.zh or '无'}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        ways = self.ways.items()
        radii = [self.radius_50, self.radius_95]
        return {
            "energy": self.energy,
            "radii": np.array(radii, np.float32),
            **{f"gradient.{way}": one.gradient for way, one in ways},
            **{f"share.{way}": np.array([one.share], np.float32) for way, one in ways},
            **{f"radii.{way}": np.array([one.radius_50, one.radius_95], np.float32) for way, one in ways},
        }


@analyses.register(
    "receptive-field",
    room="layers",
    title="Receptive field",
    formula=r"$E(q) = \sum_c (\partial z_p / \partial x_{c,q})^2$",
    paper=Paper("Luo et al.", 2016, "Understanding the Effective Receptive Field", "arXiv:1701.04128"),
    zh=Chinese(
        "感受野",
        "输出像素能看到哪里，实际又看了哪里。",
        "方框是理论感受野：按连线能到达的所有像素（门和可变形位移视为固定）。热图是该像素 logit 对输入梯度的平方；"
        "两个圆内分别有 50% 和 95% 的能量，通常比方框小得多。从图像到输出的每条路都恰好离开编码器一次："
        "经某一级的跳跃或经瓶颈；梯度据此精确地分成几部分，各部分之和就是总梯度，份额之和为 1"
        "（与其他部分作用相反时为负）。也可以看某一层特征的视野、多幅输入的平均，或训练之前的网络。",
    ),
)
def effective_field(
    model: UNet,
    image: Tensor,
    target: Target,
    *,
    stage: Annotated[Stage, Knob("Stage", "阶段")] = "logits",
    level: Annotated[int, Knob("Level", "级别", 0, 6)] = 0,
    inputs: Annotated[int, Knob("Inputs averaged", "平均的输入数", 1, 64)] = 1,
    weights: Annotated[Literal["trained", "fresh"], Knob("Weights", "权重")] = "trained",
    watch: Watch = UNWATCHED,
    other: Tensor | None = None,
) -> EffectiveField:
    """Where an output pixel can look, and where it really looks.

    The box is the theoretical receptive field: every pixel that the wiring lets through, with gates and deformable
    positions held still. The heat map is the squared gradient of the pixel's logit with respect to the image. Half
    of it lies within the solid circle, 95% within the dashed one: usually far less than the box.

    Every way from the image to the output leaves the encoder exactly once, by the skip of one level or by the
    bottleneck, and so the gradient splits exactly: the parts of all ways add up to it. A way's share of the energy is
    the part of the energy that its gradient accounts for, <g_way, g> / <g, g>; the shares add up to 1, and one is
    negative where its way works against the others. The radii of a way are those of its own gradient.

    A field also belongs to every inner feature: `stage` and `level` name one, and its logit is then the sum of its
    channels at the pixel. It can be averaged over inputs, and asked of the same design before any training.

    Args:
        model: A loaded model.
        image: (1, channels, h, w), as `prepare` gives it.
        target: Its class and pixel are asked about; the image's centre when none is named.
        stage: `logits` and `bottleneck` have no level; the encoder has one more level than skips and decoder.
        level: 0 is the finest.
        inputs: Averaged over: this image, `other` if it has the same shape, then mirror images and noisy copies.
        weights: The model's own, or the same design with fresh ones.
        watch: May end it between passes, and is shown the mean over the inputs so far.
        other: A second prepared image.

    Raises:
        UnknownChoice: This design has no such place.
    """
    target.checked(model, image)
    place = place_of(stage, level)
    sides = tuple(image.shape[2:])
    point = target.point_in(image)
    step = step_of(sides, sides_of(model.design, sides, place))
    own = tuple(at // step for at in point)
    theory = receptive_field(model.design, sides, own, place)
    network = model if weights == "trained" else fresh(model)
    trained = network is model and not (model.origin and model.origin.weights == "untrained")
    summed = _Sum()
    for one in _inputs(image, other, inputs):
        if summed.inputs:
            watch.show(summed.field(point, theory, place, trained))
        watch.between()
        summed.add(_gradients(network, one, target.label, place, own, watch.between))
    return summed.field(point, theory, place, trained)


def _gradients(
    network: UNet, image: Tensor, label: int, place: str, at: tuple[int, ...], between: Callable[[], None]
) -> dict[str, NDArray[np.float32]]:
    """Way -> gradient (channels, h, w) of one pixel of a place."""
    asked = image.detach().clone().requires_grad_()
    cut = Cut(lambda name: name == place)
    with torch.enable_grad():
        logits = network(asked, cut)
        pixel = logits[0, label, *at] if place == LOGITS else cut.features[place][0, :, *at].sum()
        parts = gradients_by_way(pixel, cut, [asked], between)
    return {way: gradient[0].float().cpu().numpy() for way, (gradient,) in parts.items()}


class _Sum:
    """Adds up inputs."""

    def __init__(self) -> None:
        self.inputs = 0
        self.energy: NDArray[np.float32] = np.zeros(1, np.float32)
        self.ways: dict[str, tuple[float, NDArray[np.float32], NDArray[np.float32]]] = {}

    def add(self, parts: Mapping[str, NDArray[np.float32]]) -> None:
        whole = np.sum([*parts.values()], axis=0)
        self.inputs += 1
        self.energy = self.energy + np.square(whole).sum(0)
        for way, part in parts.items():
            product, signed, energy = self.ways.get(way, (0.0, np.float32(0), np.float32(0)))
            product += float((part * whole).sum(dtype=np.float64))
            self.ways[way] = product, signed + part.sum(0), energy + np.square(part).sum(0)  # type: ignore[assignment]

    def field(self, point: tuple[int, int], theory: Field, place: str, trained: bool) -> EffectiveField:
        total = max(float(self.energy.sum(dtype=np.float64)), 1e-30)
        ways = {
            way: Way(
                product / total,
                (signed / self.inputs).astype(np.float32),
                _radius(energy, point, 0.50),
                _radius(energy, point, 0.95),
            )
            for way, (product, signed, energy) in self.ways.items()
        }
        return EffectiveField(
            point=point,
            energy=(self.energy / max(float(self.energy.max()), 1e-30)).astype(np.float32),
            theory=theory,
            radius_50=_radius(self.energy, point, 0.50),
            radius_95=_radius(self.energy, point, 0.95),
            outside=_outside(self.energy, theory),
            place=place,
            inputs=self.inputs,
            trained=trained,
            ways=ways,
        )


def _inputs(image: Tensor, other: Tensor | None, count: int) -> Iterator[Tensor]:
    """This image, the other one, then their like: mirror images, then noisy mirror images, always the same."""
    given = [image, *([other] if other is not None and other.shape == image.shape else [])][:count]
    yield from given
    axes = [(2,), (3,), (2, 3), ()]
    spread = NOISE * image.std(correction=0)
    for number in range(count - len(given)):
        mirrored = image.flip(axes[number % 4])
        if number < 3:
            yield mirrored
        else:
            noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(number))
            yield mirrored + spread * noise.to(image)


def _radius(energy: NDArray[np.float32], point: tuple[int, int], share: float) -> float:
    """Smallest distance from `point` within which `share` of the energy lies; 0 where there is none."""
    squares = [(np.arange(side) - at) ** 2 for side, at in zip(energy.shape, point, strict=True)]
    squared = np.add.outer(*squares).ravel()
    summed = np.cumsum(np.bincount(squared, energy.ravel()))
    return float(np.searchsorted(summed, share * summed[-1])) ** 0.5 if summed[-1] else 0.0


def _outside(energy: NDArray[np.float32], theory: Field) -> float:
    (top, left), (bottom, right) = theory.low, theory.high
    total = float(energy.sum(dtype=np.float64))
    inside = float(energy[top : bottom + 1, left : right + 1].sum(dtype=np.float64))
    return max(0.0, 1 - inside / total) if total else 0.0
