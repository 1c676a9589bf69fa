"""One slot fanned out: every option is there, what cannot be had says why, and the window shows where they differ."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unet_playground import Design, Picture, UNet, catalogues
from unet_playground.cost import cost
from unet_playground.errors import Text
from unet_playground.tasks import tasks
from unet_playground.ui import scene as scenes
from unet_playground.ui.fan import disputed, fan, value
from unet_playground.ui.scene import Scene, Superseded
from unet_playground.weights import Card, write

BASE = Design(depth=1, width=2)


@pytest.fixture
def scene(checkpoints: Path) -> Scene:
    """Random weights for the classic and for addition, and an image with its truth."""
    scenes.models.cache_clear()
    made = tasks["nuclei"].make
    for skip in ("concat", "add"):
        design = BASE.replace(skip=skip)
        card = Card(task="nuclei", design=design.to_json(), shared=False)
        network = UNet(design, made.channels, len(made.labels))
        write(checkpoints / "nuclei" / skip, network.state_dict(), card)
    pixels = np.random.default_rng(0).integers(0, 256, (80, 90), dtype=np.uint8)
    return Scene("nuclei", Picture.from_array(pixels), Text("a", "甲"), truth=(pixels > 128).astype(np.uint8))


def test_options_come_one_by_one_with_dice_and_multiply_adds(scene: Scene):
    steps = list(fan(scene, BASE, "skip", lambda: None))
    assert all(blade.mask is None for blade in steps[0])
    final = {blade.id: blade for blade in steps[-1]}
    assert list(final) == list(catalogues["skip"])
    assert [id for id, blade in final.items() if blade.mask is not None] == ["concat", "add"]
    assert [id for id, blade in final.items() if blade.chosen] == ["concat"]
    add = final["add"]
    assert add.dice is not None
    assert add.times == pytest.approx(cost(BASE.replace(skip="add")).macs / cost(Design()).macs)
    assert final["dense"].why is not None
    assert "No trained weights" in final["dense"].why.en


def test_an_illegal_option_says_why(scene: Scene):
    gated = BASE.replace(attention="cbam")
    (first, *_) = fan(scene, gated, "skip", lambda: None)
    none = next(blade for blade in first if blade.id == "none")
    assert none.why is not None
    assert "lets nothing cross" in none.why.en


def test_the_next_choice_ends_it(scene: Scene):
    def over() -> None:
        raise Superseded

    steps = fan(scene, BASE, "skip", over)
    next(steps)
    with pytest.raises(Superseded):
        next(steps)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_strip_names_its_colours_and_carries_glyphs(scene: Scene, language: str):
    *_, last = fan(scene, BASE, "skip", lambda: None)
    told = value(last, scene, "skip", language)
    assert len(told["options"]) == len(catalogues["skip"])
    assert all("<svg" in one["glyph"] for one in told["options"])
    assert told["against"] is not None
    assert len({one["title"] for one in told["legend"]}) == 2


def test_the_strip_says_whose_weights_made_its_masks(scene: Scene):
    first, *_, last = fan(scene, BASE, "skip", lambda: None)
    hints = [value(blades, scene, "skip", "en")["hint"] for blades in (first, last)]
    assert ["trained weights" in hints[0], "solo weights" in hints[1]] == [True, True]
    banked = tuple(replace(blade, weights="shared") if blade.id == "add" else blade for blade in last)
    assert "solo weights where they exist" in value(banked, scene, "skip", "en")["hint"]


def test_the_window_lies_where_masks_differ_most():
    masks = [np.zeros((200, 300), np.uint8) for _ in range(3)]
    masks[1][150:160, 200:210] = 1
    masks[2][5, 5] = 1
    row, column, height, width = disputed(masks, (200, 300))
    assert (height, width) == (64, 64)
    assert row <= 150
    assert row + height >= 160
    assert column <= 200
    assert column + width >= 210


def test_equal_masks_and_small_images_show_the_middle():
    same = [np.ones((100, 40), np.uint8)] * 2
    assert disputed(same, (100, 40)) == [18, 0, 64, 40]
    assert disputed([], (10, 10)) == [0, 0, 10, 10]
