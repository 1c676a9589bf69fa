"""Lesson 6: weighing channels, and weighing places."""

from unet_playground.claims import VERDICTS, claims
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.slot import SCORES, WHICH, Lesson, Seen, Stand, ask, between, joined, lessons, listed, tell
from unet_playground.parts import attentions
from unet_playground.registry import Chinese

KINDS = ("se", "eca", "cbam", "scse")
CLAIMS = ("se-global", "cbam-local", "scse-edges", "eca-free")
SUPPORTED = "supported"
MATTERS = 0.002
"""Loss of agreement with the mask from which a kind of gate counts as mattering more than another."""


@lessons.register(
    "which-channel",
    title="Which channel, which place",
    zh=Chinese("哪个通道，哪个位置", "SE、ECA、CBAM、scSE 各自给什么加权，结果又差多少。"),
)
class WhichChannel(Lesson):
    """What SE, ECA, CBAM and scSE weigh, and how much it changes."""

    topics = ("channel-attention", "spatial-attention")
    start = Stand(a=Design(), b=Design(attention="cbam"), slot="attention")

    @ask(
        "predict",
        Text(
            "SE passes the means of all channels through two small layers to get one factor for each. ECA compares "
            "every mean with its nearest neighbours only. How many parameters does ECA (B) add to the whole network?",
            "SE 把各通道的均值送进两个小全连接层，得到每个通道的系数。ECA 只拿每个均值与相邻几个比较。"
            "ECA（B）给整个网络增加多少参数？",
        ),
        Text("Fewer than 100", "不到 100 个"),
        Text("Some thousands", "几千个"),
        Text("More than 100,000", "超过 10 万个"),
        told=Text(
            "{eca} parameters, on top of {classic:,}. SE adds {se:,}, CBAM {cbam:,}, scSE {scse:,}.",
            "{eca} 个，而网络原有 {classic:,} 个。SE 增加 {se:,} 个，CBAM {cbam:,} 个，scSE {scse:,} 个。",
        ),
        b=Design(attention="eca"),
    )
    def added(self) -> Seen:
        """Parameters that each attention adds."""
        classic = self.measured.cost(self.stand.a).parameters
        more = {id: self.measured.cost(Design(attention=id)).parameters - classic for id in KINDS}
        return Seen({**more, "classic": classic}, between(more[KINDS[1]], 100, 100_000))

    @ask(
        "predict",
        Text(
            "B has SE on its skips. What can change B's answer at a pixel in the top left corner?",
            "B 的跳跃上有 SE。什么能改变 B 在左上角某个像素的回答？",
        ),
        Text("Only what lies within reach of its convolutions", "只有卷积够得着的像素"),
        Text("Any pixel of the image", "图像中的任何一个像素"),
        told=Text(
            "Through convolutions alone, a box of {box} px; but {gates} gates take their factor from the mean over "
            "the whole image. A bright spot far away can turn a channel down everywhere.",
            "单靠卷积，只有 {box} 像素宽的方框；但有 {gates} 个门的系数取自整幅图的均值。"
            "远处的一个亮斑，可以把某个通道处处调低。",
        ),
        b=Design(attention="se"),
    )
    def reach(self) -> Seen:
        """What sees the whole image besides the box."""
        field = self.measured.cost(self.stand.second).receptive_field
        return Seen({"box": field.sides[0], "gates": len(field.through)}, int(bool(field.through)))

    @tell(
        "reveal",
        Text(
            "CBAM weighs channels first, then places. On this image its factors for channels lie between {c_low:.2f} "
            "and {c_high:.2f}, those for places between {p_low:.2f} and {p_high:.2f}. 1 lets everything pass.",
            "CBAM 先给通道加权，再给位置加权。在这幅图上，通道系数在 {c_low:.2f} 到 {c_high:.2f} 之间，"
            "位置系数在 {p_low:.2f} 到 {p_high:.2f} 之间。1 表示原样通过。",
        ),
        a=Design(attention="cbam"),
        b=None,
    )
    def ranges(self) -> Seen:
        """The range of all gates of each kind."""
        maps = self.looked("attention(checks=false)")[0].maps
        numbers = {}
        for letter, spatial in (("c", False), ("p", True)):
            own = [one.values for one in maps if one.spatial == spatial]
            numbers[f"{letter}_low"] = min(float(one.min()) for one in own)
            numbers[f"{letter}_high"] = max(float(one.max()) for one in own)
        return Seen(numbers)

    @ask(
        "predict",
        Text(
            "Replace each of its gates by something without a pattern. Whose pattern does the mask owe more to?",
            "把它的每个门换成没有图案的东西。掩膜更依赖哪一种图案？",
        ),
        Text("That of channels", "通道的"),
        Text("That of places", "位置的"),
        Text("Hardly any difference", "几乎没有差别"),
        told=Text(
            "At worst the mask keeps a Dice of {channel:.4f} with itself without a pattern of channels, and "
            "{place:.4f} without one of places. The maps look telling either way.",
            "去掉通道图案，掩膜与自身的 Dice 最低为 {channel:.4f}；去掉位置图案，最低为 {place:.4f}。"
            "而图看上去都一样有说服力。",
        ),
        a=Design(attention="cbam"),
        b=None,
    )
    def matters(self) -> Seen:
        """The least agreement after replacing gates of each kind."""
        maps = self.looked("attention")[0].maps
        channel, place = (min(one.kept for one in maps if one.spatial == spatial) for spatial in (False, True))
        right = 2 if abs(channel - place) < MATTERS else int(place < channel)
        return Seen({"channel": channel, "place": place}, right)

    @tell(
        "explain",
        Text(
            "Dice against the classic on {images} test images, from one bank of shared weights: {said}. In brackets, "
            "95% intervals: of images, and of how far bank and solo differ. A bank trains attention for few steps; SE "
            "and ECA stay near their start there, so near the classic.",
            "与经典设计相比的 Dice 之差（{images} 幅测试图像，同一套共享权重）：{said}。"
            "方括号内是 95% 区间，涵盖图像以及权重库与单独训练的差别。权重库训练注意力的步数很少，"
            "SE 和 ECA 仍接近初始状态，因此也接近经典设计。",
        ),
        b=None,
    )
    def table(self) -> Seen:
        """Dice of each attention against none, from the atlas."""
        task, classic = self.stand.task, self.stand.a
        found = [self.measured.compare(task, Design(attention=id), classic, "dice", "shared") for id in KINDS]
        said = listed((attentions[id].title for id in KINDS), found)
        return Seen({"said": said, "images": len(self.measured.atlas(task).names)})

    @ask(
        "predict",
        Text(
            "SE is said to help globally: it knows the whole image. On the liver, a large organ, which has the higher "
            "Dice away from the boundary?",
            "有人说 SE 改善全局，因为它知道整幅图的内容。肝脏是大器官：远离边界处，谁的 Dice 更高？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "Told apart is not the same as large: look at the size of the difference before the verdict.",
                "能分辨不等于差别大：先看差值有多大，再看结论。",
            ),
        ),
        b=Design(attention="se"),
        task="liver",
        example="upper",
    )
    def globally(self) -> Seen:
        """Dice away from the boundary on the liver, from the atlas."""
        return self.compare("interior_dice")

    @ask(
        "check",
        Text(
            "Four sentences from a text: SE helps globally. CBAM helps locally. scSE sharpens the edges of organs. "
            "ECA is nearly free. How many do the measurements support without exception?",
            "某教材有四句话：SE 改善全局；CBAM 改善局部；scSE 改善器官边缘；ECA 几乎不增加开销。"
            "测量无一例外地支持其中几句？",
        ),
        Text("None", "零句"),
        Text("One", "一句"),
        Text("Two", "两句"),
        Text("Three or four", "三句或四句"),
        told=Text("{said}. The room Claims lists every number.", "{said}。“论断”一室列出了每个数字。"),
        room="claims",
        b=None,
    )
    def sentences(self) -> Seen:
        """The verdicts on four claims."""
        verdicts = [self.measured.verdict(id) for id in CLAIMS]
        said = Text(
            "; ".join(f"{claims[id].title.en}: {VERDICTS[one].en}" for id, one in zip(CLAIMS, verdicts, strict=True)),
            "；".join(f"{claims[id].title.zh}：{VERDICTS[one].zh}" for id, one in zip(CLAIMS, verdicts, strict=True)),
        )
        return Seen({"said": said}, min(3, verdicts.count(SUPPORTED)))
