"""`goodfit explain`: what a finding means and what to do."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)


def explain(
    code: Annotated[str | None, typer.Argument(help="A finding's code; without one all are listed.")] = None,
) -> None:
    """Say what a finding means, what shows it, what to do, and when it stays silent."""
    import shutil
    import textwrap

    from goodfit.diagnose.catalogue import CATALOGUE, text
    from goodfit.errors import UsageError, near

    wide = min(100, shutil.get_terminal_size().columns)
    if code is None:
        for entry in CATALOGUE.values():
            print(textwrap.fill(entry.meaning, wide, initial_indent=f"{entry.code:24s}", subsequent_indent=" " * 24))
        return
    name = code.lower().replace("-", "_")
    if name not in CATALOGUE:
        raise UsageError(f"there is no finding {code!r}", fix=f"{near(name, CATALOGUE)} `goodfit explain` lists all.")
    for paragraph in text(CATALOGUE[name]).split("\n\n"):
        print(textwrap.fill(paragraph, wide), end="\n\n" if paragraph != name else "\n")
