"""CSV, TSV and their kin: any separator, quoted newlines, with or without a byte order mark."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from goodfit.data.columns import numbers
from goodfit.data.sources.decode import looked_through, utf8
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError

SEPARATORS = (",", "\t", ";", "|")
NUMBERING = "The first column has no name and only numbers the rows: left out."


def read(path: Path, encoding: str | None = None) -> Raw:
    """Every column as text; the types are settled when the target and the texts are known."""
    data = utf8(path, encoding)
    if b"\n" not in data[:65536]:
        data = data.replace(b"\r", b"\n")  # old Mac line ends
    separator = "\t" if ".tsv" in path.name and b"\t" in data[:65536] else sniff(data)
    frame = _frame(data, separator, path)
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if blank.any():
        frame = frame.filter(~blank)
    if frame.is_empty():
        raise DataError(f"{path} has a header and no rows", expected="at least one row under the header")
    notes: list[str] = []
    frame = _named(frame, notes)
    if separator != ",":
        frame = pl.DataFrame([pointed(c) for c in frame.iter_columns()])
    return Raw(frame, notes=notes, name=path.name.split(".")[0])


def scanned(path: Path) -> tuple[pl.LazyFrame, str] | None:
    """A file too large for memory, to be read lazily, and its separator; None where only `read` can."""
    found = looked_through(path)
    if found is None or b"\n" not in found[0]:
        return None
    head, quotes = found
    separator = "\t" if ".tsv" in path.name and b"\t" in head else sniff(head)
    quoted = True
    if quotes % 2 or separator == "\t":
        with path.open(encoding="utf-8", newline="") as file:
            bad = _bad_quote(file, separator) if quotes else None
        quoted = not (bad and separator == "\t")
        if quoted:
            _require_closed(bad, path)
    table = pl.scan_csv(path, separator=separator, infer_schema=False, quote_char='"' if quoted else None)
    names = table.collect_schema().names()
    stripped = {c: c.strip() for c in names if c.strip() and c.strip() not in names}
    return table.filter(~pl.all_horizontal(pl.all().is_null())).rename(stripped), separator


def require_even(path: Path, separator: str) -> None:
    """Check that every record of a large file has as many fields as the header."""
    with path.open(encoding="utf-8", newline="") as file:
        lengths = ((len(r), n) for n, r in enumerate(_records(file, separator)) if r and r != [""])
        _require_even(next(lengths)[0], lengths, path)


def sniff(data: bytes) -> str:
    """The separator that cuts the first records into the same number of fields, the more the better."""
    head = data[:65536].decode(errors="ignore")
    whole = len(data) <= 65536

    def score(separator: str) -> tuple[float, int]:
        try:
            records = [len(r) for _, r in zip(range(50), _records(head, separator), strict=False) if r]
        except csv.Error:
            return 0.0, 0
        records = records if whole or len(records) < 2 else records[:-1]  # the last one may be cut in two
        if not records or records[0] < 2:
            return 0.0, 0
        return Counter(records)[records[0]] / len(records), records[0]

    best = max(SEPARATORS, key=score)
    return best if score(best)[0] > 0 else ","


def _records(text: str | TextIO, separator: str, strict: bool = False) -> Any:
    csv.field_size_limit(2**31 - 1)
    lines = io.StringIO(text, newline="") if isinstance(text, str) else text
    return csv.reader(lines, delimiter=separator, strict=strict)


def _frame(data: bytes, separator: str, path: Path) -> pl.DataFrame:
    quotes = data.count(b'"')
    if separator == "\t" and quotes and _bad_quote(data.decode(), separator):  # many such files quote nothing
        return _checked((line.split("\t") for line in data.decode().splitlines()), path)
    if quotes % 2 == 0:
        try:
            frame = pl.read_csv(data, separator=separator, infer_schema=False)
        except (pl.exceptions.PolarsError, UnicodeError):
            frame = pl.DataFrame()
        # a row with too few fields comes back with nothing in the last column: only then each must be looked at
        if frame.width and not frame.to_series(-1).null_count():
            return frame
    text = data.decode()
    _require_closed(_bad_quote(text, separator), path)
    return _checked(_records(text, separator), path)


def _bad_quote(text: str | TextIO, separator: str) -> tuple[int, bool] | None:
    """The line of the first record whose quotes are wrong, and whether one never closes; None where all is well."""
    reader, line = _records(text, separator, strict=True), 0
    try:
        for _ in reader:
            line = reader.line_num
    except csv.Error as error:
        return line + 1, "unexpected end" in str(error)
    return None


def _require_closed(bad: tuple[int, bool] | None, path: Path) -> None:
    if bad and bad[1]:
        raise DataError(
            f"{path} has a quote that never closes",
            received=f'a field opened with " in line {bad[0]}',
            fix='Close it, or write " as "" inside a quoted field.',
        )


def _require_even(fields: int, lengths: Iterable[tuple[int, int]], path: Path) -> None:
    """Check that records, each with its number, have as many fields as the header."""
    rows, wrong, first = 0, 0, (0, 0)
    for length, number in lengths:
        rows += 1
        if length != fields:
            first = first if wrong else (length, number)
            wrong += 1
    if wrong:
        raise DataError(
            f"{path} is ragged: {wrong:,} of {rows:,} rows differ from the header in their number of fields",
            expected=f"{fields} fields in every row",
            received=f"{first[0]} in row {first[1]:,} below the header",
            fix="Quote the fields that hold the separator, or repair the row.",
        )


def _checked(records: Iterable[list[str]], path: Path) -> pl.DataFrame:
    """Records of one length as a frame; ragged ones are a `DataError` that names the first."""
    rows, numbers = [], []
    for number, record in enumerate(records):
        if record and record != [""]:
            rows.append(record)
            numbers.append(number)
    header = rows.pop(0) if rows else []
    _require_even(len(header), zip(map(len, rows), numbers[1:], strict=True), path)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    cells = [pl.Series(str(i), [v or None for v in c], dtype=pl.String) for i, c in enumerate(columns)]
    names = [n if n not in header[:i] else f"{n}_duplicated_{header[:i].count(n) - 1}" for i, n in enumerate(header)]
    return pl.DataFrame(cells).rename({str(i): n for i, n in enumerate(names)})


def _named(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Trimmed column names; without a nameless column that only numbers the rows, as pandas writes it."""
    frame = frame.rename({c: c.strip() or c for c in frame.columns if c.strip() not in frame.columns})
    twice = [c for c in frame.columns if "_duplicated_" in c]
    if twice:
        notes.append(f"Some column names stand twice; the later ones were renamed: {', '.join(twice[:5])}.")
    if frame.width > 1 and numbering(frame.to_series(0)):
        notes.append(NUMBERING)
        return frame.drop(frame.columns[0])
    return frame


def numbering(first: pl.Series) -> bool:
    """Whether a file's first column has no name and only numbers the rows."""
    counted = first.cast(pl.Int64, strict=False) if first.name in ("", "Unnamed: 0") else None
    return counted is not None and counted.null_count() == 0 and bool(counted.diff().drop_nulls().eq(1).all())


def pointed(column: pl.Series) -> pl.Series:
    """A column of numbers with decimal commas, written with points."""
    if numbers(column) is None and column.str.contains(",", literal=True).any():
        pointed = column.str.replace(",", ".", literal=True)
        return column if numbers(pointed) is None else pointed
    return column
