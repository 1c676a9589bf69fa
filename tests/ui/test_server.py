"""The server towards strangers: limits, headers, health, a log without content, a store that empties itself."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from tests.browser.app import started
from unet_playground.__main__ import main
from unet_playground.errors import PlaygroundError
from unet_playground.limits import Limits
from unet_playground.ui.door import Door, address_of
from unet_playground.ui.login import Login, hashed
from unet_playground.ui.store import Store

_SENTINEL = "PHISENTINEL"
_UPLOAD, _JOIN = "/gradio_api/upload", "/gradio_api/queue/join"
_PIECE = b"x" * 100_000


class _Server:
    """A running app with narrow limits, and its log."""

    def __init__(self, address: str, log: Path, temporary: Path):
        self.address, self.log, self.temporary = address, log, temporary
        self._visitors = 0

    def visitor(self) -> httpx.Client:
        """Somebody with an address of their own."""
        self._visitors += 1
        forwarded = {"x-forwarded-for": f"10.0.0.{self._visitors}"}
        return httpx.Client(base_url=self.address, headers=forwarded, timeout=60)

    def lines(self) -> list[dict[str, Any]]:
        """What was written down."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stored(self) -> list[Path]:
        return [path for path in self.temporary.glob("unet-playground-store-*/**/*") if path.is_file()]

    def kept(self) -> list[Path]:
        """Uploads that came whole. Gradio leaves the piece that had come when a request was refused to the sweep."""
        return [path for path in self.stored() if not path.name.startswith("tmp")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "tmp").mkdir()
    limits = {"BODY_MB": "2", "REQUESTS": "30", "CACHE_MB": "4"}
    narrow = {f"UNET_PLAYGROUND_MAX_{name}": value for name, value in limits.items()}
    with started(log=folder / "log", environment={"TMPDIR": str(folder / "tmp"), **narrow}) as address:
        yield _Server(address, folder / "log", folder / "tmp")


def _sentence(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    told = answer.json()
    # Gradio's page shows `detail`, in whichever language it speaks.
    assert told["detail"] == f"{told['error']} {told['zh']}" and re.search(r"[\u4e00-\u9fff].*。$", told["zh"])
    assert "/" not in told["detail"].replace("413", "")
    return told["error"]


def test_every_answer_carries_the_headers(server: _Server):
    visitor = server.visitor()
    answers = [visitor.get(path) for path in ("/", "/zh", "/healthz", "/metrics", "/gradio_api/info", "/nowhere")]
    answers.append(visitor.post(_UPLOAD, files={"files": ("a.png", _PIECE)}))
    answers.append(visitor.post(_UPLOAD, content=_PIECE * 30))
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'self' https://huggingface.co" in policy
        assert "http://" not in policy and "*" not in policy.split("frame-ancestors")[0]


def _streamed(size: int) -> Iterator[bytes]:
    yield b'--mark\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    for _ in range(size // len(_PIECE)):
        yield _PIECE


@pytest.mark.parametrize("path", [_UPLOAD, _JOIN, "/gradio_api/run/segment", "/gradio_api/call/segment"])
@pytest.mark.parametrize("told", [True, False], ids=["told beforehand", "streamed"])
def test_a_body_that_is_too_large_gets_413(server: _Server, path: str, told: bool):
    kind = {"content-type": "multipart/form-data; boundary=mark" if path == _UPLOAD else "application/json"}
    content = _PIECE * 30 if told else _streamed(3_000_000)
    said = _sentence(server.visitor().post(path, content=content, headers=kind), 413)
    assert "larger than 2 MB, which is the limit" in said
    assert server.visitor().get("/healthz").json()["status"] == "ok"


def test_more_than_one_file_gets_413(server: _Server):
    before = server.kept()
    for count in (2, 3, 1000):
        files = [("files", (f"{number}.png", b"x")) for number in range(count)]
        assert "more files than 1" in _sentence(server.visitor().post(_UPLOAD, files=files), 413)
    for kind in ("BOUNDARY=mark", 'boundary="mark"', "xboundary=z; boundary=mark"):
        part = b'--mark\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\nx\r\n'
        headers = {"content-type": f"multipart/form-data; {kind}"}
        answer = server.visitor().post(_UPLOAD, content=part * 5 + b"--mark--\r\n", headers=headers)
        assert "more files than 1" in _sentence(answer, 413)
    assert server.kept() == before
    [path] = server.visitor().post(_UPLOAD, files={"files": ("a.png", b"y")}).json()
    assert Path(path).read_bytes() == b"y"


def test_who_comes_too_often_waits_and_nobody_else_does(server: _Server):
    hasty, calm = server.visitor(), server.visitor()
    answers = [hasty.post(_UPLOAD, files={"files": ("a.png", b"x")}) for _ in range(40)]
    assert [answer.status_code for answer in answers[:25]] == [200] * 25
    assert "More than 30 requests a minute came from your address" in _sentence(answers[-1], 429)
    assert hasty.get("/").status_code == 200
    assert calm.post(_UPLOAD, files={"files": ("a.png", b"x")}).status_code == 200


def test_health_and_numbers(server: _Server):
    visitor = server.visitor()
    assert visitor.get("/healthz").json() == {"status": "ok", "waiting": 0}
    done = 'unet_playground_requests_total{action="upload",outcome="done"}'

    def count() -> float:
        lines = visitor.get("/metrics").text.splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(done)), 0.0)

    before = count()
    visitor.post(_UPLOAD, files={"files": ("a.png", b"x")})
    assert count() == before + 1
    numbers = visitor.get("/metrics").text
    for name in ("queue", "seconds_bucket", 'device{device="cpu"} 1.0', "device_bytes"):
        assert f"unet_playground_{name}" in numbers
    assert "process_resident_memory_bytes" in numbers


def _dicom(path: Path) -> Path:
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    made = dcmread(str(get_testdata_file("CT_small.dcm")))
    made.PatientName = made.PatientID = made.StudyDescription = made.InstitutionName = _SENTINEL
    made.save_as(path)
    assert path.read_bytes().count(_SENTINEL.encode()) >= 4
    return path


def test_no_word_about_a_patient_is_found_anywhere(server: _Server, tmp_path: Path):
    given = handle_file(str(_dicom(tmp_path / f"{_SENTINEL}.dcm")))
    client = Client(server.address, verbose=False, download_files=str(tmp_path / "fetched"))
    words = ("liver", "", "auto")
    answers = [client.predict(given, *words, api_name="/segment")]
    answers.append(client.predict(given, *words, "saliency", 1, None, False, api_name="/explain"))
    with pytest.raises(Exception, match="shared or solo") as refused:
        client.predict(given, "liver", "", _SENTINEL.lower(), api_name="/segment")
    said = [json.dumps(answers), str(refused.value).replace(_SENTINEL.lower(), ""), server.log.read_text()]
    said.append(server.visitor().get("/metrics").text)
    assert not any(_SENTINEL in each for each in said)
    kept = [*server.stored(), *(path for path in (tmp_path / "fetched").rglob("*") if path.is_file())]
    assert len(kept) >= 3
    for path in kept:
        assert _SENTINEL not in path.name and _SENTINEL.encode() not in path.read_bytes()


def test_the_log_has_a_line_for_everything_and_no_content(server: _Server, tmp_path: Path):
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "a-telling-name.png")
    client = Client(server.address, verbose=False, download_files=str(tmp_path))
    client.predict(handle_file(str(tmp_path / "a-telling-name.png")), "nuclei", "", "auto", api_name="/segment")
    lines = server.lines()
    for line in lines:
        assert set(line) - {"error"} == {"time", "action", "size", "outcome", "seconds", "reference"}
        assert re.fullmatch(r"[\w-]+", line["action"]) and re.fullmatch(r"[0-9a-f]{8}", line["reference"])
        assert line["outcome"] in ("done", "refused", "failed", "cancelled")
    assert [line["action"] for line in lines[-2:]] == ["upload", "segment"] and lines[-2]["size"] > 50
    written = server.log.read_text()
    assert client.session_hash not in written and "a-telling-name" not in written
    assert "10.0.0." not in written and "127.0.0.1" not in written.split("\n", 1)[1]
    assert not re.search(r"/tmp|Traceback|\.py", written.split("\n", 1)[1])


def test_the_store_is_bounded(server: _Server):
    for path in server.stored():
        path.unlink()
    store = next(server.temporary.glob("unet-playground-store-*"))
    (store / "old").mkdir()
    for number in range(4):
        (store / "old" / str(number)).write_bytes(bytes(900_000))
    fresh = store / "old" / "fresh"
    fresh.write_bytes(bytes(100_000))
    piece = {"files": ("a.png", _PIECE * 15)}
    assert "The store for uploads is full; the limit is 4 MB" in _sentence(
        server.visitor().post(_UPLOAD, files=piece), 503
    )
    long_ago = time.time() - 100
    for number in range(4):
        os.utime(store / "old" / str(number), (long_ago + number, long_ago + number))
    assert server.visitor().post(_UPLOAD, files=piece).status_code == 200
    assert fresh.exists() and not (store / "old" / "0").exists() and (store / "old" / "3").exists()


def test_nothing_goes_from_the_store_where_that_would_not_make_room():
    store = Store(1000, 60)
    old, young = store.folder / "old", store.folder / "young"
    for path, age in ((old, 100), (young, 0)):
        path.write_bytes(bytes(400))
        os.utime(path, (time.time() - age, time.time() - age))
    assert not store.has_room(700) and old.exists()
    assert store.has_room(600) and not old.exists() and young.exists()


class _Ledger:
    def note(self, *told: Any) -> None: ...


async def _answer(door: Door, receive: Any, path: str = _UPLOAD, address: str = "10.0.0.1") -> tuple[int, str]:
    """Status and content of what a request gets."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await door({"type": "http", "method": "POST", "path": path, "headers": [], "client": (address, 1)}, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


async def _reads(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"[]"})


async def _nothing_comes() -> dict[str, Any]:
    return await asyncio.get_running_loop().create_future()


async def _whole_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"x", "more_body": False}


def test_who_sends_nothing_takes_no_room_for_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("unet_playground.ui.door._QUIET", 0.05)
    store = Store(1000, 60)
    for limits, status in ((Limits(body_bytes=1000), 408), (Limits(requests=0), 429)):
        door = Door(_reads, limits, _Ledger(), store, lambda address: 0)  # type: ignore[arg-type]
        answered, said = asyncio.run(_answer(door, _nothing_comes))
        assert answered == status and "the limit" in said and "。" in said
        with store.room_for(1000) as all_of_it:
            assert all_of_it


@pytest.mark.parametrize("path", [_JOIN, _UPLOAD, "/gradio_api/call/segment", "/gradio_api/run/segment"])
def test_one_address_has_its_share_of_what_waits_and_no_more(path: str):
    """What has been let in and stands in no queue yet counts, too."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        await _reads(scope, receive, send)

    waiting = {"10.0.0.1": 1, "10.0.0.2": 3}
    door = Door(app, Limits(share=3, body_bytes=1), _Ledger(), Store(9, 9), lambda one: waiting.get(one, 0))  # type: ignore[arg-type]

    async def crowd() -> list[tuple[int, str]]:
        return await asyncio.gather(*(_answer(door, _whole_body, path, f"10.0.0.{n}") for n in (1, 1, 1, 2, 3)))

    for _ in range(2):
        answers = asyncio.run(crowd())
        assert [status for status, _ in answers] == [200, 200, 429, 429, 200]
        assert "the limit is 3" in answers[2][1]


def test_on_a_space_visitors_are_told_apart_by_what_its_proxy_adds(monkeypatch: pytest.MonkeyPatch):
    scope = {"headers": [(b"x-forwarded-for", b"1.1.1.1, 2.2.2.2")], "client": ("10.0.0.1", 1)}
    assert address_of(scope) == "10.0.0.1"
    monkeypatch.setenv("SPACE_ID", "one/playground")
    assert address_of(scope) == "2.2.2.2"
    assert address_of({**scope, "headers": []}) == "10.0.0.1"


def test_uploads_on_their_way_need_room_too():
    store = Store(1000, 60)
    with store.room_for(600) as first, store.room_for(600) as second, store.room_for(400) as third:
        assert (first, second, third) == (True, False, True)
    with store.room_for(1000) as all_of_it:
        assert all_of_it


def test_with_a_login_nothing_is_shown_without_it(tmp_path: Path):
    login = f"{hashed('ward', 'correct horse')} {hashed('guest', 'battery')}"
    with started(environment={"UNET_PLAYGROUND_LOGIN": login}) as address, httpx.Client(base_url=address) as visitor:
        assert visitor.get("/healthz").status_code == 200
        for path in ("/config", "/gradio_api/info"):
            assert visitor.get(path).status_code == 401
        assert visitor.post(_UPLOAD, files={"files": ("a.png", b"x")}).status_code == 401
        for name, word in (("ward", "battery"), ("nobody", ""), ("ward", "")):
            assert visitor.post("/login", data={"username": name, "password": word or " "}).status_code == 400
        assert visitor.post("/login", data={"username": "ward", "password": "correct horse"}).status_code == 200
        assert visitor.get("/config").status_code == 200


def test_what_is_no_login_is_refused(monkeypatch: pytest.MonkeyPatch):
    assert Login.from_environment() is None
    for wrong in ("me:you", "ward:zz:00", ":::"):
        monkeypatch.setenv("UNET_PLAYGROUND_LOGIN", wrong)
        with pytest.raises(PlaygroundError, match="holds no logins"):
            Login.from_environment()
    for name, word in (("", "x"), ("a b", "x"), ("a:b", "x"), ("a", "")):
        with pytest.raises(PlaygroundError, match="A login has a name"):
            hashed(name, word)
    assert hashed("ward", "same") != hashed("ward", "same")


def test_a_store_ends_with_its_server_and_those_of_killed_ones_are_swept(tmp_path: Path):
    code = "from unet_playground.ui.store import Store; print(Store(1, 1).folder, flush=True); {}"
    env = os.environ | {"TMPDIR": str(tmp_path)}

    def left_by(ending: str) -> Path:
        run = subprocess.run([sys.executable, "-c", code.format(ending)], env=env, capture_output=True, text=True)
        return Path(run.stdout.strip())

    assert not left_by("pass").exists()
    abandoned = left_by(f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert abandoned.exists()
    left_by("pass")
    assert not abandoned.exists()


def test_a_store_is_closed_to_others_and_empties_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = Store(1000, 100)
    assert store.folder.stat().st_mode & 0o077 == 0
    old, young = store.folder / "a" / "old", store.folder / "b" / "young"
    for path, age in ((old, 110), (young, 90)):
        path.parent.mkdir()
        path.write_bytes(bytes(10))
        os.utime(path, (time.time() - age, time.time() - age))
    store.sweep()
    assert not old.exists() and young.exists()
    broken_off = store.folder / "piece"
    broken_off.write_bytes(bytes(10))
    for path in (broken_off, old.parent, young.parent):
        os.utime(path, (time.time() - 110, time.time() - 110))
    store.sweep()
    assert not broken_off.exists() and not old.parent.exists() and young.exists()
    young.unlink()
    store.sweep()
    assert [path.name for path in store.folder.iterdir()] == ["b"], "an upload may be on its way into it"


def test_who_has_sent_the_same_file_finds_it_until_all_have_read_it(server: _Server, tmp_path: Path):
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "same.png")
    image = handle_file(str(tmp_path / "same.png"))
    visitors = [Client(server.address, verbose=False, download_files=False) for _ in range(3)]
    asked = [one.submit(image, "nuclei", "", "auto", api_name="/segment") for one in visitors for _ in range(2)]
    for job in asked:
        assert sum(job.result(timeout=60)[1]["pixels"].values()) == 20 * 30
    assert not [path for path in server.stored() if path.name == "same.png"]


@pytest.mark.parametrize("place", [["--port", "99999"], ["--port", "-1"], ["--port", "0"], ["--host", "192.0.2.1"], []])
def test_what_nothing_can_listen_on_is_refused(capsys: pytest.CaptureFixture[str], place: list[str]):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        words = place or ["--port", str(busy.getsockname()[1])]
        assert main(["serve", *words]) == 2
    told = capsys.readouterr().err
    assert " ".join(words) in told and told.count("\n") == 1
