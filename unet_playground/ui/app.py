"""Builds the app and serves it."""

import os
from pathlib import Path

import gradio as gr
from gradio import themes

from unet_playground.images.reader import Limits
from unet_playground.ui import texts
from unet_playground.ui.endpoints import add_endpoints
from unet_playground.ui.page import SLOW, Page

STYLE = Path(__file__).parent.parent.parent / "assets" / "style.css"


def build() -> gr.Blocks:
    """The app: the English page at /, the Chinese one at /zh."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with gr.Blocks(title=texts.TITLE.en, analytics_enabled=False, delete_cache=(300, 600), fill_width=True) as app:
        Page(app, "en", "zh")
        add_endpoints(SLOW)
    with app.route(texts.TITLE.zh, "/zh"):
        Page(app, "zh", "./")
    return app.queue(max_size=32)


def launch(host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serve the app until it is stopped; prints its address."""
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
    print(f"{texts.TITLE.en} runs at {address} (Ctrl+C stops it)", flush=True)
    app.block_thread()
