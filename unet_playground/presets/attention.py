"""Presets that differ from the classic in attention and its place."""

from unet_playground.design import Design
from unet_playground.presets.catalogue import presets
from unet_playground.registry import Chinese, Paper


@presets.register(
    "se-unet",
    title="SE on the skips",
    paper=Paper("Hu et al.", 2018, "Squeeze-and-Excitation Networks", "arXiv:1709.01507"),
    zh=Chinese(
        "跳跃上的 SE",
        "编码特征先按通道加权再跨越。",
        "整幅图决定哪些通道值得送给解码器，每个通道一个系数，与位置无关；因此每个输出像素都取决于整幅图。"
        "原文用于分类，放在残差模块之内；这里放在跳跃上。",
    ),
)
def se_unet() -> Design:
    """The encoder's channels are weighed before they cross.

    The whole image decides which channels are worth sending, by one factor per channel that is the same everywhere;
    every output pixel therefore depends on the whole image. The paper classifies and puts it into residual blocks;
    here it stands on the skips.
    """
    return Design(attention="se", site="skip")


@presets.register(
    "eca-unet",
    title="ECA on the skips",
    paper=Paper("Wang et al.", 2020, "ECA-Net: Efficient Channel Attention", "arXiv:1910.03151"),
    zh=Chinese(
        "跳跃上的 ECA",
        "与 SE 同样按通道加权，但每一级只用三到五个权重。",
        "每个通道只与相邻的几个通道比较，没有压缩。与 SE 并排看：整个网络多出的参数不到二十个，效果是否更差？"
        "原文用于分类，放在残差模块之内；这里放在跳跃上。",
    ),
)
def eca_unet() -> Design:
    """Weighs the encoder's channels as SE does, with three to five weights a level.

    Every channel is compared with its neighbours only, and nothing is squeezed. Put it beside SE: it adds fewer than
    twenty parameters to the whole network, so is it any worse? The paper classifies and puts it into residual blocks;
    here it stands on the skips.
    """
    return Design(attention="eca", site="skip")


@presets.register(
    "cbam-unet",
    title="CBAM on the skips",
    paper=Paper("Woo et al.", 2018, "CBAM: Convolutional Block Attention Module", "arXiv:1807.06521"),
    zh=Chinese(
        "跳跃上的 CBAM",
        "编码特征先按通道、再按位置加权后跨越。",
        "在 SE 式的通道门之后再加一张位置图：注意力视图中可以看到它把哪里调暗。原文用于分类和检测，放在每个模块之后；"
        "这里放在跳跃上。",
    ),
)
def cbam_unet() -> Design:
    """The encoder's features are weighed by channel, then by place, before they cross.

    After a channel gate like SE's comes a map of places, and the attention view shows where it darkens the image. The
    paper classifies and detects, with a module in every block; here it stands on the skips.
    """
    return Design(attention="cbam", site="skip")


@presets.register(
    "scse-unet",
    title="scSE on the joined features",
    paper=Paper("Roy et al.", 2018, "Concurrent Spatial and Channel Squeeze and Excitation", "arXiv:1803.02579"),
    zh=Chinese(
        "合并后的 scSE",
        "编码与解码特征合并后，同时按通道和按位置加权。",
        "原文在每个编码模块和解码模块之后各放一个。合并后的特征正好由这两者的输出组成，所以“合并后”是最接近的位置；"
        "差别在于，沿编码器向下走的特征不被加权，而且放大先于加权。",
    ),
)
def scse_unet() -> Design:
    """The joined encoder and decoder features are weighed by channel and by place at once.

    The paper puts a module after every encoder and every decoder block. The joined features consist of just these two
    outputs, which makes their site the closest one here; what goes on down the encoder stays unweighed, though, and
    decoder features are enlarged before they are weighed.
    """
    return Design(attention="scse", site="fused")
