"""Source text that is taken over: the definitions of a module, and where a name comes from."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path

from unet_playground.errors import PlaygroundError
from unet_playground.registry import Catalogue


@dataclass(frozen=True)
class Import:
    """A name from a library: `import torch.nn.functional as F`, `from torch import nn`.

    Attributes:
        module: Where it comes from.
        name: What is taken; empty where the module itself is.
        bound: What it is called.
    """

    module: str
    name: str
    bound: str


@dataclass(frozen=True)
class Definition:
    """A class, function or constant at the top level of a module.

    Attributes:
        module: The module's name.
        name: The first name that it binds.
        line: Where it starts.
    """

    module: str
    name: str
    line: int
    node: ast.stmt = field(compare=False, repr=False)


class Source:
    """The text of a module and its top-level names.

    Args:
        module: Name of a module that is written in Python.

    Raises:
        PlaygroundError: Its text is not at hand, as in a notebook.
    """

    def __init__(self, module: str):
        try:
            path = Path(import_module(module).__file__ or "")
            self.text = path.read_bytes().replace(b"\r\n", b"\n")
            self.tree = ast.parse(self.text)
        except (ImportError, OSError, AttributeError, SyntaxError, ValueError):
            raise PlaygroundError(
                f"The source of {module} is not in a file, so it cannot be exported; put the part into a file.",
                f"{module} 的源代码不在文件中，无法导出；请把该部件写入文件。",
            ) from None
        self.module = module

    @cached_property
    def bindings(self) -> dict[str, ast.stmt]:
        """Every top-level name and the last statement that binds it."""
        return {name: statement for statement in self.tree.body for name in _bound(statement)}

    @cached_property
    def lines(self) -> list[int]:
        """The offset in bytes at which every line starts; one more for the end."""
        starts = [0]
        for line in self.text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def start(self, node: ast.AST) -> int:
        """Offset of a node's first byte."""
        return self.lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Offset after a node's last byte."""
        return self.lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def remarks(self, line: int) -> int:
        """The first of the lines of comment that stand directly above a line, or that line itself."""
        while line > 1 and self.text[self.lines[line - 2] : self.lines[line - 1]].lstrip().startswith(b"#"):
            line -= 1
        return line

    def remark_after(self, statement: ast.stmt) -> ast.stmt | None:
        """The string that stands under a constant and says what it is."""
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            return None
        following = self.tree.body[self.tree.body.index(statement) + 1 :][:1]
        return following[0] if following and is_text(following[0]) else None


@lru_cache(maxsize=256)
def source_of(module: str) -> Source:
    """The source of a module, read once."""
    return Source(module)


def find(module: str, name: str) -> Definition | Import | None:
    """Where a global name of a module comes from; None for what Python itself knows.

    Raises:
        PlaygroundError: It cannot be taken over.
    """
    statement = source_of(module).bindings.get(name)
    if statement is None:
        return None
    if isinstance(statement, ast.ImportFrom):
        return _imported(statement, name)
    if isinstance(statement, ast.Import):
        alias = next(one for one in statement.names if _alias(one) == name)
        if is_own(alias.name):
            raise _entangled(module, name)
        return Import(alias.name, "", _alias(alias))
    if isinstance(getattr(sys.modules[module], name, None), Catalogue):
        raise _entangled(module, name)
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.ClassDef):
        raise _entangled(module, name)
    return Definition(module, next(_bound(statement)), statement.lineno, statement)


def definition_of(made: type) -> Definition:
    """The definition of a class."""
    found = find(made.__module__, made.__qualname__)
    if not isinstance(found, Definition):
        raise _entangled(made.__module__, made.__qualname__)
    return found


@lru_cache(maxsize=1024)
def is_own(module: str) -> bool:
    """Whether a module is neither Python's nor an installed library: its text is taken over, not imported."""
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0]:
        return True
    if top in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return False
    place = Path(file).resolve()
    libraries = {Path(sysconfig.get_paths()[kind]).resolve() for kind in ("purelib", "platlib")}
    # An environment may see packages of another one, as of the system or of the user.
    return not libraries & {*place.parents} and not {"site-packages", "dist-packages"} & {*place.parts}


def is_text(node: ast.AST) -> bool:
    """Whether a statement is a string that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imported(statement: ast.ImportFrom, name: str) -> Definition | Import | None:
    alias = next(one for one in statement.names if (one.asname or one.name) == name)
    if statement.module is None or statement.level:
        raise _entangled(statement.module or "", name)
    if not is_own(statement.module):
        return Import(statement.module, alias.name, _alias(alias))
    found = find(statement.module, alias.name)
    if alias.asname and isinstance(found, Definition):
        raise _entangled(statement.module, alias.asname)
    return found


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (_alias(one) for one in statement.names)
    elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    else:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _alias(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _entangled(module: str, name: str) -> PlaygroundError:
    return PlaygroundError(
        f'The name "{name}" in {module} cannot be taken into a file of its own: it has to be a class, a function or a '
        "constant, imported by its own name.",
        f"{module} 中的名称“{name}”无法放进独立文件：它必须是以原名导入的类、函数或常量。",
    )
