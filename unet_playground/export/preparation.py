"""The preparation of images as one function, where a task's needs nothing but the pixels."""

import ast
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unet_playground.export.assemble import gather, needs_of, spelled_imports
from unet_playground.export.rewrite import Wish, rewrite
from unet_playground.export.source import Definition, Import, definition_of
from unet_playground.tasks import Task, tasks

_HEAD = '''\
def prepare(pixels) -> Tensor:
    """The network's input, float32 (channels, h, w), of an image.

{lesson}

    Args:
        pixels: NumPy array, (h, w) gray or (h, w, 3) RGB; uint8, uint16, or floats in 0..1.

    Raises:
        ValueError: It has another shape or type.
    """
'''
_CHECK = """\
if (
    pixels.ndim < 2
    or pixels.shape[2:] not in ((), (3,))
    or pixels.dtype.name not in ("uint8", "uint16", "float32", "float64")
):
    raise ValueError(
        "An image is (h, w) gray or (h, w, 3) RGB, of uint8, uint16 or floats in 0..1; "
        f"this is {pixels.shape} of {pixels.dtype}: convert it, with Pillow by .convert('RGB')."
    )
if pixels.dtype.name == "uint16":
    pixels = pixels.astype("float32") / 65535"""


@dataclass(frozen=True)
class Preparation:
    """A function `prepare` and what it needs.

    Attributes:
        text: The function, with what only it needs inside, so that the rest of the file does without it.
        shared: What it imports for the whole file: Python's own modules and PyTorch.
    """

    text: str
    shared: Sequence[Import]


def preparation(task: str, known: Mapping[Definition | Import, str]) -> Preparation | None:
    """How a task prepares images; None where that takes more than the pixels.

    Args:
        task: Id of a task.
        known: What stands in the file already, and what it is called.
    """
    entry = tasks[task]
    method = _method(entry.make)
    text = textwrap.dedent(rewrite(method, Wish()))
    if not _needs_only_pixels(ast.parse(text).body[0]):  # type: ignore[arg-type]
        return None
    needs = needs_of(f"def prepare(pixels):\n{textwrap.indent(_body(text), ' ')}", method.module)
    roots = [origin for origin in needs.values() if isinstance(origin, Definition) and origin not in known]
    gathered = gather(roots, Wish(), known, ("pixels", "prepare", "load"))
    new = {bound: gathered.names.get(origin, bound) for bound, origin in needs.items()}
    body = _body(textwrap.dedent(rewrite(method, Wish(names=new))))
    imports = {*gathered.imports, *(one for one in needs.values() if isinstance(one, Import) and one not in known)}
    shared = [one for one in imports if _top(one) == "torch" or _top(one) in sys.stdlib_module_names]
    local = [one for one in imports if one not in shared]
    inner = [spelled_imports(local), *(piece.text for piece in gathered.pieces), _CHECK, body]
    lesson = textwrap.fill(entry.lesson.en, 112, initial_indent="    ", subsequent_indent="    ")
    head = _HEAD.format(lesson=lesson)
    return Preparation(head + textwrap.indent("\n\n".join(filter(None, inner)), "    "), shared)


def _method(task: type[Task]) -> Definition:
    """The `prepare` of the class that defines it."""
    owner = next(one for one in task.__mro__ if "prepare" in vars(one))
    holder = definition_of(owner)
    functions = {one.name: one for one in ast.walk(holder.node) if isinstance(one, ast.FunctionDef)}
    return Definition(holder.module, "prepare", functions["prepare"].lineno, functions["prepare"])


def _needs_only_pixels(function: ast.FunctionDef) -> bool:
    """Whether of its two parameters, the task and the picture, only the picture's pixels are read."""
    task, picture = (one.arg for one in function.args.args)
    names = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and node.id in (task, picture)]
    read = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr == "pixels"]
    return names == [picture] * len(read)


def _body(text: str) -> str:
    """The statements of a function of (self, picture), for one of (pixels)."""
    [function] = ast.parse(text).body
    picture = function.args.args[1].arg  # type: ignore[attr-defined]
    first = next(one for one in function.body if not isinstance(one, ast.Expr))  # type: ignore[attr-defined]
    body = textwrap.dedent("\n".join(text.split("\n")[first.lineno - 1 :]))
    return re.sub(rf"\b{picture}\.pixels\b", "pixels", body)


def _top(one: Import) -> str:
    return one.module.partition(".")[0]
