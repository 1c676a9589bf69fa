"""Numbers with which no training can begin are refused before it does."""

import math
from pathlib import Path

import pytest

from tests.training.scenes import cube, write_cubes, write_scenes
from unet_playground.__main__ import main
from unet_playground.training.datasets import split
from unet_playground.weights import read_card


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (f"--seed {2**63}", f"--seed {2**63} is too large; choose a whole number from 0 to {2**63 - 1}"),
        ("--side 200000", "--side 200000 is too large; choose a whole number from 16 to 4096"),
        ("--side 15", "--side 15 is too small; choose a whole number from 16 to 4096"),
        ("--size 4097", "--size 4097 is too large; choose a whole number from 1 to 4096"),
        ("--steps 10000000000", "--steps 10000000000 is too large; choose a whole number from 1 to 10000000"),
        ("--epochs 1 --size 0", "--size 0 is too small"),
        ("--epochs 999999 --size 1", "is too large; choose a whole number from 1 to 10000000"),
    ],
)
def test_numbers_out_of_bounds_are_refused_in_one_sentence(
    flags: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    root, out = write_scenes(tmp_path / "data", 30), tmp_path / "run"
    assert main(["train", "--task", "nuclei", "--data", str(root), "--out", str(out), *flags.split()]) == 2
    printed = capsys.readouterr().err
    assert reason in printed
    assert printed.count("\n") == 1
    assert not out.exists()


def test_an_epoch_of_volumes_is_as_long_as_their_slices_are_many(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Each is cut across all three axes, into as many slices as it has voxels along them."""
    root, out = write_cubes(tmp_path / "data"), tmp_path / "run"
    small = ["--epochs", "0.25", "--size", "16", "--side", "16", "--depth", "1", "--width", "1"]
    assert main(["train", "--task", "hippocampus", "--data", str(root), "--out", str(out), *small]) == 0
    slices = len(split("hippocampus", root)["train"]) * sum(cube(0)[0].shape)
    assert read_card(out / "card.json").recipe["steps"] == math.ceil(0.25 * slices / 16)
