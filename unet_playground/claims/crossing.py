"""Claims of the second text about what crosses from encoder to decoder, and how it is sifted."""

from unet_playground.claims.slot import PIECES, Claim, at_most, better, claims, grows, higher, lower, no_worse, worse
from unet_playground.design import Design
from unet_playground.registry import Chinese

ORGANS = ("liver", "hippocampus")
NEARLY_FREE = 0.01
"""Share of parameters and multiply-adds that may come on top of what is called free."""


@claims.register(
    "concat-redundant",
    title="Concatenation carries redundancy and noise",
    zh=Chinese(
        "拼接带来冗余和噪声",
        "直接拼接会带来冗余和噪声。",
        "第一个设计用解码器控制的门筛选跨越的特征，第二个原样拼接。冗余：筛选后，跨越的特征与解码器已有特征的相似度"
        "（线性 CKA，最细与最粗两级）应更低。噪声：筛选后的 Dice 应更高。",
    ),
)
def concatenation_is_redundant() -> Claim:
    """Plain concatenation carries redundancy and noise.

    The first design sifts what crosses by gates that the decoder controls, the second concatenates it as it is.
    Redundancy: what crosses should resemble what the decoder already has (linear CKA, at the finest and at the
    coarsest level) less once it is sifted. Noise: sifting it should raise the Dice.
    """
    decided = (lower("cka_0"), lower("cka_3"), better("dice"))
    return Claim(Design(skip="attention-gate"), Design(), ("skip",), decided)


@claims.register(
    "deep-redundant",
    title="Deep encoder outputs are the most redundant",
    zh=Chinese(
        "深层编码输出最冗余",
        "编码器越深的输出越冗余。",
        "在经典设计中，最粗一级跨越的通道之间应比更细的每一级都更相像（平均绝对相关）；"
        "第二个设计只在最粗一级的跳跃上用 SE 筛选，而在冗余最多处筛选应有益，因此不筛选的 Dice 应更低。",
    ),
)
def deep_outputs_are_redundant() -> Claim:
    """The deepest encoder outputs are the most redundant ones.

    In the classic the channels that cross at the coarsest level should be more alike (mean absolute correlation) than
    those at each finer level. The second design sifts the coarsest skip by SE, which should pay where there is most to
    sift: the classic's Dice should be lower.
    """
    finer = (grows("correlation_3", f"correlation_{level}") for level in range(3))
    return Claim(Design(), Design(attention="none/none/none/se"), ("attention",), (*finer, worse("dice")))


@claims.register(
    "se-global",
    title="SE helps globally",
    zh=Chinese(
        "SE 改善全局",
        "SE 按整幅图加权通道，改善全局。",
        "跳跃上的 SE 与不用注意力的经典设计相比：Dice 与远离边界处的 Dice 都应更高。",
    ),
)
def se_helps_globally() -> Claim:
    """Squeeze-and-excitation weighs channels by the whole image and so helps globally.

    SE on the skips beside the classic: both the Dice and the Dice away from the boundary should rise.
    """
    return Claim(Design(attention="se"), Design(), ("attention",), (better("dice"), better("interior_dice")))


@claims.register(
    "cbam-local",
    title="CBAM helps locally",
    zh=Chinese(
        "CBAM 改善局部",
        "CBAM 还按位置加权，改善局部。",
        "跳跃上的 CBAM 与经典设计相比：边界附近的 Dice 与小目标召回率都应更高。",
    ),
)
def cbam_helps_locally() -> Claim:
    """CBAM weighs places besides channels and so helps locally.

    CBAM on the skips beside the classic: both the Dice along the boundary and the recall of small objects should rise.
    """
    return Claim(
        Design(attention="cbam"), Design(), ("attention",), (better("boundary_dice"), better("small_recall", *PIECES))
    )


@claims.register(
    "scse-edges",
    title="scSE sharpens the edges of organs",
    zh=Chinese(
        "scSE 改善器官边缘",
        "scSE 同时按通道和位置加权，改善器官边缘。",
        "只看器官（肝脏、海马体）：边界附近的 Dice 应更高，边界距离（HD95）应更小。",
    ),
)
def scse_sharpens_edges() -> Claim:
    """scSE weighs channels and places at once and so sharpens the edges of organs.

    scSE on the skips beside the classic, on liver and hippocampus alone: the Dice along the boundary should rise and
    the distance between boundaries (HD95) fall.
    """
    decided = (better("boundary_dice", *ORGANS), better("hd95", *ORGANS))
    return Claim(Design(attention="scse"), Design(), ("attention",), decided)


@claims.register(
    "eca-free",
    title="ECA is nearly free",
    zh=Chinese(
        "ECA 几乎不增加开销",
        "ECA 几乎不增加开销，也不降低效果。",
        "跳跃上的 ECA 与不用注意力的经典设计相比：参数、乘加和内存最多多 1%，时间最多多五分之一，"
        "Dice 不应低 0.01 以上。",
    ),
)
def eca_is_nearly_free() -> Claim:
    """ECA costs nearly nothing and does no harm.

    ECA on the skips beside the classic: it may need at most 1% more parameters, multiply-adds and memory and at
    most a fifth more time, and its Dice may not be more than 0.01 lower.
    """
    counted = [at_most(cost, NEARLY_FREE) for cost in ("parameters", "macs", "activation_bytes")]
    decided = (*counted, at_most("latency", 0.2), no_worse("dice"))
    return Claim(Design(attention="eca"), Design(), ("attention",), decided)


@claims.register(
    "dense-fuses",
    title="Dense skips fuse better",
    zh=Chinese(
        "稠密跳跃融合更好",
        "稠密跳跃改善梯度和特征融合。",
        "稠密跳跃与拼接相比：训练后的网络中，得到损失梯度最少的一级应得到更多（与最后一级之比），Dice 也应更高。",
    ),
)
def dense_fuses() -> Claim:
    """Dense skips help gradients and the fusion of features.

    Dense skips beside concatenation, both trained: the stage that gets least of the loss's gradient should get more of
    it, as a share of the last stage's, and the Dice should rise.
    """
    return Claim(Design(skip="dense"), Design(), ("skip",), (higher("gradient"), better("dice")))


@claims.register(
    "pyramid-fuses",
    title="Pyramid skips fuse better",
    zh=Chinese(
        "金字塔跳跃融合更好",
        "金字塔跳跃改善梯度，融合多尺度特征，大小目标都受益。",
        "金字塔跳跃与拼接相比：训练后的网络中，得到损失梯度最少的一级应得到更多（与最后一级之比），"
        "Dice、小目标与大目标的召回率也都应更高。",
    ),
)
def pyramid_fuses() -> Claim:
    """Pyramid skips help gradients and fuse features of several scales, to the good of small and large objects.

    Pyramid skips beside concatenation, both trained: the stage that gets least of the loss's gradient should get more
    of it, as a share of the last stage's, and the Dice and the recall of small and of large objects should rise.
    """
    recalls = (better("small_recall", *PIECES), better("large_recall", *PIECES))
    decided = (higher("gradient"), better("dice"), *recalls)
    return Claim(Design(skip="pyramid"), Design(), ("skip",), decided)


@claims.register(
    "cross-stage-fuses",
    title="Cross-stage skips help",
    zh=Chinese(
        "跨阶段跳跃有益",
        "跨阶段跳跃缩短深层的梯度路径，改善融合。",
        "跨阶段跳跃与拼接相比：训练后的网络中，得到损失梯度最少的一级应得到更多（与最后一级之比），Dice 也应更高。",
    ),
)
def cross_stage_fuses() -> Claim:
    """Cross-stage skips shorten the way of gradients to deep stages and help fusion.

    Cross-stage skips beside concatenation, both trained: the stage that gets least of the loss's gradient should get
    more of it, as a share of the last stage's, and the Dice should rise.
    """
    return Claim(Design(skip="cross-stage"), Design(), ("skip",), (higher("gradient"), better("dice")))
