"""What hosts read: the front matter of a Space, the recipe of an image. Neither was run where this was written."""

import re
from pathlib import Path

import gradio
import yaml

ROOT = Path(__file__).parent.parent
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


def test_the_front_matter_is_what_spaces_read():
    _, head, _ = (ROOT / "README.md").read_text("utf-8").split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and (ROOT / front["app_file"]).exists()
    assert {front["colorFrom"], front["colorTo"]} <= set(COLOURS)
    assert len(front["short_description"]) <= 60 and front["license"] == "mit" and front["pinned"] is False
    floor = re.search(r"gradio>=([\d.]+)", (ROOT / "requirements.txt").read_text())
    assert floor and front["sdk_version"].startswith(floor[1]) and gradio.__version__ >= floor[1]
    assert front["python_version"] in ("3.10.13", "3.12.12")  # what ZeroGPU has


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
