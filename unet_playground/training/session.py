"""A training run on disk: resumable checkpoints while it runs, weights and card when it is done."""

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from torch import Tensor

from unet_playground import __version__
from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import PlaygroundError, UnusableWeights
from unet_playground.inference import best_device
from unet_playground.registry import catalogues
from unet_playground.space import change
from unet_playground.tasks import tasks
from unet_playground.training.alone import alone
from unet_playground.training.datasets import Example, Sample, data_root, datasets, examples, split, split_hash
from unet_playground.training.evaluate import evaluate
from unet_playground.training.loop import DEEP, Bank, Trainer
from unet_playground.training.recipe import Recipe
from unet_playground.training.start import check_start, named, teacher_of
from unet_playground.weights import Card, WeightStore, read_card, replace_file, write, write_card

MACHINE = ("device", "processes", "threads", "seconds")
"""What a card's recipe says of the machine."""
RESULTS = ("parts", "files", "data", "metrics", "versions", "format")
"""What a card has only after training."""
Progress = Callable[[int, int, float], None]
"""Called with step, steps and the running mean of the loss."""


@dataclass
class Session:
    """Train the bank of a task (`shared`) or one design, and write the result to a folder.

    Started by `torchrun` in several processes, it trains with PyTorch's DistributedDataParallel.

    Args:
        task: Id of a task.
        base: The design, or the size of the bank.
        shared: Whether to train a bank.
        recipe: How.
        out: Folder for `resume.safetensors`, then weights and `card.json`.
        data: Folder with the data sets; `UNET_PLAYGROUND_DATA` by default.
        every: Steps between two checkpoints.
        checks: How often, in the second half of training, the averaged weights are scored on the validation split;
            the best are kept. 0 keeps the last, as do data without validation images.
        teachers: Folders of designs trained alone, from whose weights and features a bank starts.
        only: Slots in which all designs of a bank are like `base`: a bank for a part of the space.
        start: Folder of a bank that serves more designs, from whose weights this one starts.
        anew: Whether another training that lies in the folder is replaced: an unfinished one at once, weights once
            these are there.
    """

    task: str
    base: Design
    shared: bool
    recipe: Recipe
    out: Path
    data: str | None = None
    every: int = 200
    checks: int = 5
    teachers: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    start: Path | None = None
    anew: bool = False
    seconds: float = field(default=0.0, init=False)
    validation: list[dict[str, float]] = field(default_factory=list, init=False)
    _splits: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)

    def run(self, progress: Progress = lambda step, steps, loss: None) -> Card:
        """Train to the end, from the last checkpoint if there is one, and give the card; once done, only the card.

        Of several processes the first one scores and writes; the cards of the others have no test scores.
        """
        with _process_group() as device:
            return self._run(progress, device)

    def _run(self, progress: Progress, device: torch.device) -> Card:
        task = tasks[self.task].make()
        self.recipe = replace(self.recipe, precision=_precision(self.recipe.precision, device))
        task.check_dims(self.base)
        wanted = Card(self.task, self.base.to_json(), self.shared, self.only, files=({},))
        check_start(wanted, self.teachers, self.start)
        parts = split(self.task, data_root(self.data))
        self._splits = {name: {"n": len(part), "sha256": split_hash(part)} for name, part in parts.items()}
        if (finished := self._finished()) is not None:
            return finished
        first = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
        with self._held() if first else nullcontext():
            return self._trained(parts, progress, device)

    def _trained(self, parts: dict[str, list[Sample]], progress: Progress, device: torch.device) -> Card:
        task, dims = tasks[self.task].make, self.base.dims
        bank = Bank(self.base, task.channels, len(task.labels), self.shared, self.recipe.seed, device, self.only)
        if self.start is not None:
            bank.branch_from(WeightStore(self.start, read_card(self.start / "card.json")))
        taught = [teacher_of(folder).to(device) for folder in self.teachers]
        trainer = Trainer(bank, self.recipe, examples(self.task, parts["train"], training=True, dims=dims), taught)
        # What cannot be read is told now, and not after hours of training.
        test = [] if trainer.rank else examples(self.task, parts["test"], dims=dims)
        self._resume(trainer)
        self._train(trainer, progress, _some(examples(self.task, parts["validation"], dims=dims)))
        card = self._card(trainer)
        if trainer.rank:
            return card
        self._take_best(bank)
        kept = {name: tensor for name, tensor in bank.average.items() if not name.startswith(DEEP)}
        card = write(self.out, kept, card)
        card = self._scored(card, test, device)
        self._state.unlink(missing_ok=True)
        self._best.unlink(missing_ok=True)
        return card

    def _finished(self) -> Card | None:
        """The card of a training that came to its end here."""
        if self.anew or self._state.exists() or not (self.out / "card.json").exists():
            return None
        card = read_card(self.out / "card.json")
        if "test" not in card.metrics or not card.files:
            return None
        machine = {name: value for name, value in card.recipe.items() if name in MACHINE}
        mine = Card(self.task, self.base.to_json(), self.shared, self.only, recipe=self._recipe() | machine)
        told = replace(card, recipe=asdict(Recipe()) | card.recipe)  # older cards lack what every training did then
        alike = replace(mine, **{name: getattr(card, name) for name in RESULTS}) == told
        if not alike or card.data.get("splits") != self._splits:
            raise UnusableWeights(
                f"{self.out.name} holds weights of another training; choose another --out.",
                f"{self.out.name} 中已有另一次训练的权重；请换一个 --out。",
            )
        return card

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The folder, which is made, while no other process trains into it; leftovers of killed ones are removed."""
        busy = PlaygroundError(
            f"Another process trains into {self.out.name}; wait for it, or choose another --out.",
            f"另一个进程正在训练并写入 {self.out.name}；请等待其完成，或换一个 --out。",
        )
        with ExitStack() as stack:
            try:
                stack.enter_context(alone(self.out, "training", busy))
                for left in self.out.glob(".*.safetensors.*"):
                    left.unlink()
            except OSError as error:
                raise PlaygroundError(
                    f"{self.out.name} is no folder that can be written ({error.strerror}); choose another --out.",
                    f"{self.out.name} 不是可写的文件夹（{error.strerror}）；请换一个 --out。",
                ) from None
            yield

    def _train(self, trainer: Trainer, progress: Progress, validation: list[Example]) -> None:
        started, begun, mean = time.monotonic() - self.seconds, trainer.step, 0.0
        due = self._checks() if validation else set()
        for loss in trainer.run():
            done = trainer.step + 1
            weight = max(0.02, 1 / (done - begun))
            mean += weight * (loss - mean)
            self.seconds = time.monotonic() - started
            if trainer.rank:
                continue  # the first process tells, scores and saves for all
            if not math.isfinite(loss):
                raise self._diverged(done)
            progress(done, self.recipe.steps, mean)
            if done in due:
                self._check(trainer, done, validation)
            if done % self.every == 0 or done in due:
                self._save(trainer, done)

    def _diverged(self, step: int) -> PlaygroundError:
        en, zh = ("", "") if self.anew else (", and another --out", "，并换一个 --out")
        return PlaygroundError(
            f"The loss is no number any more at step {step}; take a smaller --rate than {self.recipe.rate}{en}.",
            f"第 {step} 步时损失已不是数；请取比 {self.recipe.rate} 更小的 --rate{zh}。",
        )

    def _checks(self) -> set[int]:
        half, checks = self.recipe.steps // 2, self.checks
        return {self.recipe.steps - half * number // checks for number in range(checks)} if checks else set()

    def _check(self, trainer: Trainer, step: int, validation: list[Example]) -> None:
        """Score the averaged weights on some validation images and keep them if they are the best so far."""
        designs = _probe(self.base, self.only) if self.shared else [self.base]
        unit = datasets[self.task].make.unit
        scores = [evaluate(trainer.bank.averaged(design), validation, ["dice"], unit).dice for design in designs]
        score = round(float(np.mean(scores)), 4)
        if score > max((one["dice"] for one in self.validation), default=-1.0):
            arrays = {name: tensor.cpu().numpy() for name, tensor in trainer.bank.average.items()}
            replace_file(self._best, save_arrays(arrays))
        self.validation.append({"step": step, "dice": score})

    @property
    def _kept(self) -> int:
        """The step whose weights are kept: the first of the best on validation images, else the last."""
        return int(max(self.validation, key=lambda one: one["dice"], default={"step": self.recipe.steps})["step"])

    def _take_best(self, bank: Bank) -> None:
        if self._best.exists():
            for name, array in load_arrays(self._best.read_bytes()).items():
                bank.average[name].copy_(torch.from_numpy(np.array(array)))

    def _scored(self, card: Card, test: list[Example], device: torch.device) -> Card:
        """The card with the scores of the weights as they were written, in half precision."""
        dataset = datasets[self.task].make
        network = WeightStore(self.out, card).network().to(device).channels_last().eval()
        result = evaluate(network, test, dataset.metrics, dataset.unit)
        card = replace(card, metrics={**card.metrics, "test": result.summary()})
        write_card(self.out, card)
        return card

    def _card(self, trainer: Trainer) -> Card:
        entry = datasets[self.task]
        return Card(
            task=self.task,
            design=self.base.to_json(),
            shared=self.shared,
            only=self.only,
            parts={slot: [*catalogues[slot]] for slot in SLOT_IDS} if self.shared else {},
            recipe={
                **self._recipe(),
                "device": _device_name(trainer.device),
                "processes": trainer.world,
                "threads": torch.get_num_threads(),
                "seconds": round(self.seconds),
            },
            data={
                "title": entry.title.en,
                "paper": str(entry.paper),
                "licence": entry.make.source.licence,
                "address": entry.make.source.address,
                "attribution": entry.make.source.attribution,
                "splits": self._splits,
                **({"volumes": scan.note.en} if (scan := tasks[self.task].make.scan) else {}),
            },
            metrics={"of": "the design named in this card", "validation": self.validation, "kept": self._kept},
            versions={
                "unet_playground": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        )

    def _recipe(self) -> dict[str, Any]:
        """What decides the result, as a card has it."""
        return {
            **asdict(self.recipe),
            **({"start": named(self.start)} if self.start else {}),
            **({"teachers": [named(folder) for folder in self.teachers]} if self.teachers else {}),
        }

    @property
    def _state(self) -> Path:
        return self.out / "resume.safetensors"

    @property
    def _best(self) -> Path:
        return self.out / "best.safetensors"

    def _save(self, trainer: Trainer, step: int) -> None:
        """Everything that the next step depends on, written so that an older checkpoint survives a crash."""
        arrays: dict[str, np.ndarray] = {}
        for name, parameter in trainer.bank.parameters.items():
            state = trainer.optimizer.state.get(parameter, {})
            tensors = {"parameter": parameter, "average": trainer.bank.average[name], **state}
            arrays |= {f"{kind}/{name}": tensor.detach().cpu().numpy() for kind, tensor in tensors.items()}
        note = {"step": step, "plan": self._plan(), "updates": trainer.bank.updates}
        note |= {"seconds": self.seconds, "validation": self.validation}
        arrays["note"] = np.frombuffer(json.dumps(note).encode(), np.uint8)
        replace_file(self._state, save_arrays(arrays))

    def _resume(self, trainer: Trainer) -> None:
        if not self._state.exists():
            self._best.unlink(missing_ok=True)  # of another training
            return
        try:
            arrays = load_arrays(self._state.read_bytes())
            note = json.loads(arrays.pop("note").tobytes())
        except (SafetensorError, ValueError, KeyError):
            raise UnusableWeights(
                f"The unfinished training in {self.out.name} is damaged; remove resume.safetensors or choose another "
                "--out.",
                f"{self.out.name} 中未完成的训练已损坏；请删除 resume.safetensors，或换一个 --out。",
            ) from None
        if note["plan"] != self._plan():
            if self.anew:
                return self._best.unlink(missing_ok=True)
            raise UnusableWeights(
                f"{self.out.name} holds an unfinished training of another kind; finish it or choose another --out.",
                f"{self.out.name} 中有另一个未完成的训练；请先完成它，或换一个 --out。",
            )
        bank = trainer.bank
        for key, array in arrays.items():
            kind, _, name = key.partition("/")
            tensor = torch.from_numpy(np.array(array))
            if kind == "parameter":
                bank.parameters[name].data.copy_(tensor)
            elif kind == "average":
                bank.average[name].copy_(tensor)
            else:
                state: dict[str, Tensor] = trainer.optimizer.state[bank.parameters[name]]
                # Apple's optimizer counts its steps on the CPU.
                stays = kind == "step" and trainer.device.type == "mps"
                state[kind] = tensor if stays else tensor.to(trainer.device)
        bank.updates.update(note["updates"])
        trainer.step, self.seconds, self.validation = note["step"], note["seconds"], note["validation"]

    def _plan(self) -> dict[str, object]:
        return {
            "task": self.task,
            "design": self.base.to_link(),
            "shared": self.shared,
            "only": list(self.only),
            "splits": self._splits,
            **self._recipe(),
        }


@contextmanager
def _process_group() -> Iterator[torch.device]:
    """The device of this process; joins the others where `torchrun` has started several."""
    device = best_device()
    if not torch.distributed.is_torchelastic_launched():
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
        torch.distributed.barrier()
    finally:
        torch.distributed.destroy_process_group()


def _precision(wanted: str, device: torch.device) -> str:
    """What `auto` means on a device; a CPU that only imitates bfloat16 is slower with it."""
    if wanted != "auto":
        return wanted
    computes = torch.cpu._is_avx512_bf16_supported() if device.type == "cpu" else device.type == "cuda"
    return "bfloat16" if computes else "float32"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _some(validation: list[Example], pixels: float = 1.5e6) -> list[Example]:
    """Every so-manieth group of the validation images, of so many pixels together."""
    groups = list(dict.fromkeys(example.group for example in validation))
    total = sum(example.labels.numel() for example in validation)
    chosen = set(groups[:: max(1, round(total / pixels))])
    return [example for example in validation if example.group in chosen]


def _probe(base: Design, only: Sequence[str] = ()) -> list[Design]:
    """The designs by whose mean a bank is judged while it is trained: its own, and others that learn slowly."""
    others = ({"skip": "none"}, {"down": "none"}, {"block": "dilated"})
    changed = [change(base, **one) for one in others if not one.keys() & {*only}]
    return [base, *(one for one in changed if isinstance(one, Design))]
