"""Builds the app and serves it."""

import base64
import gc
import os
from copy import copy
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import themes

from unet_playground.images.reader import Limits
from unet_playground.ui import texts
from unet_playground.ui.component import WEB
from unet_playground.ui.endpoints import add_endpoints
from unet_playground.ui.furnished import SLOW
from unet_playground.ui.page import Page
from unet_playground.ui.rooms import rooms

ASSETS = Path(__file__).parent.parent.parent / "assets"
STYLE = ASSETS / "style.css"
FONT = ASSETS / "fonts" / "noto-sans-sc.woff2"


class Whole(gr.Blocks):
    """Blocks whose generators send every value as a whole, and only once.

    Gradio sends what changed since the last yield, and its script applies that in place to values which the page may
    not have taken over yet: on a busy machine a choice would keep the controls of the one before. Once a generator has
    ended, Gradio repeats its last values, or empties what it never gave one: by then another choice stands there.
    """

    async def process_api(self, block_fn: Any, *inputs: Any, **more: Any) -> dict[str, Any]:
        """See `gradio.Blocks`; the end of a generator changes nothing."""
        sent = await super().process_api(block_fn, *inputs, **more)
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        ended = function.types_generator and not sent["is_generating"]
        return {**sent, "data": [gr.skip() for _ in function.outputs]} if ended else sent

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


def build() -> gr.Blocks:
    """The app: the English page at /, the Chinese one at /zh."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with Whole(title=texts.TITLE.en, analytics_enabled=False, delete_cache=(300, 600), fill_width=True) as app:
        Page(app, "en", "zh")
        add_endpoints(SLOW)
    with app.route(texts.TITLE.zh, "/zh"):
        Page(app, "zh", "./")
    return app.queue(max_size=32)


def launch(host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serve the app until it is stopped; prints its address."""
    gc.disable()
    app = build()
    _, address, _ = app.launch(
        quiet=True,
        prevent_thread_lock=True,
        server_name=host,
        server_port=port,
        theme=themes.Base(
            primary_hue=themes.colors.teal,
            neutral_hue=themes.colors.slate,
            font=[themes.Font("IBM Plex Sans"), themes.Font("Noto Sans SC"), themes.Font("sans-serif")],
            font_mono=[themes.Font("IBM Plex Mono"), themes.Font("monospace")],
        ),
        css_paths=STYLE,
        css=_chinese_font() + _room_rules(),
        head=_head(),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        share=False,
        show_error=False,
        strict_cors=True,
        allowed_paths=[],
        max_file_size=Limits.from_environment().file_bytes,
        state_session_capacity=200,
        ssr_mode=False,
    )
    # What is there now stays: looking through it again and again would stop every answer for a third of a second.
    gc.freeze()
    gc.enable()
    print(f"{texts.TITLE.en} runs at {address} (Ctrl+C stops it)", flush=True)
    app.block_thread()


def _chinese_font() -> str:
    """The font of Chinese texts, inside the style sheet: no file of this machine has to be served for it."""
    data = base64.b64encode(FONT.read_bytes()).decode()
    source = f"url(data:font/woff2;base64,{data}) format('woff2')"
    letters = "U+2E80-9FFF, U+3000-303F, U+FF00-FFEF"
    return f"@font-face {{ font-family: 'Noto Sans SC'; src: {source}; unicode-range: {letters}; }}"


def _room_rules() -> str:
    """The rooms' own rules: each is shown while the page's body names it."""
    return "".join(f'body[data-room="{id}"] #room-{id} {{ display: flex !important; }}\n' for id in rooms)


def _head() -> str:
    """What the parts of the page share. Their sheets stand here: Gradio rewrites those that it is given."""
    sheets = "".join(path.read_text("utf-8") for path in sorted(WEB.glob("*.css")))
    return f"<style>{sheets}</style><script>{(WEB / 'viewer.js').read_text('utf-8')}</script>"
