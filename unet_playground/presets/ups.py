"""Presets that differ from the classic in how resolution comes back."""

from unet_playground.design import Design
from unet_playground.presets.catalogue import presets
from unet_playground.registry import Chinese, Paper

DEFORMABLE = Paper("Zhu et al.", 2019, "Deformable ConvNets v2", "arXiv:1811.11168")


@presets.register(
    "pixel-shuffle-light",
    title="Light U-Net with pixel shuffle",
    paper=Paper("Shi et al.", 2016, "Efficient Sub-Pixel Convolution", "arXiv:1609.05158"),
    zh=Chinese(
        "像素重排轻量 U-Net",
        "相加代替拼接，1×1 卷积后像素重排：轻量的解码器。",
        "放大所需的全部计算都在低分辨率完成，相加又让解码级的第一个卷积只看一半通道。原文用像素重排做超分辨率，"
        "只在最后放大一次；这里每级放大一次。",
    ),
)
def pixel_shuffle_light() -> Design:
    """Skips are added and pixels are dealt out after a 1x1 convolution: a light decoder.

    All the work of enlarging is done at low resolution, and addition halves what a decoder stage's first convolution
    sees. The paper uses the shuffle for super-resolution, once, at the very end; here every level has one.
    """
    return Design(skip="add", up="pixel-shuffle(kernel=1)")


@presets.register(
    "deformable-unet",
    title="Deformable upsampling",
    paper=DEFORMABLE,
    zh=Chinese(
        "可变形上采样 U-Net",
        "每次放大前，九个取样点先移到学会的位置。",
        "放大时边缘最容易模糊，可移动的取样点能留在边缘的一侧；注意力视图显示它们移到了哪里。卷积在放大之前，"
        "所以乘加比双线性还少；但每个像素要取九个位置，取样另计，也要花时间。原文把它用作主干中的卷积；用于上采样是这里的做法。",
    ),
)
def deformable_unet() -> Design:
    """Before every enlargement nine taps move to places that they have learned.

    Enlarging blurs edges, and taps that can move may stay on one side of an edge; the attention view shows where they
    went. It convolves before it enlarges and so needs fewer multiply-adds than bilinear, but reads nine places a pixel;
    this sampling is counted apart and takes its time. In the paper it is a convolution of the backbone; using it to
    upsample is done here.
    """
    return Design(up="deformable")


@presets.register(
    "deformable-coarse",
    title="Deformable upsampling where it is coarse",
    paper=DEFORMABLE,
    zh=Chinese(
        "粗层可变形上采样",
        "精细两级用双线性，粗糙两级用可变形上采样。",
        "部件可以逐级选择：在像素少的粗层学习取样位置，在像素多的细层只做插值，取样次数约为每级都用可变形时的一半。",
    ),
)
def deformable_coarse() -> Design:
    """Bilinear at the two fine levels, deformable at the two coarse ones.

    Parts can be chosen level by level: positions are learned where pixels are few, and where they are many it only
    interpolates. That takes half the sampling of deformable upsampling everywhere.
    """
    return Design(up="bilinear/bilinear/deformable/deformable")
