"""What the page says of measured designs is what the atlas holds."""

import re
from pathlib import Path

import pytest

from tests.rows import row
from unet_playground import Design
from unet_playground.atlas import Atlas, write_atlas
from unet_playground.ui.bench import Bench
from unet_playground.ui.measured import scores

FULL = Design(down="none")
NAMES = ("a", "b", "c", "d")


@pytest.fixture
def atlas(checkpoints: Path) -> None:
    """The classic and full resolution, which keeps borders better on every image."""
    (checkpoints / "nuclei").mkdir()
    rows = tuple(
        row(one, 0.8 + gain, images={"boundary_dice": tuple(0.7 + gain + 0.01 * n for n in range(4))}, boundary_f1=0.6)
        for one, gain in ((Design(), 0.0), (FULL, 0.05))
    )
    write_atlas("nuclei", Atlas(rows, NAMES, NAMES))


@pytest.mark.usefixtures("atlas")
def test_a_measured_design_shows_its_score_and_the_difference_to_the_classic():
    shown = scores(Bench(FULL), "nuclei", "en")
    assert "on 4 test images" in shown
    assert "<th>Dice</th><td>0.850</td><td>+0.050</td>" in shown
    assert "测试图像" in scores(Bench(FULL), "nuclei", "zh")


@pytest.mark.usefixtures("atlas")
def test_two_designs_stand_one_below_the_other():
    shown = scores(Bench(Design(), FULL, "B"), "nuclei", "en")
    dice = re.findall(r'<b class="badge (.)">.</b> Dice</th><td>([\d.]+)', shown)
    assert dice == [("a", "0.800"), ("b", "0.850")]


@pytest.mark.usefixtures("atlas")
@pytest.mark.parametrize(("design", "task"), [(Design(skip="dense"), "nuclei"), (Design(), "liver")])
def test_what_was_not_measured_has_no_number(design: Design, task: str):
    shown = scores(Bench(design), task, "en")
    assert "has not been measured" in shown
    assert not re.search(r"\d\.\d", shown)
