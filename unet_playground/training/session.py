"""A training run on disk: resumable checkpoints while it runs, weights and card when it is done."""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from torch import Tensor

from unet_playground import __version__
from unet_playground.design import Design
from unet_playground.errors import PlaygroundError, UnusableWeights
from unet_playground.model import UNet
from unet_playground.tasks import tasks
from unet_playground.training.datasets import Sample, data_root, datasets, read, split, split_hash
from unet_playground.training.evaluate import Evaluation, evaluate
from unet_playground.training.loop import DEEP, Bank, Recipe, Trainer
from unet_playground.weights import Card, WeightStore, read_card, replace_file, write

Progress = Callable[[int, int, float], None]
"""Called with step, steps and the running mean of the loss."""


@dataclass
class Session:
    """Train the bank of a task (`shared`) or one design, and write the result to a folder.

    Args:
        task: Id of a task.
        base: The design, or the size of the bank.
        shared: Whether to train a bank.
        recipe: How.
        out: Folder for `resume.safetensors`, then weights and `card.json`.
        data: Folder with the data sets; `UNET_PLAYGROUND_DATA` by default.
        every: Steps between two checkpoints.
        start: Folder of trained weights to start from; by default weights are random at the start.
    """

    task: str
    base: Design
    shared: bool
    recipe: Recipe
    out: Path
    data: str | None = None
    every: int = 200
    start: Path | None = None

    def run(self, progress: Progress = lambda step, steps, loss: None) -> Card:
        """Train to the end, from the last checkpoint if there is one, and give the card."""
        task = tasks[self.task].make()
        task.check_dims(self.base)
        parts = split(self.task, data_root(self.data))
        bank = Bank(self.base, task.channels, len(task.labels), self.shared, self.recipe.seed)
        if self.start:
            bank.start_from(WeightStore(self.start, read_card(self.start / "card.json")).draw)
        trainer = Trainer(bank, self.recipe, [read(sample, task) for sample in parts["train"]])
        self._open_folder()
        self._resume(trainer)
        self._train(trainer, progress)
        card = self._card(trainer, parts, self._score(bank, parts["test"]))
        kept = {name: tensor for name, tensor in bank.average.items() if not name.startswith(DEEP)}
        card = write(self.out, kept, card)
        self._state.unlink(missing_ok=True)
        return card

    def _open_folder(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PlaygroundError(
                f"{self.out.name} is no folder that can be written ({error.strerror}); choose another --out.",
                f"{self.out.name} 不是可写的文件夹（{error.strerror}）；请换一个 --out。",
            ) from None

    def _train(self, trainer: Trainer, progress: Progress) -> None:
        started, begun, mean = time.monotonic(), trainer.step, 0.0
        for loss in trainer.run():
            done = trainer.step + 1
            weight = max(0.02, 1 / (done - begun))
            mean += weight * (loss - mean)
            progress(done, self.recipe.steps, mean)
            if done % self.every == 0:
                self._save(trainer, done)
        self.seconds = time.monotonic() - started

    def _score(self, bank: Bank, test: list[Sample]) -> Evaluation:
        task = tasks[self.task].make()
        network = UNet(self.base, task.channels, len(task.labels))
        network.load_state_dict({name: bank.average[name] for name, _ in network.named_parameters()})
        return evaluate(network.eval(), (read(sample, task) for sample in test))

    def _card(self, trainer: Trainer, parts: dict[str, list[Sample]], result: Evaluation) -> Card:
        entry = datasets[self.task]
        return Card(
            task=self.task,
            design=self.base.to_json(),
            shared=self.shared,
            recipe={
                **asdict(self.recipe),
                "device": "cpu",
                "seconds": round(self.seconds),
                **({"start": self._started_from()} if self.start else {}),
            },
            data={
                "title": entry.title.en,
                "paper": str(entry.paper),
                "licence": entry.make.licence,
                "address": entry.make.address,
                "splits": {name: {"n": len(part), "sha256": split_hash(part)} for name, part in parts.items()},
            },
            metrics={"test": result.summary(), "of": "the design named in this card"},
            versions={
                "unet_playground": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        )

    def _started_from(self) -> dict[str, object]:
        """The recipe and the hash of the weights that training started from."""
        card = read_card(self.start / "card.json")  # type: ignore[operator]
        return {"sha256": card.sha256, "recipe": card.recipe}

    @property
    def _state(self) -> Path:
        return self.out / "resume.safetensors"

    def _save(self, trainer: Trainer, step: int) -> None:
        """Everything that the next step depends on, written so that an older checkpoint survives a crash."""
        arrays: dict[str, np.ndarray] = {}
        for name, parameter in trainer.bank.parameters.items():
            state = trainer.optimizer.state.get(parameter, {})
            tensors = {"parameter": parameter, "average": trainer.bank.average[name], **state}
            arrays |= {f"{kind}/{name}": tensor.detach().numpy() for kind, tensor in tensors.items()}
        note = {"step": step, "plan": self._plan(), "updates": trainer.bank.updates}
        arrays["note"] = np.frombuffer(json.dumps(note).encode(), np.uint8)
        replace_file(self._state, save_arrays(arrays))

    def _resume(self, trainer: Trainer) -> None:
        if not self._state.exists():
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
                state[kind] = tensor.to(memory_format=torch.preserve_format)
        bank.updates.update(note["updates"])
        trainer.step = note["step"]

    def _plan(self) -> dict[str, object]:
        return {
            "task": self.task,
            "design": self.base.to_link(),
            "shared": self.shared,
            **asdict(self.recipe),
            "start": str(self.start or ""),
        }
