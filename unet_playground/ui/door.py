"""What every request passes before Gradio sees it: its size, its number of files, how often its sender comes."""

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from python_multipart.multipart import parse_options_header

from unet_playground.errors import Text
from unet_playground.limits import Limits, figure
from unet_playground.ui.ledger import METRICS, Ledger
from unet_playground.ui.store import Store, await_readers

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

HOSTS = "'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"
"""Who may show the page in a frame: Spaces do."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "content-security-policy": (
        "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'; "
        f"form-action 'self'; frame-ancestors {HOSTS}"
    ),
}
_UPLOAD = "/upload"
_JOIN = "/queue/join"
_ASKING = re.compile(r"/(upload|queue/join|(call|run|api)/)")
"""Where computations are asked for, or files sent."""
_QUIET = 10
"""Seconds without a byte after which a body is read no further."""
_FIELDS = 8
"""Parts that a form may have besides files, where it is no upload."""
_TOO_LARGE = Text(
    "This request is larger than {limit} MB, which is the limit. Send a smaller file and try again. Nothing was kept.",
    "该请求超过上限 {limit} MB。请发送较小的文件后重试。未保留任何内容。",
)
_TOO_MANY_FILES = Text(
    "This request holds more files than {limit}, which is the limit. Send fewer and try again. Nothing was kept.",
    "该请求中的文件超过上限 {limit} 个。请减少文件后重试。未保留任何内容。",
)
_TOO_OFTEN = Text(
    "More than {limit} requests a minute came from your address, which is the limit. Wait a minute and try again.",
    "来自您地址的请求每分钟超过上限 {limit} 次。请等待一分钟后重试。",
)
_BUSY = Text(
    "Too many computations wait here already; the limit is {limit}. Try again in a moment. Nothing was kept.",
    "此处等待的计算过多；上限为 {limit} 个。请稍后重试。未保留任何内容。",
)
_GREEDY = Text(
    "Too many requests from your address wait or run here already; the limit is {limit}. Try again in a moment. "
    "Nothing was kept.",
    "来自您地址的等待或运行中的请求过多；上限为 {limit} 个。请稍后重试。未保留任何内容。",
)
_SILENT = Text(
    "Nothing of this request came for {limit} s, which is the limit. Send it again. Nothing was kept.",
    "该请求在 {limit} 秒内没有任何数据，已达上限。请重新发送。未保留任何内容。",
)
_FULL = Text(
    "The store for uploads is full; the limit is {limit} MB. It empties itself: try again in a few minutes.",
    "上传存储已满；上限为 {limit} MB。它会自动清空：请几分钟后重试。",
)


class Door:
    """An ASGI middleware that holds requests against the limits and answers `/healthz` and `/metrics`.

    Args:
        app: What lies behind it.
        limits: Of requests, files and the store.
        ledger: Is told of uploads and refusals.
        store: Of uploads and answers.
        asked_by: How many computations of an address wait or run.
    """

    def __init__(self, app: App, limits: Limits, ledger: Ledger, store: Store, asked_by: Callable[[str], int]):
        self._app, self._limits, self._ledger, self._store, self._asked_by = app, limits, ledger, store, asked_by
        self._asking: Counter[str] = Counter()
        self._rate = RateLimitItemPerMinute(limits.requests)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/healthz":
            await _answer(send, 200, self._ledger.health())
        elif scope["path"] == "/metrics":
            await _answer(send, 200, self._ledger.metrics(), METRICS)
        else:
            request = _Request(scope, receive, send, self._limits)
            refusal = self._refusal(scope, request) if scope["method"] == "POST" else None
            if refusal:
                await request.refuse(*refusal)
            else:
                upload = scope["method"] == "POST" and scope["path"].endswith(_UPLOAD)
                with self._noted(scope):
                    await (self._take_in(request) if upload else request.passed_to(self._app))
            if scope["method"] == "POST" and (scope["path"].endswith(_UPLOAD) or request.status in (413, 429, 503)):
                outcome = "done" if request.status < 400 else "refused" if request.status < 500 else "failed"
                outcome = "refused" if request.status == 503 else outcome
                action = scope["path"].rsplit("/", 1)[-1] if request.known else "other"
                self._ledger.note(action, outcome, request.size, time.perf_counter() - request.begun)

    def _refusal(self, scope: MutableMapping[str, Any], request: "_Request") -> tuple[int, Text] | None:
        """What is known to be too much before a byte of it is read."""
        address = address_of(scope)
        if not self._limiter.hit(self._rate, address):
            return 429, _TOO_OFTEN.format(limit=self._limits.requests)
        if _asks(scope) and self._asking[address] + self._asked_by(address) >= self._limits.share:
            return 429, _GREEDY.format(limit=self._limits.share)
        if request.declared > self._limits.body_bytes:
            return 413, _TOO_LARGE.format(limit=figure(self._limits.body_bytes))
        return None

    @contextmanager
    def _noted(self, scope: MutableMapping[str, Any]) -> Iterator[None]:
        """What an address asks for at once counts before it waits anywhere."""
        own = Counter([address_of(scope)] if _asks(scope) else [])
        self._asking += own
        try:
            yield
        finally:
            self._asking -= own

    async def _take_in(self, request: "_Request") -> None:
        """Let an upload through if the store has room for it; one that does not tell its size may be large."""
        with self._store.room_for(request.declared or self._limits.body_bytes) as room:
            if room:
                await request.passed_to(self._app)
            else:
                await request.refuse(503, _FULL.format(limit=figure(self._store.most)))


def address_of(scope: MutableMapping[str, Any]) -> str:
    """Who sends a request; on a Space the last one named, whom the proxy adds: senders write the others themselves."""
    named = dict(scope["headers"]).get(b"x-forwarded-for", b"") if os.environ.get("SPACE_ID") else b""
    return named.decode("latin-1").rpartition(",")[2].strip() or (scope.get("client") or ("",))[0]


def _asks(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request is one of which an address has its share."""
    return scope["method"] == "POST" and bool(_ASKING.search(scope["path"]))


class _BrokenOff(Exception):
    """A body is read no further: it has grown beyond a limit, or nothing more of it comes."""


class _Request:
    """One request on its way: counts what comes in, and puts the headers on what goes out."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, limits: Limits):
        self._scope, self._receive, self._send, self._limits = scope, receive, send, limits
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        self.declared = int(length) if length.isdigit() else 0
        self.size, self.status, self.begun = 0, 0, time.perf_counter()
        self.known = scope["path"].endswith((_UPLOAD, _JOIN))
        _, named = parse_options_header(headers.get(b"content-type", b""))
        boundary = named.get(b"boundary", b"")
        self._mark = b"--" + boundary if boundary else b""
        self._parts = limits.files + (0 if scope["path"].endswith(_UPLOAD) else _FIELDS)
        self._marks, self._tail = 0, b""
        self._whole = self._uploaded = False
        self._places = b""
        self._refused: tuple[int, Text] | None = None

    async def passed_to(self, app: App) -> None:
        """Let it through, as long as it stays within the limits."""
        with suppress(_BrokenOff):
            await app(self._scope, self._counted, self._headed)
        if self._refused and not self.status:
            await self.refuse(*self._refused)

    async def refuse(self, status: int, reason: Text) -> None:
        """Answer with a sentence; what is still being sent is passed over, so that the sender listens."""
        with suppress(_BrokenOff):
            while not self._whole and self.size <= 2 * self._limits.body_bytes:
                await self._next()
        self.status = status
        await _answer(self._send, status, _sentence(reason))

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(None if self._whole else _QUIET):
                message = await self._receive()
        except TimeoutError:
            self._whole, self._refused = True, (408, _SILENT.format(limit=_QUIET))
            raise _BrokenOff from None
        self.size += len(message.get("body", b""))
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def _counted(self) -> Message:
        message = await self._next()
        body = message.get("body", b"")
        if self._mark:
            seen = self._tail + body
            self._marks += seen.count(self._mark)
            self._tail = seen[-len(self._mark) + 1 :]
        if self.size > self._limits.body_bytes:
            self._refused = 413, _TOO_LARGE.format(limit=figure(self._limits.body_bytes))
        elif self._marks > self._parts + 1:  # the last mark is the end
            self._refused = 413, _TOO_MANY_FILES.format(limit=self._limits.files)
        if self._refused:
            raise _BrokenOff
        return message

    async def _headed(self, message: Message) -> None:
        if self._refused:  # whatever the app makes of a body that broke off
            return
        if message["type"] == "http.response.start":
            if message["status"] == 503:  # a full queue; of a 503 Gradio's page shows a word of its own
                self._refused = 429, _BUSY.format(limit=self._limits.queue)
                return
            self.status = message["status"]
            self._uploaded = self.status == 200 and self._scope["path"].endswith(_UPLOAD)
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        elif self._uploaded:
            self._places += message.get("body", b"")
            if not message.get("more_body", False):
                await_readers(json.loads(self._places))
        await self._send(message)


def _sentence(reason: Text) -> bytes:
    # Gradio's page shows `detail` as it is, in whichever language the page speaks.
    told = {"detail": f"{reason.en} {reason.zh}", "error": reason.en, "zh": reason.zh}
    return json.dumps(told, ensure_ascii=False).encode()


async def _answer(send: Send, status: int, body: bytes, kind: str = "application/json") -> None:
    headers = {"content-type": kind, "content-length": str(len(body)), "cache-control": "no-store", **HEADERS}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
