"""The nested skips of UNet++."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from unet_playground.parts.block import Plain
from unet_playground.parts.layers import Place, convolution
from unet_playground.parts.skip.slot import ENCODED, Passage, Skip, skips
from unet_playground.registry import Chinese, Knob, Paper
from unet_playground.taps import IGNORE, Tap


@skips.register(
    "nested",
    title="Nested",
    formula=r"$x_{i,j} = H([x_{i,0},\ \ldots,\ x_{i,j-1},\ U(x_{i+1,j-1})])$",
    paper=Paper("Zhou et al.", 2018, "UNet++", "arXiv:1807.10165"),
    zh=Chinese(
        "嵌套",
        "编码器与解码器之间再长出一个个更浅的 U-Net。",
        "第 j 列的节点由同一级前面所有节点和更粗一级的前一列算出；最后一列就是解码器，与 concat 共用权重。"
        "内部节点有自己的权重：双线性放大（无参数），再接普通模块，与所选的上采样和模块无关。columns 限制列数："
        "1 只剩最后一列，即同深度的普通 U-Net。（原文从另一端裁剪：其 L1 至 L4 是深度为 1 至 4 的嵌套网络。）"
        "supervision 给最细一级的每个节点加输出头，"
        "结果取平均（原文的 accurate 模式），训练时各自计算损失。",
    ),
)
class Nested(Skip):
    """Between encoder and decoder grow further, shallower U-Nets.

    A node of column j is computed from all earlier nodes of its level and from the coarser level's node of the column
    before. The last column is the decoder itself and shares its weights with `concat`. Inner nodes have their own:
    parameter-free bilinear enlargement, then a plain block, whatever the other slots hold. `columns` limits the
    number of columns; with 1 only the decoder is left, which is the U-Net of that depth. (The paper prunes from the
    other side: its L1 to L4 are the nested networks of depth 1 to 4.) `supervision` gives every inner node of the
    finest level a head of its own, averages all heads, and in training puts the loss on each.
    """

    def __init__(
        self,
        widths: Sequence[int],
        place: Place,
        *,
        columns: Annotated[int, Knob("Columns", "列数", 1, 6)] = 6,
        supervision: Annotated[bool, Knob("Deep supervision", "深度监督")] = False,
    ):
        super().__init__(widths, place)
        own, coarser = widths[place.level], widths[place.level + 1]
        inner = max(0, min(columns, place.depth - place.level) - 1)
        self.nodes = nn.ModuleList(
            Plain({**{f"column-{column}": own for column in range(j)}, "coarser": coarser}, own, place)
            for j in range(1, inner + 1)
        )
        heads = inner if supervision and place.level == 0 else 0
        self.heads = nn.ModuleList(convolution(own, place.classes, 1, place.dims) for _ in range(heads))
        self.crossing = own * (1 + inner)

    @classmethod
    def settle(cls, options: Mapping[str, Any], depth: int, width: int) -> dict[str, Any]:
        """More columns than levels are all columns; one column has no inner node to supervise."""
        columns = min(options.get("columns", depth), depth)
        kept = dict(options)
        if columns == depth:
            kept.pop("columns", None)
        if columns == 1:
            kept.pop("supervision", None)
        return kept

    def sources(self, id: str) -> dict[str, int]:
        inner = {f"{id}-{column}": self.own for column in range(1, len(self.nodes) + 1)}
        return {"decoded": self.own, ENCODED: self.own, **inner}

    def cross(self, passage: Passage, decoded: Tensor, tap: Tap = IGNORE) -> Tensor:
        row = [passage.encoded[self.level]]
        for column, node in enumerate(self.nodes, start=1):
            coarser = self.place.align(passage.handed[column - 1], self.level + 1, decoded.shape[2:])
            row.append(tap(f"nested.{self.level}.column-{column}", node(torch.cat([*row, coarser], 1))))
        passage.handed = row
        return torch.cat(row, 1)

    def finish(self, logits: Tensor, passage: Passage, tap: Tap = IGNORE) -> Tensor:
        if not self.heads:
            return logits
        columns = [head(node) for head, node in zip(self.heads, passage.handed[1:], strict=True)]
        told = [tap(f"output.{column}", one) for column, one in enumerate([*columns, logits], start=1)]
        return torch.stack(told).mean(0)
