"""Presets that differ from the classic in what crosses from encoder to decoder."""

from unet_playground.design import Design
from unet_playground.presets.catalogue import presets
from unet_playground.registry import Chinese, Paper

DENSE = Paper("Huang et al.", 2017, "Densely Connected Convolutional Networks", "arXiv:1608.06993")


@presets.register(
    "dense-skip",
    title="Dense skips",
    paper=DENSE,
    zh=Chinese(
        "稠密跳跃",
        "每个解码级都得到所有更精细的编码级。",
        "更细的级别先最大池化，再各经 1×1 卷积压缩，合起来不比单一跳跃宽，因此费用与拼接相近。"
        "稠密连接的思路来自 DenseNet（那里在同一模块之内），用作跨级跳跃是这里的做法。",
    ),
)
def dense_skip() -> Design:
    """Every decoder stage receives all finer encoder levels.

    Finer levels are max-pooled and compressed by a 1x1 convolution each; together they are no wider than a single
    skip, so that the cost stays close to that of concatenation. Dense connections are DenseNet's, where they stay
    within a block; using them as skips across levels is done here.
    """
    return Design(skip="dense")


@presets.register(
    "fpn",
    title="Feature pyramid",
    paper=Paper("Lin et al.", 2017, "Feature Pyramid Networks", "arXiv:1612.03144"),
    zh=Chinese(
        "特征金字塔（FPN）",
        "粗层的语义先自上而下加到每一级，再跨越到解码器。",
        "自上而下的通路很窄，只有最细一级那么多通道，用最近邻放大后相加，因此精细的级别也知道粗层看到了什么。"
        "原文用它做检测，直接在每张图上预测；这里每张图再交给一个解码级。",
    ),
)
def fpn() -> Design:
    """What coarse levels know is added to every finer level, from the top down, before it crosses.

    The way down the pyramid is narrow, no wider than the finest level, and repeats pixels to enlarge: so fine levels
    learn what coarse ones have seen. The paper detects objects and predicts from each map directly; here a decoder
    stage works on each.
    """
    return Design(skip="pyramid", up="nearest")


@presets.register(
    "cross-stage",
    title="Cross-stage skips",
    paper=DENSE,
    zh=Chinese(
        "跨阶段跳跃",
        "在拼接之外，每个解码级还有一条直达镜像编码级的线。",
        "最深的编码级离输出只有一步，梯度不必逐级穿过解码器。"
        "任意两层之间的捷径是 DenseNet 的思路；镜像连线不在该论文中。",
    ),
)
def cross_stage() -> Design:
    """Besides concatenation, every decoder stage has a direct line from the mirrored encoder stage.

    The deepest encoder stage is one step from the output, so that its gradient need not pass through the whole
    decoder. Short cuts between any two layers are DenseNet's idea; the mirrored lines are not in that paper.
    """
    return Design(skip="cross-stage")


@presets.register(
    "additive-unet",
    title="Additive U-Net",
    paper=Paper(
        "Lakkavalli",
        2026,
        "Rethinking Skip Connections: Additive U-Net for Robust and Interpretable Denoising",
        "arXiv:2601.13208",
    ),
    zh=Chinese(
        "加法 U-Net",
        "跳跃以一个可学习系数相加，而不是拼接。",
        "每个跳跃只有一个非负系数，训练后读出它就知道这一级有多重要。原文用于去噪，网络不改变分辨率，"
        "编码器逐步相减，系数用 softplus 保证非负；这里放进经典设计，先做 1×1 投影，系数取绝对值。",
    ),
)
def additive_unet() -> Design:
    """Skips are added with one learnable factor each instead of concatenated.

    A skip has one non-negative factor: read it after training and it says how much that level matters. The paper
    denoises at full resolution with an encoder that subtracts, and keeps factors positive by a softplus; here the
    skip stands in the classic, projects by 1x1 first, and the factor's absolute value is used.
    """
    return Design(skip="add(scalar=true)")
