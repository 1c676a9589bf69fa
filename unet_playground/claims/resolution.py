"""Claims of the first text: that a U-Net is better off without giving up resolution."""

from unet_playground.claims.slot import PIECES, Claim, Comparison, better, claims, less, no_worse
from unet_playground.design import Design
from unet_playground.registry import Chinese

FULL = Design(down="none")


@claims.register(
    "downsampling-blurs",
    title="Without downsampling detail is kept",
    zh=Chinese(
        "不下采样能保留细节",
        "下采样使边界和小目标变模糊；不下采样则保留细节。",
        "第一个设计始终保持全分辨率，第二个是经典设计。若论断成立，前者在边界附近、小目标和细血管上都应更好。"
        "前者所有层宽度相同、参数只有百分之三且感受野小，因此这里比较的不只是分辨率。",
    ),
)
def downsampling_blurs() -> Claim:
    """Downsampling blurs borders and small things; leaving it out keeps detail.

    The first design stays at full resolution, the second is the classic. If the claim is true the first is better
    along boundaries, on small objects and on thin vessels. It also has one width throughout, some 3% of the parameters
    and a small receptive field, so more than resolution differs here.
    """
    decided = (better("boundary_dice"), better("small_recall", *PIECES), better("thin_recall"))
    return Claim(FULL, Design(), ("down",), decided)


@claims.register(
    "dilation-replaces",
    title="Dilation replaces downsampling",
    zh=Chinese(
        "膨胀卷积可代替下采样",
        "膨胀卷积在全分辨率下看得足够远，可代替下采样。",
        "全分辨率膨胀网络与经典设计相比：整体与远离边界处的 Dice 都不应差 0.01 以上。",
    ),
)
def dilation_replaces() -> Claim:
    """Dilated convolutions see far enough at full resolution to take the place of downsampling.

    The dilated network at full resolution beside the classic: neither its Dice nor its Dice away from the boundary,
    where context decides, may be more than 0.01 lower.
    """
    return Claim(FULL.replace(block="dilated"), Design(), ("down", "block"), _replaces())


@claims.register(
    "multi-scale-replaces",
    title="Multi-scale convolution replaces downsampling",
    zh=Chinese(
        "多尺度卷积可代替下采样",
        "边长 3、5、7 的卷积并用，可代替下采样。",
        "全分辨率多尺度网络与经典设计相比：整体与远离边界处的 Dice 都不应差 0.01 以上。它的乘加约为经典设计的六倍。",
    ),
)
def multi_scale_replaces() -> Claim:
    """Convolutions of several sizes side by side take the place of downsampling.

    The multi-scale network at full resolution beside the classic: neither its Dice nor its Dice away from the boundary
    may be more than 0.01 lower. It takes almost six times the classic's multiply-adds.
    """
    return Claim(FULL.replace(block="multi-scale"), Design(), ("down", "block"), _replaces())


@claims.register(
    "spatial-attention-replaces",
    title="Spatial attention replaces downsampling",
    zh=Chinese(
        "空间注意力可代替下采样",
        "空间注意力指出该看哪里，可代替下采样。",
        "带空间注意力的全分辨率网络与经典设计相比：整体与远离边界处的 Dice 都不应差 0.01 以上。"
        "一张 7×7 的位置图只把感受野扩大一点。",
    ),
)
def spatial_attention_replaces() -> Claim:
    """Spatial attention tells where to look and so takes the place of downsampling.

    The full-resolution network with spatial attention on its skips beside the classic: neither its Dice nor its Dice
    away from the boundary may be more than 0.01 lower. A 7x7 map of places widens the view by little.
    """
    return Claim(FULL.replace(attention="spatial"), Design(), ("down", "attention"), _replaces())


@claims.register(
    "full-resolution-saves",
    title="Leaving downsampling out saves computation and memory",
    zh=Chinese(
        "不下采样节省计算和内存",
        "省去下采样和上采样可节省计算和内存，适合实时应用。",
        "每级宽度都取最细一级的宽度，全分辨率网络的乘加、激活内存和时间都应比经典设计少。参数少得多，但那不是时间。",
    ),
)
def full_resolution_saves() -> Claim:
    """Leaving out down- and upsampling saves computation and memory and suits real-time use.

    At the width of the classic's finest stage throughout, the full-resolution network should need fewer multiply-adds,
    less memory for activations and less time than the classic. It has far fewer parameters, but those are not time.
    """
    return Claim(FULL, Design(), ("down",), (less("macs"), less("activation_bytes"), less("latency")))


def _replaces() -> tuple[Comparison, ...]:
    return no_worse("dice"), no_worse("interior_dice")
