"""Hugging Face's ZeroGPU, which lends a GPU for single calls; elsewhere nothing of this is used."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch

from unet_playground.errors import PlaygroundError
from unet_playground.inference import best_device

Run = TypeVar("Run", bound=Callable[..., Any])
_SECONDS = 60


def lent() -> bool:
    """Whether this runs on ZeroGPU."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def on_gpu(run: Run) -> Run:
    """The same function; on ZeroGPU it runs in another process that has a GPU.

    A refusal comes from there as an answer: of an error Spaces tells no more than its kind.

    Args:
        run: Takes and returns what can be pickled: ids, arrays, frozen dataclasses of them; no networks.
    """
    if not lent():
        return run
    import spaces  # type: ignore[import-not-found]

    @wraps(run)
    def there(*given: Any) -> Any:
        try:
            return run(*given)
        except PlaygroundError as refusal:
            return refusal

    sent = spaces.GPU(duration=_SECONDS)(there)

    @wraps(run)
    def here(*given: Any) -> Any:
        answer = sent(*given)
        if isinstance(answer, PlaygroundError):
            raise answer
        return answer

    return here  # type: ignore[return-value]


def device_here() -> torch.device:
    """What a function under `on_gpu` computes on."""
    return torch.device("cuda") if lent() else best_device()
