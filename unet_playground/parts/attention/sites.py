"""The slot `site`: where attention sits."""

from typing import ClassVar

from unet_playground.errors import Text
from unet_playground.registry import Catalogue, Chinese


class Site:
    """A place in the network where attention can sit.

    Attributes:
        needs_crossing: Whether it works on what a skip brings.
        without_crossing: Id of the site that is the same place when nothing crosses; None where it stays its own.
        levelwise: Whether it exists at every decoder level, so that the attention may differ by level.
    """

    needs_crossing: ClassVar[bool] = False
    without_crossing: ClassVar[str | None] = None
    levelwise: ClassVar[bool] = True


sites: Catalogue[type[Site]] = Catalogue("site", Text("Site", "位置"))


@sites.register(
    "skip",
    title="On the skip",
    zh=Chinese("跳跃上", "作用于跨越的特征，在合并之前。", "注意力只筛选编码器送来的内容，解码器自己的特征不变。"),
)
class OnSkip(Site):
    """On what crosses, before it is joined.

    Attention sifts what the encoder sends; the decoder's own features stay as they are.
    """

    needs_crossing = True


@sites.register(
    "fused",
    title="On the joined features",
    zh=Chinese("合并后", "作用于合并后的特征。", "注意力能同时比较编码器与解码器的特征，再决定强调哪些。"),
)
class OnFused(Site):
    """On the joined features.

    Attention sees what the encoder sends and what the decoder has, and weighs both.
    """


@sites.register(
    "decoder",
    title="On the decoder stage's input",
    zh=Chinese(
        "解码器输入",
        "作用于上采样后的特征，在合并任何内容之前。",
        "注意力筛选来自更深层的内容，编码器送来的内容不变：与“跳跃上”正好相反。没有跳跃连接时，这里就是“合并后”的位置。",
    ),
)
class OnDecoder(Site):
    """On the upsampled features, before anything is joined to them.

    Attention sifts what comes up from the coarser level; what the encoder sends stays as it is: the opposite of the
    site on the skip. When nothing crosses, this is the same place as the joined features.
    """

    without_crossing = "fused"


@sites.register(
    "bottleneck",
    title="On the bottleneck",
    zh=Chinese(
        "瓶颈处",
        "作用于最粗的特征，只此一处。",
        "最深一层的特征看得最远。编码器若降低分辨率，这里通道最多、像素最少，注意力的计算量很小。整个网络只有这一处，所以注意力不分层级。",
    ),
)
class OnBottleneck(Site):
    """On the coarsest features, at this single place.

    The deepest features see farthest. Where the encoder gives up resolution they have the most channels and the fewest
    pixels, so attention costs little computation here. There is one such place in the network: the attention cannot
    differ by level.
    """

    levelwise = False
