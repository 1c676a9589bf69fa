"""Lesson 9: ways to get resolution back."""

import numpy as np
import torch
import torch.nn.functional as F

from unet_playground.analysis.operators import edges, fresh_checkerboard
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.slot import SCORES, WHICH, Lesson, Seen, Stand, ask, joined, lessons, listed, tell
from unet_playground.parts import ups
from unet_playground.registry import Chinese
from unet_playground.tasks import tasks

OFFERED = ("nearest", "bilinear", "transposed", "pixel-shuffle")
BILINEAR, SHUFFLE, MOVING = (Design(up=id) for id in ("bilinear", "pixel-shuffle", "deformable"))


@lessons.register(
    "coming-back-up",
    title="Coming back up",
    zh=Chinese("怎样放大回来", "棋盘格从何而来，像素重排便宜吗，可移动的取样点有什么用。"),
)
class ComingBackUp(Lesson):
    """Where checkerboards come from, whether pixel shuffle is cheap, and what movable taps are good for."""

    topics = ("checkerboards", "pixel-shuffle", "deformable-upsampling")
    start = Stand(a=Design(), b=BILINEAR, slot="up", room="operators")

    @ask(
        "predict",
        Text(
            "Four ways of doubling are handed features that are perfectly flat, before any training. Which one draws "
            "a checkerboard on them?",
            "把完全平坦的特征交给四种两倍放大方式，都还没有训练。哪一种会在上面画出棋盘格？",
        ),
        *(ups[id].title for id in OFFERED),
        told=Text(
            "Unevenness of the four sub-pixel positions, in the order of the answers: {u0:.0f}%, {u1:.0f}%, "
            "{u2:.0f}%, {u3:.0f}%. The transposed convolution stamps a random 2 × 2 pattern; pixel shuffle starts "
            "with four equal ones on purpose.",
            "四个子像素位置的不均匀程度，按答案的顺序：{u0:.0f}%、{u1:.0f}%、{u2:.0f}%、{u3:.0f}%。"
            "转置卷积盖的是一枚随机的 2 × 2 印章；像素重排则特意让四个位置从相同的权重开始。",
        ),
    )
    def fresh(self) -> Seen:
        """Unevenness with fresh weights."""
        found = [fresh_checkerboard(ups.id, id).constant for id in OFFERED]
        return Seen({f"u{at}": 100 * one for at, one in enumerate(found)}, int(np.argmax(found)))

    @ask(
        "predict",
        Text(
            "The usual explanation is uneven overlap. A kernel of 3 moves by 2: how many stamps fall on the busiest "
            "pixel, and how many on the idlest?",
            "常见的解释是重叠不均。边长 3 的核每次移动 2 像素：最忙的像素被盖几次，最闲的几次？",
        ),
        Text("2 and 1", "2 次和 1 次"),
        Text("4 and 1", "4 次和 1 次"),
        Text("9 and 4", "9 次和 4 次"),
        told=Text(
            "{most} and {least}. With a kernel of 2, as in A, every pixel is stamped {even} time, which is perfectly "
            "even. And yet A had a checkerboard in the last step: even overlap is not an even stamp.",
            "{most} 次和 {least} 次。核边长为 2（如 A）时，每个像素都恰好盖 {even} 次，十分均匀。"
            "可上一步里 A 仍有棋盘格：重叠均匀，不等于印章本身均匀。",
        ),
        b=Design(up="transposed(kernel=3)"),
    )
    def overlap(self) -> Seen:
        """How often a transposed convolution of ones visits each pixel, away from the border."""
        three, two = (
            F.conv_transpose2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, side, side), stride=2)[0, 0, 4:12, 4:12]
            for side in (3, 2)
        )
        most, least = int(three.max()), int(three.min())
        offered = [(2, 1), (4, 1), (9, 4)]
        return Seen({"most": most, "least": least, "even": int(two.max())}, offered.index((most, least)))

    @ask(
        "predict",
        Text(
            "A was trained on hundreds of images. What has become of the checkerboard of its finest way up?",
            "A 在几百幅图像上训练过。它最精细一级放大的棋盘格后来怎样了？",
        ),
        Text("It is gone", "消失了"),
        Text("It is weaker, but there", "变弱了，但还在"),
        Text("It has grown", "变强了"),
        told=Text(
            "On flat features at the mean of this image: {own:.0f}%, with fresh weights {fresh:.0f}%. The "
            "convolutions behind it can cancel the pattern, so training need not remove it.",
            "在取这幅图均值的平坦特征上为 {own:.0f}%，初始权重时为 {fresh:.0f}%。"
            "后面的卷积可以把图案抵消，所以训练不必消除它。",
        ),
        b=None,
    )
    def trained(self) -> Seen:
        """Unevenness with the network's own weights."""
        found = self.looked("operators")[0]
        own, start = found.own.constant, found.fresh.constant
        return Seen({"own": 100 * own, "fresh": 100 * start}, 0 if own < 0.05 else 1 + int(own > start))

    @ask(
        "predict",
        Text(
            "B shuffles pixels: a convolution makes four times the channels at low resolution, and they are dealt out "
            "to four sub-pixels. A interpolates bilinearly, then convolves at high resolution. Which takes longer?",
            "B 用像素重排：卷积先在低分辨率算出四倍的通道，再分给四个子像素。A 先双线性插值，再在高分辨率做卷积。"
            "谁更费时？",
        ),
        *WHICH,
        told=Text(
            "Measured, A takes {a:.2f} and B {b:.2f} times the classic's time; B has {mac:.2f} times A's "
            "multiply-adds. Four times the channels on a quarter of the pixels is the same work, and dealing them out "
            "moves memory.",
            "实测 A 用时是经典设计的 {a:.2f} 倍，B 为 {b:.2f} 倍；B 的乘加是 A 的 {mac:.2f} 倍。"
            "四倍的通道乘以四分之一的像素，工作量一样；分发像素还要搬动内存。",
        ),
        a=BILINEAR,
        b=SHUFFLE,
    )
    def shuffle(self) -> Seen:
        """Measured time and counted multiply-adds."""
        return self.compare("latency", mac=self.times("macs"))

    @tell(
        "explain",
        Text(
            "A step from dark to bright goes through max pooling and comes up again; untouched it rises within 0.80 "
            "px. Nearest {e0:.2f} px, bilinear {e1:.2f}, transposed {e2:.2f}, pixel shuffle {e3:.2f}, with plain "
            "weights. Sharp is not accurate: an edge that falls inside a cell is moved by {moved:.0f} px.",
            "一道由暗到亮的台阶经最大池化后再放大回来；未处理时在 0.80 像素内升起。用最简单的权重时，最近邻 {e0:.2f} "
            "像素，"
            "双线性 {e1:.2f}，转置卷积 {e2:.2f}，像素重排 {e3:.2f}。锐利不等于准确：落在格子内部的边缘"
            "会移动 {moved:.0f} 像素。",
        ),
    )
    def steps_of_edges(self) -> Seen:
        """Rise and shift of an edge through each way up."""
        found = [edges("max-pool", id) for id in OFFERED]
        numbers = {f"e{at}": float(one.rise.max()) for at, one in enumerate(found)}
        return Seen({**numbers, "moved": max(float(np.abs(one.shift).max()) for one in found)})

    @ask(
        "predict",
        Text(
            "B moves its nine taps to places that it has learned, then interpolates. Before it has learned anything, "
            "which of the simple ways does its edge response equal?",
            "B 先把九个取样点移到学会的位置，再插值。什么都还没学时，它的边缘响应与哪种简单方式相同？",
        ),
        Text("Nearest", "最近邻"),
        Text("Bilinear", "双线性"),
        Text("Neither", "都不同"),
        told=Text(
            "Largest difference of the edge profiles: {near:.3f} from nearest, {linear:.3f} from bilinear. "
            "Displacements start at zero, so that a fresh part does no harm.",
            "与最近邻的边缘剖面最多相差 {near:.3f}，与双线性最多相差 {linear:.3f}。位移从零开始，新部件因此不会添乱。",
        ),
        a=BILINEAR,
        b=MOVING,
    )
    def resting(self) -> Seen:
        """The edge response of a fresh deformable way up."""
        moving, near, linear = (edges("max-pool", id).profile for id in ("deformable", "nearest", "bilinear"))
        apart = [float(np.abs(moving - one).max()) for one in (near, linear)]
        right = int(np.argmin(apart)) if min(apart) < 0.01 else 2
        return Seen({"near": apart[0], "linear": apart[1]}, right)

    @ask(
        "predict",
        Text(
            "Movable taps are said to recover small objects. Of the pixels of small nuclei in the test images, which "
            "finds the larger share?",
            "据说可移动的取样点能找回小目标。测试图像中小细胞核的像素，谁找到的比例更大？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "B samples {b_read:.0f} million values, A {a_read:.0f} million; multiply-adds do not show that.",
                "B 要取样 {b_read:.0f} × 10⁶ 个值，A 为 {a_read:.0f} × 10⁶ 个；这并不计入乘加。",
            ),
        ),
        a=BILINEAR,
        b=MOVING,
        room=None,
    )
    def small(self) -> Seen:
        """Recall of small objects, from the atlas."""
        read = [self.measured.cost(one).sampling / 1e6 for one, _ in self.pairs]
        return self.compare("small_recall", a_read=read[0], b_read=read[1])

    @ask(
        "check",
        Text(
            "A text says: bilinear upsampling (B) keeps edges worst. On how many of the tasks where both were "
            "measured is it clearly below the transposed convolution (A) along the boundary?",
            "有教材说：双线性上采样（B）保留边缘最差。在两者都测过的任务中，边界附近它明显不如转置卷积（A）的有几个？",
        ),
        Text("On none", "一个也没有"),
        Text("On some", "有一些"),
        Text("On all", "全部"),
        told=Text(
            "Dice along the boundary, A − B: {said}.",
            "边界附近的 Dice，A − B：{said}。",
        ),
        room=None,
    )
    def worst(self) -> Seen:
        """Dice along the boundary on every task, from the atlas."""
        found = self.measured.everywhere(self.stand.a, self.stand.second, "boundary_dice")
        below = sum(one.low > 0 for one in found)
        said = listed((tasks[one.task].title for one in found), found, 3)
        return Seen({"said": said}, 2 if below == len(found) else int(below > 0))
