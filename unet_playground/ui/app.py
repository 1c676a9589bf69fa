"""Builds the app and serves it."""

import asyncio
import base64
import gc
import os
import signal
import socket
import sys
import threading
from copy import copy
from pathlib import Path
from secrets import token_hex
from typing import Any

import gradio as gr
from gradio import themes
from gradio_client.utils import is_file_obj, is_http_url_like, traverse
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from unet_playground.errors import PlaygroundError, refusal
from unet_playground.images.apart import decoders
from unet_playground.lane import urgent
from unet_playground.limits import Limits
from unet_playground.ui import texts
from unet_playground.ui.component import WEB
from unet_playground.ui.door import Door, address_of
from unet_playground.ui.ending import ended_when
from unet_playground.ui.endpoints import add_endpoints
from unet_playground.ui.furnished import SLOW
from unet_playground.ui.ledger import FAILED, Ledger
from unet_playground.ui.login import Login
from unet_playground.ui.memory import give_back, share_arenas
from unet_playground.ui.page import QUICK, Page
from unet_playground.ui.rooms import rooms
from unet_playground.ui.rooms.train import Seat
from unet_playground.ui.sessions import forget, keep_images
from unet_playground.ui.store import Store
from unet_playground.ui.study import Desk

ASSETS = Path(__file__).parent.parent.parent / "assets"
STYLE = ASSETS / "style.css"
VENDOR = ASSETS / "vendor"
"""What others wrote for the browser; it is loaded where it is needed."""
FONT = ASSETS / "fonts" / "noto-sans-sc.woff2"


class Whole(gr.Blocks):
    """Blocks whose generators send every value as a whole, and only once.

    Gradio sends what changed since the last yield, and its script applies that in place to values which the page may
    not have taken over yet: on a busy machine a choice would keep the controls of the one before. Once a generator has
    ended, Gradio repeats its last values, or empties what it never gave one: by then another choice stands there.
    """

    def __init__(self, *arguments: Any, **more: Any):
        super().__init__(*arguments, **more)
        self.ledger = Ledger(lambda: len(self._queue))
        self._most_held = Limits.from_environment().held_bytes

    async def process_api(self, block_fn: Any, *inputs: Any, **more: Any) -> dict[str, Any]:
        """See `gradio.Blocks`; the end of a generator changes nothing, and how it ended is written down.

        Of what was not foreseen a visitor hears a number that stands in the log, and nothing else.
        """
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        event, action = more.get("event_id") or token_hex(4), (function.name or "event").strip("_")
        self.ledger.begin(event)
        cancelled = threading.Event()
        try:
            with ended_when(lambda: cancelled.is_set() or self._left(event)), urgent(self._is_quick(function)):
                sent = await super().process_api(block_fn, *inputs, **more)
        except gr.Error:
            self.ledger.end(event, action, "refused")
            raise
        except asyncio.CancelledError:
            cancelled.set()
            self.ledger.end(event, action, "cancelled")
            raise
        except Exception as error:
            reference = self.ledger.end(event, action, "failed", type(error).__name__)
            said = FAILED.format(reference=reference)
            raise gr.Error(f"{said.en} {said.zh}", print_exception=False) from None
        finally:
            self._tidy(function, more.get("session_hash"))
        if sent["is_generating"]:
            return sent
        self.ledger.end(event, action, "done")
        ended = function.types_generator
        return {**sent, "data": [gr.skip() for _ in function.outputs]} if ended else sent

    @staticmethod
    def _is_quick(function: Any) -> bool:
        """Whether a visitor looks at the page and waits for it."""
        return function.concurrency_id == QUICK["concurrency_id"]

    def _tidy(self, function: Any, session: str | None) -> None:
        """Hold no more of visitors than may be held; a program that calls without a session has left nothing."""
        if session is None:
            return
        if function.api_visibility == "public":
            forget(self.state_holder, session)
        keep_images(self.state_holder, self._most_held)

    def _running(self) -> list[Any]:
        return [one for jobs in list(self._queue.active_jobs) for one in jobs or ()]

    def _left(self, event: str) -> bool:
        """Whether the browser or script that waits for an event has closed its connection."""
        return any(one._id == event and not one.alive for one in self._running())

    def asked_by(self, address: str) -> int:
        """How many computations that one address asked for wait or run."""
        waiting = [one for line in self._queue.event_queue_per_concurrency_id.values() for one in line.queue]
        return sum(address_of(one.request.scope) == address for one in (*waiting, *self._running()))

    async def preprocess_data(self, block_fn: Any, inputs: Any, state: Any, explicit_call: bool = False) -> list[Any]:
        """See `gradio.Blocks`, which would fetch a file that is named by an address; this server asks nobody."""
        traverse(inputs, _refuse, lambda one: is_file_obj(one) and is_http_url_like(one["path"]))
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """See `gradio.Blocks`; an output that an answer does not name costs nothing (it builds each anew)."""
        if not isinstance(predictions, dict) or not predictions.keys() <= set(block_fn.outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        named = copy(block_fn)
        named.outputs = [one for one in block_fn.outputs if one in predictions]
        given = dict(zip(named.outputs, await super().postprocess_data(named, predictions, state), strict=True))
        return [given.get(one, gr.skip()) for one in block_fn.outputs]

    def handle_streaming_diffs(
        self,
        block_fn: Any,
        data: list[Any],
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list[Any]:
        """See `gradio.Blocks`; each value after a generator's first ones replaces the one before it."""
        known = session_hash is not None and run in self.pending_diff_streams[session_hash]
        sent = super().handle_streaming_diffs(block_fn, data, session_hash, run, final, simple_format=True)
        return [[["replace", [], value]] for value in sent] if known and not final and not simple_format else sent


def _refuse(address: Any) -> None:
    said = refusal(
        "A file was named by a web address, which is not fetched here. Send the file itself.",
        "给出的是文件的网址，此处不会下载。请发送文件本身。",
    ).text
    raise gr.Error(f"{said.en} {said.zh}", print_exception=False)


def build() -> Whole:
    """The app: the English page at /, the Chinese one at /zh."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    limits = Limits.from_environment()
    with Whole(title=texts.TITLE.en, analytics_enabled=False, fill_width=True) as app:
        Page(app, "en", "zh")
        add_endpoints(SLOW)
    with app.route(texts.TITLE.zh, "/zh"):
        Page(app, "zh", "./")
    app.queue(max_size=limits.queue)
    return app


def launch(host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serve the app until it is stopped; prints its address.

    Raises:
        PlaygroundError: The host is not this machine's, or the port is none or busy.
    """
    _check_free(host, port)
    gc.disable()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what is to be done at the end is done
    limits, login = Limits.from_environment(), Login.from_environment()
    share_arenas()
    store = _store(limits)
    threading.Thread(target=decoders().warm, daemon=True).start()
    app = build()
    door = Middleware(Door, limits=limits, ledger=app.ledger, store=store, asked_by=app.asked_by)  # type: ignore[arg-type]
    _, address, _ = app.launch(
        quiet=True,
        prevent_thread_lock=True,
        server_name=host,
        server_port=port,
        theme=_theme(),
        css_paths=STYLE,
        css=_chinese_font() + _room_rules(),
        head=_head(),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        share=False,
        ssr_mode=False,  # Node would serve the first document without the door's headers, and lose part of the style
        show_error=False,
        strict_cors=True,
        allowed_paths=[],
        max_file_size=limits.file_bytes,
        state_session_capacity=limits.sessions,
        app_kwargs={"middleware": [door], "routes": [Mount("/vendor", StaticFiles(directory=VENDOR))]},
        auth=login.check if login else None,
    )
    # What is there now stays: looking through it again and again would stop every answer for a third of a second.
    gc.freeze()
    gc.enable()
    print(f"{texts.TITLE.en} runs at {address} (Ctrl+C stops it)", flush=True)
    app.block_thread()


def _check_free(host: str, port: int | None) -> None:
    """Refuse what nothing can listen on; Gradio would try, and say so in its own words after all else is built."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if port is not None and not 1 <= port <= 65535:  # nobody would learn which one 0 stands for
            raise OverflowError
        socket.create_server((host.strip("[]"), port or 0), family=family).close()
    except (OSError, OverflowError, UnicodeError):
        wanted = "" if port is None else f" --port {port}"
        raise PlaygroundError(
            f"Nothing can listen on --host {host}{wanted}; a port is a number from 1 to 65535 that no other program "
            "has, a host an address of this machine: choose others.",
            f"无法使用 --host {host}{wanted}；端口为 1 到 65535 且未被占用，主机为本机地址：请另选。",
        ) from None


def _theme() -> themes.Base:
    return themes.Base(
        primary_hue=themes.colors.teal,
        neutral_hue=themes.colors.slate,
        font=[themes.Font("IBM Plex Sans"), themes.Font("Noto Sans SC"), themes.Font("sans-serif")],
        font_mono=[themes.Font("IBM Plex Mono"), themes.Font("monospace")],
    )


def _store(limits: Limits) -> Store:
    """Where uploads and answers lie, swept from now on."""
    store = Store(limits.cache_bytes, limits.cache_seconds)
    os.environ["GRADIO_TEMP_DIR"] = str(store.folder)
    store.keep_swept(lambda: (Desk.clear_idle(), Seat.clear_idle(), give_back()))
    return store


def _chinese_font() -> str:
    """The font of Chinese texts, inside the style sheet: no file of this machine has to be served for it."""
    data = base64.b64encode(FONT.read_bytes()).decode()
    source = f"url(data:font/woff2;base64,{data}) format('woff2')"
    letters = "U+2E80-9FFF, U+3000-303F, U+FF00-FFEF"
    return f"@font-face {{ font-family: 'Noto Sans SC'; src: {source}; unicode-range: {letters}; }}"


def _room_rules() -> str:
    """The rooms' own rules: each is shown while the page's body names it."""
    return "".join(f'body[data-room="{id}"] #room-{id} {{ display: flex !important; }}\n' for id in rooms)


SHARED = ("viewer.js", "shapes.js", "link.js")
"""Scripts that more than one part of the page uses."""


def _head() -> str:
    """What the parts of the page share. Their sheets stand here: Gradio rewrites those that it is given."""
    sheets = "".join(path.read_text("utf-8") for path in sorted(WEB.glob("*.css")))
    scripts = "".join(f"<script>{(WEB / name).read_text('utf-8')}</script>" for name in SHARED)
    return f"<style>{sheets}</style>{scripts}"
