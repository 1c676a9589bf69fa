"""What operators see: one line for everything that was asked for, and numbers for Prometheus; never any content."""

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_hex

import torch
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from unet_playground.errors import Text
from unet_playground.inference import best_device

audit = logging.getLogger("unet_playground.audit")
FAILED = Text(
    "Something went wrong here (reference {reference}); nothing was kept. Try again, and tell the host this number if "
    "it happens once more.",
    "此处出现错误（编号 {reference}）；未保留任何内容。请重试；若再次出现，请将此编号告知管理者。",
)
METRICS = CONTENT_TYPE_LATEST
_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 120)
_MOST_RUNNING = 1000


class Ledger:
    """Counts and writes down; knows no content, no address, no visitor.

    Args:
        waiting: How many computations wait at present.
    """

    def __init__(self, waiting: Callable[[], int]):
        self._waiting = waiting
        self._begun: OrderedDict[str, float] = OrderedDict()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        kinds = ("action", "outcome")
        self._count = Counter("unet_playground_requests", "Requests by outcome", kinds, registry=self._registry)
        self._seconds = Histogram(
            "unet_playground_seconds", "Time to answer", ("action",), registry=self._registry, buckets=_BUCKETS
        )
        queue = Gauge("unet_playground_queue", "Computations that wait", registry=self._registry)
        queue.set_function(waiting)
        device = Gauge("unet_playground_device", "What computes", ("device",), registry=self._registry)
        device.labels(str(best_device())).set(1)
        taken = Gauge("unet_playground_device_bytes", "Memory of the GPU that is in use", registry=self._registry)
        taken.set_function(lambda: torch.cuda.memory_allocated() if torch.cuda.is_available() else 0)

    def begin(self, event: str) -> None:
        """Note when a computation began, unless that is known."""
        self._begun.setdefault(event, time.perf_counter())
        while len(self._begun) > _MOST_RUNNING:  # of those whose visitors have left no end is heard
            self._begun.popitem(last=False)

    def end(self, event: str, action: str, outcome: str, error: str = "") -> str:
        """Write down how a computation ended; returns the reference id of its line."""
        seconds = time.perf_counter() - self._begun.pop(event, time.perf_counter())
        return self.note(action, outcome, seconds=seconds, error=error)

    def note(self, action: str, outcome: str, size: int = 0, seconds: float = 0.0, error: str = "") -> str:
        """Write one line.

        Args:
            action: What was asked for.
            outcome: `done`, `refused`, `failed` or `cancelled`.
            size: Bytes that were sent.
            seconds: From begin to end.
            error: Name of the kind of error, where it failed.

        Returns:
            The reference id of the line.
        """
        reference = token_hex(4)
        self._count.labels(action, outcome).inc()
        self._seconds.labels(action).observe(seconds)
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "action": action, "size": size}
        line |= {"outcome": outcome, "seconds": round(seconds, 3), "reference": reference}
        audit.info(json.dumps(line | ({"error": error} if error else {})))
        return reference

    def metrics(self) -> bytes:
        """Prometheus's text."""
        return generate_latest(self._registry)

    def health(self) -> bytes:
        """JSON for a health check."""
        return json.dumps({"status": "ok", "waiting": self._waiting()}).encode()
