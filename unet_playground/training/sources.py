"""Where data sets come from, under which licence, and the way from there into the data folder."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from unet_playground.errors import MissingData, Text, UnreadableImage
from unet_playground.training.alone import alone
from unet_playground.training.arrange import Arranged
from unet_playground.training.unpack import BadArchive, unpack

_DOWNLOADS = "downloads"


@dataclass(frozen=True)
class Source:
    """Where a data set is downloaded and what must be said about it.

    Attributes:
        address: Of one archive, zip or tar.
        licence: Of the data.
        attribution: Whom to name, and what was changed.
        folder: The data set's folder below the data folder.
        wanted: Which members of the archive are unpacked, by name.
        arrange: Turns (the unpacked archive, a new folder) into the layout that the data set documents.
        sha256: Of the archive; None where it was never fetched.
        bytes: Of the archive, above which it is refused; None where it is not known.
    """

    address: str
    licence: str
    attribution: str
    folder: str
    wanted: Callable[[str], bool]
    arrange: Callable[[Path, Path], Arranged]
    sha256: str | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Obtained:
    """A data set that lies ready.

    Attributes:
        images: How many.
        sha256: Of the archive.
        expected: Whether a hash was expected, and was this one.
        note: How it differs from what the shipped weights were trained on; None where it does not.
    """

    images: int
    sha256: str
    expected: bool
    note: Text | None


def check_request(source: Source, root: Path, address: str | None = None, sha256: str | None = None) -> None:
    """Refuse what cannot succeed, before the network is asked.

    Raises:
        MissingData: For an address or a hash that is none, and for a data set that is there already.
    """
    checked_address(address or source.address)
    checked_hash(sha256)
    folder = root / source.folder
    with _local_files():
        taken = folder.is_dir() and any(folder.iterdir())
    if taken:
        raise MissingData(
            f"The data folder already holds {source.folder}; nothing was downloaded. Move that folder away, or name "
            "another data folder with --data.",
            f"数据文件夹中已有 {source.folder}；未下载任何内容。请移走该文件夹，或用 --data 指定另一数据文件夹。",
        )


def obtain(
    source: Source,
    root: Path,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    *,
    address: str | None = None,
    sha256: str | None = None,
) -> Obtained:
    """Download a data set, check it, unpack it and lay it out below a data folder, which is made.

    The data set's folder appears whole or not at all. A broken download stays in `downloads/` and is gone on from.

    Args:
        source: What is fetched.
        root: The data folder.
        progress: Called with the bytes that are there and all bytes, None where the server does not tell.
        address: A mirror.
        sha256: The hash to expect instead of the source's own.

    Raises:
        MissingData: In one sentence, for whatever goes wrong on the way.
    """
    # An HTTP client takes a tenth of a second to load, and the data sets import this file.
    from unet_playground.training.download import download

    check_request(source, root, address, sha256)
    source = replace(source, address=address or source.address)
    downloads = root / _DOWNLOADS
    # Other addresses give their files the same names.
    tag = hashlib.sha256(source.address.encode()).hexdigest()[:8]
    with _local_files(), alone(downloads, source.folder, _busy(source.folder)):
        archive = download(source, downloads / f"{source.folder}.{tag}", progress, sha256=sha256)
        try:
            arranged = _lay_out(source, archive.path, archive.sha256, downloads, root / source.folder)
        except BadArchive:
            if not archive.expected:  # else the next start would take it for what was asked for
                archive.path.unlink()
            raise
        for left in downloads.glob(f"{source.folder}.*/"):  # the archive, and pieces of it from other addresses
            shutil.rmtree(left)
    return Obtained(arranged.images, archive.sha256, archive.expected, arranged.note)


def _lay_out(source: Source, archive: Path, sha256: str, downloads: Path, folder: Path) -> Arranged:
    """Unpack and arrange beside the data set's folder, then put it in its place at once."""
    unpacked, ready = downloads / f"{source.folder}.unpacked", downloads / f"{source.folder}.ready"
    try:
        for leftover in (unpacked, ready):  # of a start that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        unpack(archive, unpacked, source.wanted)
        arranged = source.arrange(unpacked, ready)
        notes = [arranged.note.en] if arranged.note else []
        words = [source.licence, source.attribution, f"{source.address}, sha256 {sha256}", *notes]
        (ready / "LICENCE").write_text("\n".join(words) + "\n", "utf-8")
        if folder.is_dir():
            folder.rmdir()
        os.replace(ready, folder)
    except UnreadableImage as error:
        raise BadArchive(
            f"A file in the archive cannot be read. {error.text.en}", f"归档中有文件无法读取。{error.text.zh}"
        ) from None
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
        shutil.rmtree(ready, ignore_errors=True)
    return arranged


def _busy(name: str) -> MissingData:
    return MissingData(
        f"Another download of {name} into this data folder is running; wait for it, or name another data folder "
        "with --data.",
        f"另一个进程正在向此数据文件夹下载 {name}；请等待其完成，或用 --data 指定另一数据文件夹。",
    )


@contextmanager
def _local_files() -> Iterator[None]:
    """Say in one sentence what the disk refuses."""
    try:
        yield
    except OSError as error:
        raise MissingData(
            f"The data folder could not be written ({error.strerror}); make room in it, or name another with --data.",
            f"无法写入数据文件夹（{error.strerror}）；请腾出空间，或用 --data 指定另一文件夹。",
        ) from None


def checked_address(address: str) -> str:
    """An address that is fetched: http or https, with a host and without a password."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        _ = parts.port  # a port that is none shows itself only here
    except ValueError:
        usable = False
    if not usable or not (address.isascii() and address.isprintable()):
        raise unusable_address()
    return address


def unusable_address() -> MissingData:
    """The refusal of an address."""
    return MissingData(
        "The address of the archive is none that is fetched; it starts with http:// or https:// and a host, without a "
        "password. Give another with --address.",
        "该归档地址不可用；地址应以 http:// 或 https:// 加主机名开头，且不含密码。请用 --address 另给地址。",
    )


def checked_hash(sha256: str | None) -> str | None:
    """A hash in lower case."""
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise MissingData(
            "The hash given with --sha256 is none; a sha256 has 64 digits from 0 to f.",
            "--sha256 给出的不是有效的哈希值；sha256 由 64 位十六进制数字组成。",
        )
    return sha256.lower() if sha256 else None
