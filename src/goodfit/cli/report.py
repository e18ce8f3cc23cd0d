"""`goodfit report`: a study's page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    study: Annotated[Path, typer.Argument(help="A study's folder.")],
    out: Annotated[Path | None, typer.Option(help="HTML file to write; by default report.html in the folder.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the page: en or es.")] = "en",
) -> None:
    """Write a study's report: one HTML file that opens offline."""
    from goodfit.report import page

    print(page.write(study, out, lang=lang))
