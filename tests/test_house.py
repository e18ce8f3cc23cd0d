"""The house rules that a machine can hold: who imports whom, how long a module may be, what is public."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "goodfit"
ORDER = [
    {"errors", "settings", "history", "memory", "words"},
    {"logs", "data", "diagnose"},
    {"encode", "models", "treat"},
    {"train"},
    {"study"},
    {"predictor", "report", "doctor"},
    {"job", "checkup"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
NUMPY_ONLY = {"diagnose", "logs", "history"}
MODULES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0].removesuffix(".py")


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Dotted names that a module imports, those for types only left out."""
    found: set[str] = set()
    nodes = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if top_level_only and isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                if isinstance(child, ast.ClassDef):
                    nodes.append(child)
                continue
            if isinstance(child, ast.Import):
                found |= {alias.name for alias in child.names}
            elif isinstance(child, ast.ImportFrom) and child.module:
                found |= {child.module, *(f"{child.module}.{alias.name}" for alias in child.names)}
            nodes.append(child)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_imports_only_rooms_to_its_left(path):
    here = room(path)
    if here == "__init__":
        return
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("goodfit.")}
    wrong = {r for r in rooms if r in LEVEL and r != here and LEVEL[r] >= LEVEL[here]} - {"__version__"}
    same_level = {r for r in wrong if LEVEL[r] == LEVEL[here]}
    assert not (wrong - same_level), f"{here} may not import {sorted(wrong - same_level)}"
    for other in same_level:
        back = {n.split(".")[1] for p in MODULES if room(p) == other for n in imports(p) if n.startswith("goodfit.")}
        assert here not in back, f"{here} and {other} import each other"


def test_every_room_has_its_place():
    assert {room(p) for p in MODULES} - {"__init__", "_native"} <= set(LEVEL)


def test_modules_do_not_import_in_circles():
    def name(path: Path) -> str:
        dotted = ".".join(("goodfit", *path.relative_to(SOURCE).with_suffix("").parts))
        return dotted.removesuffix(".__init__")

    names = {name(p): p for p in MODULES}
    edges = {
        n: {i for i in imports(p, top_level_only=True) if i in names and i != n and not n.startswith(i + ".")}
        for n, p in names.items()
    }
    done: set[str] = set()

    def walk(at: str, path: tuple[str, ...]) -> None:
        assert at not in path, " -> ".join((*path[path.index(at) :], at))
        if at in done:
            return
        for other in edges[at]:
            walk(other, (*path, at))
        done.add(at)

    for n in names:
        walk(n, ())


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_is_not_too_long(path):
    assert len(path.read_text().splitlines()) <= 600


@pytest.mark.parametrize(
    "path", [p for p in MODULES if room(p) in NUMPY_ONLY], ids=lambda p: str(p.relative_to(SOURCE))
)
def test_reading_and_judging_logs_needs_numpy_only(path):
    outside = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"numpy", "goodfit"}
    assert not outside


def test_reading_a_log_loads_no_framework():
    code = (
        "import sys, goodfit, goodfit.history, goodfit.diagnose, goodfit.logs\n"
        "heavy = {'keras', 'jax', 'polars', 'plotly', 'sklearn', 'scipy', 'tensorflow', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names():
    import goodfit

    assert goodfit.__all__ == [
        "__version__",
        "Doctor",
        "Finding",
        "GoodfitError",
        "History",
        "Predictor",
        "Recipe",
        "Study",
        "check",
        "diagnose",
        "fit",
    ]
    for name in goodfit.__all__:
        assert getattr(goodfit, name) is not None
