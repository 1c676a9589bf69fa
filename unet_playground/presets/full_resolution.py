"""Presets that never give up resolution: one width throughout, nothing to upsample."""

from unet_playground.design import Design
from unet_playground.presets.catalogue import presets
from unet_playground.registry import Chinese, Paper


@presets.register(
    "full-res-plain",
    title="Full resolution, plain",
    paper=Paper("Zhang et al.", 2017, "Beyond a Gaussian Denoiser (DnCNN)", "arXiv:1608.03981"),
    zh=Chinese(
        "全分辨率普通网络",
        "不下采样，各级宽度相同，只有 3×3 卷积。",
        "乘加与经典设计相近，参数却只有约百分之三；感受野每个卷积只增加一圈，大物体内部因此缺少上下文。"
        "DnCNN 就是这样一串等宽的全分辨率卷积（用于去噪）；跳跃是这里另加的。",
    ),
)
def full_res_plain() -> Design:
    """No resolution is given up: one width throughout, and nothing but 3x3 convolutions.

    It costs about as many multiply-adds as the classic with some 3% of its parameters, but the receptive field grows
    by one ring a convolution, so that the inside of a large object lacks context. DnCNN is such a chain of equally
    wide convolutions at full resolution (it denoises); the skips are added here.
    """
    return Design(down="none")


@presets.register(
    "full-res-dilated",
    title="Full resolution, dilated",
    paper=Paper(
        "Pelt and Sethian",
        2018,
        "A mixed-scale dense convolutional neural network for image analysis",
        "doi:10.1073/pnas.1715832114",
    ),
    zh=Chinese(
        "全分辨率膨胀网络",
        "不下采样，用膨胀卷积换来大感受野。",
        "取样点拉开后，不降低分辨率也能看得远；与普通全分辨率网络比较感受野。原文同样始终保持全分辨率并混用多种膨胀率，"
        "但层很窄，且所有层两两相连；这里沿用 U-Net 的接线。",
    ),
)
def full_res_dilated() -> Design:
    """No resolution is given up: dilated convolutions see far instead.

    Taps that stand apart look far without giving up resolution: compare the receptive field with the plain network's.
    The paper, too, stays at full resolution and mixes dilations, but has very narrow layers that are all connected to
    each other; here the wiring is the U-Net's.
    """
    return Design(down="none", block="dilated")


@presets.register(
    "full-res-multi-scale",
    title="Full resolution, multi-scale",
    paper=Paper("Szegedy et al.", 2015, "Going Deeper with Convolutions", "arXiv:1409.4842"),
    zh=Chinese(
        "全分辨率多尺度网络",
        "不下采样，每个模块同时用边长 3、5、7 的卷积。",
        "大核看得远，但每个权重都要在每个像素上计算，乘加将近经典设计的六倍：请与膨胀网络比较费用和感受野。"
        "并行使用不同大小的核是 GoogLeNet 的思路（那里拼接结果并且下采样）；全分辨率的组合出自这里。",
    ),
)
def full_res_multi_scale() -> Design:
    """No resolution is given up: every block convolves with sides 3, 5 and 7 at once.

    Large kernels see far, but every weight works at every pixel, for almost six times the classic's multiply-adds:
    compare cost and receptive field with the dilated network's. Kernels of several sizes side by side are GoogLeNet's
    idea (which concatenates their results, and pools); putting them at full resolution is done here.
    """
    return Design(down="none", block="multi-scale")


@presets.register(
    "full-res-spatial",
    title="Full resolution with spatial attention",
    paper=Paper("Roy et al.", 2018, "Concurrent Spatial and Channel Squeeze and Excitation", "arXiv:1803.02579"),
    zh=Chinese(
        "全分辨率加空间注意力",
        "不下采样，跨越的特征由一张全分辨率的位置图加权。",
        "没有粗层，位置图逐像素清晰，适合观察注意力学到了什么。空间门出自 scSE 论文（sSE，1×1 卷积）；"
        "这里用 7×7 卷积，放在全分辨率网络的跳跃上。",
    ),
)
def full_res_spatial() -> Design:
    """No resolution is given up: one sharp map of places weighs what crosses.

    Without coarse levels every map is as sharp as the image, which makes this the network in which to see what
    spatial attention learns. The gate is the spatial half of scSE (there a 1x1 convolution); here it is 7x7 and stands
    on the skips of a full-resolution network.
    """
    return Design(down="none", attention="spatial", site="skip")
