"""Presets that a paper describes as a whole network; beside them stand the authors' parameter counts."""

from unet_playground.design import Design
from unet_playground.errors import Text
from unet_playground.presets.catalogue import presets
from unet_playground.presets.published import Difference, Published, published
from unet_playground.registry import Chinese, Paper

RONNEBERGER = Paper("Ronneberger et al.", 2015, "U-Net", "arXiv:1505.04597")

BIAS = Difference(
    0,
    Text(
        "the bias of every block convolution stands here in the normalisation after it, one number per channel either "
        "way",
        "模块中每个卷积的偏置在这里归入其后的归一化，同样是每通道一个数",
    ),
)


@presets.register(
    "classic",
    title="U-Net 2015, width 16",
    paper=RONNEBERGER,
    aliases=("unet-2015",),
    zh=Chinese(
        "U-Net 2015（宽度 16）",
        "经典设计：最大池化、拼接跳跃、转置卷积。",
        "宽度是原文的四分之一，用补零卷积并加入归一化；其他设计都与它比较。先看它，再一次只换一个部件，才知道差别从何而来。",
    ),
)
@published(
    Published(
        parameters=7_759_521,
        source=Text(
            "the U-Net of the UNet++ authors' released Keras code, widths 32 to 512",
            "UNet++ 作者发布的 Keras 代码中的 U-Net，宽度 32 至 512",
        ),
        width=32,
        differences=(BIAS,),
    )
)
def classic() -> Design:
    """The classic: max pooling, concatenating skips, transposed convolution.

    A quarter of the paper's width, padded and normalised; every other design is compared with it. Look at this one
    first and then change one part at a time: only so is it clear where a difference comes from.
    """
    return Design()


@presets.register(
    "classic-width-64",
    title="U-Net 2015, width 64",
    paper=RONNEBERGER,
    zh=Chinese(
        "U-Net 2015（宽度 64）",
        "原文的宽度：64、128、256、512、1024 个通道。",
        "与宽度 16 的经典设计接线完全相同，参数和乘加约为 16 倍：卷积的费用随宽度的平方增长。"
        "只有宽度 16 有训练好的权重，因此这个设计未经训练。",
    ),
)
@published(
    Published(
        parameters=31_030_658,
        source=Text(
            "counted from the 23 convolutions of the paper's Figure 1, which gives no total; biases as in the authors' "
            "released network, whose last up-convolution keeps 128 channels and which so has 31,100,354",
            "由原文图 1 的 23 个卷积计得，原文未给出总数；偏置与作者发布的网络一致，"
            "后者最后一个上卷积保留 128 个通道，因此共 31,100,354 个",
        ),
        width=64,
        classes=2,
        differences=(BIAS,),
    )
)
def classic_width_64() -> Design:
    """The paper's own width: 64, 128, 256, 512 and 1024 channels.

    Wired exactly as the classic of width 16, for about 16 times its parameters and multiply-adds: what a convolution
    costs grows with the square of the width. Trained weights exist for width 16 only, so this one is untrained.
    """
    return Design(width=64)


@presets.register(
    "attention-unet",
    title="Attention U-Net",
    paper=Paper("Oktay et al.", 2018, "Attention U-Net", "arXiv:1804.03999"),
    zh=Chinese(
        "Attention U-Net",
        "每个跳跃都由解码器控制的门把关。",
        "解码器已经知道大致哪里有目标，于是由它决定编码器的哪些位置可以通过。门的系数在注意力视图中可见：训练后背景应当变暗。"
        "原文是三维网络，门的信号来自更粗的一级，最细一级没有门；这里每级都有门，信号来自已上采样的特征。",
    ),
)
@published(
    Published(
        parameters=6_473_322,
        source=Text(
            "counted from the authors' released 3-D network unet_CT_multi_att_dsv with its own settings: widths 16 to "
            "256, 1 image channel, 4 classes",
            "由作者发布的三维网络 unet_CT_multi_att_dsv 按其自带配置计得：宽度 16 至 256，1 个图像通道，4 个类别",
        ),
        width=16,
        dims=3,
        classes=4,
        differences=(
            Difference(
                -2_944,
                Text(
                    "one number per channel after each of the 18 block convolutions, not a bias and two of batch norm",
                    "模块的 18 个卷积之后每通道一个数，而不是一个偏置加批归一化的两个",
                ),
            ),
            Difference(
                1_175_280,
                Text(
                    "a 3x3x3 convolution after each enlargement, where theirs interpolates only",
                    "每次放大后有一个 3×3×3 卷积，作者的网络只插值",
                ),
            ),
            Difference(
                -587_520,
                Text(
                    "so a decoder stage's first convolution sees 2 parts instead of 3: what comes up is half as wide",
                    "因此解码级的第一个卷积只看 2 份而不是 3 份通道：上来的特征窄了一半",
                ),
            ),
            Difference(
                -66_304,
                Text(
                    "no convolution at the bottleneck to make a gating signal",
                    "瓶颈处没有生成门控信号的卷积",
                ),
            ),
            Difference(
                -519_014,
                Text(
                    "none of their double gates at the three coarser levels, which see the encoder through 2x2x2 "
                    "kernels and transform what passes",
                    "没有作者在三个较粗级上的双重门：它们用 2×2×2 核看编码特征，并对通过的内容再做变换",
                ),
            ),
            Difference(
                22_004,
                Text(
                    "one gate of three 1x1x1 convolutions at each of the four levels",
                    "四级各一个由三个 1×1×1 卷积组成的门",
                ),
            ),
            Difference(
                -976,
                Text(
                    "one head instead of four and their fusion (deep supervision)",
                    "一个输出头，而不是四个再加融合（深度监督）",
                ),
            ),
        ),
    )
)
def attention_unet() -> Design:
    """Every skip passes a gate that the decoder controls.

    The decoder already knows roughly where something is, so it decides which places of the encoder's features may
    pass. The attention view shows the factors: after training the background should be dark. The paper's network is
    three-dimensional, takes the gating signal from the coarser level and has no gate at the finest one; here every
    level has one, and the signal is the upsampled features.
    """
    return Design(skip="attention-gate", up="bilinear")


@presets.register(
    "unet-plus-plus",
    title="UNet++",
    paper=Paper("Zhou et al.", 2018, "UNet++", "arXiv:1807.10165"),
    zh=Chinese(
        "UNet++",
        "跳跃里嵌套着更浅的 U-Net，逐步拉近编码与解码特征。",
        "编码器的浅层特征直接与解码器的深层特征拼接，两者含义相差很大；中间节点一步步缩小这个差距。参数只多约六分之一，"
        "但内部节点在高分辨率上工作，费用增加得多。深度监督是选项 supervision，这里未开。",
    ),
)
@published(
    Published(
        parameters=9_041_601,
        source=Text(
            "the authors' released Keras code, widths 32 to 512, without deep supervision",
            "作者发布的 Keras 代码，宽度 32 至 512，无深度监督",
        ),
        width=32,
        differences=(
            BIAS,
            Difference(
                -221_536,
                Text(
                    "the six inner nodes interpolate without parameters, where theirs have a 2x2 transposed "
                    "convolution that halves the channels",
                    "六个内部节点插值放大，没有参数；作者在此用 2×2 转置卷积并把通道减半",
                ),
            ),
            Difference(
                248_832,
                Text(
                    "so the first 3x3 convolution of an inner node sees twice as many channels from the coarser level",
                    "因此内部节点的第一个 3×3 卷积从更粗一级看到两倍的通道",
                ),
            ),
        ),
    )
)
def unet_plus_plus() -> Design:
    """Shallower U-Nets are nested in the skips and bring encoder and decoder closer step by step.

    Early encoder features are concatenated with late decoder features that mean something quite different; the nodes
    between close that gap in small steps. They add only a sixth to the parameters but work at high resolution, so
    that the cost grows much more. Deep supervision is the option `supervision`, which is off here.
    """
    return Design(skip="nested")


@presets.register(
    "unet-3-plus",
    title="UNet 3+",
    paper=Paper("Huang et al.", 2020, "UNet 3+", "arXiv:2004.08790"),
    zh=Chinese(
        "UNet 3+",
        "每个解码级同时看到所有级别：更细的编码级和更粗的解码级。",
        "细节与全局在每一级都直接可得，而每个来源只占最细一级那么多通道。原文各解码级一样宽（5×64），只有一个卷积；"
        "这里保持该级宽度和两个卷积，以便与其他跳跃互换。",
    ),
)
@published(
    Published(
        parameters=26_971_777,
        source=Text(
            "the authors' released PyTorch code, widths 64 to 1024, 3 image channels, without deep supervision",
            "作者发布的 PyTorch 代码，宽度 64 至 1024，3 个图像通道，无深度监督",
        ),
        width=64,
        in_channels=3,
        differences=(
            Difference(
                -10_496,
                Text(
                    "one number per channel after each of the 10 encoder and 20 branch convolutions, not a bias and "
                    "two of batch norm",
                    "编码器的 10 个卷积和 20 个分支卷积之后每通道一个数，而不是一个偏置加批归一化的两个",
                ),
            ),
            Difference(
                6_267_840,
                Text(
                    "a 3x3 convolution after each enlargement of the next coarser stage, where theirs interpolates "
                    "only",
                    "紧邻的更粗一级放大后有一个 3×3 卷积，作者的网络只插值",
                ),
            ),
            Difference(
                -405_504,
                Text(
                    "branches from coarser stages see the stage's own width, or its half after that convolution, "
                    "instead of 320 channels (1024 from the bottleneck)",
                    "来自更粗各级的分支看到该级自己的宽度（经过上述卷积的则减半），而不是 320 个通道（瓶颈为 1024 个）",
                ),
            ),
            Difference(
                2_209_920,
                Text(
                    "a decoder stage has two 3x3 convolutions at its level's width (512 to 64) instead of one that "
                    "keeps 320 channels",
                    "解码级是两个该级宽度（512 至 64）的 3×3 卷积，而不是一个保持 320 通道的卷积",
                ),
            ),
            Difference(
                -2_816,
                Text(
                    "the head is a 1x1 convolution from 64 channels instead of a 3x3 one from 320",
                    "输出头是 64 通道上的 1×1 卷积，而不是 320 通道上的 3×3 卷积",
                ),
            ),
        ),
    )
)
def unet_3_plus() -> Design:
    """Every decoder stage sees every level at once: finer encoder stages and coarser decoder stages.

    Detail and overview are at hand in every stage, and each source takes no more channels than the finest level has.
    In the paper all decoder stages are equally wide (5 x 64) with one convolution; here a stage keeps its level's
    width and its two convolutions, so that the skip can be exchanged for any other.
    """
    return Design(skip="full-scale", up="bilinear")


@presets.register(
    "resunet",
    title="ResUNet",
    paper=Paper("Zhang et al.", 2018, "Road Extraction by Deep Residual U-Net", "arXiv:1711.10684"),
    zh=Chinese(
        "ResUNet",
        "每个模块是残差模块，用步幅卷积代替池化。",
        "短捷径在模块内绕过卷积，长跳跃在编码器与解码器之间：前者让梯度好走，后者保住位置。原文只有三次下采样、"
        "先归一化后卷积，步幅在模块的第一个卷积里；这里深度为 4，步幅卷积单独成层，放大用最近邻。",
    ),
)
@published(
    Published(
        parameters=7_782_913,
        source=Text(
            "counted from the 15 convolutions that the paper lists, with biases; it rounds to the 7.8 M that the paper "
            "states, which the 1x1 projections of its short cuts (8.2 M) would not; whether the authors counted "
            "normalisation cannot be seen from the rounded number",
            "由原文列出的 15 个卷积（含偏置）计得，取整后即原文所说的 7.8 M；若加上捷径的 1×1 投影则为 8.2 M，"
            "与之不符；作者是否计入归一化，从取整的数字看不出来",
        ),
        width=64,
        depth=3,
        in_channels=3,
        differences=(
            BIAS,
            Difference(
                774_592,
                Text(
                    "resolution is given up by a 3x3 convolution of its own, where theirs gives a stage's first "
                    "convolution a stride",
                    "降低分辨率另用一个 3×3 卷积，作者则让该级第一个卷积带步幅",
                ),
            ),
            Difference(
                1_548_736,
                Text(
                    "a 3x3 convolution after each enlargement, where theirs only enlarges",
                    "每次放大后有一个 3×3 卷积，作者的网络只放大",
                ),
            ),
            Difference(
                -774_144,
                Text(
                    "so a decoder stage's first convolution sees 2 parts instead of 3: what comes up is half as wide",
                    "因此解码级的第一个卷积只看 2 份而不是 3 份通道：上来的特征窄了一半",
                ),
            ),
            Difference(
                344_256,
                Text(
                    "1x1 projections in the short cuts, which the paper does not list",
                    "捷径中的 1×1 投影，原文未列出",
                ),
            ),
        ),
    )
)
def resunet() -> Design:
    """Residual blocks, and strided convolutions instead of pooling.

    Short cuts lead around the convolutions of a block, long skips lead from encoder to decoder: the former give
    gradients an easy way, the latter keep places. The paper gives up resolution three times, normalises before it
    convolves, and puts the stride into a block's first convolution; here the depth is 4, strided convolutions stand by
    themselves, and pixels are repeated to enlarge.
    """
    return Design(down="strided-conv", block="residual", up="nearest")
