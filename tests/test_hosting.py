"""What hosts read: the front matter of a Space, the recipe of an image. Neither was run where this was written."""

import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import gradio
import pytest
import yaml
from packaging.version import Version

from unet_playground.errors import PlaygroundError, UnknownChoice
from unet_playground.ui.zero import on_gpu

ROOT = Path(__file__).parent.parent
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def test_the_front_matter_is_what_spaces_read():
    _, head, _ = (ROOT / "README.md").read_text("utf-8").split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and (ROOT / front["app_file"]).exists()
    assert {front["colorFrom"], front["colorTo"]} <= set(COLOURS)
    assert len(front["short_description"]) <= 60 and front["license"] == "mit" and front["pinned"] is False
    floor = re.search(r"gradio>=([\d.]+)", (ROOT / "requirements.txt").read_text())
    assert floor and front["sdk_version"].startswith(floor[1]) and Version(gradio.__version__) >= Version(floor[1])
    assert front["python_version"] in ("3.10.13", "3.12.12")  # what ZeroGPU has


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository, so nothing says what belongs to it")
def test_every_file_is_small_enough_for_hosts_of_code():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().strip("\0").split("\0")]
    assert [path for path in paths if path.exists() and path.stat().st_size >= 10_000_000] == []


def test_a_refusal_from_the_process_that_has_the_gpu_reaches_the_visitor(monkeypatch: pytest.MonkeyPatch):
    """Spaces tells no more of an error than its kind; what is returned crosses as it is."""

    def gpu(duration: int) -> Callable:
        def lent(run: Callable) -> Callable:
            def answer(*given: object) -> object:
                try:
                    return pickle.loads(pickle.dumps(run(*pickle.loads(pickle.dumps(given)))))
                except Exception as error:
                    raise gradio.Error(type(error).__name__) from None

            return answer

        return lent

    def halve(number: int) -> float:
        if number < 0:
            raise UnknownChoice("Too small.", "太小。")
        return number / 2

    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=gpu))
    halved = on_gpu(halve)
    assert halved(3) == 1.5
    with pytest.raises(PlaygroundError, match="Too small") as refused:
        halved(-1)
    assert type(refused.value) is UnknownChoice and refused.value.text.zh == "太小。"


def test_the_image_holds_what_the_app_needs_and_runs_without_root_rights():
    recipe = (ROOT / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+) \S+$", recipe, re.MULTILINE) for word in line.split()]
    for each in copied:
        assert (ROOT / each).exists()
    assert {"requirements.txt", "app.py", "assets", "checkpoints", "unet_playground"} <= set(copied)
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in let_in and {f"!{each}" for each in copied} <= set(let_in)
    assert re.search(r"^FROM python:3\.\d+-slim$", recipe, re.MULTILINE)
    assert recipe.index("\nUSER playground") > recipe.index("useradd") and "USER root" not in recipe
    assert "/healthz" in recipe and '"--host", "0.0.0.0"' in recipe
