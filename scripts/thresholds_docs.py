"""Write docs/thresholds.md from the numbers in goodfit/diagnose; `--check` only says whether it is up to date."""

import ast
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

HOME = Path(__file__).parents[1]
PAGE = HOME / "docs" / "thresholds.md"
ROOMS = {
    "Rules on curves": ["thresholds.py"],
    "Rules on what shows inside": ["internals/*.py"],
    "Checks before training": ["preflight/*.py"],
}
"""Headings, and the files under `goodfit/diagnose` whose numbers stand below them."""

INTRODUCTION = """# Thresholds

Made from the numbers in `goodfit/diagnose` by `scripts/thresholds_docs.py`. *Fitted* is what was fitted to curves that
are marked for fitting, *chosen* what rests on the argument beside it; none was fitted to a set that judges.
`benchmarks/README.md` tells how often the rules are right, and what came of each look at the sets that judge.
"""


def numbers(path: Path) -> Iterator[tuple[str, str, str]]:
    """Names, values and descriptions of the constants of a module that are numbers and described."""
    for node, after in pairwise(ast.parse(path.read_text()).body):
        told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
        if not isinstance(node, ast.Assign) or not isinstance(told, str):
            continue
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        if len(values) < 3 and all(isinstance(v, ast.Constant) and isinstance(v.value, int | float) for v in values):
            (target,) = node.targets
            yield ast.unparse(target).strip("()"), ast.unparse(node.value).strip("()"), " ".join(told.split())


def markdown() -> str:
    """The page."""
    lines = [INTRODUCTION]
    for heading, patterns in ROOMS.items():
        lines += [f"## {heading}", "", "| number | value | what it is, and where it comes from |", "|---|---|---|"]
        folder = HOME / "src" / "goodfit" / "diagnose"
        for path in sorted(p for pattern in patterns for p in folder.glob(pattern)):
            where = "" if path.stem == "thresholds" else f"{path.stem}: "
            lines += [f"| `{where}{name}` | {value} | {told} |" for name, value, told in numbers(path)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != markdown())
    PAGE.write_text(markdown())
