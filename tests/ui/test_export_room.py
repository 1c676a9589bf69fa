"""The room Export: every file is what it says, and what cannot be had is refused in one sentence."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from unet_playground import Design, Picture, UNet
from unet_playground.errors import PlaygroundError, Text, UnusableWeights
from unet_playground.images.labels import read_labels
from unet_playground.inference import segment
from unet_playground.ui import scene as scenes
from unet_playground.ui.bench import Bench
from unet_playground.ui.rooms import export
from unet_playground.ui.scene import Scene, Superseded, Turn
from unet_playground.weights import Card

DESIGN = Design(depth=1, width=2)
UNKNOWN = Bench(Design(depth=1, width=3))


@pytest.fixture
def scene(install: Callable[..., Card]) -> Iterator[Scene]:
    """An image with its truth, for which `DESIGN` has trained weights."""
    scenes.models.cache_clear()
    install(UNet(DESIGN))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)
    yield Scene("nuclei", Picture.from_array(pixels), Text("a", "甲"), truth=(pixels > 128).astype(np.uint8))
    scenes.models.cache_clear()


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_pytorch_file_comes_with_its_weights(scene: Scene):
    name, content = export.zipped(Bench(DESIGN), scene, Turn())
    assert name == "unet-nuclei.zip"
    assert {"model.py", "weights.safetensors", "card.json", "design.json"} <= _members(content).keys()


def test_the_design_can_be_had_without_weights_and_without_an_image():
    name, content = export.chosen(UNKNOWN, None, Turn())
    assert name == "design.json"
    assert Design.from_json(json.loads(content)) == UNKNOWN.a


def test_the_edited_design_is_taken(scene: Scene):
    bench = Bench(UNKNOWN.a, DESIGN, "B")
    assert export.model_of(bench, scene).design == DESIGN


@pytest.mark.parametrize("make", [export.predicted, export.zipped, export.exchanged, export.figures])
def test_untrained_designs_are_refused_in_one_sentence(make: Callable[..., export.File], scene: Scene):
    with pytest.raises(PlaygroundError, match="no trained weights") as refused:
        make(UNKNOWN, scene, Turn())
    assert refused.value.text == export.UNTRAINED


@pytest.mark.parametrize("make", [export.predicted, export.zipped, export.exchanged, export.figures])
def test_without_an_image_it_is_asked_for(make: Callable[..., export.File]):
    with pytest.raises(PlaygroundError, match="There is no image here"):
        make(Bench(DESIGN), None, Turn())


def test_the_mask_is_a_file_of_class_numbers(scene: Scene, tmp_path: Path):
    bench = Bench(DESIGN)
    name, content = export.predicted(bench, scene, Turn())
    path = tmp_path / name
    path.write_bytes(content)
    assert np.array_equal(read_labels(path), segment(scene.picture, export.model_of(bench, scene)).mask)


def test_figures_come_as_png_and_svg(scene: Scene):
    name, content = export.figures(Bench(DESIGN), scene, Turn())
    members = _members(content)
    assert name == "figures.zip"
    for view in ("prediction", "field", "attribution"):
        assert members[f"{view}.png"].startswith(b"\x89PNG")
        assert b"<svg" in members[f"{view}.svg"]
    assert members["mask.png"].startswith(b"\x89PNG")
    model, told = export.model_of(Bench(DESIGN), scene), members["about.txt"].decode()
    assert model.origin and model.origin.sha256 in told and model.design.to_link() in told
    assert "not for diagnosis" in told and f"method: {scene.method}" in told


def test_the_next_choice_ends_the_figures(scene: Scene):
    class Over(Turn):
        def watch(self, turn: int | None = None) -> Callable[[], None]:
            check = super().watch(turn)
            self.next()
            return check

    with pytest.raises(Superseded):
        export.figures(Bench(DESIGN), scene, Over())


def test_three_lines_of_use(scene: Scene):
    shown = export.used(export.model_of(Bench(DESIGN), scene), "zh")
    assert "load(&quot;weights.safetensors&quot;)" in shown and export.USE.zh in shown
    assert shown.count("\n") == 2


def test_own_weights_give_a_mask_with_its_dice_and_are_not_kept(scene: Scene, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    save_file(UNet(DESIGN).state_dict(), path)
    shown = export.brought(str(path), Bench(DESIGN), scene, "en")
    assert "data:image/png;base64," in shown and "Dice" in shown and export.OWN_MASK.en in shown
    assert not path.exists()


def test_own_weights_of_another_design_are_refused_and_not_kept(scene: Scene, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    save_file(UNet(UNKNOWN.a).state_dict(), path)
    with pytest.raises(UnusableWeights, match="another design"):
        export.brought(str(path), Bench(DESIGN), scene, "en")
    assert not path.exists()
