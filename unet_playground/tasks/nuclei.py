"""Cell nuclei in microscopy."""

from torch import Tensor

from unet_playground.errors import Text
from unet_playground.images import Picture
from unet_playground.registry import Chinese, Paper
from unet_playground.tasks.slot import BACKGROUND, TEAL, Label, Task, as_input, colors, stretch, tasks


@tasks.register(
    "nuclei",
    title="Nuclei",
    zh=Chinese(
        "细胞核", "显微图像中的细胞核，荧光或染色。", "474 幅图像，来自 2018 年数据科学碗；每幅按自身的亮度范围拉伸。"
    ),
    paper=Paper(
        "Caicedo et al.", 2019, "Nucleus segmentation across imaging experiments", "doi:10.1038/s41592-019-0612-7"
    ),
)
class Nuclei(Task):
    """Cell nuclei in microscopy, fluorescent or stained.

    The images come from many microscopes and cover very different ranges of brightness, so each is stretched to its
    own: its 0.5th and 99.5th percentiles become 0 and 1.
    """

    labels = (BACKGROUND, Label(Text("nucleus", "细胞核"), TEAL))

    def prepare(self, picture: Picture) -> Tensor:
        return as_input(colors(stretch(picture.pixels)))
