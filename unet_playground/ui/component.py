"""A part of the page that draws itself from its value."""

from pathlib import Path
from typing import Any

import gradio as gr

WEB = Path(__file__).parent.parent.parent / "assets" / "web"


def component(name: str, value: Any, *, picture: bool = False) -> gr.HTML:
    """What assets/web/NAME.js draws; the linked pictures share one script.

    Args:
        name: Of the script, of the element's class and of its id.
        value: A JSON-able dict.
        picture: Whether it is one of the linked pictures, or their toolbar.
    """
    mounted = f"window.unetViewer.mount('{name}', element, props, trigger, watch); // 'input'"
    return gr.HTML(
        value,
        html_template="" if picture else f'<div class="{name}"></div>',
        js_on_load=mounted if picture else (WEB / f"{name}.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id=name,
        padding=False,
    )
