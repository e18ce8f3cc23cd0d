"""`goodfit compare`: two variants of a study over their paired seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    study: Annotated[Path, typer.Argument(help="A study's folder.")],
    base: Annotated[str | None, typer.Argument(help="A variant; by default the base.")] = None,
    other: Annotated[str | None, typer.Argument(help="Another variant; by default each of them.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare two variants of a study, or the base with all."""
    from goodfit.report import terminal
    from goodfit.study.again import compared
    from goodfit.study.folder import read_study

    held = read_study(study)
    comparisons = compared(study, held, base, other)
    if as_json:
        print(json.dumps([c.to_dict() for c in comparisons], ensure_ascii=False))
    else:
        terminal.comparison(held, comparisons)
