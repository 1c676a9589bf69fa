"""Training as its own program: killed without warning, and spread over two processes."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load as load_arrays
from safetensors.torch import load_file

from tests.training.scenes import write_scenes

FLAGS = ["--task", "nuclei", "--depth", "1", "--width", "2", "--size", "2", "--side", "16", "--json"]
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
LIMIT = 240
EVERY = 5
"""Steps between two checkpoints."""


def _command(out: Path, scenes: Path, *flags: str) -> list[str]:
    return ["unet_playground", "train", *FLAGS, "--data", str(scenes), "--out", str(out), *flags]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data"))


def _wait_for_another(state: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the process has written its first checkpoint."""
    before, limit = state.stat().st_mtime_ns if state.exists() else 0, time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < limit:
        if state.exists() and state.stat().st_mtime_ns != before:
            break
        time.sleep(0.01)


def _saved(state: Path) -> int:
    """The step of a checkpoint."""
    return json.loads(load_arrays(state.read_bytes())["note"].tobytes())["step"] if state.exists() else 0


def _kill_and_finish(scenes: Path, folder: Path, kills: int, steps: int) -> None:
    flags = ("--bank", "--steps", str(steps), "--every", str(EVERY))
    one, other = folder / "whole", folder / "killed"
    _run([sys.executable, "-m", *_command(one, scenes, *flags)])
    rng, state = random.Random(0), other / "resume.safetensors"
    for number in range(kills):
        with (folder / "bar").open("wb") as bar:
            process = subprocess.Popen([sys.executable, "-m", *_command(other, scenes, *flags)], stderr=bar)
        if number % 5 == 4:
            time.sleep(rng.uniform(0, 3))  # while it starts
        else:
            _wait_for_another(state, process)
            time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        assert process.wait(LIMIT) == -signal.SIGKILL, "it had ended before"
        reached = [int(step) for step in re.findall(rf"(\d+)/{steps} \[", (folder / "bar").read_text())]
        assert max(reached, default=0) - _saved(state) <= EVERY
    _run([sys.executable, "-m", *_command(other, scenes, *flags)])
    assert (one / "weights-0.safetensors").read_bytes() == (other / "weights-0.safetensors").read_bytes()


def test_a_killed_training_ends_as_if_it_had_not_been(scenes: Path, tmp_path: Path):
    _kill_and_finish(scenes, tmp_path, kills=2, steps=60)


@pytest.mark.long
def test_twenty_kills_change_nothing(scenes: Path, tmp_path: Path):
    _kill_and_finish(scenes, tmp_path, kills=20, steps=1000)


@pytest.mark.parametrize("shared", [True, False], ids=["bank", "solo"])
def test_two_processes_train_what_one_does(shared: bool, scenes: Path, tmp_path: Path):
    flags = ("--steps", "4", "--seed", "3", *(["--bank"] if shared else []))
    _run([sys.executable, "-m", *_command(tmp_path / "one", scenes, *flags)])
    _run([*LAUNCH, "--nproc-per-node", "2", "-m", *_command(tmp_path / "two", scenes, *flags)])
    one, two = (load_file(tmp_path / name / "weights-0.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=2e-3)


def test_patches_that_do_not_divide_among_processes_are_refused(scenes: Path, tmp_path: Path):
    command = [*LAUNCH, "--nproc-per-node", "2", "-m", *_command(tmp_path / "odd", scenes, "--size", "3")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode != 0
    assert "3 patches a step do not divide among 2 processes" in done.stderr
