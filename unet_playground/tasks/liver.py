"""The liver in CT slices."""

from torch import Tensor

from unet_playground.errors import Text
from unet_playground.images import Picture
from unet_playground.registry import Chinese, Paper
from unet_playground.tasks.slot import BACKGROUND, TEAL, Label, Scan, Task, as_input, gray, tasks, unit


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

    The slices say neither how wide their pixels are nor what their gray was in HU. Both were found by comparison with
    two CT volumes (CONTRIBUTING has the numbers, `python -m benchmarks.liver_window` repeats it): through 0 to 255 HU
    the classic agrees best with the volumes' own labels, and a middling body is as wide as one of theirs at 1.5 mm a
    pixel, a field of view of 384 mm.
    """

    channels = 1
    scan = Scan(
        pixel=1.5,
        window=(0.0, 255.0),
        units="HU",
        side=256,
        note=Text(
            "The training slices carry neither spacing nor window; 1.5 mm a pixel (a field of view of 384 mm) and a "
            "window from 0 to 255 HU were found to fit them and are assumed.",
            "训练切片既无像素间距也无窗位信息；此处假定每像素 1.5 毫米（视野 384 毫米）、"
            "窗为 0 至 255 HU，这是经比较得出的最佳匹配。",
        ),
    )
    labels = (BACKGROUND, Label(Text("liver", "肝脏"), TEAL, "Liver"))

    def prepare(self, picture: Picture) -> Tensor:
        return as_input(gray(unit(picture.pixels)))
