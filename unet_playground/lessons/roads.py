"""Lesson 8: shorter roads between encoder and decoder."""

from unet_playground.analysis.gradient_flow import Flow, GradientFlow
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.slot import LEVELS, WHICH, Lesson, Seen, Stand, ask, between, lessons, listed, tell
from unet_playground.parts import skips
from unet_playground.registry import Chinese

ROADS = ("dense", "pyramid", "cross-stage")
NONE, CONCAT = Design(skip="none"), Design()


@lessons.register(
    "shorter-roads",
    title="Shorter roads",
    zh=Chinese("更短的路", "稠密、金字塔、跨阶段跳跃，以及梯度从哪条路回来。"),
)
class ShorterRoads(Lesson):
    """Dense, pyramid and cross-stage skips, and the way gradients come back."""

    topics = ("dense", "pyramid", "cross-stage", "vanishing-gradients")
    start = Stand(a=CONCAT, b=NONE, slot="skip", room="layers")

    @ask(
        "predict",
        Text(
            "Four levels deep, no skip, and no training yet: the loss's gradient has to come back through eight more "
            "stages. How much of it reaches the first stage, compared with the last?",
            "四级深，没有跳跃，尚未训练：损失的梯度要穿过另外八级才能回来。与最后一级相比，第一级得到多少？",
        ),
        Text("Less than a thousandth: it vanishes", "不到千分之一：梯度消失了"),
        Text("Something in between", "介于两者之间"),
        Text("As much, or more", "一样多，甚至更多"),
        told=Text(
            "{first:.1f} times as much. The weakest stage, {weakest}, receives {least:.2f} times what the last one "
            "does. Weights here start with He's variance, and every pixel's channels are normalised before each ReLU: "
            "either alone keeps gradients from vanishing.",
            "{first:.1f} 倍。最弱的一级 {weakest} 也得到最后一级的 {least:.2f} 倍。"
            "这里权重按 He 方差初始化，每次 ReLU 之前又对每个像素的各通道做归一化：单靠其中一项，梯度就不会消失。",
        ),
        a=NONE,
        b=None,
    )
    def vanishing(self) -> Seen:
        """Norms of the gradient in fresh networks of this design, by stage."""
        flow = self._fresh(self.looked("gradient-flow")[0])
        first, (weakest, least) = float(flow.relative[0]), flow.weakest
        return Seen({"first": first, "weakest": weakest, "least": least}, between(first, 1e-3, 0.9))

    def _fresh(self, flow: GradientFlow) -> Flow:
        """How gradients flow in a fresh network of the designs' own depth."""
        return next(one for one in flow.start if one.depth == self.stand.a.depth)

    @tell(
        "reveal",
        Text(
            "The same before training with skips (A) and without (B): the first stage receives {a:.1f} and {b:.1f} "
            "times what the last one does, the bottleneck {mid_a:.1f} and {mid_b:.1f} times. Vanishing gradients are "
            "a reason for skips where nothing else prevents them; here something else does.",
            "同样是训练之前，有跳跃（A）和没有跳跃（B）：第一级得到最后一级的 {a:.1f} 倍和 {b:.1f} 倍，"
            "瓶颈为 {mid_a:.1f} 倍和 {mid_b:.1f} 倍。若没有别的办法，梯度消失是使用跳跃的一个理由；这里已有别的办法。",
        ),
    )
    def beside(self) -> Seen:
        """Norms of both fresh networks."""
        flows = [self._fresh(one) for one in self.looked("gradient-flow")]
        numbers = {}
        for letter, flow in zip("ab", flows, strict=True):
            numbers |= {letter: float(flow.relative[0]), f"mid_{letter}": float(flow.relative[flow.depth])}
        return Seen(numbers)

    @ask(
        "predict",
        Text(
            "In the trained A, gradients can come back to the first stage over four skips or through the bottleneck. "
            "Which way brings most?",
            "在训练好的 A 中，梯度可以经四个跳跃或经瓶颈回到第一级。哪条路带回的最多？",
        ),
        *LEVELS,
        Text("The bottleneck", "瓶颈"),
        told=Text(
            "Skips of level 0 to 3 bring {w0:.0f}%, {w1:.0f}%, {w2:.0f}% and {w3:.0f}%, the bottleneck {w4:.0f}% "
            "(shares of the gradient at the first stage on this image; a negative one works against the others).",
            "第 0 至 3 级的跳跃带回 {w0:.0f}%、{w1:.0f}%、{w2:.0f}%、{w3:.0f}%，瓶颈带回 {w4:.0f}%"
            "（这幅图上第一级梯度的份额；负数表示与其余相抵）。",
        ),
        b=None,
    )
    def ways(self) -> Seen:
        """Shares of the gradient of the first stage by the way it took."""
        flow = self.looked("gradient-flow(deepest=0)")[0].now
        shares = [float(flow.shares[f"skip-{level}"][0]) for level in range(flow.depth)]
        shares.append(float(flow.shares["bottleneck"][0]))
        return Seen({f"w{at}": 100 * share for at, share in enumerate(shares)}, shares.index(max(shares)))

    @tell(
        "explain",
        Text(
            "Three ways to build more roads: dense sends every finer level along, pyramid adds what coarse levels "
            "know on the way up, cross-stage links mirrored levels directly. They take {dense:.2f}, {pyramid:.2f} and "
            "{cross:.2f} times A's multiply-adds.",
            "修更多路的三种办法：稠密跳跃把更细的各级一并送来；金字塔把粗级所知逐级加给细级；跨阶段跳跃直连镜像的两级。"
            "乘加分别是 A 的 {dense:.2f}、{pyramid:.2f}、{cross:.2f} 倍。",
        ),
        b=Design(skip="dense"),
        room=None,
    )
    def built(self) -> Seen:
        """Multiply-adds of three more connected skips."""
        base = self.measured.cost(self.stand.a).macs
        dense, pyramid, cross = (self.measured.cost(Design(skip=id)).macs / base for id in ROADS)
        return Seen({"dense": dense, "pyramid": pyramid, "cross": cross})

    @ask(
        "predict",
        Text(
            "More roads, better fusion? How many of the three have a clearly higher Dice than plain concatenation on "
            "the test images?",
            "路多了，融合就更好吗？在测试图像上，三者之中有几个的 Dice 明显高于普通拼接？",
        ),
        Text("None", "零个"),
        Text("One", "一个"),
        Text("Two", "两个"),
        Text("All three", "三个全部"),
        told=Text(
            "Dice against concatenation: {said} (95% intervals, one bank of shared weights).",
            "与拼接相比的 Dice 之差：{said}（95% 区间，同一套共享权重）。",
        ),
        b=Design(skip="dense"),
        room=None,
    )
    def better(self) -> Seen:
        """Dice of each against concatenation, from the atlas."""
        task, classic = self.stand.task, self.stand.a
        found = [self.measured.compare(task, Design(skip=id), classic, "dice", "shared") for id in ROADS]
        said = listed((skips[id].title for id in ROADS), found)
        return Seen({"said": said}, sum(one.low > 0 for one in found))

    @ask(
        "predict",
        Text(
            "A pyramid mixes scales, to the good of small and large objects alike, it is said. For which does B, the "
            "pyramid, clearly recall more than A?",
            "据说金字塔融合多种尺度，大小目标都受益。B 是金字塔：对哪种目标，它的召回率明显高于 A？",
        ),
        Text("Small ones", "小目标"),
        Text("Large ones", "大目标"),
        Text("Both", "两者都是"),
        Text("Neither", "都不是"),
        told=Text(
            "B − A for small nuclei {small:+.3f} [{s_low:+.3f}, {s_high:+.3f}], for large ones {large:+.3f} "
            "[{l_low:+.3f}, {l_high:+.3f}].",
            "B − A：小细胞核 {small:+.3f} [{s_low:+.3f}, {s_high:+.3f}]，大细胞核 {large:+.3f} "
            "[{l_low:+.3f}, {l_high:+.3f}]。",
        ),
        b=Design(skip="pyramid"),
        room=None,
    )
    def sizes(self) -> Seen:
        """Recall of small and of large objects, from the atlas."""
        stand = self.stand
        small, large = (
            self.measured.compare(stand.task, stand.second, stand.a, column)
            for column in ("small_recall", "large_recall")
        )
        right = {(True, False): 0, (False, True): 1, (True, True): 2, (False, False): 3}[small.low > 0, large.low > 0]
        numbers = {"small": small.difference, "s_low": small.low, "s_high": small.high}
        numbers |= {"large": large.difference, "l_low": large.low, "l_high": large.high}
        return Seen(numbers, right)

    @ask(
        "check",
        Text(
            "Cross-stage skips (B) put the deepest stage one step from the output. In which trained network does its "
            "gradient come out larger, compared with the last stage's?",
            "跨阶段跳跃（B）让最深一级离输出只有一步。与最后一级相比，哪个训练好的网络最深一级得到的梯度更大？",
        ),
        *WHICH[:2],
        told=Text(
            "The bottleneck receives {a:.2f} times the last stage's gradient in A and {b:.2f} times in B, trained, on "
            "this image. The road is open; whether it helps the mask, the Dice above has said.",
            "在这幅图上，训练后的 A 中瓶颈得到最后一级梯度的 {a:.2f} 倍，B 中为 {b:.2f} 倍。"
            "路是通了；对掩膜有没有帮助，前面的 Dice 已经说了。",
        ),
        b=Design(skip="cross-stage"),
    )
    def deepest(self) -> Seen:
        """The bottleneck's gradient in both trained networks."""
        a, b = (float(one.now.relative[one.now.depth]) for one in self.looked("gradient-flow(deepest=0)"))
        return Seen({"a": a, "b": b}, int(b > a))
