"""Everything that some definitions need, in an order that Python can read."""

import ast
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from unet_playground.export.rewrite import Wish, rewrite
from unet_playground.export.source import Definition, Import, find, is_own, source_of

Origin = Definition | Import


@dataclass(frozen=True)
class Piece:
    """One definition of the file.

    Attributes:
        definition: Where it stands in the playground.
        text: As it is written in the file.
        needs: Global name -> where it comes from.
    """

    definition: Definition
    text: str
    needs: Mapping[str, Origin]


@dataclass(frozen=True)
class Gathered:
    """Everything that some definitions need.

    Attributes:
        pieces: The definitions, each after those it needs.
        imports: What libraries bring.
        names: Where something comes from -> what it is called in the file.
    """

    pieces: Sequence[Piece]
    imports: Sequence[Import]
    names: Mapping[Origin, str]


def gather(roots: Sequence[Definition], wish: Wish, known: Mapping[Origin, str], taken: Iterable[str]) -> Gathered:
    """The definitions that some roots need.

    Methods that nothing asks for are left out. Where two modules mean different things by one name, the later one is
    renamed.

    Args:
        roots: What has to be there.
        wish: How definitions are rewritten.
        known: What stands in the file already, and what it is called.
        taken: Further names that the file has already.
    """
    asked: set[str] = set()
    while True:
        current = replace(wish, keeps=_keeper(asked))
        pieces = _closure(roots, current, known)
        more = {name for piece in pieces.values() for name in _asked(piece)} - asked
        if not more:
            break
        asked |= more
    ordered = _ordered(roots, pieces)
    names = {**known, **_spelled(ordered, known, taken)}
    single = {(names[piece.definition], piece.text): piece for piece in reversed(ordered)}
    written = [_renamed(piece, names, current) for piece in ordered if piece in single.values()]
    origins = dict.fromkeys(origin for piece in written for origin in piece.needs.values() if origin not in known)
    imports = [replace(one, bound=names[one]) for one in origins if isinstance(one, Import)]
    return Gathered(written, [*imports, *_future(written)], names)


def globals_of(text: str) -> set[str]:
    """The global names that a piece of code reads or binds."""

    def names(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if table.get_type() == "module" or symbol.is_global():
                yield symbol.get_name()
        for child in table.get_children():
            yield from names(child)

    quoted = {
        name.id
        for node in ast.walk(ast.parse(text))
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(hint, ast.Constant) and isinstance(hint.value, str)
        for name in ast.walk(ast.parse(hint.value))
        if isinstance(name, ast.Name)
    }
    return {*names(symtable.symtable(text, "piece", "exec"))} | quoted


def needs_of(text: str, module: str) -> dict[str, Origin]:
    """Where the global names of a piece of code come from, what Python itself knows left out."""
    found = {name: find(module, name) for name in sorted(globals_of(text)) if name in source_of(module).bindings}
    return {name: origin for name, origin in found.items() if origin is not None}


def spelled_imports(imports: Sequence[Import]) -> str:
    """Import statements in the usual order: what changes the language, Python's own, then libraries."""
    groups: tuple[list[str], ...] = ([], [], [])
    modules = {
        module: [one for one in imports if one.module == module] for module in sorted({one.module for one in imports})
    }
    for module, taken in modules.items():
        groups[_rank(module)].extend(sorted(_whole(one) for one in taken if not one.name))
    for module, taken in modules.items():
        parts = sorted({_part(one) for one in taken if one.name}, key=_by_kind)
        groups[_rank(module)].extend([f"from {module} import {', '.join(parts)}"] if parts else [])
    return "\n\n".join("\n".join(lines) for lines in groups if lines)


def _rank(module: str) -> int:
    return 0 if module == "__future__" else 1 if module.partition(".")[0] in sys.stdlib_module_names else 2


def _closure(roots: Sequence[Definition], wish: Wish, known: Mapping[Origin, str]) -> dict[Definition, Piece]:
    pieces: dict[Definition, Piece] = {}
    waiting = [*roots]
    while waiting:
        one = waiting.pop()
        if one not in pieces and one not in known:
            text = rewrite(one, wish)
            pieces[one] = Piece(one, text, needs_of(text, one.module))
            waiting += [origin for origin in pieces[one].needs.values() if isinstance(origin, Definition)]
    return {one: pieces[one] for one in sorted(pieces, key=lambda one: (one.module, one.line))}


def _keeper(asked: set[str]) -> Callable[[str], bool]:
    return lambda name: name in asked or name.startswith("__")


def _asked(piece: Piece) -> Iterator[str]:
    """Names of members that a piece asks for: those it reads, and those that its foreign base classes call."""
    yield from (node.attr for node in ast.walk(ast.parse(piece.text)) if isinstance(node, ast.Attribute))
    if not isinstance(piece.definition.node, ast.ClassDef):
        return
    for base in getattr(sys.modules[piece.definition.module], piece.definition.name).__mro__:
        if not is_own(base.__module__) and base is not object:
            yield from dir(base)


def _ordered(roots: Sequence[Definition], pieces: Mapping[Definition, Piece]) -> list[Piece]:
    """Module by module, each after those it needs."""
    modules: dict[str, None] = {}

    def visit(module: str, above: frozenset[str]) -> None:
        for piece in pieces.values():
            if piece.definition.module == module:
                for origin in piece.needs.values():
                    if isinstance(origin, Definition) and origin.module not in {*above, module, *modules}:
                        visit(origin.module, above | {module})
        modules[module] = None

    for one in roots:
        if one.module not in modules:
            visit(one.module, frozenset())
    place = {module: number for number, module in enumerate(modules)}
    return sorted(pieces.values(), key=lambda piece: (place[piece.definition.module], piece.definition.line))


def _spelled(pieces: Sequence[Piece], known: Mapping[Origin, str], taken: Iterable[str]) -> dict[Origin, str]:
    """What everything is called in the file: by its own name, or that with a number where another one has it.

    Definitions of the same words with the same meaning share their name.
    """
    names: dict[Origin, str] = {}
    owners: dict[str, object] = {name: None for name in taken} | {name: _meant(one) for one, name in known.items()}

    def settle(origin: Origin, wanted: str, meaning: object) -> None:
        spelled, number = wanted, 2
        while spelled in owners and owners[spelled] != meaning:
            spelled, number = f"{wanted}_{number}", number + 1
        owners[spelled] = meaning
        names[origin] = spelled

    for piece in pieces:
        for origin in piece.needs.values():
            if isinstance(origin, Import) and origin not in known:
                settle(origin, origin.bound, _meant(origin))
    for piece in pieces:
        others = {name: origin for name, origin in piece.needs.items() if origin != piece.definition}
        settle(piece.definition, piece.definition.name, (piece.text, tuple(others.items())))
    return names


def _future(pieces: Sequence[Piece]) -> Iterator[Import]:
    """What modules ask of the language itself."""
    for module in dict.fromkeys(piece.definition.module for piece in pieces):
        for name, statement in source_of(module).bindings.items():
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                yield Import("__future__", name, name)


def _meant(origin: Origin) -> object:
    """What a name stands for: `import a` and `import a.b` both give a."""
    if isinstance(origin, Import) and not origin.name and origin.bound == origin.module.partition(".")[0]:
        return origin.bound
    return origin


def _renamed(piece: Piece, names: Mapping[Origin, str], wish: Wish) -> Piece:
    """A piece in which everything is called what it is called in the file."""
    new = {bound: names[origin] for bound, origin in piece.needs.items() if names[origin] != bound}
    return replace(piece, text=rewrite(piece.definition, replace(wish, names=new))) if new else piece


def _whole(one: Import) -> str:
    plain = one.bound in (one.module, one.module.partition(".")[0])
    return f"import {one.module}" if plain else f"import {one.module} as {one.bound}"


def _part(one: Import) -> str:
    return one.name if one.bound == one.name else f"{one.name} as {one.bound}"


def _by_kind(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), not name[0].isupper(), name
