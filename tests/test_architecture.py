"""The rules of the architecture, read from the source: order of imports, places of libraries, sizes, languages."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import unet_playground
from unet_playground import catalogues
from unet_playground.design import SLOT_IDS

ROOT = Path(unet_playground.__file__).parent
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
LAYERS = (
    ("errors",),
    ("lane", "notice", "registry", "taps"),
    ("parts",),
    ("design",),
    ("space", "model"),
    ("presets",),
    ("receptive_field",),
    ("cost",),
    ("limits",),
    ("images",),
    ("tasks", "examples", "phantoms"),
    ("weights",),
    ("inference",),
    ("volumes",),
    ("export",),
    ("atlas",),
    ("training",),
    ("analysis",),
    ("claims",),
    ("lessons",),
    ("figures",),
    ("ui",),
    ("commands",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
HOMES = {
    "gradio": {"ui"},
    "captum": {"analysis"},
    "cv2": {"images"},
    "PIL": {"images"},
    "pydicom": {"images"},
    "gdcm": {"images"},
    "highdicom": {"images"},
    "matplotlib": {"figures"},
    "scipy": {"training", "analysis", "claims", "volumes"},
    "skimage": {"training", "analysis"},
}
CJK = re.compile(r"[\u4e00-\u9fff]")
each_file = pytest.mark.parametrize("file", TREES)


def _home(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def _imports(tree: ast.AST) -> Iterator[str]:
    """Every imported name with its module: `from a.b import c` gives `a.b.c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own(tree: ast.AST) -> Iterator[str]:
    """The package's own modules that are imported, by their first name below the package."""
    for name in _imports(tree):
        top, _, rest = name.partition(".")
        if top == "unet_playground" and rest != "__version__":
            yield rest.split(".")[0]


def _compared_ids(tree: ast.AST, ids: set[str]) -> set[str]:
    """Ids that stand on either side of a comparison or in a `case`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.MatchValue):
            constants = (leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant))
            found |= {value for value in constants if isinstance(value, str) and value in ids}
    return found


def test_every_module_has_its_layer():
    assert {_home(file) for file in TREES} - {"__init__"} <= set(RANK)


@pytest.mark.parametrize("file", sorted(set(TREES) - {"__init__.py"}))
def test_imports_point_down(file: str):
    home = _home(file)
    for other in _own(TREES[file]):
        assert other == home or RANK[other] < RANK[home], f"{home} imports {other}"


@each_file
def test_training_needs_no_pictures_and_no_page(file: str):
    if _home(file) == "training":
        assert not {"figures", "ui", "analysis"} & set(_own(TREES[file]))


@each_file
def test_libraries_stay_in_their_places(file: str):
    for name in _imports(TREES[file]):
        library = name.split(".")[0]
        assert _home(file) in HOMES.get(library, {_home(file)}), f"{file} imports {library}"
        assert "pyplot" not in name


@each_file
def test_nothing_asserts_swallows_or_unpickles(file: str):
    for node in ast.walk(TREES[file]):
        assert not isinstance(node, ast.Assert)
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("torch.load", "eval", "exec", "np.load") or _allowed(node)
    assert not {"pickle", "dill", "cloudpickle", "joblib"} & {name.split(".")[0] for name in _imports(TREES[file])}


def _allowed(node: ast.Call) -> bool:
    return any(keyword.arg == "allow_pickle" and not ast.literal_eval(keyword.value) for keyword in node.keywords)


@each_file
def test_files_and_functions_stay_short(file: str):
    assert len((ROOT / file).read_text("utf-8").splitlines()) <= 400
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{file}: {node.name} has {lines} lines"


@each_file
def test_ids_of_parts_are_compared_only_where_they_are_registered(file: str):
    if _home(file) != "parts":
        ids = {id for slot in SLOT_IDS for id in catalogues[slot]}
        assert not _compared_ids(TREES[file], ids)


@pytest.mark.parametrize(
    "code", ["x.id == 'concat'", "if skip in ('add', 'none'): pass", "match a:\n    case 'se': pass", "'se' != part"]
)
def test_the_search_for_compared_ids_finds_them(code: str):
    assert _compared_ids(ast.parse(code), {"concat", "add", "se"})


@each_file
def test_every_error_speaks_both_languages(file: str):
    errors = {"PlaygroundError", *(one.__name__ for one in unet_playground.PlaygroundError.__subclasses__()), "refusal"}
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in errors and len(node.args) == 2:
            if all(isinstance(arg, ast.Attribute | ast.Name) for arg in node.args):
                continue
            english, chinese = map(ast.unparse, node.args)
            assert not CJK.search(english), f"{file}:{node.lineno}"
            assert CJK.search(chinese), f"{file}:{node.lineno}"
            assert re.search(r"[。？）]['\"]?$|text\.zh|zh\}", chinese), f"{file}:{node.lineno}"


@each_file
def test_every_text_has_both_languages(file: str):
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Text" and len(node.args) == 2:
            values = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            chinese = [value for value in values if CJK.search(value)]
            # The switch of languages names each in its own: there the English text is the Chinese one.
            assert len(values) < 2 or len(chinese) == 1 or values[0] == values[1], f"{file}:{node.lineno}"


def test_importing_the_package_loads_no_page_and_no_pictures():
    heavy = ("gradio", "captum", "matplotlib", "cv2", "pydicom", "PIL", "torch")
    code = f"import sys, unet_playground; print([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
