"""`docstrings`: which library wrote this docstring? A real text task that is found on every machine.

The texts are read with `ast` (nothing is imported or run) from the installed standard library, numpy, scipy,
scikit-learn, keras and jax; the libraries' names are masked. What comes out depends on the installed versions.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import importlib.util
import os
import platform
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import polars as pl

from goodfit.data.sources.parquet import UNREADABLE
from goodfit.data.sources.quiet import quiet
from goodfit.data.sources.raw import Raw
from goodfit.settings import cache_folder

LIBRARIES = {"jax": "jax", "keras": "keras", "numpy": "numpy", "scikit-learn": "sklearn", "scipy": "scipy"}
"""Distribution name to package name; the standard library comes on top."""

NAMES = (
    r"(?i)numpy|scipy|sklearn|scikit[-_ ]?learn|scikits?|keras|jax|jnp|tensorflow|pytorch|torch|python"
    r"|\bnp\b|\bsp\b|\btf\b|\blax\b|\bxla\b"
)
"""What would give the answer away, as a regular expression."""

SKIPPED = {"tests", "test", "testing", "idlelib", "site-packages", "dist-packages", "lib2to3", "_vendor", "__pycache__"}
SHORTEST = 20
FORMAT = 1
"""To be raised when the same versions would give other texts."""


def read() -> Raw:
    """About 20,000 texts of 6 classes; read once per set of versions, then from the cache."""
    versions = [f"python {platform.python_version()}", *(f"{d} {version(d)}" for d in LIBRARIES), f"format {FORMAT}"]
    key = hashlib.sha256(" ".join(versions).encode()).hexdigest()[:16]
    cached = cache_folder() / "datasets" / f"docstrings-{key}.parquet"
    try:
        with quiet():
            frame = pl.read_parquet(cached)
    except (OSError, *UNREADABLE):
        frame = _collected()
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            part = cached.with_suffix(f".{os.getpid()}.part")
            frame.write_parquet(part)
            part.replace(cached)
        except OSError:
            pass  # a full or read-only cache only costs the next read
    return Raw(frame, target="library", text="docstring", name="docstrings")


def _collected() -> pl.DataFrame:
    roots = {"stdlib": Path(sysconfig.get_paths()["stdlib"])}
    for distribution, package in LIBRARIES.items():
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            roots[distribution] = Path(spec.origin).parent
    texts: list[str] = []
    libraries: list[str] = []
    collecting = gc.isenabled()
    gc.disable()  # syntax trees are many small objects without cycles: collecting doubles the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for library, root in sorted(roots.items()):
                texts += _docstrings(root)
                libraries += [library] * (len(texts) - len(libraries))
    finally:
        if collecting:
            gc.enable()
    frame = pl.DataFrame({"docstring": texts, "library": libraries})
    frame = frame.with_columns(pl.col("docstring").str.replace_all(NAMES, "LIBRARY"))
    frame = frame.unique("docstring", keep="first", maintain_order=True)
    return frame.filter(pl.col("docstring").str.len_chars() >= SHORTEST)


def _docstrings(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        for name in sorted(files):
            if not name.endswith(".py") or name.startswith("test_") or name.endswith("_test.py"):
                continue
            try:
                source = Path(folder, name).read_bytes()
                # a file with a docstring in less than 4,000 bytes costs half the time and holds a tenth of the texts
                if source.count(b'"""') * 2000 >= len(source):
                    yield from _of_tree(ast.parse(source))
            except (OSError, SyntaxError, ValueError, RecursionError):
                continue


def _of_tree(tree: ast.Module) -> Iterator[str]:
    """Docstrings of the module, its classes and functions; only statements are visited."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield text.encode(errors="replace").decode()
        for part in ("body", "orelse", "handlers", "finalbody"):
            inner = getattr(node, part, ())
            waiting += [n for n in inner if hasattr(n, "body")] if isinstance(inner, list) else []
