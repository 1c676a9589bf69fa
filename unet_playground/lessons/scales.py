"""Lesson 4: kernels of several sizes at once."""

import torch
import torch.nn.functional as F

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.slot import SCORES, WHICH, Lesson, Seen, Stand, ask, joined, lessons, listed, nearest, tell
from unet_playground.parts import blocks
from unet_playground.registry import Chinese

FULL = Design(down="none")
MULTI = FULL.replace(block="multi-scale")
KERNELS = (3, 5, 7)
SIDES = (5, 7, 15)
SEES = 100
BLOCKS = ("residual", "dilated", "multi-scale")
ROUTES = (Design(), FULL.replace(block="dilated"), MULTI)


@lessons.register(
    "every-scale",
    title="Every scale at once",
    zh=Chinese("同时看每一种尺度", "大小不同的卷积核并用：代价多少，换来什么。"),
)
class EveryScale(Lesson):
    """Kernels of several sizes side by side: what they cost, and what they bring."""

    topics = ("multi-scale", "full-resolution")
    start = Stand(a=FULL, b=MULTI, slot="block", point=(120, 130))

    @ask(
        "predict",
        Text(
            "B's block convolves the same input with kernels of side 3, 5 and 7 and adds the three results. Which "
            "single kernel gives exactly the same?",
            "B 的模块用边长 3、5、7 的卷积核处理同一输入，再把三个结果相加。哪一个单独的卷积核能得到完全相同的结果？",
        ),
        *(Text(f"One of side {side}", f"一个边长 {side} 的核") for side in SIDES),
        Text("None can", "没有"),
        told=Text(
            "One of side {side}: pad the smaller kernels with zeros and add them up. The results differ by "
            "{error:.0e}, which is rounding. Convolution is linear, so three scales before the ReLU are one scale.",
            "一个边长 {side} 的核：把小核四周补零，再与大核相加。两种算法的结果只差 {error:.0e}，属于舍入误差。"
            "卷积是线性的，在 ReLU 之前，三种尺度其实就是一种。",
        ),
    )
    def one_kernel(self) -> Seen:
        """The smallest side of a padded sum of random kernels that gives what the three give apart."""
        draw = torch.Generator().manual_seed(0)
        image = torch.rand(1, 1, 32, 32, generator=draw)
        kernels = [torch.rand(1, 1, side, side, generator=draw) for side in KERNELS]
        apart = sum(F.conv2d(image, kernel, padding="same") for kernel in kernels)
        errors = [
            float((F.conv2d(image, _padded(kernels, side), padding="same") - apart).abs().max()) for side in SIDES
        ]
        right = next((at for at, error in enumerate(errors) if error < 1e-3), len(SIDES))
        return Seen({"side": SIDES[min(right, 2)], "error": errors[min(right, 2)]}, right)

    @ask(
        "predict",
        Text(
            "Three kernels of side 3, 5 and 7 have 83 weights where one of side 3 has 9. With the trick of the last "
            "step, how many times A's multiply-adds does B take?",
            "边长 3、5、7 的三个核共有 83 个权重，单个 3 × 3 只有 9 个。用上一步的办法，B 的乘加是 A 的多少倍？",
        ),
        Text("About 3 times", "约 3 倍"),
        Text("About 5 times", "约 5 倍"),
        Text("About 9 times", "约 9 倍"),
        told=Text(
            "{mac:.1f} times, close to 49/9, for {par:.1f} times the parameters, close to 83/9: all weights are "
            "learned, but they are added before they meet a pixel.",
            "{mac:.1f} 倍，接近 49/9；参数则是 {par:.1f} 倍，接近 83/9：权重全都要学，但在接触像素之前就先加在一起。",
        ),
    )
    def price(self) -> Seen:
        """Multiply-adds and parameters."""
        ratio = self.times("macs")
        return Seen({"mac": ratio, "par": self.times("parameters")}, nearest(ratio, 3, 5, 9))

    @tell(
        "reveal",
        Text(
            "B's box is {b} px wide, A's {a} px, and 95% of what moves the probe lies within {r_b:.0f} px in B and "
            "within {r_a:.0f} px in A.",
            "B 的方框宽 {b} 像素，A 宽 {a} 像素；左右探针处像素的因素，95% 在 B 中位于 {r_b:.0f} 像素之内，"
            "在 A 中位于 {r_a:.0f} 像素之内。",
        ),
    )
    def view(self) -> Seen:
        """Theoretical and effective fields."""
        a, b = self.looked("receptive-field")
        sides = {"a": max(a.theory.sides), "b": max(b.theory.sides)}
        return Seen({**sides, "r_a": a.radius_95, "r_b": b.radius_95})

    @ask(
        "predict",
        Text(
            "A is now the classic. B sees several scales at full resolution, for several times A's multiply-adds. "
            "Which has the higher Dice on the test images?",
            "A 换成经典设计。B 在全分辨率下同时看几种尺度，乘加是 A 的好几倍。在测试图像上谁的 Dice 更高？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "B takes {mac:.1f} times A's multiply-adds. Compute buys accuracy only where it buys what is missing.",
                "B 的乘加是 A 的 {mac:.1f} 倍。多算一点，只有补上所缺的东西，才会更准。",
            ),
        ),
        a=Design(),
        point=None,
    )
    def replaces(self) -> Seen:
        """Dice on nuclei, from the atlas."""
        return self.compare("dice", mac=self.times("macs"))

    @tell(
        "explain",
        Text(
            "A, the classic, sees {rf_a} px for {mac_a:.1f} G multiply-adds; B sees {rf_b} px for {mac_b:.1f} G. "
            "Going down doubles the reach of every later kernel for nothing: it is the cheapest way to several "
            "scales, and a U-Net sees one at every level.",
            "经典设计 A 用 {mac_a:.1f} G 乘加看到 {rf_a} 像素宽，B 用 {mac_b:.1f} G 看到 {rf_b} 像素宽。"
            "每下采样一次，之后所有卷积核的视野都白白翻倍：这是获得多尺度最便宜的办法，U-Net 每一级就是一种尺度。",
        ),
        a=Design(),
        point=None,
    )
    def per_pixel(self) -> Seen:
        """What a pixel of view costs."""
        a, b = (self.measured.cost(one) for one, _ in self.pairs)
        sides = {"rf_a": a.receptive_field.sides[0], "rf_b": b.receptive_field.sides[0]}
        return Seen({**sides, "mac_a": a.macs / 1e9, "mac_b": b.macs / 1e9})

    @ask(
        "predict",
        Text(
            "Back to networks that go down. Over all measured designs on nuclei, which block clearly beats the plain "
            "one, everything else being equal?",
            "回到会下采样的网络。在细胞核上测过的全部设计中，其余条件相同时，哪种模块明显胜过普通模块？",
        ),
        *(blocks[id].title for id in BLOCKS),
        Text("None of them", "都不能"),
        told=Text(
            "Dice against the plain block, from {designs} designs: {said}. Clearly means that the whole interval lies "
            "above zero.",
            "相对于普通模块的 Dice（{designs} 个设计）：{said}。整个区间都在零以上才算明显。",
        ),
        a=Design(),
        b=Design(block="multi-scale"),
        point=None,
        room="atlas",
    )
    def blocks(self) -> Seen:
        """Main effects of blocks, from the atlas."""
        effects = self.measured.effects(self.stand.task, blocks.id, "halving")
        found = [effects[id] for id in BLOCKS if id in effects]
        best = max(found, key=lambda one: one.difference)
        said = listed((blocks[one.option].title for one in found), found, 3)
        right = BLOCKS.index(best.option) if best.low > 0 else len(BLOCKS)
        designs = sum(row.design.halves for row in self.measured.atlas(self.stand.task).of("shared"))
        return Seen({"designs": designs, "said": said}, right)

    @ask(
        "check",
        Text(
            "You need an output that can see at least 100 px. Which network gives it for the fewest multiply-adds?",
            "如果要求输出至少能看到 100 像素宽，哪个网络所需的乘加最少？",
        ),
        Text("The classic, going down four times", "下采样四次的经典设计"),
        Text("Full resolution, dilated", "全分辨率膨胀网络"),
        Text("Full resolution, multi-scale", "全分辨率多尺度网络"),
        told=Text(
            "In this order they see {rf0}, {rf1} and {rf2} px for {mac0:.1f}, {mac1:.1f} and {mac2:.1f} G "
            "multiply-adds.",
            "三者依次能看到 {rf0}、{rf1}、{rf2} 像素宽，乘加为 {mac0:.1f} G、{mac1:.1f} G、{mac2:.1f} G。",
        ),
        a=ROUTES[0],
        b=ROUTES[1],
        point=None,
    )
    def cheapest(self) -> Seen:
        """The cheapest network that sees far enough."""
        costs = [self.measured.cost(design) for design in ROUTES]
        fields = [cost.receptive_field.sides[0] for cost in costs]
        enough = [at for at, side in enumerate(fields) if side >= SEES]
        numbers = {f"rf{at}": side for at, side in enumerate(fields)}
        numbers |= {f"mac{at}": cost.macs / 1e9 for at, cost in enumerate(costs)}
        return Seen(numbers, min(enough, key=lambda at: costs[at].macs))


def _padded(kernels: list[torch.Tensor], side: int) -> torch.Tensor:
    """The sum of kernels (1, 1, k, k) on a grid of a side; what does not fit is cut off."""
    return sum(F.pad(kernel, [(side - kernel.shape[2]) // 2] * 4) for kernel in kernels)  # type: ignore[return-value]
