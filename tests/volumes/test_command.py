"""`segment` on a volume: the mask lies on the volume's own grid, and what it measures stands beside it."""

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from unet_playground.__main__ import main
from unet_playground.notice import NOTICE

AFFINE = np.array([[0.0, -1.2, 0, 7], [1.1, 0, 0, -5], [0, 0, 2.5, 3], [0, 0, 0, 1]])
SMALL = ["--task", "hippocampus", "--depth", "1", "--width", "2", "--weights", "auto"]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).normal(100, 20, (12, 9, 7)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_a_mask_and_its_measurements_are_written(scan: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    out, table = tmp_path / "mask.nii.gz", tmp_path / "table.csv"
    given = ["segment", str(scan), *SMALL, "--out", str(out), "--measurements", str(table), "--json"]
    assert main(given) == 0
    said = json.loads(capsys.readouterr().out)
    mask, own = (nibabel.Nifti1Image.from_filename(str(path)) for path in (out, scan))
    np.testing.assert_array_equal(mask.affine, own.affine)
    found = np.asanyarray(mask.dataobj)
    assert found.dtype == np.uint8 and found.shape == (12, 9, 7)
    assert list(said["voxels"].values()) == [int((found == number).sum()) for number in range(3)]
    assert main(["segment", str(scan), *SMALL, "--out", str(tmp_path / "plain.nii")]) == 0
    plain = nibabel.Nifti1Image.from_filename(str(tmp_path / "plain.nii"))
    np.testing.assert_array_equal(np.asanyarray(plain.dataobj), found)
    assert said["weights"] == "untrained" and said["notes"]
    notice, *rows = table.read_text().splitlines()
    assert NOTICE.en in notice and len(list(csv.DictReader(rows))) >= 1


def test_slices_are_written_as_pictures(scan: Path, tmp_path: Path):
    assert main(["segment", str(scan), *SMALL, "--out", str(tmp_path / "slices.zip")]) == 0
    assert (tmp_path / "slices.zip").read_bytes().startswith(b"PK")


def test_explain_refuses_the_truth_of_a_volume(scan: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = ["--method", "surgery(treatment=blur)", "--truth", str(scan), "--out", str(tmp_path / "why")]
    assert main(["explain", str(scan), *SMALL, *words]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("scan.nii.gz is a volume") and "--truth takes the labels of an image" in told


@pytest.mark.parametrize(("task", "said"), [("nuclei", "no slices of volumes"), ("hippocampus", "DICOM series")])
def test_what_does_not_fit_is_refused_in_one_sentence(
    scan: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, task: str, said: str
):
    out = tmp_path / ("mask.nii.gz" if task == "nuclei" else "mask.dcm")
    assert main(["segment", str(scan), "--task", task, *SMALL[2:], "--out", str(out)]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told and "\n" not in told and not out.exists()
