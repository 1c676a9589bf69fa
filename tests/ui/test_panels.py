"""The page's pieces: weights, cost."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unet_playground import Design, UNet, catalogues, load_model
from unet_playground.cost import cost
from unet_playground.errors import Text
from unet_playground.tasks import tasks
from unet_playground.ui import panels
from unet_playground.ui.bench import Bench
from unet_playground.weights import Card, write

DESIGN = Design(depth=1, width=2)
each_task = pytest.mark.parametrize("task", catalogues["task"])


def test_the_source_is_escaped_and_folded_away():
    shown = panels.about(Text("A title", "标题"), Text("<b>x</b>", "<i>甲</i>"), "en")
    assert "&lt;b&gt;x" in shown
    assert shown.index("A title") < shown.index("</summary>") < shown.index("x")
    assert "<details" not in panels.about(Text("Yours", "你的"), None, "en")


@pytest.fixture
def install(checkpoints: Path) -> Callable[..., None]:
    """Write random weights for a task, with a score."""

    def put(task: str, shared: bool) -> None:
        made = tasks[task].make
        network = UNet(DESIGN, made.channels, len(made.labels))
        scores = {"test": {"n": 44, "dice": 0.8213}}
        card = Card(task=task, design=DESIGN.to_json(), shared=shared, metrics=scores)
        write(checkpoints / task / str(shared), network.state_dict(), card)

    return put


@pytest.mark.parametrize(
    ("shared", "asked", "en", "zh"),
    [
        (True, "auto", "Shared weights: from a bank", "44 个测试体数据上 Dice 0.821"),
        (True, "shared", "Main design of this bank: Dice 0.821 on 44 held-out volumes", "共享权重"),
        (True, "solo", "<b>This design has not been trained alone.</b> Shared weights", "没有单独训练过"),
        (False, "auto", "trained alone. Dice 0.821 on 44 held-out volumes", "独立权重"),
        (False, "shared", "<b>There are no shared weights for this design.</b> Solo weights", "没有共享权重"),
    ],
)
def test_the_label_says_which_weights_are_shown(
    shared: bool, asked: str, en: str, zh: str, install: Callable[..., None]
):
    install("hippocampus", shared)
    model = load_model("hippocampus", DESIGN, device=torch.device("cpu"))
    assert en in panels.weights_label("hippocampus", asked, model, "en")
    assert zh in panels.weights_label("hippocampus", asked, model, "zh")


def test_images_are_counted_as_images(install: Callable[..., None]):
    install("vessels", shared=False)
    model = load_model("vessels", DESIGN, device=torch.device("cpu"))
    assert "Dice 0.821 on 44 held-out images" in panels.weights_label("vessels", "auto", model, "en")


def test_nothing_trained_for_a_task_is_told_from_nothing_trained_for_a_design(install: Callable[..., None]):
    install("vessels", shared=True)
    assert "width 16" in panels.weights_label("vessels", "auto", None, "en")
    assert "for this task yet" in panels.weights_label("liver", "auto", None, "en")
    alone = panels.weights_label("liver", "solo", None, "en")
    assert alone.index("not been trained alone") < alone.index("Untrained weights")


@each_task
def test_the_cost_is_that_of_the_task_s_own_network(task: str):
    made = tasks[task].make
    own = cost(Design(), in_channels=made.channels, classes=len(made.labels)).stages[0]
    assert f"<td>{own.parameters:,}</td>" in panels.cost_table(Bench(), task, "en")


def test_two_designs_have_a_bar_each_beside_the_classic():
    table = panels.cost_table(Bench(Design(), Design(width=8), "B"), "nuclei", "en")
    for letter, parameters in (("a", "1.00×"), ("b", "0.25×")):
        row = table[table.index(f'<tr class="{letter}">') :]
        assert parameters in row[: row.index("</tr>")]
    assert f"<td>{cost(Design(width=8)).stages[0].parameters:,}</td>" in table
