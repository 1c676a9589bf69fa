"""Sweeps run what is missing, keep what they get and survive failures, interruptions and lost processes."""

import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from tests.training.jobs import OutOfMemory, Square, Threads, runs
from unet_playground.errors import PlaygroundError
from unet_playground.training.sweep import MissingRay, sweep


def _results(folder: Path) -> dict[int, int]:
    return {int(path.stem): int(path.read_text()) for path in folder.glob("*.txt")}


def _interrupt(done: int, total: int, name: str) -> None:
    if done == 3:
        raise KeyboardInterrupt


def test_every_job_is_run_once_and_its_result_kept(tmp_path: Path):
    assert sweep([Square(tmp_path, number) for number in range(5)]) == []
    assert _results(tmp_path) == {number: number**2 for number in range(5)}
    assert [len(runs(tmp_path, number)) for number in range(5)] == [1] * 5


def test_a_job_that_fails_is_reported_and_stops_no_other(tmp_path: Path):
    [failure] = sweep([Square(tmp_path, number) for number in (1, -2, 3)])
    assert failure.job == "square of -2"
    assert failure.reason == "NegativeNumber: no negative numbers"
    assert _results(tmp_path) == {1: 1, 3: 9}


def test_processes_do_the_same_each_in_one_thread(tmp_path: Path):
    jobs = [*(Square(tmp_path, number) for number in (1, -2, 3, 4)), Threads(tmp_path, 5), Threads(tmp_path, 6)]
    [failure] = sweep(jobs, workers=2)
    assert failure.reason == "NegativeNumber: no negative numbers"
    assert _results(tmp_path) == {1: 1, 3: 9, 4: 16, 5: 1, 6: 1}
    assert [len(runs(tmp_path, job.number)) for job in jobs] == [1] * 6


@pytest.mark.parametrize("workers", [1, 2])
def test_after_an_interruption_only_what_is_missing_is_run(tmp_path: Path, workers: int):
    jobs = [Square(tmp_path, number) for number in range(8)]
    with pytest.raises(KeyboardInterrupt):
        sweep(jobs, workers, progress=_interrupt)
    kept = set(_results(tmp_path))
    assert len(kept) == 3
    for path in tmp_path.glob("*.mark"):
        path.unlink()
    seen: list[int] = []
    assert sweep(jobs, progress=lambda done, total, name: seen.append(done)) == []
    assert seen == [4, 5, 6, 7, 8]
    assert {number for number in range(8) if runs(tmp_path, number)} == set(range(8)) - kept
    assert len(_results(tmp_path)) == 8


def test_ctrl_c_leaves_what_is_done(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from tests.training.jobs import Square\n"
        "from unet_playground.training.sweep import sweep\n"
        "if __name__ == '__main__':\n"
        "    sweep([Square(Path(sys.argv[1]), n, 0.0 if n < 2 else 60.0) for n in range(4)], workers=2)"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=root,
        process_group=0,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background have it ignored
    )
    deadline = time.monotonic() + 120
    while len(_results(tmp_path)) < 2 or len(list(tmp_path.glob("*.mark"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    assert _results(tmp_path) == {0: 0, 1: 1}


def test_a_process_that_is_ended_takes_only_its_own_job_along(tmp_path: Path):
    jobs = [*(Square(tmp_path, number) for number in (1, 3)), OutOfMemory(tmp_path, 2)]
    jobs += [*(Square(tmp_path, number) for number in (4, 5)), OutOfMemory(tmp_path, 6), Square(tmp_path, 7)]
    failures = sweep(jobs, workers=2)
    assert [failure.job for failure in failures] == ["square of 2", "square of 6"]
    assert "memory" in failures[0].reason
    assert _results(tmp_path) == {number: number**2 for number in (1, 3, 4, 5, 7)}


def test_a_sweep_that_is_done_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    job = Square(tmp_path, 7)
    job.keep(49)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert sweep([job], ray="auto") == []
    assert runs(tmp_path, 7) == []


def test_a_result_that_cannot_be_kept_is_a_failure(tmp_path: Path):
    jobs = [Square(tmp_path / "away", 1), Square(tmp_path, 2)]
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "1.txt").symlink_to(tmp_path / "nowhere" / "1.txt")
    [failure] = sweep(jobs)
    assert "FileNotFoundError" in failure.reason
    assert _results(tmp_path) == {2: 4}


def test_each_of_several_processes_computes_in_one_thread(tmp_path: Path):
    sweep([Threads(tmp_path, number) for number in range(2)], workers=2)
    assert set(_results(tmp_path).values()) == {1}


def test_without_ray_one_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingRay, match=r"\[ray\]") as error:
        sweep([Square(tmp_path, 1)], ray="auto")
    assert "[ray]" in error.value.text.zh
    assert error.value.text.en.count(". ") == 0


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "127.0.0.1:port"])
def test_a_cluster_that_is_not_there_is_refused(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch):
    stub = types.ModuleType("ray")
    monkeypatch.setitem(sys.modules, "ray", stub)
    monkeypatch.setitem(sys.modules, "ray.exceptions", stub)
    with pytest.raises(PlaygroundError, match=f"no Ray cluster at {address} that can be reached"):
        sweep([Square(tmp_path, 1)], ray=address)
