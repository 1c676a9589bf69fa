"""The words of the room Volume, English and Chinese."""

from unet_playground.errors import Text

WORDS = {
    "view": Text("View", "视图"),
    "all": Text("All", "全部"),
    "axial": Text("Axial", "轴位"),
    "coronal": Text("Coronal", "冠状"),
    "sagittal": Text("Sagittal", "矢状"),
    "render": Text("3-D", "三维"),
    "slice": Text("Slice", "切片"),
    "radiological": Text("Patient's right on the left (radiological)", "患者右侧在左（放射学惯例）"),
    "window": Text("Window", "窗"),
    "width": Text("Width", "窗宽"),
    "centre": Text("Centre", "窗位"),
    "own": Text("own", "自定"),
    "mask": Text("Mask", "掩膜"),
    "design": Text("Design", "设计"),
    "difference": Text("Difference", "差异"),
    "doubt": Text("Doubt", "不确定性"),
    "entropy": Text("entropy of the classes, 0 to 1", "类别的熵，0 至 1"),
    "agree": Text("agree", "一致"),
    "onlyA": Text("only A", "仅 A"),
    "onlyB": Text("only B", "仅 B"),
    "other": Text("other class", "类别不同"),
    "opacity": Text("Fill", "填充"),
    "contour": Text("Contour", "轮廓"),
    "tool": Text("Tool", "工具"),
    "look": Text("Look", "查看"),
    "distance": Text("Distance", "距离"),
    "ellipse": Text("Ellipse", "椭圆"),
    "outline": Text("Outline", "勾画"),
    "voxels": Text("voxels", "体素数"),
    "mean": Text("mean", "均值"),
    "brush": Text("Brush", "画笔"),
    "fill": Text("Fill a shape", "填充区域"),
    "erase": Text("Erase", "擦除"),
    "pen": Text("Class of the brush", "画笔类别"),
    "size": Text("Size", "大小"),
    "undo": Text("Undo", "撤销"),
    "clear": Text("Clear measures", "清除测量"),
    "pending": Text(
        "This correction is in no number and no file yet: press “Measure the correction”.",
        "此修正尚未计入数值与文件：请按“测量修正结果”。",
    ),
    "send": Text("Measure the correction", "测量修正结果"),
    "voxel": Text("voxel", "体素"),
    "unitless": Text("(unit unknown)", "（单位未知）"),
    "gone": Text("The volume could not be loaded; open it again.", "无法载入体数据；请重新打开。"),
    "network": Text(
        "The network failed, and what draws volumes has not come; open the volume again.",
        "网络出错，无法载入绘制体数据的程序；请重新打开体数据。",
    ),
    "webgl": Text(
        "This browser has no WebGL 2, which draws volumes; open the page in another one.",
        "此浏览器不支持绘制体数据所需的 WebGL 2；请换用其他浏览器。",
    ),
    "picture": Text(
        "The volume in three planes; arrows move through it, V changes the view",
        "体数据的三个平面；方向键移动，V 切换视图",
    ),
    "help": Text("Mouse and keys", "鼠标与按键"),
    "keyboard": Text(
        "Click: crosshair. Distance, ellipse, outline: drag; an outline closes itself. Wheel, ↑ ↓: slices of the plane "
        "under the pointer; the slider: of a single plane. ← →: across it. V: next view. Right button: drag to move, "
        "vertically to enlarge. Double click: a window from nearly the lowest to nearly the highest value. Ctrl+Z: "
        "undo a stroke. Windows change the display only.",
        "单击：移动十字线。距离、椭圆、勾画：拖动；勾画自动闭合。滚轮、↑ ↓：翻看指针所在平面的切片；"
        "单一平面可用滑块。← →：在平面内移动。V：下一视图。"
        "右键拖动：平移与缩放。双击：窗从接近最低的数值到接近最高的数值。Ctrl+Z：撤销一笔。窗设置只影响显示。",
    ),
}
OPEN = Text("Open NIfTI, DICOM or zip", "打开 NIfTI、DICOM 或 zip")
SAMPLE = Text("Example: a drawn trunk", "示例：绘制的躯干")
NETWORK = Text("Network for", "网络用于")
VIEWS = Text("several views (5–6 × as long)", "多视角（用时 5 至 6 倍）")
SEGMENT, STOP = Text("Segment", "分割"), Text("Stop", "停止")
IDLE = Text(
    "Open a volume of your own or the example. It is read once and not kept; the present design segments it.",
    "打开你自己的体数据或示例。文件只读取一次，不保留；由当前设计进行分割。",
)
IDLE_PUBLIC = Text(
    "Open a volume of your own (a DICOM series as one ZIP) or the example. It is read once and not kept; the present "
    "design segments it.",
    "打开你自己的体数据（DICOM 序列请打包为一个 ZIP）或示例。文件只读取一次，不保留；由当前设计进行分割。",
)
NUMBER = Text("Volume of the file", "文件中的体数据")
REPLACES = Text(
    "This would discard the masks corrected by hand; save them below, or do it once more to go on.",
    "这将取代手动修正的掩膜；请先在下方保存，或再操作一次以继续。",
)
KEPT = Text(
    "Masks were corrected by hand while this ran, so they stay; segment once more to replace them.",
    "运行期间手动修正了掩膜，因此予以保留；如要取代，请再次分割。",
)
READING = Text("Reading …", "正在读取……")
PROGRESS = Text("Design {name}: slice {done} of {slices}", "设计 {name}：第 {done}/{slices} 片")
MEASURING = Text("Measuring …", "正在测量……")
STOPPED = Text("Stopped; nothing was changed.", "已停止；未作更改。")
NONE_YET = Text("Segment the volume first.", "请先分割体数据。")
SIZE = Text("{shape} voxels of {spacing} mm. {notes}", "{shape} 体素，每个 {spacing} mm。{notes}")
UNSIZED = Text("{shape} voxels. {notes}", "{shape} 体素。{notes}")
MADE = Text("Design {name}: {parts}", "设计 {name}：{parts}")
EDITED = Text("Design {name}: {parts}; corrected by hand", "设计 {name}：{parts}；经手动修正")
WHICH = Text("Files of design", "导出哪个设计")
FILES = {
    "nifti": Text("Mask (.nii.gz)", "掩膜（.nii.gz）"),
    "pngs": Text("Slices (.zip of PNG)", "切片（PNG，.zip）"),
    "csv": Text("Numbers (.csv)", "数值（.csv）"),
    "report": Text("Report (.html)", "报告（.html）"),
}
SEG = Text("DICOM-SEG: give the series again", "DICOM-SEG：请再次提供序列")
RAS, ALONG = Text("R, A, S (mm)", "R、A、S（毫米）"), Text("i, j, k ({length})", "文件坐标轴 i、j、k（{length}）")
OBJECT = Text("object {number}", "对象 {number}")
RANGE = Text("{low} to {high} ({source})", "{low} 至 {high}（{source}）")
MORE = Text("{count} smaller objects are in the CSV.", "另有 {count} 个较小的对象，见 CSV。")
COLUMNS = {
    "class": Text("Class", "类别"),
    "components": Text("Objects", "对象数"),
    "volume": Text("Volume", "体积"),
    "area": Text("Largest axial area", "最大轴位面积"),
    "diameters": Text("Longest × across", "最长径 × 垂直径"),
    "mean": Text("Mean ± SD", "均值 ± 标准差"),
    "span": Text("Min to max", "最小至最大"),
    "centroid": Text("Centroid {axes}", "质心 {axes}"),
    "voxels": Text("Voxels", "体素数"),
}
"""What is measured, by column."""
DOUBTS = Text("{title}: the volume could as well be {ranges}.", "{title}：若作其他选择，体积为 {ranges}。")
