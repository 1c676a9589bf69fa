"""Lesson 2: dilation, and the grid that it can leave."""

from unet_playground.analysis import Target
from unet_playground.design import Design
from unet_playground.errors import Text
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
from unet_playground.registry import Chinese

FULL = Design(down="none")
DILATED = FULL.replace(block="dilated")
GRIDDED = FULL.replace(block="dilated(rates=2)")
PROBE = (120, 130)


@lessons.register(
    "holes-in-the-grid",
    title="Holes in the grid",
    zh=Chinese("网格上的空洞", "膨胀卷积不降分辨率也能看得远，但可能漏看中间的像素。"),
)
class HolesInTheGrid(Lesson):
    """Dilation sees far without going down, and may skip what lies between."""

    topics = ("dilation", "full-resolution")
    start = Stand(a=FULL, b=DILATED, slot="block", point=PROBE)

    @ask(
        "predict",
        Text(
            "Both work at full resolution. B moves the nine taps of its 3 × 3 kernels apart. How much further can its "
            "output see than A's?",
            "两者都保持全分辨率。B 把 3 × 3 卷积的九个取样点拉开。它的输出能比 A 看远多少？",
        ),
        Text("Hardly any further", "几乎一样"),
        Text("About twice as far", "约两倍"),
        Text("More than three times as far", "三倍以上"),
        told=Text(
            "A's box is {a} px wide, B's {b} px. A kernel of 3 with dilation d spans 2d + 1 pixels with the same nine "
            "weights.",
            "A 的方框宽 {a} 像素，B 为 {b} 像素。膨胀率为 d 的 3 × 3 卷积跨越 2d + 1 个像素，权重仍是九个。",
        ),
    )
    def view(self) -> Seen:
        """Width of the theoretical receptive field."""
        a, b = (self.measured.cost(one).receptive_field.sides[0] for one, _ in self.pairs)
        return Seen({"a": a, "b": b}, between(b / a, 1.4, 3))

    @ask(
        "predict",
        Text("And what does this wide view cost in multiply-adds?", "这样开阔的视野，要多花多少乘加？"),
        Text("About as many times more as it sees further", "看远几倍就贵几倍"),
        Text("Something, but far less than that", "要多花一些，但远没有那么多"),
        Text("Nothing at all", "一点也不多"),
        told=Text(
            "{mac:.2f} times for a view {rf:.1f} times as wide. Moving taps apart is free; B costs more only because "
            "each of its blocks has three convolutions (rates 1, 2, 5 at the finest level to 1, 3, 9 at the coarsest), "
            "where A's have two.",
            "视野宽 {rf:.1f} 倍，乘加只有 {mac:.2f} 倍。拉开取样点本身不花钱；"
            "B 较贵，只因它每个模块有三个卷积（膨胀率从最细一级的 1、2、5 到最粗一级的 1、3、9），A 只有两个。",
        ),
    )
    def price(self) -> Seen:
        """Multiply-adds beside the width of the view."""
        a, b = (self.measured.cost(one).receptive_field.sides[0] for one, _ in self.pairs)
        ratio = self.times("macs")
        return Seen({"mac": ratio, "rf": b / a}, 2 if ratio < 1.01 else int(ratio < 0.7 * b / a))

    @ask(
        "predict",
        Text(
            "Now B gives every convolution the same rate, 2. Of the pixels in its box, how many can its output really "
            "see?",
            "现在 B 的每个卷积都用同一个膨胀率 2。方框里的像素，它的输出真正能看到多少？",
        ),
        Text("All of them", "全部"),
        Text("About half", "约一半"),
        Text("About a quarter", "约四分之一"),
        told=Text(
            "{share:.0f}%. Steps of 2 upon steps of 2 only ever reach every second row and every second column: the "
            "rest is never seen, however deep the network is. This is gridding.",
            "{share:.0f}%。每一步都跨 2 个像素，怎么叠加也只能落在隔行隔列的点上："
            "网络再深，其余像素也永远看不到。这就是网格效应。",
        ),
        b=GRIDDED,
    )
    def grid(self) -> Seen:
        """The share of the box that a gradient reaches, with fresh weights."""
        share = self._reached(self.stand.second)
        return Seen({"share": 100 * share}, nearest(share, 1, 0.5, 0.25))

    @tell(
        "reveal",
        Text(
            "With rates from 1, 2, 5 at the finest level to 1, 3, 9 at the coarsest the picture of the receptive field "
            "has no holes: {share:.0f}% of the box is reached. The three rates of a block have no common factor, so "
            "the taps of one fill the gaps of the others.",
            "膨胀率从最细一级的 1、2、5 到最粗一级的 1、3、9 时，感受野图上没有空洞："
            "方框内 {share:.0f}% 的像素都能到达。每个模块的三个膨胀率没有公因子，彼此的取样点正好填上对方的空隙。",
        ),
    )
    def filled(self) -> Seen:
        """The same share with rates that have no common factor."""
        return Seen({"share": 100 * self._reached(self.stand.second)})

    @ask(
        "predict",
        Text(
            "Being able to see is not looking. Within which distance of the probe do 95% of what moves B's pixel lie?",
            "看得到不等于在看。左右 B 这个像素的因素，95% 位于探针多大范围之内？",
        ),
        Text("Less than a quarter of the way to the edge of the box", "不到中心至方框边缘的四分之一"),
        Text("About half of the way", "约一半"),
        Text("Nearly all of the way", "几乎直到方框边缘"),
        told=Text(
            "Within {r:.0f} px, where the box reaches {half:.0f} px to either side. Of A's it is {r_a:.0f} px. A wide "
            "box is a permission; what a network makes of it, training decides.",
            "在 {r:.0f} 像素之内，而方框向两侧各延伸 {half:.0f} 像素；A 为 {r_a:.0f} 像素。"
            "方框宽只是许可，用不用由训练决定。",
        ),
    )
    def effect(self) -> Seen:
        """The radius of the effective field beside the theoretical one."""
        a, b = self.looked("receptive-field")
        half = max(b.theory.sides) / 2
        return Seen({"r": b.radius_95, "half": half, "r_a": a.radius_95}, between(b.radius_95 / half, 0.25, 0.75))

    @ask(
        "predict",
        Text(
            "A is now the classic, which goes down. Can B, dilated at full resolution, take its place? Which has the "
            "higher Dice on nuclei?",
            "A 换成会下采样的经典设计。全分辨率的膨胀网络 B 能代替它吗？在细胞核上谁的 Dice 更高？",
        ),
        *WHICH,
        told=SCORES,
        a=Design(),
    )
    def replaces(self) -> Seen:
        """Dice on nuclei, from the atlas."""
        return self.compare("dice")

    @ask(
        "check",
        Text(
            "The liver fills much of the slice, and gray alone does not tell it from its neighbours. Which has the "
            "higher Dice here?",
            "肝脏占了切片的一大片，仅凭灰度分不清它和周围器官。在这里谁的 Dice 更高？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "How far a network must see depends on the task. The box of B is {rf} px wide, that of A {rf_a} px.",
                "需要看多远取决于任务。B 的方框宽 {rf} 像素，A 为 {rf_a} 像素。",
            ),
        ),
        a=Design(),
        task="liver",
        example="upper",
        point=None,
    )
    def context(self) -> Seen:
        """Dice on the liver, from the atlas."""
        a, b = (self.measured.cost(one).receptive_field.sides[0] for one, _ in self.pairs)
        return self.compare("dice", rf=b, rf_a=a)

    def _reached(self, design: Design) -> float:
        asked = Target(point=PROBE)
        field = self.measured.look_untrained(
            self.stand.task, self.stand.example, design, "receptive-field(weights=fresh)", asked
        )
        rows, columns = (slice(low, high + 1) for low, high in zip(field.theory.low, field.theory.high, strict=True))
        return float((field.energy[rows, columns] > 0).mean())
