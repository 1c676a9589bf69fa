"""A definition as it would be written by hand without the playground around it.

The text is edited where it has to be, not written anew, so comments and layout stay. What goes: registration, taps,
what menus know of options, and what no other code asks for.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from unet_playground.export.source import Definition, Source, is_text, source_of
from unet_playground.taps import Tap

_REMARK = re.compile(r"[ \t]*# (?:type: ignore|noqa|isort|pyright)[^\n]*")
_LOOSE = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda)
"""Expressions that need brackets beside an operator, and where they go on in the next line."""
_TIGHT = (*_LOOSE, ast.Attribute, ast.Subscript)


@dataclass(frozen=True)
class Wish:
    """How definitions are to be rewritten.

    Attributes:
        keeps: Whether a method or class attribute of this name is kept.
        passes: The argument that a call is replaced with; None for calls that stay.
        methods: Class -> text of its new `__init__`.
        docs: Class -> its new docstring.
        names: Global name -> what it is called in the file.
    """

    keeps: Callable[[str], bool] = lambda name: True
    passes: Callable[[ast.Call], ast.expr | None] = lambda call: None
    methods: Mapping[str, str] = field(default_factory=dict)
    docs: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def rewrite(definition: Definition, wish: Wish) -> str:
    """The text of a definition, from its decorators to its end."""
    return _Editor(source_of(definition.module), wish).text(definition.node)


class _Editor(ast.NodeVisitor):
    """Collects edits (start, end, new text) in bytes of one module's text."""

    def __init__(self, source: Source, wish: Wish):
        self.source, self.wish = source, wish
        self.edits: list[tuple[int, int, str]] = []
        self.taps: set[str] = set()
        self.bound: list[set[str]] = []
        self.operands: set[int] = set()

    def text(self, statement: ast.stmt) -> str:
        """The edited text of a top-level statement, with its decorators and remarks."""
        source = self.source
        self.operands = {
            id(child)
            for parent in ast.walk(statement)
            if isinstance(parent, _TIGHT)
            for child in ast.iter_child_nodes(parent)
        }
        self.visit(statement)
        for decorator in getattr(statement, "decorator_list", ()):
            if _registers(decorator):
                self.cut_lines(decorator.lineno, decorator.end_lineno or decorator.lineno)
        first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
        last = source.remark_after(statement) or statement
        at, pieces = source.lines[source.remarks(first) - 1], []
        for start, end, new in sorted(self.edits):
            if start >= at:
                pieces += [source.text[at:start].decode(), new]
                at = end
        pieces.append(source.text[at : source.end(last)].decode())
        return _tidy("".join(pieces))

    # What goes

    def visit_Call(self, node: ast.Call) -> None:
        kept = self.kept_argument(node)
        if kept is not None:
            loose = isinstance(self.resolved(kept), _LOOSE)
            held = loose and (id(node) in self.operands or kept.lineno != kept.end_lineno)
            self.unwrap(node, kept, *(("(", ")") if held else ("", "")))
            self.visit(kept)
            return
        self.visit(node.func)
        arguments = sorted([*node.args, *node.keywords], key=self.source.start)
        self.cut_items(arguments, [self.is_tap(one) for one in arguments], arguments)
        for one in arguments:
            if not self.is_tap(one):
                self.visit(one)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = self.taps
        self.rename_head(node)
        self.bound.append(_bound_in(node))
        spans = _parameters(node.args)
        taps = [one.arg for one, _ in spans if _takes_tap(one)]
        self.taps = outer | set(taps)
        parameters = [one for one, _ in spans]
        self.cut_items(parameters, [*map(_takes_tap, parameters)], [default or one for one, default in spans])
        for one, default in spans:
            if not _takes_tap(one):
                for child in (one.annotation, default):
                    if child is not None:
                        self.visit(child)
        if node.returns is not None:
            self.visit(node.returns)
        self.trim_docstring(node, set(taps))
        self.visit_body(node.body)
        self.taps = outer
        self.bound.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.rename_head(node)
        for base in node.bases:
            self.visit(base)
        fields = any("dataclass" in ast.unparse(one) for one in node.decorator_list)
        members = [(one, [] if fields and isinstance(one, ast.AnnAssign) else _member(one)) for one in node.body]
        gone = {name for _, names in members for name in names if not self.wish.keeps(name)}
        if node.name in self.wish.docs:
            doc = node.body[0]
            self.edits.append((self.source.start(doc), self.source.end(doc), self.wish.docs[node.name]))
        else:
            self.trim_docstring(node, gone)
        for one, names in members:
            if gone.intersection(names):
                self.cut_statement(one)
            elif node.name in self.wish.methods and "__init__" in names:
                start = self.source.lines[one.lineno - 1]
                self.edits.append((start, self.source.end(one), self.wish.methods[node.name]))
            elif not is_text(one):
                # What a class holds is not the global of that name.
                self.bound.append(set() if isinstance(one, ast.FunctionDef) else set(names))
                self.visit(one)
                self.bound.pop()

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated" and isinstance(node.slice, ast.Tuple):
            kind = node.slice.elts[0]
            self.unwrap(node, kind)
            self.visit(kind)
        else:
            self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self.simplify_count(node.target, node.iter, node.body)
        self.visit_body(node.body)
        self.visit_body(node.orelse)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.visit_body(node.body)
        self.visit_body(node.orelse)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        listed = self.merely_listed(node)
        if listed is None:
            self.visit_GeneratorExp(node)
            return
        self.unwrap(node, listed, *(("", "") if isinstance(listed, ast.List) else ("[*", "]")))
        self.visit(listed)

    def visit_GeneratorExp(self, node: ast.GeneratorExp | ast.ListComp) -> None:
        first, *others = node.generators
        self.simplify_count(first.target, first.iter, [node.elt, *first.ifs, *others])
        for one in (node.elt, *first.ifs, *others):
            self.visit(one)

    def visit_Name(self, node: ast.Name) -> None:
        new = self.wish.names.get(node.id)
        if new and not any(node.id in bound for bound in self.bound):
            self.edits.append((self.source.start(node), self.source.end(node), new))

    def visit_body(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if is_text(statement):
                continue
            if self.is_idle(statement):
                self.cut_statement(statement)
            else:
                self.visit(statement)

    # Questions

    def is_tap(self, node: ast.AST) -> bool:
        """`tap`, `tap.within(...)` or `tap=tap` as an argument."""
        if isinstance(node, ast.keyword):
            return self.is_tap(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr == "within" and self.is_tap(node.func.value)
        return isinstance(node, ast.Name) and node.id in self.taps

    def kept_argument(self, node: ast.Call) -> ast.expr | None:
        """What a call hands on unchanged: what a tap was told, or what the wish names."""
        method = "__call__" if self.is_tap(node.func) else getattr(node.func, "attr", "")
        told = method == "__call__" or (isinstance(node.func, ast.Attribute) and self.is_tap(node.func.value))
        if told and hasattr(Tap, method):
            names = [*inspect.signature(getattr(Tap, method)).parameters][1:]
            place = 1 if names[0] == "name" else 0
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            return node.args[place] if len(node.args) > place else given[names[place]]
        return self.wish.passes(node)

    def resolved(self, node: ast.AST) -> ast.AST:
        """An expression without the calls around it that go."""
        kept = self.kept_argument(node) if isinstance(node, ast.Call) else None
        return node if kept is None else self.resolved(kept)

    def live(self, node: ast.AST) -> Iterator[ast.AST]:
        """What is left of a node's parts."""
        node = self.resolved(node)
        yield node
        for child in ast.iter_child_nodes(node):
            if not self.is_tap(child):
                yield from self.live(child)

    def is_idle(self, statement: ast.stmt) -> bool:
        """Whether nothing is left for a statement to do: `x = tap("", x)`, `tap("", x)`, or `if` and `for` of such."""
        if isinstance(statement, ast.Assign):
            kept = self.resolved(statement.value)
            names = [one.id for one in (kept, *statement.targets) if isinstance(one, ast.Name)]
            return len(statement.targets) == 1 and len(names) == 2 and len({*names}) == 1
        if isinstance(statement, ast.If | ast.For):
            return not statement.orelse and all(map(self.is_idle, statement.body))
        value = statement.value if isinstance(statement, ast.Expr) else None
        return isinstance(value, ast.Call) and isinstance(self.resolved(value), ast.Name | ast.Attribute)

    def merely_listed(self, node: ast.ListComp) -> ast.expr | None:
        """The list itself in `[tap(i, x) for i, x in enumerate(xs)]`, which does no more than tell."""
        first = node.generators[0]
        if len(node.generators) > 1 or first.ifs or not _counts(first.target, first.iter):
            return None
        kept, one = self.resolved(node.elt), first.target.elts[1]  # type: ignore[attr-defined]
        return first.iter.args[0] if isinstance(kept, ast.Name) and kept.id == one.id else None  # type: ignore[attr-defined]

    # Edits

    def rename_head(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        """Write the new name behind `def` or `class`, where the definition has one."""
        if node.name in self.wish.names and node.col_offset == 0:
            start = self.source.start(node) + len("def " if isinstance(node, ast.FunctionDef) else "class ")
            self.edits.append((start, start + len(node.name.encode()), self.wish.names[node.name]))

    def simplify_count(self, target: ast.expr, counted: ast.expr, body: Sequence[ast.AST]) -> None:
        """Turn `for i, x in enumerate(xs)` into `for x in xs` where nothing reads i any more."""
        if _counts(target, counted):
            number, one = target.elts  # type: ignore[attr-defined]
            read = {part.id for root in body for part in self.live(root) if isinstance(part, ast.Name)}
            if number.id not in read:
                listed = counted.args[0]  # type: ignore[attr-defined]
                self.unwrap(target, one)
                self.unwrap(counted, listed)
                target, counted = one, listed
        self.visit(target)
        self.visit(counted)

    def unwrap(self, node: ast.AST, kept: ast.AST, left: str = "", right: str = "") -> None:
        """Leave of a node only one of its parts."""
        self.edits += [(self.source.start(node), self.source.start(kept), left)]
        self.edits += [(self.source.end(kept), self.source.end(node), right)]

    def cut_items(self, items: Sequence[ast.AST], cut: Sequence[bool], ends: Sequence[ast.AST]) -> None:
        """Take items out of a list with commas, each with the comma before it, the first with the one after it."""
        starts, stops = [self.source.start(one) for one in items], [self.source.end(one) for one in ends]
        for place in (place for place, goes in enumerate(cut) if goes):
            if not all(cut[:place]):
                comma = self.source.text.index(b",", stops[place - 1])
                self.edits.append((comma, stops[place], ""))
            else:
                self.edits.append((starts[place], [*starts, stops[-1]][place + 1], ""))

    def cut_statement(self, statement: ast.stmt) -> None:
        first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
        self.cut_lines(self.source.remarks(first), statement.end_lineno or first)

    def cut_lines(self, first: int, last: int) -> None:
        self.edits.append((self.source.lines[first - 1], self.source.lines[last], ""))

    def trim_docstring(self, node: ast.FunctionDef | ast.ClassDef, gone: set[str]) -> None:
        """Take out of a docstring what it says on parameters and attributes that are gone."""
        if gone and is_text(node.body[0]):
            start, end = self.source.start(node.body[0]), self.source.end(node.body[0])
            text = self.source.text[start:end].decode()
            trimmed = _without(text, gone)
            if trimmed != text:
                self.edits.append((start, end, trimmed))


def _parameters(given: ast.arguments) -> list[tuple[ast.arg, ast.expr | None]]:
    """Every parameter with its default, in the order in which they are written."""
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + given.defaults
    starred = [(one, None) for one in (given.vararg,) if one]
    doubled = [(one, None) for one in (given.kwarg,) if one]
    return [
        *zip(plain, defaults, strict=True),
        *starred,
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
        *doubled,
    ]


def _takes_tap(parameter: ast.arg) -> bool:
    if parameter.annotation is None:
        return parameter.arg == "tap"
    return ast.unparse(parameter.annotation) == Tap.__name__


def _bound_in(function: ast.FunctionDef) -> set[str]:
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}


def _counts(target: ast.expr, counted: ast.expr) -> bool:
    """Whether a loop is `for i, x in enumerate(...)`."""
    pair = target.elts if isinstance(target, ast.Tuple) else []
    named = len(pair) == 2 and all(isinstance(one, ast.Name) for one in pair)
    return named and isinstance(counted, ast.Call) and ast.unparse(counted.func) == "enumerate"


def _registers(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == "register"


def _member(statement: ast.stmt) -> list[str]:
    """The names of a class's member that may go: methods, and values that the class itself holds."""
    if isinstance(statement, ast.FunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        return [one.id for one in statement.targets if isinstance(one, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return [ast.unparse(statement.target)]
    return []


def _without(text: str, gone: set[str]) -> str:
    """A docstring without the entries of some names, and without sections that have none left."""
    for name in gone:
        text = re.sub(rf"\n( +){name}: .*(?:\n\1 +.*)*", "", text)
    text = re.sub(r"\n\n *(?:Args|Attributes):(?=\n\n|\n *\"\"\"$)", "", text)
    return text if "\n\n" in text else re.sub(r'\s+"""$', '"""', text)


def _tidy(text: str) -> str:
    """Code without remarks to tools, and with single empty lines."""
    lines = [(line, _REMARK.sub("", line).rstrip()) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(new for old, new in lines if new or not old.strip())).strip("\n")
