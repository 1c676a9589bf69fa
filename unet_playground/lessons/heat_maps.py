"""Lesson 10: what a heat map says, and how to find out whether it says anything."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis import Target, analyses
from unet_playground.analysis.attribution.checks import rank_correlation, shuffled
from unet_playground.analysis.base import look
from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.lessons.slot import Lesson, Seen, Stand, ask, between, lessons, tell
from unet_playground.registry import Chinese

METHODS = ("saliency", "grad-cam", "guided-grad-cam")
WINDOW = (104, 104, 151, 151)
PROBE = (120, 130)
GATED = Design(skip="attention-gate")


@lessons.register(
    "heat-maps",
    title="How not to fool yourself with a heat map",
    zh=Chinese("怎样不被热图骗到", "热图看着都有道理；用几项检验看它究竟说了什么。"),
)
class HeatMaps(Lesson):
    """Every heat map looks plausible; a few tests tell which ones say something."""

    topics = ("heat-maps",)
    start = Stand(a=Design(), slot="skip", point=PROBE)

    @ask(
        "predict",
        Text(
            "Shuffle all weights of the network: it now knows nothing. Asked about the whole image, of which method "
            "does the heat map stay most like the one of the trained network?",
            "把网络的全部权重打乱，它就什么都不懂了。询问整幅图像时，哪种方法的热图与训练好的网络的热图仍然最像？",
        ),
        *(analyses[id].title for id in METHODS),
        told=Text(
            "Rank correlation with the map of the trained network, in the order of the answers: {k0:.2f}, {k1:.2f}, "
            "{k2:.2f}. Near 0 a map hangs on the weights; near 1 it would show the image, whatever the network is. "
            "Guided backpropagation lets only positive gradients pass, which comes close to edge detection.",
            "与训练后热图的秩相关，按答案的顺序：{k0:.2f}、{k1:.2f}、{k2:.2f}。接近 0 时，热图取决于权重；接近 1 时，"
            "它显示的是图像，与网络无关。引导反向传播只让正梯度通过，近似于边缘检测。",
        ),
        point=None,
    )
    def randomised(self) -> Seen:
        """How much of each map of the whole image is left once the weights are shuffled."""
        height, width = self._image().shape[2:]
        whole = Target(box=(0, 0, height - 1, width - 1))
        maps = [[self._map(id, whole, shuffles) for shuffles in (False, True)] for id in METHODS]
        kept = [rank_correlation(*pair) for pair in maps]
        sizes = [abs(one) for one in kept]
        return Seen({f"k{at}": one for at, one in enumerate(kept)}, sizes.index(max(sizes)))

    @ask(
        "predict",
        Text(
            "The theoretical receptive field is the box in the picture. How far from the probe lies half of what "
            "really moves it?",
            "图中的方框是理论感受野。真正左右探针处像素的因素，有一半在多远以内？",
        ),
        Text("Within a tenth of the way to the edge of the box", "在中心至方框边缘的十分之一以内"),
        Text("Within about a third of the way", "在三分之一左右以内"),
        Text("It takes most of the box", "要占大半个方框"),
        told=Text(
            "Half of it within {half:.0f} px and 95% within {most:.0f} px; the box reaches about {box:.0f} px to "
            "either side. To draw the box and call it what the network looked at is the first way to fool oneself.",
            "一半在 {half:.0f} 像素以内，95% 在 {most:.0f} 像素以内；方框向两侧各伸出约 {box:.0f} 像素。"
            "画出方框就说网络看了这么大一片，是骗自己的第一种办法。",
        ),
    )
    def box(self) -> Seen:
        """The effective field beside its box."""
        found = self.looked("receptive-field")[0]
        box = max(found.theory.sides) / 2
        return Seen(
            {"half": found.radius_50, "most": found.radius_95, "box": box}, between(found.radius_50 / box, 0.1, 0.6)
        )

    @ask(
        "predict",
        Text(
            "Integrated gradients promise that the values of all pixels add up to the change of the logits of the "
            "front of the hippocampus between black and this image. With 16 points on the way, how far are they off?",
            "积分梯度承诺：所有像素的值之和等于海马体前部的 logit 从全黑到此图像的变化。路径上取 16 个点时差多少？",
        ),
        Text("Less than 2%", "不到 2%"),
        Text("2% to 20%", "2% 到 20%"),
        Text("More than 20%", "超过 20%"),
        told=Text(
            "By {gap:.1f}%. The network decides within a short piece of the way, which fixed points can miss. Choosing "
            "the points where they are needed, {steps} of them are off by {own:.1f}%. A map whose sum is wrong is "
            "wrong somewhere.",
            "差 {gap:.1f}%。网络只在路径的一小段上作出决定，固定的取点可能错过。把点取在需要之处，{steps} 个点就只差 "
            "{own:.1f}%。"
            "总和不对的热图，必有某处不对。",
        ),
        task="hippocampus",
        example="front",
        point=None,
    )
    def complete(self) -> Seen:
        """The completeness gap with fixed points and with points that the path chooses."""
        fixed = self.looked("integrated-gradients(steps=16)")[0]
        own = self.looked("integrated-gradients")[0]
        return Seen({"gap": 100 * fixed.gap, "own": 100 * own.gap, "steps": own.steps}, between(fixed.gap, 0.02, 0.2))

    @ask(
        "predict",
        Text(
            "Now ask Grad-CAM about the whole class and blur away the pixels that it calls hottest, step by step. "
            "Does the decision fall faster than when random pixels go first?",
            "现在用 Grad-CAM 询问整个类别，再把它认为最热的像素逐步抹去。与随机抹去相比，决定垮得更快吗？",
        ),
        Text("Faster", "更快"),
        Text("About as fast", "差不多"),
        Text("More slowly", "更慢"),
        told=Text(
            "On average {hot:.2f} of the target are left, against {random:.2f} in random order; less is better. A map "
            "that does no better than chance points somewhere else than the decision.",
            "平均还剩目标的 {hot:.2f}，随机顺序时为 {random:.2f}，越小越好。不比随机好的热图，指的不是作出决定的地方。",
        ),
        point=None,
    )
    def deletion(self) -> Seen:
        """The area under the deletion curve, against random order."""
        areas = self.looked("grad-cam")[0].curves.areas
        apart = areas["deletion"] - areas["random"]
        return Seen({"hot": areas["deletion"], "random": areas["random"]}, between(apart, -0.05, 0.05))

    @ask(
        "predict",
        Text(
            "This network has gates, and its maps follow the nuclei nicely. Replace each gate by its mean, by ones or "
            "by a shuffle. By how much does the Dice with the true mask fall at most?",
            "这个网络带有门，门图与细胞核很吻合。把每个门换成均值、全 1 或打乱。与真值的 Dice 最多下降多少？",
        ),
        Text("Not at all, or by less than 0.001", "不降，或不到 0.001"),
        Text("By less than 0.02", "不到 0.02"),
        Text("By 0.02 or more", "0.02 以上"),
        told=Text(
            "By {fall:.4f}; {idle} of {gates} gates change nothing. That a map lies on the objects shows where the "
            "gate is open, not that the mask needs it.",
            "下降 {fall:.4f}；{gates} 个门中有 {idle} 个毫无影响。门图落在目标上，只说明门在那里打开，"
            "并不说明掩膜需要它。",
        ),
        a=GATED,
        point=None,
    )
    def gates(self) -> Seen:
        """What replacing gates does to the true Dice."""
        maps = self.looked("attention")[0].maps
        changes = [other.change for one in maps for other in one.replaced.values()]
        fall = max(0.0, -min(changes))
        numbers = {"fall": fall, "idle": sum(not one.changes for one in maps), "gates": len(maps)}
        return Seen(numbers, between(fall, 0.001, 0.02))

    @tell(
        "explain",
        Text(
            "Four questions for any heat map. Does it change when the network does? Do its values add up? Does "
            "removing what it marks hurt more than chance? Does the network need it? Under every picture here stands "
            "the answer to one of them: at the probe, the sum is off by {gap:.1f}% now.",
            "对任何热图问四个问题：换了网络，它变不变？各值加起来对不对？抹掉它标出的地方，比随机抹掉伤害更大吗？"
            "网络需要它吗？这里每幅图下面都写着其中一问的答案：此刻在探针处，总和差 {gap:.1f}%。",
        ),
    )
    def questions(self) -> Seen:
        """The gap of the attribution that is shown."""
        return Seen({"gap": 100 * self.looked("integrated-gradients")[0].gap})

    @ask(
        "check",
        Text(
            "Ask saliency about a window of 48 × 48 px instead of the whole image, and compare with shuffled weights "
            "once more. What do the two maps share?",
            "改用显著图只询问 48 × 48 像素的窗，再与打乱权重后的图比较。这两幅图的共同之处是什么？",
        ),
        Text("The image: its edges come through whatever the weights are", "图像：无论权重如何，边缘都会显现"),
        Text("The place: both fade away from the window", "位置：两者都随着离窗的距离而减弱"),
        Text("Nothing: their rank correlation is near 0", "没有：秩相关接近 0"),
        told=Text(
            "Their rank correlation is {window:.2f}, and {noise:.2f} if the shuffled network sees pure noise instead "
            "of the image; within the window alone it is {inside:.2f}. What lies far from the question matters little "
            "to any network, trained or not: a test of the weights has to ask about the whole image.",
            "秩相关为 {window:.2f}；打乱后的网络若改看纯噪声，则为 {noise:.2f}；只看窗内则为 {inside:.2f}。"
            "离所问之处远的像素，对任何网络都不重要，无论是否训练过：检验权重时，必须询问整幅图像。",
        ),
    )
    def place(self) -> Seen:
        """Saliency of a window, against shuffled weights, against these on noise, and within the window alone."""
        image = self._image()
        noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
        asked = Target(box=WINDOW)
        own, other = (self._map("saliency", asked, shuffles) for shuffles in (False, True))
        low, left, high, right = WINDOW
        within = np.s_[low : high + 1, left : right + 1]
        window, inside = rank_correlation(own, other), rank_correlation(own[within], other[within])
        unseen = rank_correlation(own, self._map("saliency", asked, True, noise))
        answer = 2 if window < 0.5 else int(unseen >= 0.5)
        return Seen({"window": window, "noise": unseen, "inside": inside}, answer)

    def _image(self) -> Tensor:
        return self.measured.image(self.stand.task, self.stand.example, self.stand.a)

    def _map(self, method: str, target: Target, shuffles: bool, image: Tensor | None = None) -> NDArray[np.float32]:
        """What a method says of the image, or of another; before or after a shuffle of the weights."""
        model = self.measured.model(self.stand.task, self.stand.a)
        shown = self._image() if image is None else image
        return look(analyses[method], shuffled(model) if shuffles else model, shown, target, {"checks": False}).values
