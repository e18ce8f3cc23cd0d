"""`goodfit predict`: raw rows to labels and probabilities."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict")(predict)


def predict(
    predictor: Annotated[Path, typer.Argument(help="The predictor folder of a study.")],
    rows: Annotated[
        str,
        typer.Argument(
            help="Rows to predict: a file or folder like the study's, or a built-in set; no target is needed."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="CSV, JSONL or Parquet file to write; by default CSV on stdout.")
    ] = None,
    code: Annotated[
        Path | None, typer.Option(help="Python file that defines the model's own layers, if it has any; it is run.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Text encoding of files that are not UTF-8.")] = None,
) -> None:
    """Add prediction, probability and a probability per class to each row."""
    from goodfit.data import read_rows
    from goodfit.errors import UsageError
    from goodfit.predictor import Predictor
    from goodfit.study.folder import writing

    writers = {".csv": "write_csv", ".jsonl": "write_ndjson", ".parquet": "write_parquet"}
    if out and out.suffix.lower() not in writers:
        raise UsageError(f"--out {out.name}: unknown kind of file", expected=" or ".join(writers), received=out.suffix)
    raw = read_rows(rows, encoding)
    table = Predictor.load(predictor, code=code).table(raw)
    if out is None:
        table.write_csv(sys.stdout.buffer)
        return
    with writing(out):
        getattr(table, writers[out.suffix.lower()])(out)
    print(f"{len(table):,} rows predicted: {out}", file=sys.stderr)
