"""The page's own words, English and Chinese."""

from unet_playground.errors import Text

TITLE = Text("U-Net Playground", "U-Net 游乐场")
COPY = Text("Copy link", "复制链接")
COPIED = Text("Copied", "已复制")
COPIED_ALONE = Text("Copied, without your image", "已复制，不含你的图像")
OTHER_LANGUAGE = Text("中文", "English")
OFFLINE = Text(
    "The app does not answer. What you see stays; the page goes on by itself once it is back.",
    "应用没有响应。当前内容会保留；恢复后页面会自动继续。",
)
KEYBOARD = Text("Keyboard", "键盘")
SINGLE_KEYS = Text("Single keys act without Ctrl or Alt", "单键直接生效，无需 Ctrl 或 Alt")
KEYS = {
    "1 2 3 4 5 6": Text("Go to a slot; arrow keys move in it, Enter chooses", "跳到某一类部件；方向键移动，回车选择"),
    "A B": Text("Edit design A or B while both are compared", "对比时编辑设计 A 或 B"),
    "C": Text("Compare two designs, or stop", "进入或离开对比"),
    "U": Text("Undo the last change", "撤销上一次更改"),
    "M": Text("Mask as contour, fill, errors or truth", "掩膜显示为轮廓、填充、错误或真值"),
    "T": Text("Truth, and back", "显示真值，再按返回"),
    "← → ↑ ↓": Text("Move the crosshair in a picture; Enter asks about its pixel", "在图中移动十字线；回车询问该像素"),
    "+ - 0": Text("Zoom a picture in, out, back", "放大、缩小、还原图像"),
    "Esc": Text("Leave a room", "离开房间"),
}
TASK = Text("Task", "任务")
IDLE = {
    "site": Text("Without attention there is nothing to place.", "没有注意力，也就没有位置可选。"),
    "up": Text(
        "Nothing to get back: this way down keeps full resolution, at one width throughout.",
        "无需恢复：此下采样方式保持全分辨率，各级宽度相同。",
    ),
}
"""Why a slot has no choice at the moment."""
BY_LEVEL = Text("Level by level, finest first: {choices}", "逐级（从最精细起）：{choices}")
LINK = Text("Link of this design", "此设计的链接")
LINK_HINT = Text(
    "Edit and press Enter. Attention and up may differ by level, finest first: "
    "up=bilinear/bilinear/deformable/deformable. Options go in brackets: cbam(order=parallel).",
    "修改后按回车。attention 与 up 可逐级不同，从最精细起：up=bilinear/bilinear/deformable/deformable。"
    "选项写在括号内：cbam(order=parallel)。",
)
GLOSSARY = Text("What the options mean", "各选项的含义")
EXAMPLE = Text("Example", "示例图像")
UPLOAD = Text("Upload", "上传")
UPLOAD_KINDS = Text(
    "An image as {kinds}, up to {limit} MB; what kind it is, its content decides.",
    "{kinds} 图像，最大 {limit} MB；类型由内容判断。",
)
TRUTH = Text("True mask", "真实掩膜")
JUDGED = Text("Judged by your mask, not kept.", "以你的掩膜为准，不保留。")
NO_IMAGE = Text("There is no image here, or not any more: choose one.", "这里没有图像，或已不再保留：请选择一幅。")
ELSEWHERE = Text(
    "The lesson waits for a click in its own image, with its own designs; go to its step once more to have them back.",
    "课程等待的是在它自己的图像和设计上点击；请重新进入该步骤。",
)
SHIPPED = Text("{title}, {width} × {height} px.", "{title}，{width} × {height} 像素。")
SOURCE = Text("Source and licence", "来源与许可")
UPLOADED = Text(
    "Your image, {width} × {height} px, not kept. {notes}", "你的图像，{width} × {height} 像素，不保留。{notes}"
)
UNORIENTED = Text("Orientation unknown: the file does not say which way is left.", "方位未知：文件未说明左右方向。")
PREDICTION = Text("Prediction", "预测")
ATTENTION = Text("Attention", "注意力")
FIELD = Text("Receptive field", "感受野")
ATTRIBUTION = Text("Attribution", "归因")
METHOD = Text("Method", "方法")
CHOOSE_INSTRUMENT = Text("Instrument", "仪器")
IN_WORDS = Text("In words", "文字说明")
ASK = Text("Click a pixel to ask about it", "点击一个像素来提问")
LEGEND = Text("Classes", "类别")
AT_PIXEL = Text(
    "Row {row}, column {column}: {label} with probability {probability:.2f}",
    "第 {row} 行，第 {column} 列：{label}，概率 {probability:.2f}",
)
AREA = Text("{label}: {share:.1%} of the image", "{label}：占图像 {share:.1%}")
DICE = Text("Dice {dice:.3f} on this image", "此图 Dice {dice:.3f}")
SHARED = Text("Shared weights: from a bank that trains many designs at once", "共享权重：来自多个设计一起训练的权重库")
SOLO = Text("Solo weights: this design was trained alone", "独立权重：该设计单独训练")
UNTRAINED = Text(
    "Untrained weights: shapes and cost only. Trained weights exist for width 16, depth 4 and default part options.",
    "未训练权重：仅供查看形状与代价。已训练的权重对应宽度 16、深度 4 和部件的默认选项。",
)
NO_WEIGHTS = Text(
    "Untrained weights: shapes and cost only. Nothing has been trained for this task yet.",
    "未训练权重：仅供查看形状与代价。此任务尚无已训练的权重。",
)
WEIGHTS = Text("Weights", "权重")
WEIGHTS_HINT = Text("Automatic: solo where they exist, else shared.", "自动：有独立权重则用之，否则用共享权重。")
KINDS = {"auto": Text("Automatic", "自动"), "shared": Text("Shared", "共享"), "solo": Text("Solo", "独立")}
"""The weights that can be asked for."""
MISSING = {
    "shared": Text("There are no shared weights for this design.", "此设计没有共享权重。"),
    "solo": Text("This design has not been trained alone.", "此设计没有单独训练过。"),
}
"""Said where the weights asked for do not exist, before what is shown instead."""
TESTED = {
    "shared": Text(". Main design of this bank: Dice {dice:.3f} on {n}", "。该权重库的主要设计：{n}上 Dice {dice:.3f}"),
    "solo": Text(". Dice {dice:.3f} on {n}", "。{n}上 Dice {dice:.3f}"),
}
HELD_OUT = {
    "image": Text("{n} held-out images", "{n} 幅测试图"),
    "group": Text("{n} held-out volumes", "{n} 个测试体数据"),
}
IGNORED = Text("Ignored in the link: {reason}", "已忽略链接中的一项：{reason}")
COST = Text("Cost", "代价")
RELATIVE = Text("at 256 × 256 px; relative to the classic (1×)", "256 × 256 像素；相对经典设计（1×）")
PARAMETERS = Text("Parameters", "参数量")
MACS = Text("Multiply-adds", "乘加次数")
ACTIVATIONS = Text("Activations", "激活内存")
OWN = Text("A design of your own.", "你自己的设计。")
AUTHORS = Text("The authors' parameter count beside ours", "作者的参数量与此处的对照")
SCORE = Text("Measured", "实测")
SCORED = Text(
    "This very design from the bank, on {n} test images or volumes; difference to the classic",
    "权重库中的此设计，在 {n} 个测试图像或体数据上；右侧为与经典设计之差",
)
UNMEASURED = Text(
    "This design has not been measured on the test split; the atlas holds others.",
    "此设计尚未在测试集上测量；图谱中有其他设计。",
)
PAIR = Text("{first} against {second}", "{first} 与 {second} 相比")
CLASSIC = Text("the classic", "经典设计")
SPEAKS = {
    "for": Text("for", "支持"),
    "against": Text("against", "反对"),
    "undecided": Text("undecided", "未定"),
}
"""What a comparison says of a claim."""
COLUMNS = {
    "dice_pooled": Text("Dice over all pixels", "全部像素的 Dice"),
    "latency": Text("Time, times the classic's", "时间（经典设计的倍数）"),
    "parameters": Text("Parameters", "参数量"),
    "macs": Text("Multiply-adds", "乘加次数"),
    "activation_bytes": Text("Activations", "激活内存"),
}
"""Columns of the atlas that are no metric."""
STAGES = Text("By stage", "逐级")
STAGE = Text("Stage", "级")
SLOW = Text(
    "Slow: a forward pass takes about {times:.0f} times as long as the classic's.",
    "较慢：前向计算约为经典设计的 {times:.0f} 倍时间。",
)
REACH = Text("Receptive field", "感受野")
WHOLE_IMAGE = Text("and the whole image through {gates}", "并通过 {gates} 看到整幅图")
DEVICE = Text("computes on {device}", "计算设备：{device}")
COARSE = Text("Coarse: {check}", "粗略：{check}")
WORKING = Text("Working on it …", "计算中…")
EMPTY = Text("Choose an example or upload an image.", "请选择示例或上传图像。")
TOO_LARGE = Text(
    "This image is {width} × {height} px; attention, receptive field and attribution are shown up to {limit} Mpx here. "
    "The mask is complete; crop the image for the rest.",
    "此图像为 {width} × {height} 像素；注意力、感受野和归因最多显示到 {limit} Mpx。掩膜是完整的；其余请裁剪后再看。",
)
COARSE_TAG = Text("coarse", "粗略")
VIEWER = {
    "title": Text("On this image", "在这幅图上"),
    "shown": Text("What is drawn over the image", "叠加显示的内容"),
    "contour": Text("contour", "轮廓"),
    "fill": Text("fill", "填充"),
    "errors": Text("errors", "错误"),
    "truth": Text("truth", "真值"),
    "noTruth": Text("Nobody drew the truth for this image.", "此图像没有人工标注。"),
    "opacity": Text("Opacity", "不透明度"),
    "zoom": Text("Zoom", "缩放"),
    "in": Text("Zoom in (+)", "放大（+）"),
    "out": Text("Zoom out (-)", "缩小（-）"),
    "whole": Text("Whole image (0)", "整幅图（0）"),
    "ask": Text("Ask about the whole class", "针对整个类别提问"),
    "asked": Text("Class asked about", "提问的类别"),
    "missed": Text("missed", "漏检"),
    "extra": Text("extra", "误检"),
    "agree": Text("agree", "一致"),
    "onlyA": Text("only A", "仅 A"),
    "onlyB": Text("only B", "仅 B"),
}
"""Words of the linked pictures."""
CAM = Text("no attention: Seg-Grad-CAM of {place}", "无注意力：{place} 的 Seg-Grad-CAM")
EVIDENCE = Text("evidence, share of the largest ({largest:.3g})", "证据，占最大值（{largest:.3g}）的比例")
FACTOR = Text("factor", "系数")
BARS = Text("{channels} channels, factor 0 to {top:g}", "{channels} 个通道，系数 0 到 {top:g}")
UNCHECKED = Text("not checked yet", "尚未检验")
IDLE_GATE = Text("changes nothing here: Dice {kept:.3f}", "在这里不起作用：Dice {kept:.3f}")
GATE = Text("replaced by {by}: Dice {kept:.3f}", "换成{by}：Dice {kept:.3f}")
GRADIENT = Text("gradient, share of the largest", "梯度，占最大值的比例")
PERCENTILE = Text("{unit}, ± 99.5th percentile", "{unit}，± 第 99.5 百分位")
FAN = Text("Fan out: {slot}", "展开：{slot}")
FAN_HINT = Text(
    "Dice here, {weights}; multiply-adds, × the classic's", "此图 Dice（{weights}）；乘加次数（经典设计的倍数）"
)
FAN_WEIGHTS = {
    frozenset(): Text("trained weights", "训练过的权重"),
    frozenset({"shared"}): Text("shared weights", "共享权重"),
    frozenset({"solo"}): Text("solo weights", "独立权重"),
    frozenset({"shared", "solo"}): Text(
        "solo weights where they exist, else shared", "有独立权重则用之，否则用共享权重"
    ),
}
"""Of the masks that are there."""
MISSED, EXTRA = VIEWER["missed"], VIEWER["extra"]
ONLY_OWN = Text("only in the design", "仅在该设计中")
ONLY_OPTION = Text("only in the option", "仅在该选项中")
UNTRAINED_SHORT = Text("No trained weights.", "没有训练过的权重。")
ROOMS = Text("Rooms", "房间")
BACK = Text("Back", "返回")
LESSONS = Text("Lessons", "课程")
