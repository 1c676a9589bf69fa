"""Numbers with which no training can begin are refused before it does."""

from pathlib import Path

import pytest

from tests.training.scenes import write_scenes
from unet_playground.__main__ import main


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
