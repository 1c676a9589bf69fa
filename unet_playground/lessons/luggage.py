"""Lesson 5: what crosses twice, and what should not cross."""

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.slot import LEVELS, SCORES, WHICH, Lesson, Seen, Stand, ask, between, joined, lessons, tell
from unet_playground.registry import Chinese

GATED = Design(skip="attention-gate")


@lessons.register(
    "too-much-luggage",
    title="Too much luggage",
    zh=Chinese("行李太多", "跨越的特征中有多少是重复和噪声，用门筛选有没有用。"),
)
class TooMuchLuggage(Lesson):
    """How much of what crosses is redundant or noise, and whether gates that sift it help."""

    topics = ("redundancy",)
    start = Stand(a=Design(), slot="skip", room="skips")

    @ask(
        "predict",
        Text(
            "A skip hands over all channels of its level, twice as many at each coarser one. At which level do they "
            "repeat each other most?",
            "跳跃把本级的所有通道原样送过去，每粗一级就多一倍。哪一级的通道最为重复？",
        ),
        *LEVELS,
        told=Text(
            "The channels of level 0 to 3 are worth {r0:.1f} of {n0}, {r1:.1f} of {n1}, {r2:.1f} of {n2} and {r3:.1f} "
            "of {n3} independent ones (effective rank on this image).",
            "第 0 至 3 级的 {n0}、{n1}、{n2}、{n3} 个通道，分别相当于 {r0:.1f}、{r1:.1f}、{r2:.1f}、{r3:.1f} 个独立通道"
            "（这幅图上的有效秩）。",
        ),
    )
    def rank(self) -> Seen:
        """Effective rank of what crosses, as a share of the channels."""
        found = self.looked("redundancy")[0]
        numbers = {f"r{level}": rank for level, rank in zip(found.levels, found.rank, strict=True)}
        numbers |= {f"n{level}": int(count) for level, count in zip(found.levels, found.channels, strict=True)}
        return Seen(numbers, int(found.share.argmin()))

    @tell(
        "reveal",
        Text(
            "Redundant for whom? Linear CKA between what crosses and what the decoder already has is {c0:.2f}, "
            "{c1:.2f}, {c2:.2f} and {c3:.2f} for levels 0 to 3, where 1 would be the same said twice. With shuffled "
            "pixels at most {chance:.2f} is left.",
            "对谁来说重复？跨越的特征与解码器已有特征之间的线性 CKA，第 0 至 3 级为 {c0:.2f}、{c1:.2f}、{c2:.2f}、"
            "{c3:.2f}，"
            "1 表示完全重复。把像素打乱后，最多只剩 {chance:.2f}。",
        ),
    )
    def similar(self) -> Seen:
        """Similarity with the decoder's own features."""
        found = self.looked("redundancy")[0]
        numbers = {f"c{level}": one for level, one in zip(found.levels, found.cka, strict=True)}
        return Seen({**numbers, "chance": float(found.chance.max())})

    @ask(
        "predict",
        Text(
            "B lets the decoder decide what may pass: a gate weighs every pixel of what crosses. Which has the higher "
            "Dice on the test images?",
            "B 让解码器决定什么可以通过：跨越的每个像素都要过一道门。在测试图像上谁的 Dice 更高？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "A gate can only dim. What it would have to sift, the convolution behind it can ignore as well.",
                "门只能调暗。它要筛掉的东西，后面的卷积本来也可以置之不理。",
            ),
        ),
        b=GATED,
        room=None,
    )
    def gated(self) -> Seen:
        """Dice with gates, from the atlas."""
        return self.compare("dice")

    @ask(
        "predict",
        Text(
            "Noise is added outside the nuclei. At the finest level, how much of the disturbance does B's gate hold "
            "back?",
            "在细胞核之外加入噪声。在最精细一级，B 的门拦下了多少扰动？",
        ),
        Text("Hardly any", "几乎没有"),
        Text("Up to half of it", "不到一半"),
        Text("Most of it", "大部分"),
        told=Text(
            "{held:.0f}%: the encoder offers a change of {offered:.0f}%, and {crossed:.0f}% crosses. Without a gate "
            "{plain:.0f}% crosses.",
            "{held:.0f}%：编码器提供的特征改变了 {offered:.0f}%，跨过门的改变了 {crossed:.0f}%；没有门时为 "
            "{plain:.0f}%。",
        ),
        b=GATED,
    )
    def noise(self) -> Seen:
        """Noise offered at the finest level, and noise that crosses."""
        plain, gated = (one.of("skip")[0].outside for one in self.looked("pass-through"))
        offered = self.looked("pass-through")[1].of("encoder")[0].outside
        held = 1 - gated / offered
        numbers = {"held": 100 * held, "offered": 100 * offered, "crossed": 100 * gated, "plain": 100 * plain}
        return Seen(numbers, between(held, 0.1, 0.5))

    @tell(
        "explain",
        Text(
            "What becomes of the noise that crossed? It was {crossed:.0f}% of the features' size in A and "
            "{crossed_b:.0f}% in B; after the last decoder stage {a:.0f}% and {b:.0f}% are left. What is gone, the "
            "decoder's convolutions have sifted out, with a gate or without.",
            "跨过去的噪声后来怎样了？跨越时，A 的特征有 {crossed:.0f}% 受扰动，B 有 {crossed_b:.0f}%；"
            "经过最后一个解码级，还剩 {a:.0f}% 和 {b:.0f}%。少掉的那些是解码器的卷积筛去的，有没有门都一样。",
        ),
        b=GATED,
    )
    def sifted(self) -> Seen:
        """Noise that is left after the last decoder stage."""
        a, b = self.looked("pass-through")
        left = {name: 100 * one.of("decoder")[0].outside for name, one in (("a", a), ("b", b))}
        came = {name: 100 * one.of("skip")[0].outside for name, one in (("crossed", a), ("crossed_b", b))}
        return Seen({**left, **came})

    @ask(
        "predict",
        Text(
            "Each of B's four gates is opened fully, or flattened to its mean, or shuffled. How many of the four "
            "change the mask at all?",
            "把 B 的四个门逐一完全打开、换成均值或打乱。四个门中有几个会改变掩膜？",
        ),
        Text("None", "一个也没有"),
        Text("One or two", "一两个"),
        Text("Three or four", "三四个"),
        told=Text(
            "{changing} of {gates}. The one that matters most leaves a Dice of {kept:.3f} with the untouched mask. A "
            "gate that changes nothing explains nothing, however telling its map looks.",
            "{gates} 个中有 {changing} 个。影响最大的门改动之后，与原掩膜的 Dice 仍为 {kept:.3f}。"
            "不改变任何东西的门，图画得再像也不解释任何东西。",
        ),
        a=GATED,
        room=None,
    )
    def idle(self) -> Seen:
        """Every gate replaced in turn."""
        maps = self.looked("attention")[0].maps
        changing = sum(one.changes for one in maps)
        numbers = {"changing": changing, "gates": len(maps), "kept": min(one.kept for one in maps)}
        return Seen(numbers, between(changing, 1, 3))

    @ask(
        "check",
        Text(
            "So which luggage could stay behind? At one level, what crosses is set to zero: where does this harm the "
            "mask least?",
            "那么哪件行李可以不带？把某一级跨越的特征置零：哪一级对掩膜的损害最小？",
        ),
        *LEVELS,
        told=Text(
            "Agreement with the untouched mask: {d0:.3f}, {d1:.3f}, {d2:.3f}, {d3:.3f} for levels 0 to 3. Compare it "
            "with the ranks you saw: {r0:.0f}%, {r1:.0f}%, {r2:.0f}%, {r3:.0f}% of the channels.",
            "与原掩膜的一致程度，第 0 至 3 级：{d0:.3f}、{d1:.3f}、{d2:.3f}、{d3:.3f}。"
            "对照前面的有效秩占通道的比例：{r0:.0f}%、{r1:.0f}%、{r2:.0f}%、{r3:.0f}%。",
        ),
    )
    def spare(self) -> Seen:
        """Every level's skip set to zero in turn, beside its effective rank."""
        levels = self.looked("surgery(treatment=zero)")[0].levels
        ranks = self.looked("redundancy")[0]
        numbers = {f"d{one.level}": one.agreement for one in levels}
        numbers |= {f"r{level}": 100 * share for level, share in zip(ranks.levels, ranks.share, strict=True)}
        agreed = [one.agreement for one in levels]
        return Seen(numbers, agreed.index(max(agreed)))
