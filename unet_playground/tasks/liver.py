"""The liver in CT slices."""

from torch import Tensor

from unet_playground.errors import Text
from unet_playground.images import Picture
from unet_playground.registry import Chinese, Paper
from unet_playground.tasks.slot import BACKGROUND, TEAL, Label, Task, as_input, gray, tasks, unit


@tasks.register(
    "liver",
    title="Liver",
    zh=Chinese(
        "肝脏",
        "腹部 CT 轴位切片中的肝脏（含肿瘤），一个大器官。",
        "538 幅 256×256 的切片，102 名患者，已开窗为 8 位；不再拉伸亮度，因为灰度代表组织密度。",
    ),
    paper=Paper(
        "Simpson et al.", 2019, "A large annotated medical image dataset (Decathlon, Task03)", "arXiv:1902.09063"
    ),
)
class Liver(Task):
    """The liver with its tumours in axial CT slices: one large organ among others of the same gray.

    The slices are windowed to soft tissue and 256 pixels wide, patient's right on the left. Brightness is not
    stretched, because in CT gray means density.
    """

    channels = 1
    labels = (BACKGROUND, Label(Text("liver", "肝脏"), TEAL))

    def prepare(self, picture: Picture) -> Tensor:
        return as_input(gray(unit(picture.pixels)))
