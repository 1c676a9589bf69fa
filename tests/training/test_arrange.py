"""What the archives hold becomes what the data sets document."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from unet_playground.images import read_image
from unet_playground.images.labels import read_labels
from unet_playground.images.volumes import read_label_volume
from unet_playground.training import arrange
from unet_playground.training.datasets import datasets
from unet_playground.training.unpack import BadArchive

ID = "0123456789abcdef" * 4


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _sample(root: Path, id: str, pixels: NDArray[np.uint8], masks: int = 2) -> None:
    """One image of stage1_train with alpha; mask N is the square of 2 px in column 3 N, the last 3 px wide."""
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    _save(root / id / "images" / f"{id}.png", np.concatenate([pixels, alpha], axis=2))
    for number in range(masks):
        mask = np.zeros(pixels.shape[:2], np.uint8)
        mask[4:6, 3 * number : 3 * number + 2 + (number == masks - 1)] = 255
        _save(root / id / "masks" / f"{number:03}{id}.png", mask)


def _gray(height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 1), np.uint8)
    return np.repeat(pixels, 3, axis=2)


def _volume(path: Path, values: NDArray, flipped: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0]) if flipped else np.diag([1.0, 1.0, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(values, affine), path)  # type: ignore[attr-defined]


def _liver(path: Path, patient: int, depth: int = 12) -> None:
    """A body of 40 HU whose liver of 140 HU lies in slices 2 to 9, rows towards the back, right side of the patient."""
    values = np.full((64, 64, depth), 40, np.int16)
    truth = np.zeros(values.shape, np.uint8)
    truth[40:60, 10:20, 2:10] = 1
    truth[44:48, 12:16, 2:10] = 2
    values[truth > 0] = 140
    values[:, 60:] = -1000
    values[:, :2] = 3000
    _volume(path / "Task03_Liver" / "imagesTr" / f"liver_{patient}.nii.gz", values)
    _volume(path / "Task03_Liver" / "labelsTr" / f"liver_{patient}.nii.gz", truth)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    return tmp_path / "unpacked"


@pytest.mark.parametrize("prefix", ["", "stage1_train", "fixes-master/stage1_train"])
def test_nuclei_become_images_and_numbered_labels(unpacked: Path, tmp_path: Path, prefix: str):
    coloured = _gray()
    coloured[3, 3] = (200, 20, 200)
    _sample(unpacked / prefix, ID, _gray())
    _sample(unpacked / prefix, ID[::-1], coloured, masks=3)
    _sample(unpacked / prefix, "f" * 64, _gray(361, 20))
    result = arrange.arrange_nuclei(unpacked, tmp_path / "nuclei")
    assert result.images == 2
    samples = datasets["nuclei"].make().samples(tmp_path)
    assert [sample.name for sample in samples] == ["fluo_0123456789ab", "stained_fedcba987654"]
    gray, stained = (read_image(sample.image).pixels for sample in samples)
    np.testing.assert_array_equal(gray, _gray()[..., 0])
    np.testing.assert_array_equal(stained, coloured)
    with Image.open(samples[1].label) as file:
        assert file.mode.startswith("I;16")
    labels = read_labels(samples[1].label)
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels[4], [1, 1, 0, 2, 2, 0, 3, 3, 3] + [0] * 21)
    assert not labels[[3, 6]].any()


def test_nuclei_without_or_with_other_masks_are_refused(unpacked: Path, tmp_path: Path):
    _sample(unpacked, ID, _gray(), masks=0)
    with pytest.raises(BadArchive, match=f"not complete: {ID}"):
        arrange.arrange_nuclei(unpacked, tmp_path / "one")
    _save(unpacked / ID / "masks" / "a.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(BadArchive, match="another size"):
        arrange.arrange_nuclei(unpacked, tmp_path / "two")


def test_many_nuclei_have_numbers_of_their_own(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrange, "LARGEST_NUCLEI", 1000)
    _sample(unpacked, ID, _gray(20, 1000), masks=300)
    arrange.arrange_nuclei(unpacked, tmp_path / "nuclei")
    assert read_labels(next((tmp_path / "nuclei" / "labels").iterdir())).max() == 300


@pytest.mark.parametrize("prefix", ["", "CHASEDB1"])
def test_vessels_lie_in_one_folder(unpacked: Path, tmp_path: Path, prefix: str):
    for name in ("Image_01L", "Image_14R"):
        _save(unpacked / prefix / f"{name}.jpg", _gray())
        for observer in ("1stHO", "2ndHO"):
            _save(unpacked / prefix / f"{name}_{observer}.png", _gray()[..., 0])
    before = {path.name: path.read_bytes() for path in unpacked.rglob("Image*.*")}
    assert arrange.arrange_vessels(unpacked, tmp_path / "vessels").images == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "vessels").iterdir()} == before
    samples = datasets["vessels"].make().samples(tmp_path)
    assert [(sample.name, sample.label.is_file()) for sample in samples] == [("Image_01L", True), ("Image_14R", True)]


def test_vessels_without_their_masks_are_refused(unpacked: Path, tmp_path: Path):
    _save(unpacked / "Image_01L.jpg", _gray())
    with pytest.raises(BadArchive, match=r"Image_01L_1stHO\.png"):
        arrange.arrange_vessels(unpacked, tmp_path / "vessels")


def test_hippocampus_volumes_keep_their_names(unpacked: Path, tmp_path: Path):
    root = unpacked / "Task04_Hippocampus"
    for number in (1, 367):
        for kind, most in (("imagesTr", 900), ("labelsTr", 3)):
            values = np.random.default_rng(number).integers(0, most, (7, 9, 5)).astype(np.uint16)
            _volume(root / kind / f"hippocampus_{number:03}.nii.gz", values)
    before = {path.name: path.read_bytes() for path in root.glob("labelsTr/*")}
    assert arrange.arrange_hippocampus(unpacked, tmp_path / "hippocampus").images == 2
    samples = datasets["hippocampus"].make().samples(tmp_path)
    assert [sample.name for sample in samples] == ["hippocampus_001", "hippocampus_367"]
    assert {sample.label.name: sample.label.read_bytes() for sample in samples} == before
    assert read_label_volume(samples[0].label).max() == 2


def test_a_volume_without_labels_is_refused(unpacked: Path, tmp_path: Path):
    _volume(unpacked / "Task04_Hippocampus" / "imagesTr" / "hippocampus_001.nii.gz", np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(BadArchive, match=r"hippocampus_001\.nii\.gz"):
        arrange.arrange_hippocampus(unpacked, tmp_path / "hippocampus")


def test_liver_slices_are_windowed_and_upright(unpacked: Path, tmp_path: Path):
    for patient in (0, 12):
        _liver(unpacked, patient)
    assert arrange.arrange_liver(unpacked, tmp_path / "liver").images == 12
    dataset = datasets["liver"].make()
    samples = dataset.samples(tmp_path)
    assert {dataset.group(sample) for sample in samples} == {"0", "12"}
    numbers = sorted(int(sample.name.split("_")[1]) for sample in samples if dataset.group(sample) == "0")
    assert len(numbers) == arrange.LIVER_SLICES
    assert set(numbers) <= set(range(2, 10))
    pixels, labels = read_image(samples[0].image).pixels, read_labels(samples[0].label)
    assert pixels.shape == labels.shape == (256, 256)
    assert set(np.unique(labels)) == {0, 255}
    # Front is up and the patient's right is on the left: index 40 of 64 towards the right is column 4 (63 - 59).
    rows, columns = np.nonzero(labels)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4 * 44, 4 * 54 - 1, 4 * 4, 4 * 24 - 1)
    assert (pixels[200, 40], pixels[100, 100], pixels[0, 0], pixels[255, 0]) == (140, 40, 0, 255)


def test_liver_slices_do_not_depend_on_how_a_volume_is_stored(unpacked: Path, tmp_path: Path):
    _liver(unpacked / "one", 3)
    for path in (unpacked / "one").rglob("*.nii.gz"):
        values = np.asanyarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]
        _volume(unpacked / "other" / path.relative_to(unpacked / "one"), values[::-1, ::-1], flipped=True)
    files = []
    for name in ("one", "other"):
        arrange.arrange_liver(unpacked / name, tmp_path / name)
        files.append({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.png")})
    assert files[0] == files[1]


def test_a_liver_in_few_slices_gives_them_all(unpacked: Path, tmp_path: Path):
    _liver(unpacked, 3, depth=7)
    assert arrange.arrange_liver(unpacked, tmp_path / "liver").images == 5


@pytest.mark.parametrize("count", range(30))
def test_slices_are_spread(count: int):
    shown = np.zeros(40, bool)
    shown[5 : 5 + count] = True
    chosen = arrange._spread(shown)
    assert len(chosen) == min(count, arrange.LIVER_SLICES)
    assert shown[chosen].all()
    assert count < 2 or np.ptp(np.diff(chosen)) <= 1


@pytest.mark.parametrize("name", ["nuclei", "vessels", "hippocampus", "liver"])
def test_an_archive_of_something_else_is_refused(unpacked: Path, tmp_path: Path, name: str):
    _save(unpacked / "cats" / "cat.png", _gray())
    with pytest.raises(BadArchive, match="no images of this data set"):
        getattr(arrange, f"arrange_{name}")(unpacked, tmp_path / name)


@pytest.mark.parametrize(
    ("wants", "names", "others"),
    [
        (arrange.wants_nuclei, [f"{ID}/images/{ID}.png", f"a/b/{ID}/masks/x.png"],
         ["stage1_train_labels.csv", f"__MACOSX/{ID}/images/._{ID}.png", "images.png"]),
        (arrange.wants_vessels, ["Image_01L.jpg", "x/Image_14R_2ndHO.png", "Image_01L_1stHO.png"],
         ["Image_01L.png", "readme.txt", "._Image_01L.jpg", "Image_01L.jpg/x"]),
        (arrange.wants_volumes, ["Task04/imagesTr/h_1.nii.gz", "Task04/labelsTr/h_1.nii.gz"],
         ["Task04/imagesTs/h_1.nii.gz", "Task04/imagesTr/._h_1.nii.gz", "Task04/dataset.json"]),
    ],
)  # fmt: skip
def test_only_what_is_needed_is_unpacked(wants, names: list[str], others: list[str]):
    assert all(map(wants, names))
    assert not any(map(wants, others))
