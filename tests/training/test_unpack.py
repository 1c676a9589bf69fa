"""Archives from the network write what they may, where they may, and nothing else."""

import io
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from unet_playground.errors import MissingData
from unet_playground.training import unpack as module
from unet_playground.training.unpack import BadArchive, unpack

Pack = Callable[[Path, dict[str, bytes]], Path]
FILES = {"set/images/a.png": b"image", "set/./labels/a.png": b"label", "set/README": b"no"}


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("set")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("set")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _gzipped_tar(path: Path, files: dict[str, bytes]) -> Path:
    return _tar(path, files, "w:gz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "inside" / "unpacked"


each_kind = pytest.mark.parametrize("pack", [_zip, _tar, _gzipped_tar])


def _wanted(name: str) -> bool:
    return name.endswith(".png")


def _refuse(archive: Path, folder: Path, reason: str, **more) -> None:
    """The archive is refused in one sentence, and nothing is left or lies beside the folder."""
    with pytest.raises(MissingData, match=reason) as caught:
        unpack(archive, folder, lambda name: True, **more)
    assert caught.value.__context__ is None
    assert caught.value.text.zh.endswith("。")
    assert str(folder.parent) not in str(caught.value)
    assert not folder.exists()
    assert sorted(path.name for path in folder.parents[1].rglob("*")) == sorted([archive.name, "inside"])


@each_kind
def test_wanted_files_are_unpacked(tmp_path: Path, folder: Path, pack: Pack):
    assert unpack(pack(tmp_path / "archive", FILES), folder, _wanted) == 2
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {"set/images/a.png": b"image", "set/labels/a.png": b"label"}


@each_kind
@pytest.mark.parametrize(
    "name", ["../evil", "set/../../evil", "/evil", "set/..", "C:/evil", "c:evil", "..\\evil", "set/a\nb", "//evil"]
)
def test_names_that_lead_outside_are_refused(tmp_path: Path, folder: Path, pack: Pack, name: str):
    archive = pack(tmp_path / "archive", {"set/good.png": b"image", name: b"evil"})
    _refuse(archive, folder, "lead outside")
    with pytest.raises(BadArchive):  # wanted or not
        unpack(archive, folder, _wanted)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, folder: Path, kind: bytes):
    with tarfile.open(tmp_path / "archive", "w") as archive:
        member = tarfile.TarInfo("set/link.png")
        member.type, member.linkname = kind, "../../evil"
        archive.addfile(member)
    _refuse(tmp_path / "archive", folder, "links")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, folder: Path, kind: int):
    member = zipfile.ZipInfo("set/link.png")
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr(member, "../../evil")
    _refuse(tmp_path / "archive", folder, "links")


@each_kind
def test_modes_of_the_archive_have_no_effect(tmp_path: Path, folder: Path, pack: Pack):
    unpack(pack(tmp_path / "archive", FILES), folder, _wanted)
    assert not (folder / "set/images/a.png").stat().st_mode & 0o7111


def test_a_bomb_is_refused_by_what_it_declares(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_SLACK", 0)
    zeros = {"set/a.png": bytes(1 << 20)}
    _refuse(_zip(tmp_path / "archive", zeros), folder, "more than 20 times")
    (tmp_path / "archive").unlink()
    _refuse(_gzipped_tar(tmp_path / "archive", zeros), folder, "more than 20 times")
    with pytest.raises(BadArchive):  # a compressed tar is unpacked on the way to what is wanted
        unpack(tmp_path / "archive", folder, lambda name: False)
    assert unpack(_tar(tmp_path / "plain", zeros), folder, _wanted) == 1


@each_kind
def test_the_limit_is_of_all_files_together(tmp_path: Path, folder: Path, pack: Pack):
    files = {f"set/{number}.png": bytes(1000) for number in range(5)}
    archive = pack(tmp_path / "archive", files)
    _refuse(archive, folder, "unpacks to more", limit=4999)
    assert unpack(archive, folder, _wanted, limit=5000) == 5


def test_the_number_of_files_is_bounded(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MEMBERS", 2)
    _refuse(_zip(tmp_path / "archive", FILES), folder, "more than 2 files")


def test_a_file_longer_than_it_declares_is_refused(tmp_path: Path, folder: Path):
    archive = _zip(tmp_path / "archive", {"set/a.png": bytes(5000)})
    content = archive.read_bytes()
    archive.write_bytes(content.replace((5000).to_bytes(4, "little"), (4000).to_bytes(4, "little")))
    _refuse(archive, folder, "damaged")


def test_a_tar_with_a_negative_size_is_refused(tmp_path: Path, folder: Path):
    archive = _tar(tmp_path / "archive", {"set/a.png": b"image"})
    content = bytearray(archive.read_bytes())
    header = content.index(b"set/a.png")
    content[header + 124 : header + 136] = b"\xff" * 12  # -1 in base 256
    content[header + 148 : header + 156] = b" " * 8
    content[header + 148 : header + 156] = b"%06o\0 " % sum(content[header : header + 512])
    archive.write_bytes(content)
    _refuse(archive, folder, "damaged")


def _with_headers(path: Path, kind: bytes, size: int, count: int) -> Path:
    """A tar.gz of one image behind so many long headers."""
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for number in range(count):
            header = tarfile.TarInfo("header")
            header.type, header.size = kind, size
            record = b"%d key%08d=" % (size, number)
            archive.addfile(header, io.BytesIO(record.ljust(size - 1, b"x") + b"\n"))
            archive.addfile(tarfile.TarInfo(f"set/{number}.png"))
    return path


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_long_header_is_refused_before_it_is_read(tmp_path: Path, folder: Path, kind: bytes):
    archive = _with_headers(tmp_path / "archive", kind, 20_000_000, 1)
    tracemalloc.start()
    try:
        _refuse(archive, folder, "damaged")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_headers_count_for_what_an_archive_unpacks_to(
    tmp_path: Path, folder: Path, kind: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_SLACK", 1_000_000)
    archive = _with_headers(tmp_path / "archive", kind, 100_000, 30)
    _refuse(archive, folder, "more than 20 times")
    monkeypatch.setattr(module, "_SLACK", 4_000_000)
    assert unpack(archive, folder, _wanted) == 30


@each_kind
def test_a_name_too_long_for_the_disk_is_refused(tmp_path: Path, folder: Path, pack: Pack):
    _refuse(pack(tmp_path / "archive", {f"set/{'a' * 300}.png": b"image"}), folder, "damaged")


@each_kind
def test_a_full_disk_is_noticed_before(tmp_path: Path, folder: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch):
    archive = pack(tmp_path / "archive", FILES)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 5, 4))  # type: ignore[attr-defined]
    _refuse(archive, folder, "no room")


@each_kind
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_an_archive_that_was_cut_short_is_refused(tmp_path: Path, folder: Path, pack: Pack, share: float):
    noise = bytes(range(256)) * 40
    archive = pack(tmp_path / "archive", {f"set/{number}.png": noise[number:] for number in range(9)})
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    _refuse(archive, folder, "damaged")


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"PK\x03\x04", b"\x1f\x8b\x08", bytes(range(256)) * 40]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, folder: Path, content: bytes):
    (tmp_path / "archive").write_bytes(content)
    _refuse(tmp_path / "archive", folder, "damaged")


@each_kind
@pytest.mark.parametrize("twice", ["set/a.png/b.png", "set/./a.png"])
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, folder: Path, pack: Pack, twice: str):
    _refuse(pack(tmp_path / "archive", {"set/a.png": b"one", twice: b"two"}), folder, "damaged")


def test_rare_compression_and_secrets_are_refused(tmp_path: Path, folder: Path):
    with zipfile.ZipFile(tmp_path / "archive", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("set/a.png", b"image")
    _refuse(tmp_path / "archive", folder, "damaged")
    _zip(tmp_path / "archive", {"set/a.png": b"image"})
    content = (tmp_path / "archive").read_bytes()
    for mark in (b"PK\x03\x04\x14\x00", b"PK\x01\x02\x14\x03\x14\x00"):
        content = content.replace(mark + b"\0", mark + b"\1")  # encrypted
    (tmp_path / "archive").write_bytes(content)
    _refuse(tmp_path / "archive", folder, "damaged")
