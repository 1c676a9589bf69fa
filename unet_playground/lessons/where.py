"""Lesson 7: the place of attention, and what attention cannot replace."""

from typing import Any

from unet_playground.design import DEFAULTS, Design
from unet_playground.errors import IllegalDesign, Text
from unet_playground.lessons.measure import NotMeasured
from unet_playground.lessons.slot import SCORES, WHICH, Lesson, Seen, Stand, ask, joined, lessons, listed, tell
from unet_playground.parts import sites
from unet_playground.registry import Chinese

FULL = Design(down="none")
LOOKING = FULL.replace(attention="spatial")
SITES = ("skip", "fused", "decoder", "bottleneck")
TRIES: tuple[dict[str, Any], ...] = (
    {"skip": "none", "attention": "se", "site": "skip"},
    {"skip": "none", "attention": "se", "site": "decoder"},
    {"skip": "concat", "attention": "cbam", "site": "fused"},
    {"down": "none", "attention": "spatial", "site": "bottleneck"},
)
"""Designs of which one cannot be built."""


@lessons.register(
    "where-to-attend",
    title="Where to put attention",
    zh=Chinese("注意力放在哪里", "同一个注意力放在四个位置，以及它不能代替什么。"),
)
class WhereToAttend(Lesson):
    """The same attention at four sites, and what it cannot replace."""

    topics = ("spatial-attention", "attention-site", "full-resolution")
    start = Stand(a=Design(), b=Design(attention="cbam"), slot="site")

    @ask(
        "predict",
        Text(
            "CBAM can sit on what crosses, on the joined features, before each decoder stage, or at the bottleneck "
            "alone. Where does it add most parameters?",
            "CBAM 可以放在跨越的特征上、合并后的特征上、每个解码级之前，或只放在瓶颈处。放在哪里增加的参数最多？",
        ),
        *(sites[id].title for id in SITES),
        told=Text(
            "{n0:,}, {n1:,}, {n2:,} and {n3:,} parameters, in the order of the answers. The squeeze costs the square "
            "of the channels, so what counts is how wide the features are, not how large.",
            "按答案的顺序：{n0:,}、{n1:,}、{n2:,}、{n3:,} 个参数。压缩层的代价与通道数的平方成正比，"
            "所以要紧的是特征有多宽，而不是有多大。",
        ),
    )
    def dearest(self) -> Seen:
        """Parameters that CBAM adds at every site."""
        base = self.measured.cost(self.stand.a).parameters
        more = [self.measured.cost(self.stand.second.replace(site=id)).parameters - base for id in SITES]
        return Seen({f"n{at}": count for at, count in enumerate(more)}, more.index(max(more)))

    @tell(
        "reveal",
        Text(
            "In multiply-adds it looks different: {m0:.2f}, {m1:.2f}, {m2:.2f} and {m3:.2f} M for skip, fused, "
            "decoder and bottleneck, of {all:.0f} M in all. A map of places is paid per pixel, and fine levels have "
            "most.",
            "按乘加看又是另一回事：跳跃、合并后、解码级、瓶颈依次为 {m0:.2f} M、{m1:.2f} M、{m2:.2f} M、{m3:.2f} M，"
            "整个网络为 {all:.0f} M。位置图按像素付费，而像素大多在精细级。",
        ),
    )
    def macs(self) -> Seen:
        """Multiply-adds that CBAM adds at every site."""
        base = self.measured.cost(self.stand.a).macs
        more = [self.measured.cost(self.stand.second.replace(site=id)).macs - base for id in SITES]
        return Seen({**{f"m{at}": count / 1e6 for at, count in enumerate(more)}, "all": base / 1e6})

    @ask(
        "predict",
        Text(
            "A text says: spatial attention tells the network where to look, so downsampling becomes superfluous. B "
            "stays at full resolution with a map of places on every skip. Which has the higher Dice on the liver?",
            "有教材说：空间注意力告诉网络该看哪里，下采样就多余了。B 始终全分辨率，每个跳跃上有一张位置图。"
            "在肝脏上谁的 Dice 更高？",
        ),
        *WHICH,
        told=SCORES,
        b=LOOKING,
        slot="attention",
        task="liver",
        example="upper",
    )
    def liver(self) -> Seen:
        """Dice on the liver, from the atlas."""
        return self.compare("dice")

    @tell(
        "explain",
        Text(
            "A is full resolution without attention, B with it. 95% of what moves the probe lies within {a:.0f} px in "
            "A and {b:.0f} px in B; B's factors lie between {low:.2f} and {high:.2f} at the finest level. A map can "
            "dim what is in view. It cannot fetch what is not.",
            "A 是没有注意力的全分辨率网络，B 有。左右探针处像素的因素，95% 在 A 中位于 {a:.0f} 像素之内，在 B 中位于 "
            "{b:.0f} 像素之内；"
            "B 最精细一级的系数在 {low:.2f} 到 {high:.2f} 之间。位置图能调暗看得到的东西，却取不来看不到的东西。",
        ),
        a=FULL,
        b=LOOKING,
        slot="attention",
        point=(120, 130),
    )
    def fetches(self) -> Seen:
        """Effective fields with and without a map, and the range of the finest map."""
        a, b = self.looked("receptive-field")
        finest = self.looked("attention(checks=false)")[1].maps[0].values
        return Seen({"a": a.radius_95, "b": b.radius_95, "low": float(finest.min()), "high": float(finest.max())})

    @ask(
        "predict",
        Text(
            "SE on a single skip: A has it at the coarsest level, where channels are most redundant, B at the finest. "
            "Which has the higher Dice?",
            "只在一个跳跃上放 SE：A 放在最粗一级，那里通道最冗余；B 放在最精细一级。谁的 Dice 更高？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "Two channels that cross correlate by {deep:.2f} at the coarsest level and by {fine:.2f} at the "
                "finest.",
                "跨越的通道两两相关（绝对值平均）：最粗一级 {deep:.2f}，最精细一级 {fine:.2f}。",
            ),
        ),
        a=Design(attention="none/none/none/se"),
        b=Design(attention="se/none/none/none"),
        slot="attention",
    )
    def level(self) -> Seen:
        """Dice of SE at two levels, from the atlas."""
        stand = self.stand
        deep, fine = (
            self.measured.compare(stand.task, stand.a, stand.second, column).first
            for column in ("correlation_3", "correlation_0")
        )
        return self.compare("dice", deep=deep, fine=fine)

    @ask(
        "predict",
        Text(
            "Over all measured designs with attention, everything else being equal: which site is clearly best for "
            "Dice?",
            "在所有测过的带注意力的设计中，其余条件相同时，哪个位置的 Dice 明显最好？",
        ),
        *(sites[id].title for id in SITES),
        Text("No clear winner", "没有明显的赢家"),
        told=Text(
            "Against the skip: {said}, from {designs} designs. Clear means that its whole interval lies above the "
            "others' means.",
            "与放在跳跃上相比：{said}（{designs} 个设计）。某个位置的整个区间高于其余各处的均值，才算明显。",
        ),
        b=Design(attention="cbam", site="decoder"),
        room="atlas",
    )
    def best(self) -> Seen:
        """Main effects of sites, from the atlas."""
        known = self.measured.effects(self.stand.task, sites.id, "all")
        means = {DEFAULTS[sites.id]: 0.0, **{id: one.difference for id, one in known.items()}}
        clear = [id for id, one in known.items() if all(one.low > means[other] for other in means if other != id)]
        if all(one.high < 0 for one in known.values()):
            clear = [DEFAULTS[sites.id]]
        said = listed((sites[id].title for id in known), known.values(), 3)
        designs = sum(row.design.applies(sites.id) for row in self.measured.atlas(self.stand.task).of("shared"))
        return Seen({"said": said, "designs": designs}, SITES.index(clear[0]) if clear else len(SITES))

    @ask(
        "check",
        Text("Which of these networks cannot be built?", "下面哪个网络无法搭建？"),
        Text("No skip, SE on what crosses", "没有跳跃，SE 放在跨越的特征上"),
        Text("No skip, SE before each decoder stage", "没有跳跃，SE 放在每个解码级之前"),
        Text("Concatenation, CBAM on the joined features", "拼接，CBAM 放在合并后的特征上"),
        Text("Full resolution, spatial attention at the bottleneck", "全分辨率，空间注意力放在瓶颈处"),
        told=Text("{reason}", "{reason}"),
    )
    def illegal(self) -> Seen:
        """The one choice that makes no network, and why."""
        for at, choices in enumerate(TRIES):
            try:
                Design(**choices)
            except IllegalDesign as error:
                return Seen({"reason": error.text}, at)
        raise NotMeasured(
            "Every one of these networks can be built now; go on to the next step.",
            "这些网络如今都可以搭建；请继续下一步。",
        )
