"""Timing that survives a noisy machine, and a verdict at the end."""

import sys
import time
from collections.abc import Callable, Mapping
from statistics import median


def alternate(functions: Mapping[str, Callable[[], object]], rounds: int = 15) -> dict[str, float]:
    """Median seconds of each function; they take turns, so that a slow moment hits all of them."""
    for function in functions.values():
        function()
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in times.items()}


class Verdict:
    """Prints every bound with what was measured; `finish` exits with 1 when one was broken."""

    def __init__(self) -> None:
        self.broken = 0

    def at_least(self, what: str, value: float, bound: float) -> None:
        """`value` must not be below `bound`."""
        self._tell(what, value, bound, value >= bound, "at least")

    def at_most(self, what: str, value: float, bound: float) -> None:
        """`value` must not be above `bound`."""
        self._tell(what, value, bound, value <= bound, "at most")

    def finish(self) -> None:
        """End the program with the verdict."""
        sys.exit(1 if self.broken else 0)

    def _tell(self, what: str, value: float, bound: float, holds: bool, relation: str) -> None:
        self.broken += not holds
        print(f"{'holds ' if holds else 'BROKEN'}  {what}: {value:.4g} ({relation} {bound:g})")
