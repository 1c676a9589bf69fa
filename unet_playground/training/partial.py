"""What has arrived of a file, of which version it is, and which answers of a server go on from it."""

import json
import re
from pathlib import Path

import httpx

_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)")


class Part:
    """What has arrived of a file, and of which version of it."""

    def __init__(self, target: Path, address: str):
        self.path = target.with_name(f"{target.name}.part")
        self.record = target.with_name(f"{target.name}.part.json")
        self.address = address

    def version(self) -> str | None:
        """The version that the bytes belong to; None if there are none that can be gone on from."""
        try:
            record = json.loads(self.record.read_text("utf-8"))
            version = record["version"]
            known = record["address"] == self.address and isinstance(version, str) and self.path.stat().st_size > 0
            return version if known else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def begin(self, version: str | None) -> None:
        """Start with no bytes of a new version."""
        self.path.write_bytes(b"")  # first, so that a crash never leaves old bytes under a new version
        self.record.write_text(json.dumps({"address": self.address, "version": version}), "utf-8")

    def discard(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)


def version_of(headers: httpx.Headers) -> str | None:
    """What tells one version of a file from another; None where the server does not say."""
    tag = headers.get("ETag", "")
    # A weak tag may stay when bytes change, and If-Range does not take it.
    version = tag if tag.startswith('"') else headers.get("Last-Modified", "")
    return version if version and version.isascii() and version.isprintable() else None


def continues(response: httpx.Response, start: int, version: str | None) -> bool:
    """Whether a piece follows the bytes that are there, or (416) nothing is missing, of the same version."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if version is None or found is None or version_of(response.headers) not in (version, None):
        return False
    return (found[2] if response.status_code == 416 else found[1]) == str(start)


def total_size(response: httpx.Response) -> int | None:
    """Bytes of the whole file, where the server tells."""
    if response.status_code == 206:
        found = _RANGE.fullmatch(response.headers["Content-Range"])
        return int(found[2]) if found and found[2] else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None
