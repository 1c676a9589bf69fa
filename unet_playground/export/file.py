"""The model as one readable file."""

import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from unet_playground import __version__
from unet_playground.export.assemble import Origin, Piece, gather, spelled_imports
from unet_playground.export.network import STAGES, roots_of, stages_of, wish_for
from unet_playground.export.preparation import preparation
from unet_playground.export.source import Import
from unet_playground.model import UNet
from unet_playground.notice import NOTICE
from unet_playground.tasks import tasks

_SEEDS = (
    Import("torch", "", "torch"),
    Import("torch", "Tensor", "Tensor"),
    Import("torch", "nn", "nn"),
    Import("safetensors.torch", "load_file", "load_file"),
)
_LOAD = '''\
def load(path: str) -> UNet:
    """The network with the weights of a safetensors file, in evaluation mode."""
    model = UNet()
    model.load_state_dict(load_file(path))
    # Convolutions are fastest with the channels of a pixel side by side in memory.
    for parameter in model.parameters():
        if parameter.dim() == {axes}:
            parameter.data = parameter.data.contiguous(memory_format=torch.{layout})
    return model.eval()'''
_READ = """\
picture = PIL.ImageOps.exif_transpose(PIL.Image.open("image.png"))
pixels = numpy.asarray(picture if picture.mode in ("L", "RGB", "I;16") else picture.convert("RGB"))
mask = load("weights.safetensors")(prepare(pixels)[None]).argmax(1)"""
_LAYOUTS = {2: "channels_last", 3: "channels_last_3d"}
_TEXT = '''\
"""{title} in plain PyTorch.

{use}

Images may have any sides from one pixel up; the logits have as many.

{design}

Written by U-Net Playground {version} (MIT licence).
{notice}
"""
'''


@dataclass(frozen=True)
class ModelFile:
    """The file and what its readers must know.

    Attributes:
        text: Python code.
        use: Three lines that use it.
        libraries: What it imports besides Python's own modules.
        prepares: Whether it has a function `prepare`, which imports NumPy.
    """

    text: str
    use: str
    libraries: tuple[str, ...]
    prepares: bool


def model_file(model: UNet) -> ModelFile:
    """A file with just the classes that a design uses.

    Args:
        model: Any network; one that was loaded for a task and takes pictures also gets `prepare`.

    Raises:
        PlaygroundError: The source of a part is not in a file.
    """
    seeds: dict[Origin, str] = {one: one.bound for one in _SEEDS}
    gathered = gather(roots_of(model), wish_for(model), seeds, ("load", "prepare", "CLASSES"))
    flat = model.design.dims == 2  # a picture is prepared; volumes come without a reader
    prepared = preparation(model.origin.task, gathered.names) if model.origin and flat else None
    imports = [*_SEEDS, *gathered.imports, *(prepared.shared if prepared else ())]
    body = _joined(gathered.pieces).replace(STAGES, stages_of(model, gathered.names))
    dims = model.design.dims
    use = _use(model, bool(prepared))
    text = "\n\n".join(
        [
            _head(model, textwrap.indent(use, "    ")) + "\n" + spelled_imports(imports),
            *([_classes(model)] if model.origin else []),
            # Behind imports stands one empty line, before a class two.
            body if _is_short(gathered.pieces[0]) and not model.origin else "\n" + body,
            "\n" + _LOAD.format(axes=dims + 2, layout=_LAYOUTS[dims]),
            *(["\n" + prepared.text] if prepared else []),
        ]
    )
    libraries = {one.module.partition(".")[0] for one in imports} - sys.stdlib_module_names
    return ModelFile(text + "\n", use, tuple(sorted(libraries)), bool(prepared))


def _joined(pieces: Sequence[Piece]) -> str:
    """The pieces, constants of one line close together."""
    text = ""
    for before, piece in zip([None, *pieces], pieces, strict=False):
        plain = before is not None and _is_short(before) and _is_short(piece)
        text += ("\n" if plain else "\n\n\n" if text else "") + piece.text
    return text


def _is_short(piece: Piece) -> bool:
    return "\n" not in piece.text


def _head(model: UNet, use: str) -> str:
    title = f"A U-Net for {tasks[model.origin.task].title.en.lower()}" if model.origin else "A U-Net"
    design = ", ".join(f"{key}={value}" for key, value in model.design.to_json().items() if key != "format")
    return _TEXT.format(title=title, use=use, design=design, version=__version__, notice=f"{NOTICE.en}.")


def _use(model: UNet, prepared: bool) -> str:
    shape = (1, model.in_channels, *[256 if model.design.dims == 2 else 32] * model.design.dims)
    lines = ('model = load("weights.safetensors")', f"image = torch.rand{shape}", "mask = model(image).argmax(1)")
    return _READ if prepared else "\n".join(lines)


def _classes(model: UNet) -> str:
    labels = tasks[model.origin.task].make.labels  # type: ignore[union-attr]
    names = ", ".join(json.dumps(label.title.en) for label in labels)
    return f'CLASSES = ({names})\n"""What the channels of the logits stand for."""'
