"""Unpack archives from the network, of which every byte may be meant badly."""

import errno
import gzip
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from unet_playground.errors import MissingData


class BadArchive(MissingData):
    """An archive that another try would not make better: damaged, hostile, or of something else."""


MEMBERS = 500_000
RATIO = 20
"""How many times its own size an archive may unpack to; images and volumes hardly shrink."""

_SLACK = 64_000_000
_CHUNK = 1 << 17
"""Bytes that are read at once, and the longest header: `tarfile` reads each whole."""
_UNSAFE = re.compile(r"^/|^[A-Za-z]:|\\|[\x00-\x1f\x7f]")
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    # One name that is both a file and a folder, or there twice.
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
)


class _Sparing:
    """An unpacked tar that is read in small pieces, and only so far: headers count for no file and stay in memory."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, most: int):
        self.file, self.most = file, most
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > _CHUNK:
            raise ValueError("a header that is too long")
        if self.tell() + size > self.most:
            raise _too_much()
        return self.file.read(size)


@dataclass(frozen=True)
class _Member:
    """One regular file of an archive: its name, its declared size, and how its bytes are read."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool], limit: int | None = None) -> int:
    """Unpack the wanted files of a zip, tar or tar.gz into a folder, which is made; how many there are.

    Only the bytes of regular files are written, under names that are checked one by one, wanted or not. No link,
    mode, owner or time of the archive takes effect, so that nothing can lead out of the folder.

    Args:
        archive: What kind it is, its content decides.
        folder: Where to; removed again if the archive is refused.
        wanted: Says of a member's name whether it is unpacked.
        limit: Bytes of all members, wanted or not; by default `RATIO` times the archive's own.

    Raises:
        BadArchive: For an archive that is damaged, of another kind, unpacks to too much, or reaches outside.
        MissingData: If the disk has no room.
        OSError: If the folder cannot be written.
    """
    size = archive.stat().st_size
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _write_all(_members(archive), folder, wanted, limit or RATIO * size + _SLACK)
    except MissingData:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except _BROKEN:
        shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        shutil.rmtree(folder, ignore_errors=True)
    # Out here so that the decoder's own message, which may quote the archive, is not chained to it.
    raise BadArchive(
        "The archive is damaged or of a rare kind; whole zip, tar and tar.gz archives are read. Nothing was unpacked; "
        "check the address and start again.",
        "该归档已损坏或属于罕见类型；仅读取完整的 zip、tar 和 tar.gz。未解压任何内容；请检查地址后重试。",
    )


def _write_all(members: Iterator[_Member], folder: Path, wanted: Callable[[str], bool], limit: int) -> int:
    count, room = 0, shutil.disk_usage(folder).free
    for number, member in enumerate(members):
        if member.size < 0:
            raise ValueError("negative size")
        limit -= member.size  # also of what is not wanted, since a compressed tar unpacks it on the way
        if limit < 0 or number >= MEMBERS:
            raise _too_much()
        if wanted(member.name):
            if member.size > room:
                raise _no_room()
            room -= _write(member, folder.joinpath(*PurePosixPath(member.name).parts))
            count += 1
    return count


def _write(member: _Member, target: Path) -> int:
    """Write one file; how many bytes it has, which is what it declared."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = member.open()
    if content is None:
        raise ValueError("no content")
    written = 0
    with content, target.open("xb") as file:
        while chunk := content.read(min(_CHUNK, member.size - written + 1)):
            written += len(chunk)
            if written > member.size:
                raise ValueError("longer than declared")
            file.write(chunk)
    if written < member.size:
        raise EOFError("shorter than declared")
    return written


def _members(archive: Path) -> Iterator[_Member]:
    with archive.open("rb") as file:
        head = file.read(4)
    if head.startswith(b"PK"):
        return _zip_members(archive)
    return _tar_members(archive, gzipped=head.startswith(b"\x1f\x8b"))


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            _check_name(info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe()
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("rare compression")
            if not info.is_dir():
                yield _Member(info.filename, info.file_size, lambda info=info: opened.open(info))


def _tar_members(archive: Path, gzipped: bool) -> Iterator[_Member]:
    # `tarfile.data_filter` would do for most of this, but Python 3.11.0 to 3.11.3 have none.
    most = RATIO * archive.stat().st_size + _SLACK
    with (
        gzip.open(archive) if gzipped else archive.open("rb") as file,
        tarfile.open(fileobj=_Sparing(file, most), mode="r:") as opened,  # type: ignore[arg-type]
    ):
        for info in opened:
            _check_name(info.name)
            if not (info.isfile() or info.isdir()):
                raise _unsafe()
            if info.isfile():
                yield _Member(info.name, info.size, lambda info=info: opened.extractfile(info))


def _check_name(name: str) -> None:
    if _UNSAFE.search(name) or ".." in name.split("/"):
        raise _unsafe()


def _unsafe() -> BadArchive:
    return BadArchive(
        "The archive holds links or names that lead outside its folder; nothing was unpacked. Check the address, and "
        "do not use this file.",
        "该归档含有链接或指向其文件夹之外的名称；未解压任何内容。请检查地址，不要使用该文件。",
    )


def _too_much() -> BadArchive:
    return BadArchive(
        f"The archive unpacks to more than {RATIO} times its size or to more than {MEMBERS} files, as no archive of "
        "images does; nothing was unpacked. Check the address, and do not use this file.",
        f"该归档解压后超过自身大小的 {RATIO} 倍或超过 {MEMBERS} 个文件，图像归档不会如此；未解压任何内容。"
        "请检查地址，不要使用该文件。",
    )


def _no_room() -> MissingData:
    return MissingData(
        "The disk has no room for the unpacked archive; nothing was unpacked, and the archive is kept. Make room and "
        "start again.",
        "磁盘空间不足，无法解压该归档；未解压任何内容，归档已保留。请腾出空间后重试。",
    )
