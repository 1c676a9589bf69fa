"""What is taken home computes the same without the playground, and what comes back is checked."""

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
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from unet_playground import Design, PlaygroundError, UNet, load_model
from unet_playground.__main__ import main
from unet_playground.errors import UnusableWeights
from unet_playground.export import design_json, exchange, load_own, onnx, standalone
from unet_playground.images import Picture
from unet_playground.parts import skips
from unet_playground.space import neighbours, option_variants
from unet_playground.tasks import tasks
from unet_playground.weights import Card, load

BASE = Design(depth=2, width=4)
MIXED = (
    BASE.replace(attention="se/cbam", up="carafe/deformable", site="decoder"),
    BASE.replace(skip="none", attention="spatial", site="fused"),
    BASE.replace(attention="none/se"),
    BASE.replace(attention="eca", site="bottleneck"),
    BASE.replace(down="none", skip="nested(supervision=true)", attention="scse"),
    BASE.replace(down="blur-pool", block="multi-scale", up="learned(by=shuffle)", dims=3),
    BASE.replace(down="none", skip="full-scale", attention="cbam", dims=3),
    Design(depth=1, width=2, skip="pyramid"),
    Design(depth=3, width=3, skip="dense", up="deformable/bilinear/transposed"),
)
DESIGNS = tuple(dict.fromkeys((BASE, *neighbours(BASE), *option_variants(BASE), *MIXED)))
SIDES = ((33, 38), (1, 5))

COMPARE = """
import importlib.util, json, sys
from pathlib import Path
sys.modules["unet_playground"] = sys.modules["numpy"] = None  # importing them fails
import torch
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


def _network(design: Design) -> UNet:
    """A network whose parameters all matter."""
    torch.manual_seed(0)
    network = UNet(design).requires_grad_(False).channels_last().eval()
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def _unpack(content: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    return folder


def _lay_out(network: UNet, folder: Path) -> None:
    """The exported network beside images and the logits that they should give."""
    _unpack(standalone(network), folder)
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
        _lay_out(_network(design), root / f"design_{number}")
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


@pytest.mark.parametrize("number", range(len(DESIGNS)), ids=[design.to_link() for design in DESIGNS])
def test_a_file_alone_gives_the_same_logits(number: int, answers: dict[str, list[Any]]):
    assert answers[f"design_{number}"] == ["A U-Net in plain PyTorch.", [True] * len(SIDES)]


def test_files_are_linted_and_formatted(exported: Path):
    ruff = [Path(sys.executable).with_name("ruff")]
    for words in (["check", "--isolated"], ["format", "--isolated", "--check", "--line-length", "120"]):
        run = subprocess.run([*ruff, *words, exported], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout[-2000:]


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
    assert standalone(_network(BASE)) == standalone(_network(BASE))


@pytest.mark.parametrize("task", [*tasks])
def test_prepare_is_that_of_the_task(task: str, tmp_path: Path, checkpoints: Path):
    folder = _unpack(standalone(load(task, BASE)), tmp_path / "out")
    module = _module(folder / "model.py", f"prepared_{task}")
    rng = np.random.default_rng(0)
    for array in (rng.integers(0, 256, (90, 101, 3), np.uint8), rng.random((7, 95), np.float32)):
        assert torch.equal(module.prepare(array), tasks[task].make().prepare(Picture.from_array(array)))
    assert len(module.CLASSES) == len(tasks[task].make.labels)


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
    _lay_out(_network(colliding), tmp_path / "out" / "own")
    assert _compare(tmp_path / "out") == {"own": ["A U-Net in plain PyTorch.", [True, True]]}
    text = (tmp_path / "out" / "own" / "model.py").read_text("utf-8")
    assert "# A remark that stays." in text
    assert not re.search(r"tap[.(]|enumerate\(found|IGNORE", text)
    assert "class Plain_2(Skip)" in text or "class Plain_2(Block)" in text


def test_a_part_without_a_file_is_refused_by_name(colliding: Design, monkeypatch: pytest.MonkeyPatch):
    network = _network(colliding)
    monkeypatch.setattr(type(network.decoder["0"].skip.part), "__module__", "nowhere_on_disk")  # type: ignore[union-attr]
    with pytest.raises(PlaygroundError, match="nowhere_on_disk"):
        standalone(network)


# What lies beside the code


def test_the_folder_is_a_set_of_weights_again(install: Callable[..., Card], checkpoints: Path):
    network = _network(BASE)
    card = install(network)
    content = standalone(load_model("nuclei", BASE, device=torch.device("cpu")))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert json.loads(archive.read("card.json"))["recipe"]["taken_from"]["sha256"] == card.sha256
        assert Design.from_json(json.loads(archive.read("design.json"))) == BASE
        assert "not a medical device" in archive.read("README.md").decode()
        assert "LICENCE-DATA.txt" not in archive.namelist()
    for old in (checkpoints / "nuclei" / "solo").iterdir():
        old.unlink()
    _unpack(content, checkpoints / "nuclei" / "solo")
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


# Weights of one's own


def test_own_weights_come_back(tmp_path: Path):
    network = _network(BASE)
    folder = _unpack(standalone(network), tmp_path / "out")
    model = load_own(folder / "weights.safetensors", BASE, "nuclei")
    image = torch.rand(1, 3, 17, 20)
    assert torch.equal(model(image), network(image))
    assert model.origin is not None
    assert (model.origin.task, model.origin.weights) == ("nuclei", "own")
    standalone(model)


def _spoil(tensors: dict[str, torch.Tensor], how: str) -> None:
    name = "head.weight"
    if how == "missing":
        del tensors[name]
    elif how == "shape":
        tensors[name] = tensors[name][:1].clone()
    elif how == "foreign":
        tensors["encoder.9\n.weight"] = torch.zeros(1)
    elif how == "integer":
        tensors[name] = tensors[name].int()
    else:
        tensors[name] = tensors[name].fill_(float("nan"))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "head.weight is missing"),
        ("shape", "head.weight is 1 x 4 x 1 x 1 instead of 2 x 4 x 1 x 1"),
        ("foreign", "encoder.9.weight is not part of it"),
        ("integer", "head.weight holds values"),
        ("nan", "head.weight holds values"),
    ],
)
def test_other_tensors_are_refused_by_name(how: str, said: str, tmp_path: Path):
    path = tmp_path / "secret-folder.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in _network(BASE).state_dict().items()}
    _spoil(tensors, how)
    save_file(tensors, path)
    with pytest.raises(UnusableWeights) as refusal:
        load_own(path, BASE, "nuclei")
    assert said in refusal.value.text.en
    assert "secret" not in refusal.value.text.en
    assert "\n" not in refusal.value.text.en
    assert refusal.value.text.zh.endswith("。")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xff" * 64, save({"a": torch.zeros(400_000)})])
def test_other_files_are_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "own.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnusableWeights):
        load_own(path, BASE, "nuclei")


def test_what_is_no_file_is_refused(tmp_path: Path):
    for path in (tmp_path, tmp_path / "nothing.safetensors"):
        with pytest.raises(UnusableWeights):
            load_own(path, BASE, "nuclei")


def test_a_design_for_volumes_does_not_fit_images(tmp_path: Path):
    with pytest.raises(PlaygroundError, match="dims=3"):
        load_own(tmp_path / "own.safetensors", BASE.replace(dims=3), "nuclei")


# ONNX


def _assert_same_in_onnx(design: Design, sides: tuple[int, ...] | None = None) -> None:
    network = _network(design)
    content = onnx(network, sides)
    assert b"site-packages" not in content
    assert str(Path(__file__).parent.parent).encode() not in content
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    axes = ["depth", "height", "width"][-design.dims :]
    assert session.get_inputs()[0].shape == ["n", 3, *(sides or axes)]
    assert session.get_outputs()[0].shape == ["n", 2, *(sides or axes)]
    assert session.get_modelmeta().custom_metadata_map["sides"] == (" x ".join(map(str, sides)) if sides else "any")
    for shape in ((1, *sides),) if sides else ((1, 33, 38), (3, 1, 5), (2, 40, 24)):
        image = torch.rand(shape[0], 3, *(shape[1:] if design.dims == 2 or sides else (3, *shape[1:])))
        logits: Any = session.run(["logits"], {"image": image.numpy()})[0]
        assert logits.shape == network(image).shape
        assert np.abs(logits - network(image).numpy()).max() < 1e-4


@pytest.mark.parametrize(
    "design",
    [
        Design(depth=1, width=2, down="blur-pool", skip="dense", up="deformable", attention="cbam"),
        Design(depth=1, width=2, down="avg-pool", skip="add", up="pixel-shuffle", attention="scse", site="fused"),
    ],
    ids=Design.to_link,
)
def test_onnx_gives_the_same_logits(design: Design):
    _assert_same_in_onnx(design)


@pytest.mark.long
@pytest.mark.parametrize("design", DESIGNS, ids=[design.to_link() for design in DESIGNS])
def test_onnx_gives_the_same_logits_everywhere(design: Design):
    _assert_same_in_onnx(design)


def test_onnx_of_fixed_sides_says_so():
    _assert_same_in_onnx(Design(depth=1, width=2), (9, 12))
    with pytest.raises(PlaygroundError, match="2 sides"):
        onnx(_network(BASE), (9,))


def test_without_its_packages_onnx_says_which(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exchange, "_NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(PlaygroundError, match=r"no_such_package.*unet-playground\[onnx\]"):
        onnx(_network(BASE))


class _Stubborn(UNet):
    def forward(self, image: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return image if float(image.sum()) > 0 else -image


def test_what_onnx_cannot_express_is_refused():
    with pytest.raises(PlaygroundError, match="no counterpart"):
        onnx(_Stubborn(Design(depth=1, width=2)))


# The command


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["export", "--task", "nuclei", *map(str, words), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def test_the_command_writes_what_the_name_says(capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoints: Path):
    small = ["--design", BASE.to_link()]
    answer = _run(capsys, *small, "--to", tmp_path / "design.zip")
    assert (answer["weights"], answer["bytes"]) == ("untrained", (tmp_path / "design.zip").stat().st_size)
    folder = _unpack((tmp_path / "design.zip").read_bytes(), tmp_path / "out")
    assert load_file(folder / "weights.safetensors").keys() == UNet(BASE).state_dict().keys()
    _run(capsys, *small, "--to", tmp_path / "design.json")
    assert Design.from_json(json.loads((tmp_path / "design.json").read_text("utf-8"))) == BASE


def test_the_command_writes_onnx(capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoints: Path):
    _run(capsys, "--depth", 1, "--width", 2, "--to", tmp_path / "design.onnx")
    assert (tmp_path / "design.onnx").stat().st_size > 1000


def test_the_command_refuses_other_endings(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["export", "--task", "nuclei", "--to", str(tmp_path / "design.exe")]) == 2
    printed = capsys.readouterr()
    assert ".zip, .onnx, .json" in printed.err
    assert str(tmp_path) not in printed.err
