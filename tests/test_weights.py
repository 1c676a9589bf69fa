"""Stored weights: small files, honest cards, and no way in for damaged or hostile ones."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from unet_playground import Design, PlaygroundError, UNet, load_model
from unet_playground.errors import UnknownChoice, UnusableWeights
from unet_playground.model import Origin
from unet_playground.parts.layers import JoinedConvolution
from unet_playground.weights import Card, read_card, replace_file, stores, write

DESIGN = Design(depth=1, width=2)


@pytest.fixture
def folder(checkpoints: Path, install: Callable[..., Card]) -> Path:
    """Weights of DESIGN, trained alone."""
    install(UNet(DESIGN))
    return checkpoints / "nuclei" / "solo"


def _rewrite(folder: Path, content: bytes) -> None:
    """Put other bytes in the place of the weights, with a card that agrees."""
    import hashlib

    values = json.loads((folder / "card.json").read_text())
    values["files"] = [
        {"name": "weights-0.safetensors", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    ]
    (folder / "weights-0.safetensors").write_bytes(content)
    (folder / "card.json").write_text(json.dumps(values))


def _assert_refused(weights: str = "auto") -> None:
    with pytest.raises(UnusableWeights) as refusal:
        load_model("nuclei", DESIGN, weights)
    assert "nuclei" in refusal.value.text.en
    assert "\n" not in refusal.value.text.en
    assert "/" not in refusal.value.text.en
    assert refusal.value.text.zh.endswith("。")


def test_stored_weights_come_back_in_half_precision(install: Callable[..., Card]):
    network = UNet(DESIGN)
    card = install(network)
    model = load_model("nuclei", DESIGN)
    for name, parameter in network.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter.detach().half().float())
    assert model.origin is not None
    assert (model.origin.task, model.origin.weights, model.origin.sha256) == ("nuclei", "solo", card.sha256)


@pytest.mark.parametrize("skip", ["concat", "attention-gate", "dense", "nested", "add"])
def test_weights_of_format_1_compute_what_they_computed(checkpoints: Path, skip: str):
    """Format 1 laid the weights of a concatenation side by side in the order of their names, not of their sources."""
    network = UNet(Design(depth=3, width=2, skip=skip)).half().float().eval()
    old = dict(network.named_parameters())
    for name, module in network.named_modules():
        if isinstance(module, JoinedConvolution):
            names = sorted(module.weight)
            widths = [module.weight[one].shape[1] for one in names]
            pieces = module.joined().split(widths, 1)
            old |= {f"{name}.weight.{one}": piece for one, piece in zip(names, pieces, strict=True)}
    write(checkpoints / "nuclei" / "old", old, Card("nuclei", network.design.to_json(), False, format=1))
    image = torch.rand(1, 3, 19, 26)
    with torch.no_grad():
        torch.testing.assert_close(load_model("nuclei", network.design)(image), network(image), rtol=0, atol=1e-3)


def test_a_loaded_model_is_frozen_and_in_evaluation_mode(folder: Path):
    model = load_model("nuclei", DESIGN)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_files_stay_below_ten_megabytes(tmp_path: Path):
    tensors = {f"layer.{number}": torch.randn(1200, 1000) for number in range(10)}
    card = write(tmp_path, tensors, Card("nuclei", DESIGN.to_json(), shared=True))
    sizes = [path.stat().st_size for path in tmp_path.glob("*.safetensors")]
    assert len(sizes) == len(card.files) == 4
    assert max(sizes) < 10_000_000
    assert sorted(sizes) == sorted(file["bytes"] for file in card.files)
    assert read_card(tmp_path / "card.json") == card


def test_a_bank_draws_its_tensors_from_all_files(checkpoints: Path):
    network = UNet(DESIGN)
    filler = {f"unused.{number}": torch.zeros(2200, 1000) for number in range(3)}
    tensors = {**network.state_dict(), **filler, "a": torch.zeros(2200, 1000)}
    card = write(checkpoints / "nuclei" / "bank", tensors, Card("nuclei", DESIGN.to_json(), shared=True))
    assert len(card.files) > 1
    model = load_model("nuclei", DESIGN, "shared")
    assert torch.equal(model.head.weight, network.head.weight.detach().half().float())  # type: ignore[union-attr]


def test_solo_weights_come_before_shared_ones(install: Callable[..., Card]):
    shared = install(UNet(DESIGN), "a-bank", shared=True)
    solo = install(UNet(DESIGN), "solo")
    found = {kind: load_model("nuclei", DESIGN, kind).origin for kind in ("auto", "solo", "shared")}
    assert {kind: origin and origin.sha256 for kind, origin in found.items()} == {
        "auto": solo.sha256,
        "solo": solo.sha256,
        "shared": shared.sha256,
    }
    assert [store.card.shared for store in stores("nuclei")] == [False, True]


def test_of_two_banks_the_one_of_fewer_designs_serves_what_it_can(install: Callable[..., Card]):
    every = install(UNet(DESIGN), "bank", shared=True)
    design = DESIGN.replace(skip="none")
    some = install(UNet(design), "bank-of-some", shared=True, only=("skip",))
    other = install(UNet(design.replace(up="bilinear")), "another-bank", shared=True, only=("skip", "up"))
    found = {one: load_model("nuclei", one, "shared").origin for one in (DESIGN, design, design.replace(up="bilinear"))}
    assert [origin and origin.sha256 for origin in found.values()] == [every.sha256, some.sha256, other.sha256]


@pytest.mark.parametrize("only", [["skips"], ["task"], [7]], ids=str)
def test_a_card_with_unknown_slots_is_refused(only: list[object], install: Callable[..., Card], checkpoints: Path):
    install(UNet(DESIGN), "bank", shared=True)
    path = checkpoints / "nuclei" / "bank" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "only": only}))
    _assert_refused()


@pytest.mark.parametrize(
    ("design", "served"),
    [
        (DESIGN.replace(skip="add"), True),
        (DESIGN.replace(up="bilinear"), True),
        (DESIGN.replace(skip="add(scalar=true)"), False),
        (DESIGN.replace(width=3), False),
        (DESIGN.replace(depth=2), False),
        (DESIGN.replace(dims=3), False),
    ],
    ids=str,
)
def test_a_bank_serves_all_designs_of_its_size_with_default_options(design: Design, served: bool):
    files = ({"name": "weights-0.safetensors", "bytes": 1, "sha256": ""},)
    assert Card("nuclei", DESIGN.to_json(), shared=True, files=files).serves(design) == served
    assert not Card("nuclei", DESIGN.to_json(), shared=False, files=files).serves(design)


def test_a_bank_does_not_serve_parts_that_were_added_after_it(install: Callable[..., Card], checkpoints: Path):
    card = install(UNet(DESIGN), "bank", shared=True)
    path = checkpoints / "nuclei" / "bank" / "card.json"
    parts = {"skip": ["concat", "add"], "up": ["transposed"], "attention": ["none", "se"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), "parts": parts}))
    card = read_card(path)
    assert card.serves(DESIGN) and card.serves(DESIGN.replace(skip="add", attention="se", block="residual"))
    assert card.serves(DESIGN.replace(down="none")), "an empty slot needs no part"
    newer = DESIGN.replace(skip="dense")
    assert not card.serves(newer) and not card.serves(DESIGN.replace(up="bilinear"))
    assert not card.serves(Design(depth=2, width=2, attention="se/eca"))
    origin = load_model("nuclei", newer).origin
    assert origin and origin.weights == "untrained"
    with pytest.raises(UnusableWeights, match="no shared weights"):
        load_model("nuclei", newer, "shared")


def test_a_card_whose_weights_are_not_kept_serves_nothing():
    assert not Card("nuclei", DESIGN.to_json(), shared=True).serves(DESIGN)
    assert not Card("nuclei", DESIGN.to_json(), shared=False).serves(DESIGN)


def test_without_weights_a_model_is_untrained_and_always_the_same(checkpoints: Path):
    one, other = load_model("nuclei", DESIGN), load_model("nuclei", DESIGN)
    assert one.origin is not None
    assert one.origin.weights == "untrained"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    for kind in ("solo", "shared"):
        with pytest.raises(UnusableWeights, match=f"no {kind} weights for nuclei"):
            load_model("nuclei", DESIGN, kind)


def test_unknown_kinds_of_weights_are_refused(checkpoints: Path):
    with pytest.raises(UnusableWeights, match="choose auto, shared or solo"):
        load_model("nuclei", DESIGN, "best")


def test_loading_moves_no_random_numbers(checkpoints: Path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model("nuclei", DESIGN)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_flipped_byte_is_refused(folder: Path, at: int):
    path = folder / "weights-0.safetensors"
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    _assert_refused()


@pytest.mark.parametrize("damage", ["truncated", "longer", "empty", "missing"])
def test_a_file_of_another_size_is_refused(folder: Path, damage: str):
    path = folder / "weights-0.safetensors"
    content = path.read_bytes()
    path.write_bytes({"truncated": content[:-10], "longer": content + b"\0"}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    _assert_refused()


def _state() -> dict[str, torch.Tensor]:
    return {name: tensor.half().contiguous() for name, tensor in UNet(DESIGN).state_dict().items()}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float):
    state = _state()
    state["head.weight"][0, 0] = value
    _rewrite(folder, save(state))
    _assert_refused()


def test_weights_of_another_shape_are_refused(folder: Path):
    _rewrite(folder, save({**_state(), "head.weight": torch.zeros(3, 2, 1, 1).half()}))
    _assert_refused()


def test_a_missing_tensor_is_refused(folder: Path):
    state = _state()
    del state["head.bias"]
    _rewrite(folder, save(state))
    _assert_refused()


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_never_opened(folder: Path, tmp_path: Path):
    for content in (pickle.dumps(Bomb(tmp_path / "boom")), b"\x80\x04."):
        _rewrite(folder, content)
        _assert_refused()
    assert not (tmp_path / "boom").exists()
    pickle.loads(pickle.dumps(Bomb(tmp_path / "boom")))
    assert (tmp_path / "boom").exists()


DAMAGED_CARDS = {
    "no JSON": "{",
    "a list": "[]",
    "empty": "{}",
    "not UTF-8": "\udcff",
    "an unknown key": {"surprise": 1},
    "another format": {"format": 3},
    "no files": {"files": None},
    "files that are numbers": {"files": [1]},
    "files without a name": {"files": [{}]},
    "files without a hash": {"files": [{"name": "weights-0.safetensors", "bytes": 1}]},
    "a file elsewhere": {"files": [{"name": "../weights-0.safetensors", "bytes": 1, "sha256": ""}]},
    "a design that is no dict": {"design": 5},
}


@pytest.mark.parametrize("damage", DAMAGED_CARDS)
def test_a_damaged_card_is_refused(folder: Path, damage: str):
    change, path = DAMAGED_CARDS[damage], folder / "card.json"
    if isinstance(change, str):
        path.write_bytes(change.encode("utf-8", "surrogateescape"))
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(PlaygroundError) as refusal:
        load_model("nuclei", DESIGN)
    assert "\n" not in refusal.value.text.en


def test_weights_of_a_part_that_is_not_registered_stand_in_nobodys_way(folder: Path):
    other = folder.parent / "other"
    shutil.copytree(folder, other)
    card = json.loads((other / "card.json").read_text())
    (other / "card.json").write_text(json.dumps({**card, "design": {**card["design"], "skip": "teleport"}}))
    assert load_model("nuclei", DESIGN).origin == Origin("nuclei", "solo", read_card(folder / "card.json").sha256)
    with pytest.raises(UnknownChoice, match="teleport"):
        read_card(other / "card.json")


def test_weights_of_another_task_serve_nobody(checkpoints: Path, install: Callable[..., Card], folder: Path):
    shutil.copytree(folder, checkpoints / "liver" / "mine")
    assert [*stores("liver")] == []
    assert [store.folder.name for store in stores("nuclei")] == ["solo"]


@pytest.mark.parametrize(
    "change", [{"shared": "x"}, {"design": DESIGN.to_json() | {"width": 9999}}, {"format": 3}, {"more": 1}], ids=str
)
def test_a_card_that_cannot_be_used_is_named_by_its_folder(change: dict[str, Any], folder: Path):
    shutil.copytree(folder, folder.with_name("mine"))
    path = folder.with_name("mine") / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UnusableWeights, match="The weights mine for nuclei are damaged"):
        load_model("nuclei", DESIGN)


def test_replacing_a_file_is_all_or_nothing(tmp_path: Path):
    path = tmp_path / "card.json"
    replace_file(path, b"old")
    with pytest.raises(TypeError):
        replace_file(path, "text is no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        replace_file(tmp_path / "taken", b"new")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["card.json", "taken"]
