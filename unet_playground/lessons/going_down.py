"""Lesson 1: what giving up resolution buys, and what it costs."""

import numpy as np

from unet_playground.analysis.operators import dots
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.measure import grown
from unet_playground.lessons.slot import (
    SCORES,
    WHICH,
    Lesson,
    Seen,
    Stand,
    ask,
    between,
    joined,
    lessons,
    nearest,
    tell,
)
from unet_playground.receptive_field import sides_of
from unet_playground.registry import Chinese

CLASSIC, FULL = Design(), Design(down="none")
SIDE = 256
MIDDLE = (124, 132)
STILL = 1e-6
"""Share of changed pixels up to which a mask counts as moved along."""
MISS = 6
"""Pixels of background by which a click may miss a nucleus."""


@lessons.register(
    "going-down",
    title="Why go down?",
    zh=Chinese("为什么要下采样？", "降低分辨率换来什么，又抹掉了什么。"),
)
class GoingDown(Lesson):
    """What giving up resolution buys, and what it blurs."""

    topics = ("downsampling", "full-resolution")
    start = Stand(a=CLASSIC, b=FULL, slot="down")

    @ask(
        "predict",
        Text(
            "B never shrinks the picture, so there is no pooling and no upsampling to pay for. Both start equally "
            "wide, and B keeps that width. Does B compute less than A?",
            "B 从不缩小图像，省去了池化和上采样。两者最精细一级同宽，B 始终保持这个宽度。B 的计算量比 A 少吗？",
        ),
        Text("Less", "更少"),
        Text("About as much", "差不多"),
        Text("More, by more than half", "多出一半以上"),
        told=Text(
            "B takes {mac:.2f} times A's multiply-adds and {act:.2f} times its memory for activations, with {par:.3f} "
            "times its parameters. Few parameters are not little work: B applies every one of them at every pixel.",
            "B 的乘加是 A 的 {mac:.2f} 倍，激活内存是 {act:.2f} 倍，参数却只有 {par:.3f} 倍。"
            "参数少不等于计算少：B 的每个参数都要用在每一个像素上。",
        ),
    )
    def cheaper(self) -> Seen:
        """Multiply-adds."""
        ratio = self.times("macs")
        numbers = {"mac": ratio, "act": self.times("activation_bytes"), "par": self.times("parameters")}
        return Seen(numbers, between(ratio, 0.9, 1.5))

    @ask(
        "predict",
        Text(
            "A doubles its width with every level that it goes down. Suppose every stage of A kept its width but had "
            "to visit every pixel. How many times A's multiply-adds would that be?",
            "A 每下一级，宽度加倍。假设 A 的每一级宽度不变，却要逐一处理全部像素，乘加会是原来的多少倍？",
        ),
        Text("About 3 times", "约 3 倍"),
        Text("About 10 times", "约 10 倍"),
        Text("About 40 times", "约 40 倍"),
        told=Text(
            "{times:.0f} times. Halving both sides quarters the pixels of the next stage; doubling its width makes "
            "each pixel four times as dear. The two cancel, so every level costs about as much as the one above.",
            "{times:.0f} 倍。边长减半，下一级的像素就只剩四分之一；宽度加倍，每个像素的代价就变成四倍。"
            "两者正好抵消：每一级的代价都和上一级差不多。",
        ),
    )
    def unfolded(self) -> Seen:
        """Every stage's multiply-adds at the finest resolution; a level down has a quarter of the pixels."""
        stages = self.measured.cost(self.stand.a).stages
        levels = [int(stage.stage.partition(".")[2] or 0) for stage in stages]
        full = sum(stage.macs * 4**level for stage, level in zip(stages, levels, strict=True))
        times = full / sum(stage.macs for stage in stages)
        return Seen({"times": times}, nearest(times, 3, 10, 40))

    @tell(
        "reveal",
        Text(
            "A is a V, B is a flat row. A's bottleneck works on {coarse} × {coarse} places with {wide} channels; B's "
            "on {fine} × {fine} with {thin}. Each middle pixel of A's output can see {rf_a} px across, B's only "
            "{rf_b} px.",
            "A 是一个 V，B 是平的一排。A 的瓶颈只有 {coarse} × {coarse} 个位置，每处 {wide} 个通道；"
            "B 的瓶颈有 {fine} × {fine} 个位置，每处 {thin} 个通道。"
            "A 输出中央的像素能看到 {rf_a} 像素宽，B 只能看到 {rf_b} 像素宽。",
        ),
        point=MIDDLE,
    )
    def shapes(self) -> Seen:
        """Sides of the bottleneck and of what an output can see."""
        a, b = self.stand.a, self.stand.second
        sides = [sides_of(design, (SIDE, SIDE), "bottleneck")[0] for design in (a, b)]
        fields = [self.measured.cost(design).receptive_field.sides[0] for design in (a, b)]
        numbers = {"coarse": sides[0], "fine": sides[1], "wide": a.widths[-1], "thin": b.widths[-1]}
        return Seen({**numbers, "rf_a": fields[0], "rf_b": fields[1]})

    @ask(
        "predict",
        Text(
            "Two pictures go through max pooling and come up again: a single bright pixel on black, and a single "
            "black pixel on bright. Which dot is still there?",
            "两幅图经过最大池化再放大回来：一幅是黑底上的一个亮点，一幅是亮底上的一个黑点。哪个点还在？",
        ),
        Text("The bright one", "亮点"),
        Text("The black one", "黑点"),
        Text("Both", "两个都在"),
        Text("Neither", "都不在了"),
        told=Text(
            "The bright dot keeps {bright:.0f}% of its contrast, the black one {dark:.0f}%: the maximum of four "
            "pixels forgets what is darker. Averaging keeps {mean:.0f}% of either. Pooling does not only blur, it "
            "takes sides.",
            "亮点保留 {bright:.0f}% 的对比度，黑点保留 {dark:.0f}%：取四个像素的最大值，就忘掉了较暗的那个。"
            "取平均则两种点各留 {mean:.0f}%。池化不只是模糊，它还偏心。",
        ),
    )
    def dot(self) -> Seen:
        """The contrast that a dot of one pixel keeps at its worst place."""
        pooled, averaged = dots("max-pool", "nearest"), dots("avg-pool", "nearest")
        bright, dark = (100 * float(one[0].min()) for one in (pooled.bright, pooled.dark))
        right = {(True, False): 0, (False, True): 1, (True, True): 2, (False, False): 3}[bright >= 25, dark >= 25]
        return Seen({"bright": bright, "dark": dark, "mean": 100 * float(averaged.bright[0].min())}, right)

    @ask(
        "predict",
        Text(
            "Now move the whole image by one pixel. Whose mask simply moves along, away from the border?",
            "把整幅图像平移一个像素。不看边缘，谁的掩膜会原样跟着平移？",
        ),
        Text("A's", "A 的"),
        Text("B's", "B 的"),
        Text("Both", "两者都会"),
        Text("Neither", "都不会"),
        told=Text(
            "Of A's pixels {a:.2f}% change sides, of B's {b:.2f}%. A sorts pixels into fixed cells of 2 × 2, then of "
            "4 × 4, up to 16 × 16; after a move the cells hold other pixels. B has no cells.",
            "A 有 {a:.2f}% 的像素改变归属，B 有 {b:.2f}%。A 把像素分进固定的 2 × 2、4 × 4 直至 16 × 16 的格子；"
            "平移之后，格子里装的就是另一批像素了。B 没有格子。",
        ),
    )
    def shift(self) -> Seen:
        """The share of pixels that do not move along."""
        a, b = (float(one.changed.max()) for one in self.looked("shift-equivariance"))
        right = {(True, False): 0, (False, True): 1, (True, True): 2, (False, False): 3}[a <= STILL, b <= STILL]
        return Seen({"a": 100 * a, "b": 100 * b}, right)

    @ask(
        "predict",
        Text(
            "A textbook says that downsampling blurs outlines. On the test images, which network has the higher Dice "
            "within 2 px of the true boundary?",
            "有教材说下采样会使轮廓模糊。在测试图像上，离真实边界 2 像素以内，哪个网络的 Dice 更高？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "Resolution is not all that differs here: B has {par:.0f}% of A's parameters and sees far less. Skips "
                "hand A its fine detail back.",
                "这里不同的不只是分辨率：B 只有 A 的 {par:.0f}% 的参数，看得也近得多；而 A 的跳跃把细节又送了回来。",
            ),
        ),
    )
    def boundary(self) -> Seen:
        """Dice along the boundary, from the atlas."""
        return self.compare("boundary_dice", par=100 * self.times("parameters"))

    @ask(
        "check",
        Text(
            "Which nucleus does one of the two find and the other miss? Click one in a picture.",
            "哪个细胞核被其中一个网络找到，却被另一个漏掉？请在图中点击一个。",
        ),
        told=Text(
            "Of {objects} nuclei A finds {a} and B {b}; {apart} of them are found by one alone. Found means that at "
            "least half of its pixels are in the mask.",
            "{objects} 个细胞核中，A 找到 {a} 个，B 找到 {b} 个；其中 {apart} 个只被一方找到。"
            "一半以上的像素在掩膜内才算找到。",
        ),
    )
    def missed(self) -> Seen:
        """Objects that only one of both masks covers."""
        stand = self.stand
        one, other = (self.measured.found(stand.task, stand.example, *pair) for pair in self.pairs)
        numbers = {"objects": len(one), "a": int(one.sum()), "b": int(other.sum()), "apart": int((one != other).sum())}
        truth = self.measured.truth(stand.task, stand.example).instances
        apart = np.isin(truth, np.flatnonzero(one != other) + 1)
        return Seen(numbers, places=apart | (grown(apart, MISS) & (truth == 0)))
