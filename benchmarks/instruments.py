"""Time and memory of every instrument, and integrated gradients beside Captum's plain call on the network as built.

`python -m benchmarks.instruments` measures at 256 x 256 with the classic on nuclei, and peaks of memory at 512 x 512.
Peaks are those of a process of its own, less what it holds once model and image are there.
"""

import argparse
import copy
import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import Verdict, alternate
from unet_playground.analysis import Target, analyses, effective_field, integrated_gradients
from unet_playground.analysis.base import look
from unet_playground.analysis.watch import Watch
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError
from unet_playground.examples import examples_of
from unet_playground.inference import load_model, prepare
from unet_playground.model import UNet

STEPS = 32
SIDE, LARGE = 256, 512
PLAIN = "captum"
OURS = f"integrated-gradients(steps={STEPS})"


def main() -> None:
    """Hold integrated gradients, the effective field and every instrument's memory against their bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(analyses), help="instruments whose time and memory is told")
    parser.add_argument("--peak", nargs=2, metavar=("METHOD", "SIDE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print(json.dumps(_peak(given.peak[0], int(given.peak[1]))))
        return
    torch.set_num_threads(2)
    verdict = Verdict()
    _gradients(verdict, given.rounds)
    for method in given.only:
        _instrument(verdict, method)
    verdict.finish()


def _gradients(verdict: Verdict, rounds: int) -> None:
    """Integrated gradients beside Captum's plain call, in turns; the effective field; the first picture."""
    model, image = _scene(SIDE)
    as_built = _as_built(model)
    runs: dict[str, Callable[[], object]] = {
        "ours": lambda: integrated_gradients(model, image, Target(1), steps=STEPS),
        PLAIN: lambda: _plain(as_built, image.contiguous()),
        "captum on our layout": lambda: _plain(model, image),
        "field": lambda: effective_field(model, image, Target(1)),
    }
    seconds = alternate(runs, rounds)
    print(", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()))
    print(
        f"{seconds['captum on our layout'] / seconds['ours']:.2f} times as fast as Captum where it, too, gets frozen "
        "parameters and channels last"
    )
    verdict.at_least("times as fast as Captum's plain call", seconds[PLAIN] / seconds["ours"], 2.5)
    theirs = _plain(model, image).sum(0).numpy()
    off = np.linalg.norm(integrated_gradients(model, image, Target(1), steps=STEPS).values - theirs)
    verdict.at_most("relative L2 from Captum's values", float(off / np.linalg.norm(theirs)), 5e-3)
    peaks = {name: _measured(name, SIDE)["megabytes"] for name in (OURS, PLAIN)}
    verdict.at_most("of Captum's memory", peaks[OURS] / peaks[PLAIN], 0.25)
    for method in (OURS, "integrated-gradients"):
        shares = [_first(model, image, method) for _ in range(rounds)]
        verdict.at_most(f"share of the work before {method}'s first picture", median(shares), 0.1)
    verdict.at_most("seconds of the effective field", seconds["field"], 1)


def _instrument(verdict: Verdict, method: str) -> None:
    small, large = _measured(method, SIDE), _measured(method, LARGE)
    print(f"{method:24} {small['seconds']:6.2f} s, {small['megabytes']:5.0f} MB at {SIDE}; {small['said']}")
    verdict.at_most(f"gigabytes of {method} at {LARGE}", large["megabytes"] / 1000, 1.5)


def _plain(model: UNet, image: Tensor) -> Tensor:
    """Captum's default call with the same target, (c, h, w)."""
    from captum.attr import IntegratedGradients

    region = Target(1).pixels(model, image)
    aimed = IntegratedGradients(lambda images: (model(images)[:, 1] * region).sum((1, 2)))
    return aimed.attribute(image, n_steps=STEPS)[0].detach()


def _as_built(model: UNet) -> UNet:
    """The same network as PyTorch builds it: parameters learn, memory is contiguous."""
    plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return plain.requires_grad_()


def _first(model: UNet, image: Tensor, method: str) -> float:
    """Which share of the time goes by before the first picture."""

    class First(Watch):
        at: float | None = None

        def show(self, result: Any) -> None:
            self.at = self.at or time.process_time()

    watch, begun = First(), time.process_time()
    _look(method, model, image, watch=watch)
    return ((watch.at or time.process_time()) - begun) / (time.process_time() - begun)


def _look(method: str, model: UNet, image: Tensor, **context: Any) -> Any:
    choice = analyses.parse(method)
    return look(analyses[choice.id], model, image, Target(1), dict(choice.options), **context)


def _scene(side: int) -> tuple[UNet, Tensor]:
    model = load_model("nuclei", Design())
    image = prepare(examples_of("nuclei")[0].read(), model)
    again = [-(-side // own) for own in image.shape[2:]]
    return model, image.repeat(1, 1, *again)[..., :side, :side].contiguous(memory_format=torch.channels_last)


def _peak(method: str, side: int) -> dict[str, Any]:
    """Seconds, and megabytes beyond those of model and image."""
    for library in ("captum.attr", "scipy.ndimage", "skimage.segmentation"):
        importlib.import_module(library)

    model, image = _scene(side)
    with torch.inference_mode():
        model(image[..., :32, :32])
    before, begun, said = _resident(), time.perf_counter(), ""
    try:
        if method == PLAIN:
            _plain(model, image)
        else:
            said = _look(method, model, image).check.en
    except PlaygroundError as refusal:
        said = refusal.text.en
    return {"seconds": time.perf_counter() - begun, "megabytes": _resident() - before, "said": said}


def _resident() -> float:
    """The most memory that this process ever held, in megabytes.

    Linux tells it by itself; `getrusage` hands a parent's peak on to its children.
    """
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _measured(method: str, side: int) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.instruments", "--peak", method, str(side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
