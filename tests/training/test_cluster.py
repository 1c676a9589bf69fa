"""A Ray cluster of two nodes runs what a sweep asks for, the project's own jobs too, and survives the loss of one."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from tests.training.jobs import Square, runs
from tests.training.scenes import write_scenes
from unet_playground import Design
from unet_playground.atlas import read_atlas
from unet_playground.training.loop import DEEP, Bank
from unet_playground.training.measure import MeasureJob
from unet_playground.training.solo import SoloJob
from unet_playground.training.sweep import Job, sweep
from unet_playground.weights import Card, write

pytestmark = pytest.mark.long

NODE = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100_000_000}
BASE = Design(depth=1, width=2)


@pytest.fixture
def cluster(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The first node; processes on it and on those that are added use the folder of weights of the test."""
    # Read when Ray is imported: no reports, nothing but the loopback interface, no processes before they are needed.
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_enable_worker_prestart", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")
    pytest.importorskip("ray", reason="needs the extra: pip install -e '.[ray]'")
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        yield made
    finally:
        made.shutdown()


def test_jobs_of_a_lost_node_are_run_on_another_one(tmp_path: Path, cluster: Any):
    second = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    # Long enough for a node to be taken away before the job that it has just begun is done.
    jobs = [Square(tmp_path, number, seconds=6.0) for number in range(5)] + [Square(tmp_path, -1)]
    lost: list[int] = []

    def pull() -> None:
        """Take the second node away while it is at work on a job."""
        deadline = time.monotonic() + 120
        while not lost and time.monotonic() < deadline:
            begun = [job.number for job in jobs if second.node_id in runs(tmp_path, job.number)]
            lost.extend(number for number in begun if not Square(tmp_path, number).done())
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)

    thread = threading.Thread(target=pull)
    thread.start()
    [failure] = sweep(jobs, ray=cluster.address)
    thread.join()
    assert failure.reason == "NegativeNumber: no negative numbers"
    assert [int(Square(tmp_path, number).result.read_text()) for number in range(5)] == [0, 1, 4, 9, 16]
    assert lost
    assert len(runs(tmp_path, lost[0])) > 1


def test_designs_are_measured_and_trained_there_as_they_are_here(checkpoints: Path, tmp_path: Path, cluster: Any):
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    average = Bank(BASE, 3, 2, shared=True).average
    tensors = {name: tensor for name, tensor in average.items() if not name.startswith(DEEP)}
    bank = write(checkpoints / "nuclei" / "bank", tensors, Card("nuclei", BASE.to_json(), shared=True))
    data = str(write_scenes(tmp_path / "data"))
    measured = [MeasureJob("nuclei", one, bank.sha256[:12], True, data) for one in (BASE, BASE.replace(skip="add"))]
    trained = SoloJob("nuclei", BASE, steps=10, data=data)
    jobs: list[Job[Any]] = [*measured, trained]
    assert sweep(jobs, ray=cluster.address) == []
    assert [job.done() for job in jobs] == [True] * 3
    assert (checkpoints / "nuclei" / "solo-classic" / "weights-0.safetensors").exists()
    there = _untimed()
    rmtree(trained.folder)  # or it would not be trained again
    for job in jobs:
        job.keep(job.run())
    assert _untimed() == there


def _untimed() -> list[str]:
    """The rows of the table without the time that their networks took."""
    return [repr(replace(row, latency=0.0)) for row in read_atlas("nuclei").rows]
