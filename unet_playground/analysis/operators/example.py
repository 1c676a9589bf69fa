"""A part on sixteen numbers: which input goes where, measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unet_playground.analysis.operators.part import Hold, Operator, plain
from unet_playground.errors import Text

NUMBERS = ((3, 7, 1, 5), (9, 4, 6, 2), (8, 11, 12, 10), (13, 16, 15, 14))
"""The example: no two numbers are equal, so that a maximum has one winner."""
NOTHING = 1e-9
PLAIN = Text(
    "plain weights: changing resolution averages, keeping it passes on",
    "使用简单权重：改变分辨率的卷积取平均，其余卷积原样传递",
)


@dataclass(frozen=True)
class WorkedExample:
    """One part at work on a 4 x 4 image of one channel.

    Attributes:
        part: The choice, `transposed(kernel=3)`.
        weighing: With which weights.
        given: float32 (4, 4), the input.
        made: float32 (h, w), the output.
        weights: float32 (h, w, 4, 4): how much of every input stands in every output (the Jacobian at this input,
            gates and sampling positions held).
    """

    part: str
    weighing: Text
    given: NDArray[np.float32]
    made: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def rest(self) -> NDArray[np.float32]:
        """What weights times inputs leave over, (h, w): the part's bias."""
        return self.made - np.einsum("hwij,ij->hw", self.weights, self.given)

    @property
    def shown(self) -> tuple[int, int]:
        """The (row, column) of the output that pictures point at, near the middle and made of the most inputs."""
        reached = (np.abs(self.weights) > NOTHING).sum((2, 3))
        rows, columns = np.indices(reached.shape)
        middle = (np.array(reached.shape) - 1) / 2
        distance = np.hypot(rows - middle[0], columns - middle[1])
        row, column = np.unravel_index(np.lexsort((distance.ravel(), -reached.ravel()))[0], reached.shape)
        return int(row), int(column)

    def step(self, row: int, column: int, most: int = 25) -> str:
        """How one output comes about: `y(1, 1) = 0.25·12 + 0.25·10 = 5.5`, its largest weights first.

        Args:
            row: Of the output.
            column: Of the output.
            most: After so many terms `...` stands for the others.
        """
        weights = self.weights[row, column]
        order = np.argsort(-np.abs(weights), axis=None, kind="stable")
        reaching = [np.unravel_index(at, weights.shape) for at in order if abs(weights.flat[at]) > NOTHING]
        terms = [f"{weights[at]:.3g}·{self.given[at]:.3g}" for at in reaching[:most]] or ["0"]
        if len(reaching) > most:
            terms.append("...")
        rest = float(self.rest[row, column])
        if abs(rest) > 1e-4:
            terms.append(f"{rest:.3g}")
        summed = " + ".join(terms).replace("+ -", "- ")
        return f"y({row}, {column}) = {summed} = {self.made[row, column]:.3g}"

    @property
    def steps(self) -> tuple[str, ...]:
        """How every output comes about, row by row."""
        return tuple(self.step(row, column) for row, column in np.ndindex(self.made.shape))

    @property
    def check(self) -> Text:
        """Whether weights times inputs are the whole output."""
        spread = float(np.ptp(self.rest)) if self.rest.size else 0.0
        return Text(
            f"Weights times inputs give every output up to one constant, {self.rest.mean():.3g}; what they leave over "
            f"varies by {spread:.1e} (0 is right).",
            f"权重乘输入给出每个输出，只差一个常数 {self.rest.mean():.3g}；剩余部分的变化为 {spread:.1e}（应为 0）。",
        )

    @property
    def facts(self) -> Text:
        """Sizes, and one output as a sum."""
        sides = " x ".join(map(str, self.made.shape))
        used = int((np.abs(self.weights) > NOTHING).any((0, 1)).sum())
        step = self.step(*self.shown, most=4)
        return Text(
            f"{self.part} makes {sides} numbers of 4 x 4 and uses {used} of the 16 here; {step}.",
            f"{self.part} 由 4 x 4 个数得到 {sides} 个数，这里用到 16 个输入中的 {used} 个；{step}。",
        )

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {"input": self.given, "output": self.made, "weights": self.weights}


def worked_example(slot: str, choice: str) -> WorkedExample:
    """A part with plain weights (see `plain`) on a 4 x 4 image of one channel.

    Args:
        slot: `down` or `up`.
        choice: `max-pool`, `transposed(kernel=3)`.
    """
    return _measured(plain(slot, choice), choice, PLAIN, (0, 0))


def trained_example(operator: Operator, part: str) -> WorkedExample:
    """A part with its own weights on the same image, from and to the channels between which it carries most.

    The image stands in one input channel, the others are 0; one output channel is read.
    """
    impulses = torch.zeros(operator.channels, operator.channels, 4, 4).to(operator.like)
    impulses[range(operator.channels), range(operator.channels), 1:3, 1:3] = 1
    with torch.no_grad():
        flow = (operator(impulses) - operator(torch.zeros_like(impulses[:1]))).abs().sum((2, 3))
    source, filter = np.unravel_index(int(flow.argmax()), flow.shape)
    weighing = Text(f"own weights: channel {source} to {filter}", f"自身权重：通道 {source} 到 {filter}")
    return _measured(operator, part, weighing, (int(source), int(filter)))


def _measured(operator: Operator, part: str, weighing: Text, pair: tuple[int, int]) -> WorkedExample:
    given = torch.tensor(NUMBERS).to(operator.like)
    source, filter = pair
    with torch.enable_grad():
        asked = given.clone().requires_grad_()
        silent = torch.zeros_like(asked)
        x = torch.stack([asked if channel == source else silent for channel in range(operator.channels)])
        made = operator(x[None], tap=Hold())[0, filter]
        weights = [torch.autograd.grad(one, asked, retain_graph=True)[0] for one in made.flatten()]
    return WorkedExample(
        part, weighing, _plain(given), _plain(made), _plain(torch.stack(weights).reshape(*made.shape, 4, 4))
    )


def _plain(values: Tensor) -> NDArray[np.float32]:
    return values.detach().float().cpu().numpy()
