"""One page that says what was measured, with what, and what it is not for; it needs no other file."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from unet_playground import __version__
from unet_playground.errors import Text
from unet_playground.images.volumes import Volume, plane
from unet_playground.images.writer import encode_png
from unet_playground.notice import NOTICE
from unet_playground.tasks import Label
from unet_playground.volumes.measuring import Measured, Table
from unet_playground.volumes.segmenting import canonical_spacing

LISTED = 10
"""Objects of a class that the page shows; the CSV has more."""
LARGEST = 512
"""Longest side of a picture in pixels."""
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111;
  background: #fff }
.notice { border: 2px solid #b00; padding: .5rem 1rem; font-weight: 600 }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border: 1px solid #999; padding: .2rem .5rem; text-align: right }
td:first-child, th:first-child { text-align: left } figure { display: inline-block; margin: .5rem }
img { max-width: 18rem; background: #000; image-rendering: pixelated } code { overflow-wrap: anywhere }
@media print { body { margin: 0 } }
"""
_TITLE = Text("Measurements of a volume", "体数据测量报告")
_EDITED = Text("The mask was corrected by hand.", "掩膜经过手工修正。")
_UNKNOWN = Text("unknown", "未知")
_RANGE = Text("{low} to {high}", "{low} 至 {high}")
_ALL = Text("all", "全部")
_MADE = Text("How it was made", "生成方式")
_VERSION, _DESIGN, _WEIGHTS = (
    Text("App version", "应用版本"),
    Text("Design", "设计"),
    Text("Weights, sha256", "权重 sha256"),
)
_NOTES = Text("Notes", "说明")
_MORE = Text("{count} smaller objects are not shown.", "另有 {count} 个较小的对象未列出。")
_HEADS = (
    Text("Class", "类别"),
    Text("Object", "对象"),
    Text("Volume, {volume}", "体积（{volume}）"),
    Text("Largest axial area, {area}", "最大轴位面积（{area}）"),
    Text("Longest diameter x across it, {length}", "最长径 × 垂直径（{length}）"),
    Text("Mean ± SD ({units})", "均值 ± 标准差（{units}）"),
    Text("Min to max ({units})", "最小至最大（{units}）"),
    Text("Centroid ({place})", "质心（{place}）"),
)
_VOXELS = Text("voxels", "体素")
_PLACE = Text("mm right, front, head", "毫米，右、前、上")
_ALONG = Text("mm along the file's axes", "毫米，沿文件坐标轴")
_PLANES = (Text("sagittal; {side}", "矢状位；{side}"), Text("coronal; {side}", "冠状位；{side}"))
_PLANES += (Text("axial; {side}", "轴位；{side}"),)
"""By the axis across which they are cut."""
_RIGHT = Text("the patient's right is on the left", "患者右侧在左")
_FRONT = Text("the front is on the left", "前方在左")
_LOST = Text("orientation unknown", "方位未知")
_VARIED = Text("Range of the volume when varied", "变化时的体积范围")


def report(
    table: Table,
    pictures: Sequence[tuple[Text, NDArray[np.uint8]]] = (),
    notes: Sequence[Text] = (),
    *,
    language: str = "en",
) -> str:
    """One self-contained page of HTML: pictures, measurements, what made them, and the notice.

    Args:
        table: As `measure` gives it.
        pictures: Each with its title: (h, w) or (h, w, 3) uint8; `three_planes` makes some.
        notes: What has to be said besides, a sentence each: those of the volume, of its segmentation, and warnings.
        language: `en` or `zh`.

    Returns:
        HTML without scripts and without links; it names no file and no patient.
    """

    def say(text: Text) -> str:
        return escape(text.within(language))

    notice = f'<p class="notice">{say(NOTICE)}</p>'
    shown = "".join(
        f'<figure><img alt="{say(title)}" src="data:image/png;base64,{b64encode(encode_png(pixels)).decode()}">'
        f"<figcaption>{say(title)}</figcaption></figure>"
        for title, pixels in pictures
    )
    told = [*notes, *([_EDITED] if table.edited else [])]
    listed = "".join(f"<li>{say(note)}</li>" for note in dict.fromkeys(told))
    unknown = say(_UNKNOWN)
    made = "".join(
        f"<tr><th>{say(name)}</th><td><code>{escape(value) or unknown}</code></td></tr>"
        for name, value in ((_VERSION, __version__), (_DESIGN, table.design), (_WEIGHTS, table.weights))
    )
    parts = (
        f"<h1>{say(_TITLE)}</h1>{notice}{shown}{_sizes(table, language)}{_ranges(table, language)}",
        f"<h2>{say(_NOTES)}</h2><ul>{listed}</ul><h2>{say(_MADE)}</h2><table>{made}</table>{notice}",
    )
    head = f'<meta charset="utf-8"><title>{say(_TITLE)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="{language}"><head>{head}</head><body>{"".join(parts)}</body></html>'


def short(value: float) -> str:
    """Four digits that count, or all before the point."""
    return f"{value:.4g}" if abs(value) < 9_999.5 else f"{value:.0f}"


def three_planes(
    volume: Volume, mask: NDArray[np.uint8], labels: Sequence[Label], window: tuple[float, float]
) -> list[tuple[Text, NDArray[np.uint8]]]:
    """The slices across each axis that show most of the mask, coloured, as radiologists look, in true proportions.

    Args:
        volume: What was segmented.
        mask: (i, j, k), class numbers.
        labels: The classes with their colours.
        window: Values that are black and white.
    """
    colors = np.array([[int(one.color[n : n + 2], 16) for n in (1, 3, 5)] for one in labels], np.float32)
    low, high = window
    spacing = canonical_spacing(volume) if volume.spaced else (1.0, 1.0, 1.0)
    found = []
    for axis in (2, 1, 0):
        slices, masks = plane(volume.canonical(), axis), plane(volume.canonical(mask), axis)
        counts = np.count_nonzero(masks, (1, 2))
        number = int(counts.argmax()) if counts.any() else len(counts) // 2
        gray = np.clip((slices[number] - low) / max(high - low, 1e-6), 0, 1)[..., None] * 255
        inside = masks[number][..., None] > 0
        mixed = np.where(inside, 0.6 * gray + 0.4 * colors[masks[number]], gray)
        column, row = (spacing[other] for other in range(3) if other != axis)
        title = _PLANES[axis].format(side=(_FRONT if axis == 0 else _RIGHT) if volume.oriented else _LOST)
        found.append((title, _proportioned(np.nan_to_num(mixed).astype(np.uint8), row, column)))
    return found


def _proportioned(image: NDArray[np.uint8], row: float, column: float) -> NDArray[np.uint8]:
    """(h, w, 3) with the rows or columns repeated that lie farther apart, and thinned out to `LARGEST` pixels."""
    lengths = image.shape[0] * row, image.shape[1] * column
    pixel = max(min(row, column), max(lengths) / LARGEST)
    rows, columns = (
        (np.arange(max(1, round(length / pixel))) * n / max(1, round(length / pixel))).astype(int)
        for length, n in zip(lengths, image.shape, strict=False)
    )
    return image[rows][:, columns]


def _sizes(table: Table, language: str) -> str:
    volume, area, length = ("ml", "mm²", "mm") if table.spaced else (_VOXELS.within(language), "px", "px")
    units = {
        **{"volume": volume, "area": area, "length": length},
        "units": table.units or _UNKNOWN.within(language),
        "place": (_VOXELS if not table.spaced else _PLACE if table.oriented else _ALONG).within(language),
    }
    heads = "".join(f"<th>{escape(head.within(language).format(**units))}</th>" for head in _HEADS)
    rows = [row for row in table.rows if row.number <= LISTED]
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(row, language))}</tr>" for row in rows)
    more = sum(max(0, row.components - LISTED) for row in table.rows if not row.number)
    rest = f"<p>{escape(_MORE.format(count=more).within(language))}</p>" if more else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{rest}"


def _cells(row: Measured, language: str) -> list[str]:
    size, values = row.size, row.values
    return [
        row.title.within(language),
        str(row.number) if row.number else f"{_ALL.within(language)} ({row.components})",
        short(size.volume),
        short(size.area),
        f"{size.diameters.longest:.1f} x {size.diameters.across:.1f}",
        f"{values.mean:.1f} ± {values.sd:.1f}" if values else "",
        f"{short(values.low)}, {short(values.high)}" if values else "",
        ", ".join(f"{place:.1f}" for place in row.centroid) if row.centroid else "",
    ]


def _ranges(table: Table, language: str) -> str:
    """How far the volume of each class changes, where that was asked."""
    doubts = [(row.title, doubt) for row in table.rows for doubt in row.doubts]
    if not doubts:
        return ""
    unit = "ml" if table.spaced else _VOXELS.within(language)
    body = "".join(
        f"<tr><td>{escape(title.within(language))}</td><td>{escape(doubt.source.within(language))}</td>"
        f"<td>{escape(_RANGE.format(low=short(low), high=short(high)).within(language))} {unit}</td></tr>"
        for title, doubt in doubts
        for low, high in [doubt.volume]
    )
    return f"<h2>{escape(_VARIED.within(language))}</h2><table><tbody>{body}</tbody></table>"
