"""A server on this machine that serves one file, as badly as a test asks it to."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server does.

    Attributes:
        content: The file.
        version: Its ETag; None for none.
        modified: Its Last-Modified; None for none.
        ranges: Whether it heeds Range.
        heeds_version: Whether it heeds If-Range.
        cuts: After how many bytes each of the next answers breaks off.
        codes: What the next requests are answered with, instead of the file.
        redirects: Addresses that the next requests are sent to.
        declared: A Content-Length that is not the content's.
        chunked: Send no length at all.
        silent: Answer nothing before the end of the test.
        asked: The headers of every request so far.
    """

    content: bytes = b""
    version: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    heeds_version: bool = True
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)
    declared: int | None = None
    chunked: bool = False
    silent: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    address: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def start_of(self, headers: dict[str, str]) -> int | None:
        """Where a heeded Range starts."""
        found = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        same = not self.heeds_version or headers.get("if-range") in (None, self.version, self.modified)
        return int(found[1]) if found and self.ranges and same else None


class _Handler(BaseHTTPRequestHandler):
    site: Site
    timeout = 10

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.site.asked.append(headers)
        if self.site.silent:
            self.site.over.wait(10)
        elif self.site.redirects:
            self.answer(302, {"Location": self.site.redirects.pop(0)})
        elif self.site.codes:
            self.answer(self.site.codes.pop(0), {})
        else:
            self.serve(self.site.start_of(headers))

    def serve(self, start: int | None) -> None:
        site = self.site
        size = len(site.content)
        if start is not None and start >= size:
            return self.answer(416, {"Content-Range": f"bytes */{size}"})
        rest = site.content[start or 0 :]
        headers = {"ETag": site.version, "Last-Modified": site.modified}
        if not site.chunked:
            headers["Content-Length"] = str(site.declared or len(rest))
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.answer(200 if start is None else 206, headers, rest[: site.cuts.pop(0)] if site.cuts else rest)

    def answer(self, code: int, headers: dict[str, str | None], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    site.address = f"http://127.0.0.1:{server.server_port}/files/set.zip"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
