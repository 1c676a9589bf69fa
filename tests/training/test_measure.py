"""A design becomes a row: its scores, its cost and its time; and which designs are measured or trained alone."""

import csv
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.rows import row
from tests.training.scenes import write_scenes
from unet_playground import Design, UNet, load_model
from unet_playground.atlas import atlas_path, read_atlas
from unet_playground.cost import cost
from unet_playground.design import SLOT_IDS
from unet_playground.errors import UnusableWeights
from unet_playground.presets import presets
from unet_playground.space import cover, neighbours
from unet_playground.training import measure as measuring
from unet_playground.training.datasets import data_root, examples, split
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import DEEP, Bank
from unet_playground.training.measure import (
    MeasureJob,
    bank_card,
    measure,
    metrics_of,
    put,
    time_again,
    times_classic_measured,
)
from unet_playground.training.redundancy import redundancy
from unet_playground.training.selection import KEPT, SOLO, TWICE, atlas_designs, references, solo_designs, solo_name
from unet_playground.training.solo import solo_jobs
from unet_playground.training.sweep import sweep
from unet_playground.weights import Card, write

BASE = Design(depth=2, width=2)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_scenes(tmp_path_factory.mktemp("data"), 20))


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    """The fresh weights of a bank."""
    average = Bank(BASE, 3, 2, shared=True).average
    return {name: tensor for name, tensor in average.items() if not name.startswith(DEEP)}


@pytest.fixture
def bank(checkpoints: Path, tensors: dict[str, torch.Tensor]) -> Card:
    card = Card(task="nuclei", design=BASE.to_json(), shared=True, recipe={"seed": 5})
    return write(checkpoints / "nuclei" / "bank", tensors, card)


# Measuring


def test_a_row_holds_scores_cost_and_time(bank: Card, scenes: str):
    design = BASE.replace(skip="dense", up="bilinear/deformable")
    model = load_model("nuclei", design)
    measured = measure(model, 5, scenes)
    row, counted = measured.row, cost(design, 256, 3, 2)
    test = examples("nuclei", split("nuclei", data_root(scenes))["test"])
    expected = evaluate(model, test, metrics_of("nuclei"))
    assert (row.design, row.weights, row.seed, row.sha256) == (design, "shared", 5, bank.sha256[:12])
    assert (row.parameters, row.macs) == (counted.parameters, counted.macs)
    assert row.activation_bytes == counted.activation_bytes
    assert 0.2 < row.latency < 50
    assert {*metrics_of("nuclei"), "dice_pooled", "correlation_0", "cka_1", "gradient"} <= set(row.metrics)
    assert row.value("dice") == pytest.approx(expected.dice)
    assert row.images["dice"] == pytest.approx(expected.values["dice"])
    assert measured.names == expected.names
    assert measured.summary == expected.summary()
    low, high = measured.summary["intervals"]["dice"]
    assert 3.92 * row.error == pytest.approx(high - low, rel=0.35)


def test_a_measured_design_is_not_measured_again_until_the_bank_changes(bank: Card, scenes: str):
    job = MeasureJob("nuclei", BASE, bank.sha256[:12], False, scenes)
    assert not job.done()
    assert sweep([job]) == []
    assert job.done()
    [row] = read_atlas("nuclei").rows
    assert (row.seed, row.images) == (5, {})
    assert not replace(job, images=True).done()
    assert not replace(job, sha256="0" * 12).done()
    sweep([replace(job, images=True)])
    [row] = read_atlas("nuclei").rows
    assert row.images
    assert job.done()


def test_rows_of_banks_that_are_gone_leave_the_table(bank: Card, tensors: dict[str, torch.Tensor], scenes: str):
    sweep([MeasureJob("nuclei", one, bank.sha256[:12], False, scenes) for one in (BASE, BASE.replace(up="bilinear"))])
    assert len(read_atlas("nuclei").rows) == 2
    other = {name: tensor * 1.5 for name, tensor in tensors.items()}
    anew = write(atlas_path("nuclei").parent / "bank", other, replace(bank, files=()))
    sweep([MeasureJob("nuclei", BASE, anew.sha256[:12], False, scenes)])
    assert [row.sha256 for row in read_atlas("nuclei").rows] == [anew.sha256[:12]]


def test_rows_that_a_branch_serves_now_leave_the_table(bank: Card, tensors: dict[str, torch.Tensor], scenes: str):
    served, other, third = (BASE.replace(up=up) for up in ("bilinear", "nearest", "transposed"))
    sweep([MeasureJob("nuclei", one, bank.sha256[:12], False, scenes) for one in (served, other)])
    branch = replace(bank, only=("up",), design=served.to_json(), files=())
    write(atlas_path("nuclei").parent / "branch", {name: 2 * tensor for name, tensor in tensors.items()}, branch)
    sweep([MeasureJob("nuclei", third, bank.sha256[:12], False, scenes)])
    assert {row.design for row in read_atlas("nuclei").rows} == {other, third}


def test_a_row_of_another_bank_is_refused_and_takes_none_that_was_there(bank: Card, scenes: str):
    """As from a machine of a cluster that has older weights."""
    job = MeasureJob("nuclei", BASE, bank.sha256[:12], False, scenes)
    sweep([job])
    found = job.run()
    with pytest.raises(UnusableWeights, match="It was measured with other weights than those that serve it here"):
        job.keep(replace(found, row=replace(found.row, sha256="0" * 12)))
    assert [row.sha256 for row in read_atlas("nuclei").rows] == [bank.sha256[:12]]


def test_a_damaged_card_takes_no_row(bank: Card, scenes: str):
    job = MeasureJob("nuclei", BASE, bank.sha256[:12], False, scenes)
    sweep([job])
    found = job.run()
    damaged = atlas_path("nuclei").parent / "solo-mine" / "card.json"
    damaged.parent.mkdir()
    damaged.write_text("{")
    with pytest.raises(UnusableWeights, match="solo-mine"):
        put("nuclei", replace(found, row=replace(found.row, weights="solo")))
    assert [row.weights for row in read_atlas("nuclei").rows] == ["shared"]


def test_two_processes_that_write_at_once_lose_no_row(bank: Card, scenes: str, monkeypatch: pytest.MonkeyPatch):
    designs = [BASE.replace(up=up) for up in ("transposed", "bilinear", "nearest", "pixel-shuffle")]
    found = [MeasureJob("nuclei", one, bank.sha256[:12], False, scenes).run() for one in designs]
    written = measuring.write_atlas
    monkeypatch.setattr(measuring, "write_atlas", lambda *given: (time.sleep(0.05), written(*given)))
    threads = [threading.Thread(target=put, args=("nuclei", one)) for one in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row.design for row in read_atlas("nuclei").rows} == {*designs}


def test_without_a_bank_there_is_nothing_to_measure(checkpoints: Path):
    with pytest.raises(UnusableWeights, match="no trained bank for nuclei"):
        bank_card("nuclei")


def test_the_time_of_the_classic_is_once_its_own():
    assert times_classic_measured(UNet(BASE).eval()) == pytest.approx(1, abs=0.5)


def test_times_are_taken_again_and_nothing_else_changes(bank: Card, scenes: str, monkeypatch: pytest.MonkeyPatch):
    other = BASE.replace(up="bilinear")
    sweep([MeasureJob("nuclei", one, bank.sha256[:12], True, scenes) for one in (BASE, other)])
    found = MeasureJob("nuclei", other, bank.sha256[:12], True, scenes).run()
    put("nuclei", replace(found, row=replace(found.row, weights="solo")))
    with atlas_path("nuclei").open() as file:
        before = list(csv.DictReader(file))
    monkeypatch.setattr(measuring, "times_classic_measured", lambda model: 7.0)
    time_again("nuclei", other)
    with atlas_path("nuclei").open() as file:
        after = list(csv.DictReader(file))
    assert [row["latency"] == "7" for row in after] == [row["design"] == other.to_link() for row in before]
    assert [{**row, "latency": ""} for row in after] == [{**row, "latency": ""} for row in before]
    assert all(row.images for row in read_atlas("nuclei").rows)


# Redundancy


def test_redundancy_of_one_image_is_that_of_the_textbooks():
    model = UNet(BASE.replace(width=4)).eval()
    image = torch.rand(3, 20, 14)
    columns = redundancy(model, [image, image, image])
    assert set(columns) == {"correlation_0", "correlation_1", "cka_0", "cka_1"}
    features = model.trace(image[None]).features
    for level in range(2):
        own, other = (features[f"{name}.{level}"][0].flatten(1).detach().double().numpy() for name in ("skip", "up"))
        own, other = (one - one.mean(1, keepdims=True) for one in (own, other))
        alive = own[own.std(1) > 1e-6 * own.std(1).max()]
        correlation = np.abs(np.corrcoef(alive))[~np.eye(len(alive), dtype=bool)].mean()
        cka = ((own @ other.T) ** 2).sum() / np.linalg.norm(own @ own.T) / np.linalg.norm(other @ other.T)
        # Three times the same image: leaving one out changes nothing.
        assert columns[f"correlation_{level}"] == pytest.approx([correlation] * 3, abs=1e-3)
        assert columns[f"cka_{level}"] == pytest.approx([cka] * 3, abs=1e-3)


def test_the_jackknife_is_the_mean_less_its_bias():
    model = UNet(BASE.replace(width=4)).eval()
    images = [torch.rand(3, 16, 16) * (number + 1) for number in range(4)]
    together = redundancy(model, images)["cka_0"]
    [joined] = {round(value, 5) for value in redundancy(model, [torch.cat(images, 2)] * 2)["cka_0"]}
    assert np.mean(together) == pytest.approx(joined, abs=0.1)
    assert len(set(together)) == 4


def test_where_nothing_crosses_nothing_is_redundant():
    assert redundancy(UNet(BASE.replace(skip="none")).eval(), [torch.rand(3, 8, 8)] * 2) == {}


# Which designs


def test_an_atlas_holds_single_changes_presets_pairs_and_random_designs():
    base = Design()
    designs = atlas_designs(base, 300)
    full = base.replace(down="none")
    assert len(designs) == len(set(designs)) == 300
    assert designs[0] == base
    assert {*neighbours(base), full, *neighbours(full), *cover(base)} <= set(designs)
    assert {entry.make() for entry in presets.entries() if entry.make().width == 16} <= set(designs)
    assert any("/" in design.up for design in designs)
    assert atlas_designs(base, 300) == designs
    assert atlas_designs(base, 40) == designs[:40]


def test_an_atlas_holds_what_is_asked_for_and_only_what_the_bank_has():
    bank, wanted = Card("nuclei", BASE.to_json(), shared=True, files=({},)), BASE.replace(up="learned/bilinear")
    designs = atlas_designs(
        BASE, 150, also=[wanted, BASE.replace(attention="cbam(order=parallel)")], served=bank.serves
    )
    assert wanted in designs
    assert len(set(designs)) == 150
    assert all(bank.serves(design) for design in designs)


def test_references_change_one_factor_at_a_time_and_have_names_of_their_own():
    designs = solo_designs()
    assert len(set(designs)) == len(SOLO) >= 12
    assert designs[0] == Design()
    assert all(sum(getattr(one, slot) != getattr(Design(), slot) for slot in SLOT_IDS) <= 3 for one in designs)
    names = [solo_name(design, seed) for design in designs for seed in (0, 1)]
    assert len(set(names)) == len(names)
    assert names[:2] == ["solo-classic", "solo-classic-seed1"]
    assert solo_name(Design(down="none", block="dilated")) == "solo-down-none-block-dilated"
    assert solo_name(Design(up="bilinear/bilinear/learned/learned")) == "solo-up-bilinear-bilinear-learned-learned"
    assert len(solo_designs(BASE)) == len(SOLO)


def test_a_weak_design_that_was_trained_alone_is_no_reference():
    designs = (*solo_designs()[:2], solo_designs(BASE)[2])
    rows = [row(design, weights="solo") for design in designs]
    assert references([rows[0], row(Design(block="dilated", skip="none"), weights="solo"), *rows[1:]]) == rows


def test_a_small_budget_trains_the_first_references():
    jobs = solo_jobs("nuclei", 12)
    assert [job.design for job in jobs if job.seed == 0] == [*solo_designs()[:12]]
    assert [job.design for job in jobs if job.seed == 1] == [*solo_designs()[:TWICE]]
    assert [job.design for job in jobs if job.keeps] == [*solo_designs()[:KEPT]]
    assert not any(job.keeps for job in jobs if job.seed)
