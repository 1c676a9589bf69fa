"""Trained weights: banks that designs share, designs trained alone, and the cards that describe them."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import PlaygroundError, UnknownChoice, UnusableWeights
from unet_playground.lane import lock
from unet_playground.model import LAYOUTS, Origin, UNet
from unet_playground.tasks import tasks

FORMAT = 2
SHARD = 9_000_000
"""Bytes of weights in one file; hosts of code refuse larger files."""

_seeding = lock()


@dataclass(frozen=True)
class Card:
    """What a set of weights is and where it comes from; stands as `card.json` beside the weights.

    Attributes:
        task: Id of the task.
        design: The design in JSON; for a bank, the classic of its size but for `only`.
        shared: Whether it is a bank (weights of all designs) or one design's own.
        only: Slots in which all designs of a bank (that have them) are like `design`; with none it serves every design.
        parts: Slot -> ids of the parts that a bank was trained with; parts that were added later it does not serve.
        files: Name, bytes and sha256 of every file of weights.
        recipe: How it was trained.
        data: What it was trained and tested on, with licence and split hashes.
        metrics: Scores on the test split.
        versions: Of this package, PyTorch and Python.
    """

    task: str
    design: dict[str, Any]
    shared: bool
    only: tuple[str, ...] = ()
    parts: dict[str, list[str]] = field(default_factory=dict)
    files: tuple[dict[str, Any], ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def sha256(self) -> str:
        """One hash of all weights."""
        return hashlib.sha256("".join(file["sha256"] for file in self.files).encode()).hexdigest()

    def serves(self, design: Design) -> bool:
        """Whether these weights were trained for the design; a card whose weights are not kept serves none."""
        if not self.files:
            return False
        own = Design.from_json(self.design)
        if not self.shared:
            return own == design
        slots = filter(design.applies, self.only)  # at full resolution there is no way up to be alike in
        alike = all(getattr(own, name) == getattr(design, name) for name in ("depth", "width", "dims", *slots))
        return alike and "(" not in design.to_link() and self._knows(design)

    def _knows(self, design: Design) -> bool:
        """Whether every part of a design was there when the bank was trained."""
        slots = {slot: {one.id for one in design.levels(slot)} for slot in self.parts if design.applies(slot)}
        return all(ids <= {*self.parts[slot]} for slot, ids in slots.items())


@dataclass(frozen=True)
class WeightStore:
    """The folder of one set of weights."""

    folder: Path
    card: Card

    def network(self, design: Design | None = None) -> UNet:
        """The network of a design, by default of the card's, with exactly the tensors that it names, on the CPU."""
        made = tasks[self.card.task].make
        with torch.device("meta"):
            network = UNet(design or Design.from_json(self.card.design), made.channels, len(made.labels))
        drawn = self.tensors({name: parameter.shape for name, parameter in network.named_parameters()})
        network.load_state_dict(drawn, assign=True)
        return network

    def tensors(self, wanted: Mapping[str, torch.Size]) -> dict[str, Tensor]:
        """The tensors of these names and shapes, in single precision.

        Raises:
            UnusableWeights: A file is damaged or holds what is not finite, or a tensor is missing or of another shape.
        """
        drawn: dict[str, Tensor] = {}
        for file in self.card.files:
            path = self.folder / file["name"]
            try:
                state = _state(path)
                known = state[0] == file["bytes"] and _hash_of(path, state) == file["sha256"]
                if not (known and _finite(path, state)):
                    raise _damaged(self.folder)
                tensors = _opened(path, state)
                drawn |= {name: _single(tensors.get_tensor(name)) for name in tensors.keys() if name in wanted}  # noqa: SIM118
            except (SafetensorError, OSError):
                raise _damaged(self.folder) from None
        if self.card.format == 1:
            drawn |= _reordered(drawn, wanted)
        for name, shape in wanted.items():
            if name not in drawn or drawn[name].shape != shape:
                raise _damaged(self.folder)
        return drawn


def _single(tensor: Tensor) -> Tensor:
    """A stored tensor in single precision, laid out as `channels_last` wants it, so that it is copied only once."""
    return tensor.to(torch.float32, memory_format=LAYOUTS.get(tensor.dim() - 2, torch.preserve_format))


def checkpoint_root() -> Path:
    """Where trained weights lie: `UNET_PLAYGROUND_CHECKPOINTS`, or checkpoints/ of the repository."""
    default = Path(__file__).parent.parent / "checkpoints"
    return Path(os.environ.get("UNET_PLAYGROUND_CHECKPOINTS") or default)


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Fresh weights made inside are those of a seed: one at a time, because the seed is a global of PyTorch."""
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def stores(task: str) -> Iterator[WeightStore]:
    """Every set of weights of a task: designs trained alone, then banks, those of fewer designs first."""
    found = []
    for path in sorted((checkpoint_root() / task).glob("*/card.json")):
        # Weights of a part that is not registered here serve no design, nor do those that are just being removed.
        with suppress(UnknownChoice, FileNotFoundError):
            card = _card_at(path, _state(path))
            if card.task == task:  # networks of another task, in the wrong folder, would find what they were taught
                found.append(WeightStore(path.parent, card))
    return iter(sorted(found, key=lambda store: (store.card.shared, -len(store.card.only))))


def kinds_of(task: str, design: Design) -> set[str]:
    """Which trained weights there are for a design: `shared`, `solo`."""
    return {"shared" if store.card.shared else "solo" for store in stores(task) if store.card.serves(design)}


def load(task: str, design: Design, weights: str = "auto") -> UNet:
    """A network with trained weights where there are some, frozen and in evaluation mode, on the CPU.

    Args:
        task: Id of a task.
        design: What to build.
        weights: `shared` (from the bank), `solo` (trained alone), or `auto`: solo, else shared, else untrained.

    Raises:
        UnusableWeights: The weights that were asked for do not exist or are damaged.
    """
    if weights not in ("auto", "shared", "solo"):
        raise UnusableWeights(
            f'Unknown weights "{weights}"; choose auto, shared or solo.',
            f"未知的权重“{weights}”；可选 auto、shared、solo。",
        )
    made = tasks[task].make
    made.check_dims(design)
    for store in stores(task):
        kind = "shared" if store.card.shared else "solo"
        if weights in ("auto", kind) and store.card.serves(design):
            return _frozen(store.network(design), Origin(task, kind, store.card.sha256))
    if weights != "auto":
        raise UnusableWeights(
            f"There are no {weights} weights for {task} with {design.to_link()}; choose weights=auto or train them.",
            f"{task} 没有适用于 {design.to_link()} 的 {weights} 权重；请用 weights=auto 或先训练。",
        )
    with seeded():
        network = UNet(design, made.channels, len(made.labels))
    return _frozen(network, Origin(task, "untrained", ""))


def write(folder: Path, tensors: Mapping[str, Tensor], card: Card) -> Card:
    """Store weights in half precision, in files below 10 MB, and the card that describes them."""
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu", torch.float16).contiguous()
        if size + tensor.nbytes > SHARD:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    files = []
    for number, shard in enumerate(shards):
        content = save(shard)
        name = f"weights-{number}.safetensors"
        replace_file(folder / name, content)
        files.append({"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    card = Card(**{**vars(card), "files": tuple(files)})
    write_card(folder, card)
    return card


def write_card(folder: Path, card: Card) -> None:
    """Write `card.json` beside the weights that it describes."""
    replace_file(folder / "card.json", json.dumps(asdict(card), indent=1, ensure_ascii=False).encode())


def read_card(path: Path) -> Card:
    """The card of a folder of weights, checked.

    Raises:
        UnknownChoice: Its design names a part that is not registered here.
        UnusableWeights: It is no card of a format that is known.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        card = Card(**{**values, "files": tuple(values["files"]), "only": tuple(values.get("only", ()))})
        plain = all(Path(file["name"]).name == file["name"] and file["bytes"] and file["sha256"] for file in card.files)
        plain = plain and {*card.only, *card.parts} <= {*SLOT_IDS} and isinstance(card.design, dict)
        plain = plain and isinstance(card.shared, bool) and card.format in (1, FORMAT)
    except (OSError, ValueError, TypeError, KeyError):
        raise _damaged(path.parent) from None
    if not plain:
        raise _damaged(path.parent)
    try:
        Design.from_json(card.design)
    except UnknownChoice:
        raise
    except PlaygroundError:  # it would tell who asked for a design of a choice that nobody made
        raise _damaged(path.parent) from None
    return card


@lru_cache(maxsize=512)
def _card_at(path: Path, state: tuple[int, int, int]) -> Card:
    return read_card(path)


def _reordered(drawn: Mapping[str, Tensor], wanted: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Weights of format 1 by the names of format 2.

    Format 1 laid the weights of a convolution over several sources side by side in the order of their names, although
    the features came in the order of the sources. Its names are therefore taken in alphabetical order, and the whole
    is cut anew where the sources meet.
    """
    layers: dict[str, list[str]] = {}
    for name in wanted:
        layer, joined, _ = name.rpartition(".weight.")
        if joined:
            layers.setdefault(layer, []).append(name)
    cut: dict[str, Tensor] = {}
    for names in layers.values():
        sides = [drawn[name] for name in sorted(names) if name in drawn]
        widths = [wanted[name][1] for name in names]
        fits = len({(side.shape[:1], side.shape[2:]) for side in sides}) == 1
        if fits and sum(side.shape[1] for side in sides) == sum(widths):
            cut |= dict(zip(names, torch.cat(sides, 1).split(widths, 1), strict=True))
    return cut


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that at every moment either the old or the new one is whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _frozen(network: UNet, origin: Origin) -> UNet:
    network.requires_grad_(False)
    network.origin = origin
    return network.channels_last().eval()


def _state(path: Path) -> tuple[int, int, int]:
    """What changes with a file: what was found out about it holds so long."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


@lru_cache(maxsize=512)
def _hash_of(path: Path, state: tuple[int, int, int]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=512)
def _finite(path: Path, state: tuple[int, int, int]) -> bool:
    """Whether a file's tensors are: a sum is as finite as what it sums, and quicker to ask."""
    tensors = _opened(path, state)
    return all(tensors.get_tensor(name).float().sum().isfinite() for name in tensors.keys())  # noqa: SIM118


@lru_cache(maxsize=512)
def _opened(path: Path, state: tuple[int, int, int]) -> safe_open:
    """A file that stays mapped, so that its pages are not looked up anew for every design."""
    return safe_open(path, "pt")


def _damaged(folder: Path) -> UnusableWeights:
    return UnusableWeights(
        f"The weights {folder.name} for {folder.parent.name} are damaged or do not match their card; install them "
        "again or train anew.",
        f"{folder.parent.name} 的权重 {folder.name} 已损坏或与其说明卡不符；请重新安装或重新训练。",
    )
