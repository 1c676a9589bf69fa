"""A crowd of visitors: images whose masks are known, requests by HTTP alone, a server that is watched."""

import io
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unet_playground.phantoms import draw

API = "/gradio_api"
POLITE = "limit"
"""What a refusal for want of room says, with 429, 413 or 503."""


@dataclass
class Answer:
    """What became of a request: `done`, `refused` in a sentence, or `error`."""

    outcome: str
    seconds: float
    data: list[Any] = field(default_factory=list)
    said: str = ""


class Visitor:
    """One client with an address of its own.

    Args:
        server: Address of the app.
        number: Makes the address, and the image.
    """

    def __init__(self, server: str, number: int):
        forwarded = {"x-forwarded-for": f"10.1.{number // 250}.{number % 250 + 1}"}
        self._http = httpx.Client(base_url=server, headers=forwarded, timeout=120)
        self.number = number

    def ask(self, name: str, file: bytes | None, *words: Any) -> Answer:
        """Call an endpoint as scripts do: upload, call, wait for the event."""
        begun = time.perf_counter()
        data = list(words)
        if file is not None:
            sent = self._http.post(f"{API}/upload", files={"files": ("image", file)})
            if sent.status_code != 200:
                return self._refused(sent, begun)
            data = [{"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}, *words]
        called = self._http.post(f"{API}/call/{name}", json={"data": data})
        if called.status_code != 200:
            return self._refused(called, begun)
        event, told = "", ""
        with self._http.stream("GET", f"{API}/call/{name}/{called.json()['event_id']}") as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: ") and event in ("complete", "error"):
                    told = line.removeprefix("data: ")
        seconds = time.perf_counter() - begun
        if event == "complete":
            return Answer("done", seconds, json.loads(told))
        said = str(json.loads(told or "null"))
        return Answer(
            "refused" if "Nothing was kept" in said or "choose" in said.lower() else "error", seconds, [], said
        )

    def fetched(self, file: dict[str, Any]) -> bytes:
        """The content of a file in an answer."""
        return self._http.get(f"{API}/file={file['path']}").content

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _refused(self, answer: httpx.Response, begun: float) -> Answer:
        said, seconds = answer.text, time.perf_counter() - begun
        polite = answer.status_code in (413, 429, 503) and POLITE in said
        return Answer("refused" if polite else "error", seconds, [], f"{answer.status_code} {said[:200]}")


def cells(number: int, side: int = 256) -> NDArray[np.uint8]:
    """A gray image that nobody else has."""
    return np.rint(draw("cells", side, number).pixels * 255).astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Watched:
    """A process with its children, read from /proc.

    Args:
        process: Its id.
    """

    def __init__(self, process: int):
        self._process = process

    def bytes(self) -> int:
        """Resident memory of the process itself."""
        return int(Path(f"/proc/{self._process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def seconds(self) -> float:
        """Processor time that it and all its threads have taken."""
        numbers = Path(f"/proc/{self._process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
