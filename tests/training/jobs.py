"""Jobs that leave a mark whenever they run, for tests of sweeps; processes of other machines can import them."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path


class NegativeNumber(ArithmeticError):
    """An error that cannot be pickled, as those of the package."""

    def __init__(self, number: int, sentence: str):
        super().__init__(sentence)
        self.number = number


@dataclass(frozen=True)
class Square:
    """Square a number and keep the result in a file.

    Args:
        folder: Of marks and results.
        number: What is squared; a negative one fails.
        seconds: How long that takes.
    """

    folder: Path
    number: int
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"square of {self.number}"

    @property
    def result(self) -> Path:
        return self.folder / f"{self.number}.txt"

    def done(self) -> bool:
        return self.result.exists()

    def run(self) -> int:
        mark = self.folder / f"{self.number}-{os.getpid()}-{time.monotonic_ns()}.mark"
        ray = sys.modules.get("ray")
        mark.write_text(ray.get_runtime_context().get_node_id() if ray and ray.is_initialized() else "")
        time.sleep(self.seconds)
        if self.number < 0:
            raise NegativeNumber(self.number, "no negative numbers\nsecond line")
        return self.number**2

    def keep(self, result: int) -> None:
        self.result.write_text(str(result))


@dataclass(frozen=True)
class Threads(Square):
    """Tell in how many threads torch computes, in place of the square."""

    def run(self) -> int:
        import torch

        super().run()
        return torch.get_num_threads()


@dataclass(frozen=True)
class OutOfMemory(Square):
    """End the process that runs it, as an operating system without memory does."""

    def run(self) -> int:
        super().run()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


def runs(folder: Path, number: int) -> list[str]:
    """What every start of a job has marked: the Ray node that ran it."""
    return [path.read_text() for path in folder.glob(f"{number}-*.mark")]
