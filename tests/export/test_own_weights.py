"""Weights that come back are checked before they are used."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from tests.export.networks import BASE, unpacked, varied
from unet_playground import PlaygroundError
from unet_playground.errors import UnusableWeights
from unet_playground.export import load_own, standalone


def test_own_weights_come_back(tmp_path: Path):
    network = varied(BASE)
    folder = unpacked(standalone(network), tmp_path / "out")
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
    tensors = {name: tensor.contiguous() for name, tensor in varied(BASE).state_dict().items()}
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
