"""What a training starts from: whether it fits what is trained, and how a card names it."""

from collections.abc import Sequence
from pathlib import Path

from unet_playground.atlas import classic_of
from unet_playground.design import SLOT_IDS, Design
from unet_playground.errors import PlaygroundError, UnusableWeights
from unet_playground.model import UNet
from unet_playground.weights import Card, WeightStore, read_card


def check_start(wanted: Card, teachers: Sequence[Path], start: Path | None) -> None:
    """Refuse what the weights would not show, and weights to start from that do not fit.

    Args:
        wanted: What is trained.
        teachers: Folders of designs trained alone.
        start: Folder of a bank.

    Raises:
        PlaygroundError: A choice or source has no place in this training.
        UnusableWeights: A folder holds no weights, or others than this training can start from.
    """
    base = Design.from_json(wanted.design)
    if wanted.shared:
        _check_base(base, wanted.only)
    elif teachers or start or wanted.only:
        raise PlaygroundError(
            "--teacher, --start and --only belong to --bank; leave them out to train one design.",
            "--teacher、--start 与 --only 只用于 --bank；训练单个设计时请省略。",
        )
    for folder in teachers:
        card = _card_in(folder)
        trained = not card.shared and bool(card.files)
        _check_fit(folder, trained and card.task == wanted.task and wanted.serves(Design.from_json(card.design)))
    if start is not None:
        card = _card_in(start)
        wider = card.shared and {*card.only} <= {*wanted.only}
        _check_fit(start, wider and card.task == wanted.task and card.serves(base))


def named(folder: Path) -> dict[str, object]:
    """Design, hash and recipe of weights from which a training starts."""
    card = read_card(folder / "card.json")
    return {"design": Design.from_json(card.design).to_link(), "sha256": card.sha256, "recipe": card.recipe}


def teacher_of(folder: Path) -> UNet:
    """The network in a folder of weights that were trained alone, frozen, in evaluation mode."""
    store = WeightStore(folder, read_card(folder / "card.json"))
    return store.network().requires_grad_(False).channels_last().eval()


def _check_base(base: Design, only: Sequence[str]) -> None:
    """Refuse choices that designs of the bank would not have."""
    told = classic_of(base).replace(**{slot: getattr(base, slot) for slot in only if base.applies(slot)})
    lost = [slot for slot in SLOT_IDS if getattr(base, slot) != getattr(told, slot)]
    if lost:
        choice = f"{lost[0]}={getattr(base, lost[0])}"
        raise PlaygroundError(
            f"--bank trains every {lost[0]} alike, so {choice} would be lost; add --only {lost[0]}, or leave it out.",
            f"--bank 会同样训练每一种 {lost[0]}，{choice} 将不起作用；请加上 --only {lost[0]}，或省略它。",
        )
    if "(" in base.to_link():
        raise PlaygroundError(
            "--bank trains parts with their default options, and only such designs find its weights; leave what stands "
            "in brackets out.",
            "--bank 只按默认选项训练各部件，也只有这样的设计能取得其权重；请去掉括号中的选项。",
        )


def _card_in(folder: Path) -> Card:
    path = folder / "card.json"
    if not path.is_file():
        name = folder.resolve().name
        raise UnusableWeights(
            f"{name} holds no trained weights; name a folder with a card.json by --teacher or --start.",
            f"{name} 中没有训练好的权重；请用 --teacher 或 --start 指定含有 card.json 的文件夹。",
        )
    return read_card(path)


def _check_fit(folder: Path, fits: bool) -> None:
    if not fits:
        raise UnusableWeights(
            f"{folder.name} does not fit: --start is a bank of the same task and size that serves all these designs, "
            "--teacher one of these designs trained alone.",
            f"{folder.name} 不适用：--start 应为同一任务、同样大小且包含所有这些设计的权重库，"
            "--teacher 应为其中一个单独训练的设计。",
        )
