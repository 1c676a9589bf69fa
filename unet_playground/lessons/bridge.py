"""Lesson 3: what skips carry across."""

from itertools import pairwise

import numpy as np

from unet_playground.analysis.operators import alignments
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.measure import ZONES
from unet_playground.lessons.slot import LEVELS, SCORES, WHICH, Lesson, Seen, Stand, ask, joined, lessons, tell
from unet_playground.receptive_field import sides_of
from unet_playground.registry import Chinese

SURGERY = "surgery(treatment=zero)"
WAYS = alignments(65)
SIDES = (250, 256, 300, 321)
CONCENTRATED = 1.5
"""Times the mean rate of new errors from which a zone counts as the place where they are."""


@lessons.register(
    "what-crosses",
    title="What crosses the bridge",
    zh=Chinese("桥上过的是什么", "跳跃把什么从编码器送到解码器，两边尺寸对不上时又怎么办。"),
)
class WhatCrosses(Lesson):
    """What skips carry from encoder to decoder, and what to do when both sides do not fit."""

    topics = ("downsampling", "mismatched-resolutions")
    start = Stand(a=Design(), b=Design(skip="none"), slot="skip")

    @ask(
        "predict",
        Text(
            "B is the same network without any skip. Everything must pass the coarse bottleneck. Where do its new "
            "errors gather?",
            "B 是去掉所有跳跃的同一网络，一切都要挤过粗糙的瓶颈。它新增的错误集中在哪里？",
        ),
        Text("At the edges of nuclei", "细胞核边缘"),
        Text("Inside nuclei", "细胞核内部"),
        Text("In the empty background", "空白背景"),
        Text("Nowhere in particular", "没有特别集中之处"),
        told=Text(
            "Of the pixels that A has right, B turns wrong {boundary:.1f}% within 2 px of an edge, {interior:.1f}% "
            "inside and {background:.1f}% in the background.",
            "A 判对的像素中，B 判错的比例：离边缘 2 像素以内为 {boundary:.1f}%，内部为 {interior:.1f}%，"
            "背景为 {background:.1f}%。",
        ),
    )
    def new_errors(self) -> Seen:
        """The share of newly wrong pixels in each zone."""
        stand = self.stand
        one, other = (self.measured.wrong(stand.task, stand.example, *pair) for pair in self.pairs)
        new = other["wrong"] & ~one["wrong"]
        rates = [float(new[one[zone]].sum() / max(1, (~one["wrong"] & one[zone]).sum())) for zone in ZONES]
        most = max(rates)
        right = rates.index(most) if most > CONCENTRATED * float(new.mean()) else len(ZONES)
        return Seen({zone: 100 * rate for zone, rate in zip(ZONES, rates, strict=True)}, right)

    @tell(
        "reveal",
        Text(
            "On {images} test images Dice goes from {dice_a:.3f} to {dice_b:.3f} without skips (on this one alone from "
            "{here_a:.3f} to {here_b:.3f}): along the boundary from {edge_a:.3f} to {edge_b:.3f}, away from it from "
            "{in_a:.3f} to {in_b:.3f}. Compare the two pairs: which needs the skips more, roughly where things are or "
            "exactly where they end?",
            "去掉跳跃后，{images} 幅测试图像的 Dice 从 {dice_a:.3f} 变为 {dice_b:.3f}（仅这幅图：从 {here_a:.3f} 变为 "
            "{here_b:.3f}）：边界附近从 {edge_a:.3f} 变为 {edge_b:.3f}，远离边界处从 {in_a:.3f} 变为 {in_b:.3f}。"
            "请比较这两对数：大致在哪里，和边缘究竟在哪里，哪一样更需要跳跃？",
        ),
    )
    def lost(self) -> Seen:
        """Dice of both designs on the test images, near the boundary and away from it, and on the one that is shown."""
        columns = {"dice": "dice", "edge": "boundary_dice", "in": "interior_dice"}
        scores = {name: self.tested(metric) for name, metric in columns.items()} | {"here": self.score("dice")}
        return Seen(
            {"images": len(self.measured.atlas(self.stand.task).names)}
            | {f"{name}_{letter}": own for name, pair in scores.items() for letter, own in zip("ab", pair, strict=True)}
        )

    @ask(
        "predict",
        Text(
            "Take one skip out of A after training: what crosses at one level is set to zero. To which level does the "
            "mask owe most?",
            "训练之后，把 A 某一级跨越的特征置零。掩膜最依赖哪一级？",
        ),
        *LEVELS,
        told=Text(
            "Agreement with the untouched mask falls to {d0:.3f}, {d1:.3f}, {d2:.3f} and {d3:.3f} for levels 0 to 3. "
            "That says on what this network relies, not that it could not have learned without.",
            "依次去掉第 0 至 3 级后，与原掩膜的一致程度（Dice）为 {d0:.3f}、{d1:.3f}、{d2:.3f}、{d3:.3f}。"
            "这说明网络依赖哪一级，并不说明没有它就学不会。",
        ),
        b=None,
        room="skips",
    )
    def surgery(self) -> Seen:
        """Every level's skip set to zero in turn."""
        levels = self.looked(SURGERY)[0].levels
        agreed = [one.agreement for one in levels]
        return Seen({f"d{one.level}": one.agreement for one in levels}, agreed.index(min(agreed)))

    @ask(
        "predict",
        Text(
            "B adds what crosses instead of laying it beside the decoder's channels. Which has the higher Dice on the "
            "test images?",
            "B 把跨越的特征与解码器特征相加，而不是并排拼接。在测试图像上谁的 Dice 更高？",
        ),
        *WHICH,
        told=joined(
            SCORES,
            Text(
                "Adding takes {mac:.2f} times the multiply-adds: the next convolution sees half as many channels.",
                "相加的乘加是拼接的 {mac:.2f} 倍：下一个卷积面对的通道少了一半。",
            ),
        ),
        b=Design(skip="add"),
    )
    def adding(self) -> Seen:
        """Dice of both joins, from the atlas."""
        return self.compare("dice", mac=self.times("macs"))

    @ask(
        "predict",
        Text(
            "A side of 65 px cannot be halved evenly, and 32 doubled is 64: both ends of the bridge differ by a "
            "pixel. Which repair leaves the picture where it was?",
            "边长 65 像素无法平分，而 32 的两倍是 64：桥的两头差了一个像素。哪种补救办法让内容留在原处？",
        ),
        *(one.title for one in WAYS),
        told=Text(
            "Mean shifts, in the order of the answers: {w0:.2f}, {w1:.2f}, {w2:.2f}, {w3:.2f} and {w4:.2f} px. "
            "Aligned corners stretch the grid: of the 65 pixels only number {still} stays, and the far end drifts by "
            "{end:.1f} px.",
            "各答案依次的平均偏移：{w0:.2f}、{w1:.2f}、{w2:.2f}、{w3:.2f}、{w4:.2f} 像素。"
            "角点对齐会拉伸网格：65 个像素中只有第 {still} 个对得上，末端偏移 {end:.1f} 像素。",
        ),
        b=None,
        room="operators",
    )
    def alignment(self) -> Seen:
        """Mean shift of a ramp by every way of matching, and where aligned corners leave it."""
        means, shifts = [one.mean for one in WAYS], np.abs(WAYS[-1].shift)
        numbers = {f"w{at}": mean for at, mean in enumerate(means)}
        told = {"still": int(shifts.argmin()) + 1, "end": float(shifts[-1])}
        return Seen({**numbers, **told}, means.index(min(means)))

    @tell(
        "explain",
        Text(
            "A pixel of level 3 is 8 px of the image. Resizing with aligned corners moves {mean:.2f} px of its own "
            "level on average, so at level 3 the skip and what it meets would lie up to {deep:.0f} px apart, and the "
            "network would have to learn that.",
            "第 3 级的一个像素相当于原图 8 像素。按角点对齐插值平均移动该级的 {mean:.2f} 个像素，"
            "在第 3 级，跳跃与它遇到的特征最多错开 {deep:.0f} 个原图像素，网络只好自己去学着补偿。",
        ),
        b=None,
        room="operators",
    )
    def drift(self) -> Seen:
        """What the worst shift of aligned corners means at level 3."""
        return Seen({"mean": WAYS[-1].mean, "deep": 8 * WAYS[-1].worst})

    @ask(
        "check",
        Text(
            "The classic halves four times. For which image side does nothing ever have to be cropped?",
            "经典设计减半四次。图像边长为多少时，任何一级都不需要裁剪？",
        ),
        *(Text(f"{side} px", f"{side} 像素") for side in SIDES),
        told=Text(
            "Sides from level to level: {s0}; {s1}; {s2}; {s3}. Only a multiple of 16 stays even four times.",
            "逐级边长：{s0}；{s1}；{s2}；{s3}。只有 16 的倍数才能连续四次整除。",
        ),
        b=None,
    )
    def even(self) -> Seen:
        """The sides of all levels for each image."""
        depth = self.stand.a.depth
        chains = [
            [sides_of(self.stand.a, (side, side), f"encoder.{at}")[0] for at in range(depth + 1)] for side in SIDES
        ]
        fits = [all(one == 2 * two for one, two in pairwise(chain)) for chain in chains]
        return Seen({f"s{at}": " → ".join(map(str, chain)) for at, chain in enumerate(chains)}, fits.index(True))
