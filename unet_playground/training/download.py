"""Fetch one file over networks that break: what arrived is kept, gone on from, and checked before it counts.

Only `sources.py` and tests import this file, so that training does not load an HTTP client.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx

from unet_playground import __version__
from unet_playground.errors import MissingData, Text
from unet_playground.training.partial import Part, continues, total_size, version_of
from unet_playground.training.sources import Source, checked_address, checked_hash, unusable_address

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and with all bytes, None where the server does not tell."""

REDIRECTS = 5
LARGEST = 40_000_000_000
"""Bytes of an archive whose size is not declared."""


@dataclass(frozen=True)
class Patience:
    """How much a server may try it.

    Attributes:
        connect: Seconds until a connection stands.
        read: Seconds without a byte.
        retries: How often a broken transfer goes on within one call.
        pause: Seconds before the first retry, doubled before each further one.
    """

    connect: float = 15
    read: float = 60
    retries: int = 3
    pause: float = 2


@dataclass(frozen=True)
class Download:
    """A whole file on the disk.

    Attributes:
        path: Where it lies.
        sha256: Hash of its bytes.
        expected: Whether a hash was expected, and was this one.
    """

    path: Path
    sha256: str
    expected: bool


class _Broken(Exception):
    """The transfer ended early, for a reason that may pass."""

    def __init__(self, en: str, zh: str):
        super().__init__(en)
        self.reason = Text(en, zh)


def download(
    source: Source,
    folder: Path,
    progress: Progress = lambda done, total: None,
    *,
    address: str | None = None,
    sha256: str | None = None,
    patience: Patience = Patience(),
) -> Download:
    """Fetch a source's archive into a folder; a whole one that is there already is only checked.

    Args:
        source: What is fetched.
        folder: Where to; it is made.
        progress: Hears how far it is; less than before means that the file starts anew.
        address: A mirror instead of the source's own address.
        sha256: The hash to expect instead of the source's own.
        patience: Limits of time.

    Raises:
        MissingData: In one sentence, where the network, the server or the file's hash is at fault.
        OSError: If the folder cannot be written.
    """
    address = checked_address(address or source.address)
    expected = checked_hash(sha256) or checked_hash(source.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _file_name(address)
    part = Part(target, address)
    file = target
    if not target.is_file():
        file = part.path
        _receive(part, source.bytes or LARGEST, progress, patience)
    with file.open("rb") as stream:
        received = hashlib.file_digest(stream, "sha256").hexdigest()
    if expected and received != expected:
        if file != target:
            part.discard()
        raise _unexpected(target, received, expected)
    os.replace(file, target)
    part.discard()
    return Download(target, received, expected is not None)


def _unexpected(target: Path, received: str, expected: str) -> MissingData:
    """The refusal of a file that is another one; what was there whole before stays: perhaps the hash is mistyped."""
    kept = target.is_file()
    en, zh = ("It was kept; remove it and", "文件已保留；请删除后") if kept else ("It was removed;", "文件已删除；请")
    return MissingData(
        f"{target.name} is not the expected file: its sha256 should be {expected} and is {received}. {en} start again, "
        "or give the new hash with --sha256 if you know that the file was replaced.",
        f"{target.name} 不是预期的文件：sha256 应为 {expected}，实为 {received}。{zh}重试，"
        "若确知文件已更新，请用 --sha256 给出新的哈希值。",
    )


def _receive(part: Part, limit: int, progress: Progress, patience: Patience) -> None:
    """Fill the part, in as many pieces as the network needs and patience allows."""
    with _client(patience) as client:
        for tried in range(1, patience.retries + 2):
            try:
                return _attempt(client, part, limit, progress)
            except (_Broken, httpx.TransportError) as error:
                if tried > patience.retries:
                    raise _gave_up(part.address, _reason(error), tried) from None
            except (httpx.InvalidURL, UnicodeError):  # a host that DNS cannot spell
                raise unusable_address() from None
            time.sleep(patience.pause * 2 ** (tried - 1))


def _client(patience: Patience) -> httpx.Client:
    headers = {"User-Agent": f"unet-playground/{__version__}", "Accept-Encoding": "identity"}
    try:
        timeout = httpx.Timeout(patience.read, connect=patience.connect)
        return httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)
    except (ImportError, OSError, ValueError, httpx.InvalidURL):
        pass
    raise MissingData(
        "The proxy or the certificates that the environment names cannot be used; an http:// proxy and a PEM file can. "
        "Check HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE.",
        "环境变量指定的代理或证书不可用；可使用 http:// 代理和 PEM 文件。请检查 HTTPS_PROXY、ALL_PROXY 和 "
        "SSL_CERT_FILE。",
    )


def _gave_up(address: str, reason: Text, tries: int) -> MissingData:
    host = urlsplit(address).hostname
    return MissingData(
        f"{host} {reason.en} (attempts: {tries}). Check the network and start again, which goes on where it stopped "
        "if the server can; or give a mirror with --address.",
        f"{host} {reason.zh}（已尝试 {tries} 次）。请检查网络后重新开始，若服务器支持将从中断处继续；"
        "也可用 --address 指定镜像。",
    )


def _reason(error: _Broken | httpx.TransportError) -> Text:
    if isinstance(error, _Broken):
        return error.reason
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return Text("could not be reached", "无法连接")
    if isinstance(error, httpx.TimeoutException):
        return Text("sent nothing for too long", "长时间没有响应")
    return Text("broke the transfer off", "中断了传输")


def _attempt(client: httpx.Client, part: Part, limit: int, progress: Progress) -> None:
    version = part.version()
    start = part.path.stat().st_size if version else 0
    headers = {"Range": f"bytes={start}-", "If-Range": version} if version else {}
    with _answer(client, part.address, headers) as response:
        code = response.status_code
        if code in (206, 416) and not continues(response, start, version):
            part.discard()
            raise _Broken("sent another piece than the one asked for", "返回的片段与请求不符")
        if code == 416:
            return
        if code not in (200, 206):
            raise _refused(part.address, code)
        start = start if code == 206 else 0
        total = total_size(response)
        _check_size(part, start, total, limit)
        if code == 200:
            part.begin(version_of(response.headers))
        _append(response, part, start, total, limit, progress)


@contextmanager
def _answer(client: httpx.Client, address: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """The first answer that is no redirect."""
    for _ in range(REDIRECTS + 1):
        with client.stream("GET", address, headers=headers) as response:
            if not response.has_redirect_location:
                yield response
                return
            address = checked_address(str(response.url.join(response.headers["Location"])))
    raise MissingData(
        f"The server passes the request on more than {REDIRECTS} times; give the final address with --address.",
        f"服务器重定向超过 {REDIRECTS} 次；请用 --address 给出最终地址。",
    )


def _check_size(part: Part, start: int, total: int | None, limit: int) -> None:
    """Refuse what is too large, before it is fetched."""
    if total is None:
        return
    if total > limit:
        part.discard()
        raise _too_large(total, limit)
    free = shutil.disk_usage(part.path.parent).free
    if total - start > free:
        raise MissingData(
            f"{_megabytes(total - start)} are still to come, and {_megabytes(free)} are free; make room, or name a "
            "folder on another disk with --data.",
            f"还需下载 {_megabytes(total - start)}，可用空间为 {_megabytes(free)}；请腾出空间，"
            "或用 --data 指定另一磁盘上的文件夹。",
        )


def _append(response: httpx.Response, part: Part, done: int, total: int | None, limit: int, progress: Progress) -> None:
    progress(done, total)
    with part.path.open("ab") as file:
        # Raw bytes: the hash is of the file as it is stored.
        for chunk in response.iter_raw():
            done += len(chunk)
            if done > limit:
                break
            file.write(chunk)
            progress(done, total)
        file.flush()
        os.fsync(file.fileno())
    if done > limit:
        part.discard()
        raise _too_large(done, limit)
    if total not in (None, done):
        raise _Broken("broke the transfer off", "中断了传输")


def _file_name(address: str) -> str:
    last = PurePosixPath(unquote(urlsplit(address).path)).name
    return re.sub(r"[^A-Za-z0-9._-]", "_", last)[-100:].lstrip(".") or "archive"


def _refused(address: str, code: int) -> Exception:
    """What another code than success means: busy servers are asked again."""
    if code == 429 or code >= 500:
        return _Broken(f"answered that it cannot serve now ({code})", f"暂时无法提供服务（{code}）")
    host = urlsplit(address).hostname
    return MissingData(
        f"{host} does not give the file (it answered {code}); it may have moved. Check the address in a browser and "
        "give the right one with --address.",
        f"{host} 未提供该文件（返回 {code}），可能已移动。请在浏览器中核对地址，并用 --address 给出正确地址。",
    )


def _too_large(size: int, limit: int) -> MissingData:
    given, allowed = _megabytes(size), _megabytes(limit)
    return MissingData(
        f"The file is larger ({given}) than this data set's archive can be ({allowed}); nothing was kept. "
        "Check the address.",
        f"该文件（{given}）超过此数据集归档的上限（{allowed}）；未保留任何内容。请检查地址。",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
