"""What a browser is sent of what a generator yields: everything once, whole, and nothing at its end."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import httpx
import numpy as np
import orjson
import pytest
from gradio.state_holder import StateHolder

from unet_playground import Picture
from unet_playground.errors import Text
from unet_playground.ui.app import Whole, build
from unet_playground.ui.bench import Bench
from unet_playground.ui.ending import Attended
from unet_playground.ui.page import Page
from unet_playground.ui.scene import Scene, Turn
from unet_playground.ui.sessions import keep_images

PAIRS = [{"kept": 1, "changed": 1}, {"kept": 1, "changed": 2}]


def _nothing() -> Iterator[Any]:
    yield from ()


def _pairs() -> Iterator[Any]:
    for pair in PAIRS:
        yield pair, gr.skip()


def _sent(run: Any) -> list[dict[str, Any]]:
    """The messages with data that a browser gets when it calls a function with two outputs."""
    with Whole(analytics_enabled=False) as app:
        outputs = [gr.JSON(), gr.Textbox()]
        gr.Button().click(run, None, outputs)
    return _told(app)


def _told(app: gr.Blocks) -> list[dict[str, Any]]:
    """The messages with data by which an app answers to its first event."""
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    try:
        call = {"data": [], "fn_index": 0, "session_hash": "one"}
        httpx.post(f"{address}gradio_api/queue/join", json=call, timeout=30).raise_for_status()
        with httpx.stream("GET", f"{address}gradio_api/queue/data?session_hash=one", timeout=30) as stream:
            told = [orjson.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line]
    finally:
        app.close()
    return [one for one in told if one["msg"] in ("process_generating", "process_completed")]


def test_a_generator_that_yields_nothing_leaves_everything_as_it_is() -> None:
    (end,) = _sent(_nothing)
    assert end["success"]
    assert end["output"]["data"] == [gr.skip(), gr.skip()]


def test_values_are_sent_whole_and_not_repeated_at_the_end() -> None:
    first, second, end = (one["output"]["data"] for one in _sent(_pairs))
    assert first == [PAIRS[0], gr.skip()]
    assert second == [[["replace", [], PAIRS[1]]], [["replace", [], gr.skip()]]]
    assert end == [gr.skip(), gr.skip()]


def test_an_answer_by_name_changes_what_it_names_and_leaves_the_rest() -> None:
    with Whole(analytics_enabled=False) as app:
        shown, kept, held = gr.JSON(), gr.Radio(["a", "b"], value="a"), gr.State(0)
        gr.Button().click(lambda: {held: 1, shown: {"a": 1}}, None, [shown, kept, held])
    (end,) = _told(app)
    assert end["output"]["data"] == [{"a": 1}, gr.skip(), None]


@pytest.mark.parametrize("value", [None, {"a": 1}])
def test_what_is_no_generator_answers_as_usual(value: Any) -> None:
    (end,) = _sent(lambda: (value, "said"))
    assert end["output"]["data"] == [value, "said"]


def test_what_was_not_foreseen_is_told_by_a_number_that_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("/secret/path of PHISENTINEL")

    caplog.set_level("INFO", "unet_playground.audit")
    (end,) = _sent(fail)
    said, [line] = end["output"]["error"], [orjson.loads(record.getMessage()) for record in caplog.records]
    assert not end["success"] and line["reference"] in said and "Something went wrong here" in said
    assert (line["action"], line["outcome"], line["error"]) == ("fail", "failed", "RuntimeError")
    assert "secret" not in f"{said}{caplog.text}" and "PHISENTINEL" not in f"{said}{caplog.text}"


@pytest.mark.parametrize("nested", [False, True])
def test_a_file_that_is_only_named_by_an_address_is_not_fetched(nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def fetch(url: str, cache_dir: str) -> str:
        asked.append(url)
        raise OSError

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", fetch)
    named = {"path": "https://host.example/a.png", "meta": {"_type": "gradio.FileData"}}
    with Whole(analytics_enabled=False) as app:
        for given in (gr.File(), gr.Textbox(), gr.JSON()):
            gr.Button().click(lambda given: None, given)
    for function in app.fns.values():
        with pytest.raises(gr.Error, match="named by a web address, which is not fetched"):
            asyncio.run(app.process_api(function, [{"a": [named]} if nested else named]))
    assert not asked


@pytest.mark.parametrize("how", ["cancelled", "left"])
def test_what_nobody_waits_for_any_more_is_ended(how: str) -> None:
    begun, ended = threading.Event(), threading.Event()

    def long() -> str:
        watch = Attended()
        begun.set()
        try:
            while True:
                watch.between()
                time.sleep(0.01)
        finally:
            ended.set()

    with Whole(analytics_enabled=False) as app:
        gr.Button().click(long, None, gr.Textbox())
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    try:
        call = {"data": [], "fn_index": 0, "session_hash": "one"}
        event = (
            httpx.post(f"{address}gradio_api/queue/join", json=call, timeout=30).raise_for_status().json()["event_id"]
        )
        with httpx.stream("GET", f"{address}gradio_api/queue/data?session_hash=one", timeout=30) as stream:
            next(stream.iter_lines())
            assert begun.wait(30)
            if how == "cancelled":
                body = {"session_hash": "one", "fn_index": 0, "event_id": event}
                httpx.post(f"{address}gradio_api/cancel", json=body, timeout=30).raise_for_status()
        assert ended.wait(30)
    finally:
        app.close()


def _scene(side: int) -> Scene:
    return Scene("nuclei", Picture.from_array(np.zeros((side, side), np.uint8)), Text("a", "甲"))


def test_images_beyond_what_may_be_held_are_let_go_longest_unused_first() -> None:
    with Whole(analytics_enabled=False) as app:
        scene, other = gr.State(None), gr.State("kept")
        gr.Button().click(lambda: _scene(10), None, scene, api_visibility="private")
    holder = StateHolder()
    holder.set_blocks(app)
    for name in ("first", "second", "third"):
        holder[name][scene._id], holder[name][other._id] = _scene(10), name
    assert holder["first"]  # who comes again is the last to lose an image
    keep_images(holder, 200)
    held = {name: session.state_data[scene._id] is not None for name, session in holder.session_data.items()}
    assert held == {"first": True, "second": False, "third": True}
    assert [holder[name][other._id] for name in held] == [*held]
    app._most_held = 100
    asyncio.run(app.process_api(0, [], state=holder["second"], session_hash="second"))
    assert [name for name in held if holder[name][scene._id] is not None] == ["second"]


def test_the_session_of_a_script_ends_with_its_answer_and_that_of_a_page_stays() -> None:
    with Whole(analytics_enabled=False) as app:
        held, said = gr.State(0), gr.Textbox()
        gr.Button().click(lambda: "said", None, said)
        gr.Button().click(lambda: 1, None, held, api_visibility="private")
    holder = StateHolder()
    holder.set_blocks(app)

    def call(function: int, session: str) -> None:
        asyncio.run(app.process_api(function, [], state=holder[session], session_hash=session))

    call(0, "script")
    call(1, "page")
    call(0, "page")
    assert [*holder.session_data] == [*holder.time_last_used] == ["page"]


def test_it_is_known_how_much_one_address_has_asked_for() -> None:
    begun, ended = threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        ended.wait(30)

    with Whole(analytics_enabled=False) as app:
        gr.Button().click(long)
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, inbrowser=False)
    try:
        for _ in range(2):
            call = {"data": [], "fn_index": 0, "session_hash": "one"}
            httpx.post(f"{address}gradio_api/queue/join", json=call, timeout=30).raise_for_status()
        assert begun.wait(30)
        assert (app.asked_by("127.0.0.1"), app.asked_by("10.0.0.1")) == (2, 0)
    finally:
        ended.set()
        app.close()


def test_no_number_that_somebody_types_keeps_other_rooms_from_opening():
    # Gradio refuses a number beyond the bounds of its field for every event that takes it along.
    numbers = [block for block in build().blocks.values() if isinstance(block, gr.Number)]
    assert len(numbers) > 5
    for number in numbers:
        for typed in (-1e9, 0, 1e9):
            assert number.preprocess(typed) == typed


def test_nobody_waits_for_the_mask_of_a_large_image():
    # Choices are answered one after the other; what takes long comes after the answer.
    with gr.Blocks(analytics_enabled=False) as app:
        page = Page(app, "en", "zh")
    scene = Scene("nuclei", Picture.from_array(np.zeros((1100, 1100), np.uint8)), Text("a", "甲"))
    answers = [*page.shown(Bench(), scene, Turn())]
    drawn = [one[page.views["prediction"]]["state"] for one in answers if page.views["prediction"] in one]
    assert drawn == ["busy"]
    assert answers[-1][page.asked] == 1
