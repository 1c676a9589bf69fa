"""Claims of the second text about how the decoder gets resolution back."""

from dataclasses import replace

from unet_playground.claims.slot import PIECES, Claim, better, claims, less, more, no_worse, worse
from unet_playground.design import Design
from unet_playground.registry import Chinese

BILINEAR = Design(up="bilinear")
SHUFFLE, LEARNED, DEFORMABLE = Design(up="pixel-shuffle"), Design(up="learned"), Design(up="deformable")


@claims.register(
    "bilinear-blurs",
    title="Bilinear upsampling keeps edges worst",
    zh=Chinese(
        "双线性上采样边缘最差",
        "双线性上采样保留边缘最差。",
        "与经典设计的转置卷积相比，也与像素重排、可学习和可变形上采样相比：边界附近的 Dice 与边界 F1 都应更低。",
    ),
)
def bilinear_blurs_edges() -> Claim:
    """Bilinear upsampling keeps edges worst.

    Bilinear beside the classic's transposed convolution, and beside pixel shuffle, learned and deformable upsampling:
    both the Dice along the boundary and the boundary F1 should be lower.
    """
    others = (None, SHUFFLE, LEARNED, DEFORMABLE)
    decided = (replace(one, second=other) for other in others for one in (worse("boundary_dice"), worse("boundary_f1")))
    return Claim(BILINEAR, Design(), ("up",), tuple(decided))


@claims.register(
    "pixel-shuffle-cheap",
    title="Pixel shuffle keeps edges well and cheaply",
    zh=Chinese(
        "像素重排边缘好且便宜",
        "像素重排保留边缘好，而且便宜。",
        "与双线性相比：边界附近的 Dice 应更高，时间应更少。两者乘加相同：像素重排在低分辨率算四倍通道。",
    ),
)
def pixel_shuffle_is_cheap() -> Claim:
    """Pixel shuffle keeps edges well and cheaply.

    Pixel shuffle beside bilinear: the Dice along the boundary should be higher and the time shorter. Their
    multiply-adds are equal, because the shuffle computes four times the channels on a quarter of the pixels.
    """
    return Claim(SHUFFLE, BILINEAR, ("up",), (better("boundary_dice"), less("latency")))


@claims.register(
    "learned-dear",
    title="Learned upsampling with attention keeps edges well, but dearly",
    zh=Chinese(
        "可学习加注意力上采样好而贵",
        "可学习上采样加注意力保留边缘好，但代价高。",
        "与双线性相比：边界附近的 Dice 应更高，而乘加和时间也应更多。",
    ),
)
def learned_is_dear() -> Claim:
    """Learned upsampling with attention keeps edges well, but dearly.

    Learned upsampling beside bilinear: the Dice along the boundary should be higher, and so should multiply-adds and
    time.
    """
    return Claim(LEARNED, BILINEAR, ("up",), (better("boundary_dice"), more("macs"), more("latency")))


@claims.register(
    "learned-at-key-levels",
    title="Learned upsampling belongs at key levels",
    zh=Chinese(
        "可学习上采样用在关键层最好",
        "可学习上采样只用在关键层最合算。",
        "只在最细的两级使用，与每级都用相比：边界附近的 Dice 不应低 0.01 以上，乘加和时间应更少。"
        "哪些层关键由任务决定；这里取细节所在的细层。",
    ),
)
def learned_at_key_levels() -> Claim:
    """Learned upsampling is best used at key levels only.

    At the two finest levels alone beside everywhere: the Dice along the boundary may not be more than 0.01 lower, and
    it should need fewer multiply-adds and less time. Which levels are key depends on the task; here those that hold
    the detail are taken.
    """
    decided = (no_worse("boundary_dice"), less("macs"), less("latency"))
    return Claim(Design(up="learned/learned/bilinear/bilinear"), LEARNED, ("up",), decided)


@claims.register(
    "deformable-small",
    title="Deformable upsampling recovers small objects",
    zh=Chinese(
        "可变形上采样恢复小目标",
        "可变形上采样能恢复小目标。",
        "与双线性相比：小目标召回率应更高；在血管上，细血管召回率也应更高。",
    ),
)
def deformable_recovers_small() -> Claim:
    """Deformable upsampling recovers small objects.

    Deformable beside bilinear: the recall of small objects should be higher, and on vessels that of thin ones.
    """
    return Claim(DEFORMABLE, BILINEAR, ("up",), (better("small_recall", *PIECES), better("thin_recall")))
