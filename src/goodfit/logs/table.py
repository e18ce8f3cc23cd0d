"""Tables in text: delimiter, header, rows that do not fit. Standard library only."""

from __future__ import annotations

import csv
import re

from goodfit.errors import LogError
from goodfit.logs.base import Log, Table, value
from goodfit.logs.names import canonical

KERAS = {
    3: ["epoch", "accuracy", "loss"],
    5: ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"],
    6: ["epoch", "accuracy", "learning_rate", "loss", "val_accuracy", "val_loss"],
}
"""Columns of a Keras `CSVLogger` file without a header, by their number: `epoch`, then the rest by name."""


SEEDS = ("seed", "fold", "repeat", "iter")
"""Columns that tell runs of one variant apart."""

LABELS = ("variant", "stage", "run", "run_id", "trial", *SEEDS)
"""Columns that name a run rather than measure it."""


def header(log: Log) -> list[str]:
    """The first line's cells, stripped; empty where it is no table."""
    first = log.lines[0] if log.lines else ""
    return [c.strip().strip('"') for c in split(first, delimiter(first))]


def delimiter(line: str) -> str:
    """What parts the cells of a line: the commonest of comma, semicolon, tab, else spaces."""
    best = max(",;\t", key=line.count)
    return best if best in line else " "


def split(line: str, by: str) -> list[str]:
    """The cells of one line."""
    if by == " ":
        return line.split()
    return next(csv.reader([line], delimiter=by), [])


def is_header(cells: list[str]) -> bool:
    """Whether these cells are names, not numbers."""
    return len(cells) > 0 and not any(value(c) is not None for c in cells)


def looks_like_a_log(cells: list[str]) -> bool:
    """Whether these column names hold a loss or an accuracy."""
    keys = [canonical(c)[0] for c in cells]
    return is_header(cells) and any(k.endswith(("loss", "accuracy")) for k in keys)


def read_tables(log: Log) -> list[Table]:
    """All tables in the file: a repeated header begins a new one; rows that do not fit are counted in a note.

    Raises:
        LogError: There is a header, and no row below it that fits and holds a loss or an accuracy.
    """
    by = delimiter(log.lines[0])
    tables: list[tuple[list[str], list[list[str]]]] = []
    skipped: list[tuple[int, int]] = []  # the line, and its cells
    first = 0
    for number, line in enumerate(log.text.splitlines(), 1):
        if not line.strip():
            continue
        cells = [c.strip() for c in split(line, by)]
        if is_header(cells) and looks_like_a_log(cells):
            tables.append((cells, []))
        elif not tables and len(cells) in KERAS and value(cells[0]) in (0.0, 1.0):
            first = number
            tables.append((KERAS[len(cells)], [cells]))
        elif tables and len(cells) == len(tables[-1][0]):
            first = first or number
            tables[-1][1].append(cells)
        else:
            skipped.append((number, len(cells)))
    out = []
    for i, (names, rows) in enumerate(tables):
        if by == ";":  # decimal commas
            rows = [[re.sub(r"^(-?\d+),(\d+)$", r"\1.\2", c) for c in row] for row in rows]
        labels = {n.lower(): [row[j] for row in rows] for j, n in enumerate(names) if n.lower() in LABELS}
        columns = {n: [value(row[j]) for row in rows] for j, n in enumerate(names) if n and n.lower() not in labels}
        table = Table(columns, name=f"run {i + 1}" if len(tables) > 1 else "")
        if names in KERAS.values() and header(log) != names:
            table.notes.append("the file has no header; columns were taken as " + ", ".join(names))
        if rows:
            out += parted(table, labels)
    if tables and not out and not skipped:
        raise LogError("the log has a header and no rows", received=str(log.path))
    if tables and not out:
        raise LogError(
            f"line {skipped[0][0]} does not fit the header",
            expected=f"{len(tables[0][0])} cells parted by {by!r}",
            received=f"{skipped[0][1]} in {log.path}",
        )
    curves = [c for t in out for n, c in t.columns.items() if re.search("loss|acc", canonical(n)[0])]
    if out and all(v is None for c in curves for v in c):
        raise LogError(f"no number for a loss or an accuracy from line {first} on", received=str(log.path))
    if skipped and out:
        lines = f"{len(skipped)} of {len(log.lines)} lines"
        out[-1].notes.append(f"{lines} did not fit and were left out, line {skipped[0][0]} first")
    return out


def parted(table: Table, labels: dict[str, list[str]]) -> list[Table]:
    """A table parted by columns that tell runs apart, in order of first sight.

    Args:
        table: All rows.
        labels: Cells of the columns named in `LABELS`; `seed`, `fold` and `repeat` tell runs of one variant apart, the
            others variants.
    """
    if not labels:
        return [table]
    rows = list(zip(*labels.values(), strict=True))
    out = []
    for key in dict.fromkeys(rows):
        at = [i for i, r in enumerate(rows) if r == key]
        said = dict(zip(labels, key, strict=True))
        variant = " ".join(v for k, v in said.items() if k not in SEEDS)
        facts = {**table.facts, "variant": variant}
        seed = next((v for k, v in said.items() if k in SEEDS), "")
        if seed.isdigit():
            facts["seed"] = int(seed)
        name = " ".join(x for x in (variant, f"seed {seed}" if seed else "") if x)
        out.append(Table({n: [c[i] for i in at] for n, c in table.columns.items()}, name, facts, list(table.notes)))
    return out
