"""`goodfit check`: data or a Keras model to findings, before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from goodfit.diagnose import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    source: Annotated[
        str, typer.Argument(metavar="DATA|MODEL.keras", help="Data like those of goodfit fit, or a saved Keras model.")
    ],
    target: Annotated[str | None, typer.Option(help="The column, or array, to predict.")] = None,
    text: Annotated[str | None, typer.Option(help="The column of texts; '' takes all columns as a table.")] = None,
    test: Annotated[str | None, typer.Option(help="For data: a test set of its own, read like DATA.")] = None,
    data: Annotated[str | None, typer.Option(help="For a model: rows as they go into it, with --target.")] = None,
    difference: Annotated[
        float | None, typer.Option(help="For data: the difference in accuracy you hope to see, such as 0.01.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Text encoding of files that are not UTF-8.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    fail_on: Annotated[
        str,
        typer.Option(
            metavar="CODE,...", help="Exit with 1 where one of these is found above info; also: warning, error."
        ),
    ] = "",
) -> None:
    """Say what is wrong with data, or with a model and its compile settings, before any training."""
    from goodfit import checkup
    from goodfit.diagnose import status
    from goodfit.diagnose.codes import meant, named

    wanted = named(fail_on, "--fail-on")
    found = checkup.check(source, target, data=data, text=text, test=test, difference=difference, encoding=encoding)
    if as_json:
        import json

        document = {"source": source, "findings": [f.to_dict() for f in found], "status": status(found)}
        print(json.dumps(document, ensure_ascii=False))
    else:
        _print(source, found, status(found))
    if any(meant(f, wanted) for f in found):
        raise typer.Exit(1)


def _print(source: str, found: list[Finding], status: str) -> None:
    """Findings for people."""
    import shutil
    import textwrap

    wide = min(100, shutil.get_terminal_size().columns)
    print(f"{source}: {status}")
    for f in found:
        print(f"  {f.severity}: {f.code}")
        print(textwrap.fill(f.message, wide, initial_indent="    ", subsequent_indent="    "))
