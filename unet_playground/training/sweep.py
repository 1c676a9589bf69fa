"""Many jobs, one after the other, in several processes or on a Ray cluster; what is done is not done again."""

import os
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

import torch

from unet_playground.errors import PlaygroundError

R = TypeVar("R")
RETRIES = 5
"""How often Ray starts a job again whose node or process was lost."""


class MissingRay(PlaygroundError):
    """Ray is an optional extra."""


class Job(Protocol[R]):
    """A piece of work that can be pickled. It keeps its result so that a later sweep finds it done."""

    @property
    def name(self) -> str:
        """What to call it in a list of failures."""
        ...

    def done(self) -> bool:
        """Whether its result is there already."""
        ...

    def run(self) -> R:
        """Compute the result, wherever there is a free core; on a cluster that may be another machine."""
        ...

    def keep(self, result: R) -> None:
        """Write the result, here; called as soon as it arrives and never by two at once."""
        ...


@dataclass(frozen=True)
class Failure:
    """A job that raised an error.

    Attributes:
        job: Its name.
        reason: The error in one line.
    """

    job: str
    reason: str


@dataclass(frozen=True)
class _Outcome(Generic[R]):
    """What a process sends back: a result, or the reason why there is none.

    Errors themselves stay where they are raised: not every one can be pickled.
    """

    result: R | None = None
    reason: str = ""


Progress = Callable[[int, int, str], None]
"""Called with the number of jobs that are done, of all, and the name of the last one."""


def sweep(
    jobs: Sequence[Job[Any]],
    workers: int = 1,
    ray: str | None = None,
    gpus: float = 0.0,
    progress: Progress = lambda done, total, name: None,
) -> list[Failure]:
    """Run the jobs that are not done yet and keep every result as soon as it is there.

    An interruption loses no more than what was running: the same call goes on with what is missing. A job that fails
    stops no other, nor does one whose process is ended, by lack of memory for example.

    Args:
        jobs: All of them, done or not.
        workers: Processes on this machine; with more than one, each computes in one thread.
        ray: Address of a Ray cluster (`auto`, `HOST:PORT` or `ray://HOST:PORT`) that runs them instead. Its nodes need
            this package, its data and its weights, found by their own environment variables.
        gpus: How much of a GPU every job asks of Ray.
        progress: Is told whenever a job has ended.

    Returns:
        The jobs that failed, in the order in which they did.

    Raises:
        MissingRay: A cluster is named and Ray is not installed.
    """
    missing = [job for job in jobs if not job.done()]
    if not missing:
        return []
    if ray is not None:
        ended = _on_cluster(missing, ray, gpus)
    else:
        ended = _in_processes(missing, workers) if workers > 1 else ((job, _attempt(job)) for job in missing)
    failures: list[Failure] = []
    for number, (job, outcome) in enumerate(ended, start=len(jobs) - len(missing) + 1):
        reason = outcome.reason or _keep(job, outcome.result)
        if reason:
            failures.append(Failure(job.name, reason))
        progress(number, len(jobs), job.name)
    return failures


def _attempt(job: Job[R]) -> _Outcome[R]:
    try:
        return _Outcome(job.run())
    except Exception as error:
        return _Outcome(reason=_reason(error))


def _keep(job: Job[R], result: R) -> str:
    """Keep a result, or tell why it could not be kept."""
    try:
        job.keep(result)
    except Exception as error:
        return _reason(error)
    return ""


def _in_processes(jobs: Sequence[Job[R]], workers: int) -> Iterator[tuple[Job[R], _Outcome[R]]]:
    waiting = jobs
    while waiting:
        lost = yield from _in_pool(waiting, workers)
        # Jobs begin in their order: one of the first ended its process, and shows it when it is alone.
        for job in lost[:workers]:
            if (yield from _in_pool([job], 1)):
                yield job, _Outcome(reason="its process was ended, perhaps for lack of memory")
        waiting = lost[workers:]


def _in_pool(jobs: Sequence[Job[R]], workers: int) -> Generator[tuple[Job[R], _Outcome[R]], None, Sequence[Job[R]]]:
    """The outcomes of jobs; gives those back that have none, because a process of the pool was ended."""
    # A forked process would inherit the threads of torch in an undefined state.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,))
    try:
        futures = {pool.submit(_attempt, job): job for job in jobs}
        lost = set()
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                lost.add(future)
        return [job for future, job in futures.items() if future in lost]
    except KeyboardInterrupt:
        # A worker that was interrupted too would go on with the job that already waits in its queue.
        for child in active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _on_cluster(jobs: Sequence[Job[R]], address: str, gpus: float) -> Iterator[tuple[Job[R], _Outcome[R]]]:
    """Ray places the jobs, and runs those of a lost node on another one."""
    ray = _ray()
    _connect(ray, address)
    try:
        remote = ray.remote(max_retries=RETRIES, num_cpus=1, num_gpus=gpus)(_attempt)
        waiting = {remote.remote(job): job for job in jobs}
        while waiting:
            [reference], _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(reference)
            try:
                outcome = ray.get(reference)
            except ray.exceptions.RayError as error:
                outcome = _Outcome(reason=_reason(error))
            yield job, outcome
    finally:
        ray.shutdown()


def _ray() -> ModuleType:
    # Read when Ray is imported: nothing that runs here reports to anybody.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray  # pyright: ignore[reportMissingImports] - an optional extra
        import ray.exceptions  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingRay(
            'Ray is not installed; in the repository, pip install -e ".[ray]" installs it; or leave --ray out.',
            '未安装 Ray；请在仓库中用 pip install -e ".[ray]" 安装，或不用 --ray。',
        ) from None
    return ray


def _connect(ray: ModuleType, address: str) -> None:
    try:
        _knock(address)
        ray.init(address, log_to_driver=False, logging_level="warning")
    except (OSError, ValueError, RuntimeError) as error:
        raise PlaygroundError(
            f"There is no Ray cluster at {address} that can be reached ({_reason(error)}); start one with ray start.",
            f"无法连接位于 {address} 的 Ray 集群（{_reason(error)}）；请先用 ray start 启动。",
        ) from None


def _knock(address: str) -> None:
    """Open a connection to a host that is named and close it: Ray itself asks a dead address for ten minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _reason(error: BaseException) -> str:
    """The first line of an error; a caller's own mistake without the kind of the error."""
    line = (str(error).strip().splitlines() or [""])[0]
    return line if isinstance(error, PlaygroundError) else f"{type(error).__name__}: {line}"
