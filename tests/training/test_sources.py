"""A data set appears whole in the data folder, with its licence, or not at all."""

import errno
import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.training.loopback import Site, serving
from tests.training.scenes import scene
from unet_playground.errors import MissingData
from unet_playground.training.arrange import arrange_nuclei, wants_nuclei
from unet_playground.training.sources import Source, check_request, obtain


def _png(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def _archive(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def _stage1() -> dict[str, bytes]:
    files = {"stage1_train_labels.csv": b"no"}
    for number in range(2):
        image, labels = scene(number)
        id = f"{number}" * 64
        files[f"{id}/images/{id}.png"] = _png(image)
        files |= {f"{id}/masks/{one}.png": _png((labels == one).astype("uint8") * 255) for one in (1, 2)}
    return files


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Site(_archive(_stage1()))) as running:
        yield running


@pytest.fixture
def source(site: Site) -> Source:
    return Source(site.address, "CC0 1.0", "Broad Institute", "nuclei", wants_nuclei, arrange_nuclei)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "secret-folder" / "data"


def _refusal(source: Source, root: Path, **more) -> str:
    with pytest.raises(MissingData) as caught:
        obtain(source, root, **more)
    assert "secret-folder" not in str(caught.value)
    assert caught.value.text.zh.endswith("。")
    return str(caught.value)


def _below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_data_set_appears_with_its_licence(source: Source, site: Site, root: Path):
    result = obtain(source, root)
    digest = hashlib.sha256(site.content).hexdigest()
    assert (result.images, result.sha256, result.expected) == (2, digest, False)
    assert result.note is not None
    names = ["fluo_000000000000.png", "fluo_111111111111.png"]
    folders = ("images", "labels")
    assert _below(root) == ["nuclei/LICENCE", *(f"nuclei/{folder}/{name}" for folder in folders for name in names)]
    licence = (root / "nuclei" / "LICENCE").read_text("utf-8")
    assert all(part in licence for part in ("CC0 1.0", "Broad Institute", source.address, digest, result.note.en))
    assert sorted(path.name for path in root.parent.iterdir()) == ["data"]
    assert sorted(path.name for path in root.iterdir()) == ["nuclei"]


def test_the_licence_names_the_address_that_was_used(source: Source, site: Site, root: Path):
    obtain(replace(source, address="http://127.0.0.1/old/set.zip"), root, address=site.address)
    licence = (root / "nuclei" / "LICENCE").read_text("utf-8")
    assert site.address in licence
    assert "old" not in licence


def test_a_second_download_of_a_set_is_refused_and_the_first_ends_well(source: Source, site: Site, root: Path):
    told: list[str] = []
    obtain(source, root, lambda done, total: told.append("" if told else _refusal(source, root)))
    assert "Another download of nuclei into this data folder is running; wait for it" in told[0]
    assert len(site.asked) == 1
    assert sorted(path.name for path in root.iterdir()) == ["nuclei"]


def test_a_hash_that_fits_is_said(source: Source, site: Site, root: Path):
    assert obtain(source, root, sha256=hashlib.sha256(site.content).hexdigest()).expected


def test_a_data_set_that_is_there_is_left_alone(source: Source, site: Site, root: Path):
    obtain(source, root)
    assert "already holds nuclei" in _refusal(source, root)
    with pytest.raises(MissingData, match="already holds"):
        check_request(source, root)
    assert len(site.asked) == 1


def test_an_empty_folder_is_filled(source: Source, root: Path):
    (root / "nuclei").mkdir(parents=True)
    assert obtain(source, root).images == 2


@pytest.mark.parametrize(("more", "reason"), [({"address": "file:///x"}, "http://"), ({"sha256": "1"}, "64 digits")])
def test_a_request_that_cannot_succeed_is_refused_before(
    source: Source, site: Site, root: Path, more: dict[str, str], reason: str
):
    assert reason in _refusal(source, root, **more)
    assert not site.asked
    assert not root.exists()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"cat.png": b"meow"}, "no images of this data set"),
        ({"../evil.png": b"evil"}, "lead outside"),
        ({**_stage1(), "2/images/2.png": b"meow"}, "A file in the archive cannot be read"),
        ({**_stage1(), f"{'1' * 64}/masks/3.png": _png(scene(0)[0])[:90]}, "A file in the archive cannot be read"),
    ],
)
def test_a_bad_archive_is_not_kept(source: Source, site: Site, root: Path, files: dict[str, bytes], reason: str):
    site.content = _archive(files)
    assert reason in _refusal(source, root)
    assert _below(root) == []
    site.content, site.version = _archive(_stage1()), '"two"'
    assert obtain(source, root).images == 2


def test_a_bad_archive_that_was_expected_is_kept(source: Source, site: Site, root: Path):
    site.content = b"no archive"
    known = replace(source, sha256=hashlib.sha256(site.content).hexdigest())
    assert "damaged" in _refusal(known, root)
    assert "damaged" in _refusal(known, root)
    assert len(site.asked) == 1


def test_a_disk_that_refuses_is_named_and_the_archive_serves_again(
    source: Source, site: Site, root: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(unpacked: Path, folder: Path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    assert "No space left on device" in _refusal(replace(source, arrange=full), root)
    [kept] = _below(root)
    assert kept.startswith("downloads/nuclei.") and kept.endswith("/set.zip")
    assert obtain(source, root).images == 2
    assert len(site.asked) == 1


def test_an_archive_of_another_address_is_not_taken_for_this_one(source: Source, site: Site, root: Path):
    """Its name may be the same, and the licence would name an address that it never came from."""

    def broken(unpacked: Path, folder: Path):
        raise MissingData("It cannot be laid out.", "无法整理。")

    _refusal(replace(source, arrange=broken), root)
    assert "could not be reached" in _refusal(source, root, address="http://127.0.0.1:1/other/set.zip")
    assert len(_below(root)) == 1
    assert obtain(source, root).images == 2
    assert sorted(path.name for path in root.iterdir()) == ["nuclei"]


def test_leftovers_of_a_killed_start_do_no_harm(source: Source, root: Path):
    for name in ("unpacked", "ready"):
        (root / "downloads" / f"nuclei.{name}" / "images").mkdir(parents=True)
        (root / "downloads" / f"nuclei.{name}" / "images" / "old.png").write_bytes(b"old")
    assert obtain(source, root).images == 2
    assert not (root / "downloads").exists()


def test_a_data_folder_that_is_a_file_is_refused(source: Source, root: Path):
    root.parent.mkdir()
    root.write_text("a file")
    assert "could not be written" in _refusal(source, root)


def test_what_else_is_downloading_stays(source: Source, root: Path):
    (root / "downloads").mkdir(parents=True)
    (root / "downloads" / "Task03_Liver.tar.part").write_bytes(b"half")
    obtain(source, root)
    assert (root / "downloads" / "Task03_Liver.tar.part").read_bytes() == b"half"
