"""Named designs, most of them from papers."""

from collections.abc import Callable

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.registry import Catalogue, Chinese, Paper

presets: Catalogue[Callable[[], Design]] = Catalogue("preset", Text("Preset", "预设"))


def preset_of(design: Design) -> str | None:
    """The id of the preset that is this design, if there is one."""
    return next((entry.id for entry in presets.entries() if entry.make() == design), None)


RONNEBERGER = Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597")


@presets.register(
    "classic",
    title="U-Net 2015, width 16",
    paper=RONNEBERGER,
    aliases=("unet-2015",),
    zh=Chinese("U-Net 2015（宽度 16）", "经典设计：最大池化、拼接跳跃、转置卷积。"),
)
def classic() -> Design:
    """The classic: max pooling, concatenating skips, transposed convolution.

    A quarter of the paper's width, padded and normalised; every other design is compared with it.
    """
    return Design()


@presets.register(
    "attention-unet",
    title="Attention U-Net",
    paper=Paper("Oktay et al.", 2018, "Attention U-Net", "arXiv:1804.03999"),
    zh=Chinese("Attention U-Net", "每个跳跃都由解码器控制的门把关。"),
)
def attention_unet() -> Design:
    """Every skip passes a gate that the decoder controls."""
    return Design(skip="attention-gate", up="bilinear")


@presets.register(
    "se-unet",
    title="SE on the skips",
    paper=Paper("Hu et al.", 2018, "Squeeze-and-Excitation Networks", "arXiv:1709.01507"),
    zh=Chinese("跳跃上的 SE", "编码特征先按通道加权再跨越。"),
)
def se_unet() -> Design:
    """The encoder's channels are weighed before they cross."""
    return Design(attention="se", site="skip")


@presets.register(
    "cbam-unet",
    title="CBAM on the skips",
    paper=Paper("Woo et al.", 2018, "CBAM: Convolutional Block Attention Module", "arXiv:1807.06521"),
    zh=Chinese("跳跃上的 CBAM", "编码特征先按通道、再按位置加权后跨越。"),
)
def cbam_unet() -> Design:
    """The encoder's features are weighed by channel, then by place, before they cross."""
    return Design(attention="cbam", site="skip")


@presets.register(
    "additive-unet",
    title="Additive U-Net",
    paper=Paper("Additive U-Net", 2026, "one learnable scalar per skip", "arXiv:2601.13208"),
    zh=Chinese("加法 U-Net", "跳跃以一个可学习系数相加，而不是拼接。"),
)
def additive_unet() -> Design:
    """Skips are added with one learnable factor each instead of concatenated."""
    return Design(skip="add(scalar=true)")


@presets.register(
    "dense-skip",
    title="Dense skips",
    paper=Paper("Huang et al.", 2017, "Densely Connected Convolutional Networks", "arXiv:1608.06993"),
    zh=Chinese("稠密跳跃", "每个解码级都得到所有更精细的编码级。"),
)
def dense_skip() -> Design:
    """Every decoder stage receives all finer encoder levels."""
    return Design(skip="dense")


@presets.register(
    "pixel-shuffle-light",
    title="Light U-Net with pixel shuffle",
    paper=Paper("Shi et al.", 2016, "Efficient Sub-Pixel Convolution", "arXiv:1609.05158"),
    zh=Chinese("像素重排轻量 U-Net", "相加代替拼接，1×1 卷积后像素重排。"),
)
def pixel_shuffle_light() -> Design:
    """Skips are added and pixels are dealt out after a 1x1 convolution: the cheapest of all."""
    return Design(skip="add", up="pixel-shuffle(kernel=1)")


@presets.register(
    "deformable-coarse",
    title="Deformable upsampling where it is coarse",
    paper=Paper("Zhu et al.", 2019, "Deformable ConvNets v2", "arXiv:1811.11168"),
    zh=Chinese("粗层可变形上采样", "精细两级用双线性，粗糙两级用可变形上采样。"),
)
def deformable_coarse() -> Design:
    """Bilinear at the two fine levels, deformable at the two coarse ones."""
    return Design(up="bilinear/bilinear/deformable/deformable")
