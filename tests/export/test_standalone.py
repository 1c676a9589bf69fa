"""A design taken home as one PyTorch file computes the same without the playground."""

import importlib.util
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.export.networks import BASE, DESIGNS, MIXED, unpacked, varied
from unet_playground import Design, PlaygroundError, UNet, load_model
from unet_playground.export import design_json, standalone
from unet_playground.export.source import is_own
from unet_playground.images import Picture
from unet_playground.parts import skips
from unet_playground.tasks import tasks
from unet_playground.weights import Card, load

SIDES = ((33, 38), (1, 5))

COMPARE = """
import importlib.util, json, sys
from pathlib import Path
sys.modules["unet_playground"] = sys.modules["numpy"] = None  # importing them fails
import torch
from PIL import Image
from safetensors.torch import load_file
torch.set_num_threads(1)
answers = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    spec = importlib.util.spec_from_file_location(folder.name, folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    spec.loader.exec_module(module)
    model, known = module.load(str(folder / "weights.safetensors")), load_file(folder / "known.safetensors")
    with torch.inference_mode():
        equal = [torch.equal(model(known[f"image{k}"]), known[f"logits{k}"]) for k in range(len(known) // 2)]
    answers[folder.name] = [module.__doc__.splitlines()[0], equal]
print(json.dumps(answers))
"""


def _lay_out(network: UNet, folder: Path) -> None:
    """The exported network beside images and the logits that they should give."""
    unpacked(standalone(network), folder)
    dims, known = network.design.dims, {}
    for k, sides in enumerate(SIDES):
        image = torch.rand(2, 3, *(sides if dims == 2 else (3, *sides)))
        with torch.inference_mode():
            known |= {f"image{k}": image, f"logits{k}": network(image).contiguous()}
    save_file(known, folder / "known.safetensors")


def _compare(root: Path) -> dict[str, list[Any]]:
    """What a Python without the playground says of every folder."""
    run = subprocess.run([sys.executable, "-I", "-c", COMPARE, root], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every design of `DESIGNS`, exported, in a folder of its number."""
    root = tmp_path_factory.mktemp("exported")
    for number, design in enumerate(DESIGNS):
        _lay_out(varied(design), root / f"design_{number}")
    return root


@pytest.fixture(scope="module")
def answers(exported: Path) -> dict[str, list[Any]]:
    return _compare(exported)


def _module(path: Path, name: str) -> ModuleType:
    """A file as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _check_style(path: Path) -> None:
    """A file, or all in a folder, are linted and formatted."""
    ruff = [Path(sys.executable).with_name("ruff")]
    for words in (["check", "--isolated"], ["format", "--isolated", "--check", "--line-length", "120"]):
        run = subprocess.run([*ruff, *words, path], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout[-2000:]


@pytest.mark.parametrize("number", range(len(DESIGNS)), ids=[design.to_link() for design in DESIGNS])
def test_a_file_alone_gives_the_same_logits(number: int, answers: dict[str, list[Any]]):
    assert answers[f"design_{number}"] == ["A U-Net in plain PyTorch.", [True] * len(SIDES)]


def test_files_are_linted_and_formatted(exported: Path):
    _check_style(exported)


def test_files_hold_no_machinery(exported: Path):
    for path in exported.glob("*/model.py"):
        text = path.read_text("utf-8")
        for word in (r"tap[.(]", r"\bTap\b", r"\bIGNORE\b", "register", "Knob", "Annotated", "type: ignore", "imitate"):
            assert not re.search(word, text), f"{path.parent.name}: {word}"
        assert not re.search(r"[\u4e00-\u9fff]", text)
        imported = {line.split()[1].split(".")[0] for line in text.splitlines() if re.match(r"(import|from) ", line)}
        assert imported <= {"torch", "safetensors"} | sys.stdlib_module_names


def test_only_the_parts_of_the_design_are_there(exported: Path):
    text = (exported / "design_0" / "model.py").read_text("utf-8")
    classes = {*re.findall(r"^class (\w+)", text, re.MULTILINE)}
    assert {"Plain", "MaxPool", "Concatenation", "Transposed"} <= classes
    assert not {"Residual", "Nested", "Attention", "NoAttention", "Bilinear"} & classes


def test_equal_models_give_equal_bytes():
    assert standalone(varied(BASE)) == standalone(varied(BASE))


@pytest.mark.parametrize("task", [*tasks])
def test_prepare_is_that_of_the_task(task: str, tmp_path: Path, checkpoints: Path):
    folder = unpacked(standalone(load(task, BASE)), tmp_path / "out")
    module = _module(folder / "model.py", f"prepared_{task}")
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 65536, (9, 12), np.uint16)
    for array in (rng.integers(0, 256, (90, 101, 3), np.uint8), rng.random((7, 95), np.float32), wide):
        assert torch.equal(module.prepare(array), tasks[task].make().prepare(Picture.from_array(array)))
    for other in (np.zeros((9, 9, 4), np.uint8), np.zeros(9, np.uint8), np.zeros((9, 9), np.int32)):
        with pytest.raises(ValueError, match=r"An image is \(h, w\) gray .* this is \(9,"):
            module.prepare(other)
    assert len(module.CLASSES) == len(tasks[task].make.labels)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "1"])
def test_the_lines_of_use_read_any_image(mode: str, tmp_path: Path, checkpoints: Path):
    folder = unpacked(standalone(load("nuclei", BASE)), tmp_path / "out")
    _check_style(folder / "model.py")
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.DOTALL)
    assert code is not None
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    kind = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (12, 9)).save(folder / "image.png", kind, exif=turned)
    end = "print(tuple(mask.shape))"
    run = subprocess.run([sys.executable, "-c", code[1] + end], cwd=folder, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "(1, 12, 9)"


def test_a_network_for_volumes_comes_without_the_preparation_of_pictures(tmp_path: Path, checkpoints: Path):
    model = load("hippocampus", Design(dims=3, depth=1, width=2))
    folder = unpacked(standalone(model), tmp_path / "out")
    module = _module(folder / "model.py", "volumes")
    assert not hasattr(module, "prepare")
    assert "torch.rand(1, 1, 32, 32, 32)" in (folder / "README.md").read_text("utf-8")
    image = torch.rand(1, 1, 5, 9, 6)
    with torch.inference_mode():
        assert torch.equal(module.load(str(folder / "weights.safetensors"))(image), model(image))


# Parts of others

PART = '''
"""A part in a file of its own whose names collide with those of the playground."""

from __future__ import annotations

import math
import torch.nn.functional
import torch
from torch import Tensor
from torch.nn import functional as F

from unet_playground.parts.layers import convolution
from unet_playground.parts.skip import Skip, skips
from unet_playground.registry import Chinese
from unet_playground.taps import IGNORE, Tap

_LINEAR = 0.25
"""Not the name of an interpolation."""


def crop(x: Tensor) -> Tensor:
    # A remark that stays.
    return F.leaky_relu(x, _LINEAR)


@skips.register("colliding", title="Colliding", zh=Chinese("同名", "名称相同的部件。"))
class Plain(Skip):
    """Crosses through a gate of its own."""

    mean = 0.5

    def __init__(self, widths, place, *, crop_more: bool = False):
        super().__init__(widths, place)
        self.score = convolution(self.own, 1, 1, place.dims)
        self.crop_more = crop_more

    def cross(self, passage, decoded, tap=IGNORE):
        found = [tap(f"found.{k}", one) for k, one in enumerate([passage.encoded[self.level], decoded])]
        for k, one in enumerate(found):
            tap(f"again.{k}", one)
        score = tap(
            "score",
            torch.nn.functional.relu(self.score((found[1])))
            - math.pi,
        )
        return self.weigh((found[0]), score, tap=tap.within("inside"))

    def weigh(self, offered: Tensor, score: Tensor, *, tap: Tap = IGNORE) -> Later:
        return crop(offered) * tap.gate("sum", torch.sigmoid(score) + self.mean)


Later = Tensor
'''


@pytest.fixture
def colliding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Design]:
    (tmp_path / "colliding_part.py").write_text(PART, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("colliding_part")
    yield BASE.replace(skip="colliding")
    skips.unregister("colliding")
    del sys.modules["colliding_part"]


def test_a_part_of_ones_own_comes_along(colliding: Design, tmp_path: Path):
    _lay_out(varied(colliding), tmp_path / "out" / "own")
    assert _compare(tmp_path / "out") == {"own": ["A U-Net in plain PyTorch.", [True, True]]}
    text = (tmp_path / "out" / "own" / "model.py").read_text("utf-8")
    assert "# A remark that stays." in text
    assert not re.search(r"tap[.(]|enumerate\(found|IGNORE", text)
    assert "class Plain_2(Skip)" in text or "class Plain_2(Block)" in text


def test_a_part_without_a_file_is_refused_by_name(colliding: Design, monkeypatch: pytest.MonkeyPatch):
    network = varied(colliding)
    monkeypatch.setattr(type(network.decoder["0"].skip.part), "__module__", "nowhere_on_disk")  # type: ignore[union-attr]
    with pytest.raises(PlaygroundError, match="nowhere_on_disk"):
        standalone(network)


# What lies beside the code


def test_the_folder_is_a_set_of_weights_again(install: Callable[..., Card], checkpoints: Path):
    network = varied(BASE)
    card = install(network)
    content = standalone(load_model("nuclei", BASE, device=torch.device("cpu")))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert json.loads(archive.read("card.json"))["recipe"]["taken_from"]["sha256"] == card.sha256
        assert Design.from_json(json.loads(archive.read("design.json"))) == BASE
        assert "not a medical device" in archive.read("README.md").decode()
        assert "LICENCE-DATA.txt" not in archive.namelist()
    for old in (checkpoints / "nuclei" / "solo").iterdir():
        old.unlink()
    unpacked(content, checkpoints / "nuclei" / "solo")
    model = load("nuclei", BASE, "solo")
    image = torch.rand(1, 3, 20, 20)
    assert torch.allclose(model(image), network.half().float()(image), atol=1e-6)


def test_the_licence_of_the_data_comes_along():
    with zipfile.ZipFile(io.BytesIO(standalone(load("hippocampus", Design(), "shared")))) as archive:
        assert "CC BY-SA 4.0" in archive.read("LICENCE-DATA.txt").decode()
        card = json.loads(archive.read("card.json"))
    assert card["metrics"] == {}, "a bank's scores are those of another design"
    assert card["data"]["licence"] == "CC BY-SA 4.0"


def test_design_json_reads_back():
    assert Design.from_json(json.loads(design_json(MIXED[0]))) == MIXED[0]


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_a_library_of_another_environment_is_not_taken_over(folder: str, monkeypatch: pytest.MonkeyPatch):
    library = ModuleType(f"lent_from_{folder[:4]}")
    library.__file__ = f"/usr/lib/python3/{folder}/{library.__name__}/__init__.py"
    monkeypatch.setitem(sys.modules, library.__name__, library)
    assert not is_own(library.__name__)
