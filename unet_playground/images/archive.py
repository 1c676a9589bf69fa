"""Files packed as ZIP; nothing is unpacked that is larger than it says or than is allowed."""

import zipfile
from collections.abc import Iterator
from io import BytesIO

from unet_playground.errors import refusal
from unet_playground.limits import Limits

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_MOST_FILES = 20_000
_ENCRYPTED = 1


def is_zip(head: bytes) -> bool:
    """Whether a file is a ZIP, by its first bytes."""
    return head.startswith(_MAGIC)


def unpacked(data: bytes, limits: Limits) -> Iterator[bytes]:
    """The files in a ZIP one after the other; folders are passed over.

    Raises:
        UnreadableImage: They are too many or too large together, by what the archive declares, or encrypted.
        ValueError, OSError, zlib.error: One is damaged or larger than it says.
    """
    with _opened(data) as archive:
        inside = [one for one in archive.infolist() if not one.is_dir()]
        if len(inside) > _MOST_FILES:
            raise refusal(
                f"This ZIP holds {len(inside)} files; the limit is {_MOST_FILES}. Pack one series and try again.",
                f"该 ZIP 含有 {len(inside)} 个文件；上限为 {_MOST_FILES}。请仅打包一个序列后重试。",
            )
        limits.check_decoded("ZIP", sum(one.file_size for one in inside))
        for one in inside:
            yield _content(archive, one)


def _opened(data: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(BytesIO(data))
    except zipfile.BadZipFile:
        pass
    raise ValueError("no archive")


def _content(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> bytes:
    if one.flag_bits & _ENCRYPTED:
        raise refusal(
            "This ZIP is encrypted; files without a password are read. Pack it without one and try again.",
            "该 ZIP 已加密；仅读取无密码的文件。请不设密码重新打包后重试。",
        )
    # Other methods unpack without a bound.
    if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refusal(
            "This ZIP is packed in a rare way; stored and deflated files are read. Pack it again and try again.",
            "该 ZIP 的压缩方式罕见；仅读取未压缩或 Deflate 压缩的文件。请重新打包后重试。",
        )
    try:
        with archive.open(one) as file:
            content = file.read(one.file_size + 1)
    except zipfile.BadZipFile:
        content = None
    if content is None or len(content) != one.file_size:
        raise ValueError("damaged")
    return content
