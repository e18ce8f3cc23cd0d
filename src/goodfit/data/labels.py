"""Target cells to class names and numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from goodfit.data.columns import NOTHING, texts
from goodfit.errors import DataError


def names(column: pl.Series) -> pl.Series:
    """Class names as text: trimmed, whole numbers without a fraction, missing ones null."""
    kind = column.dtype
    if kind == pl.Boolean:
        return pl.Series(column.name, [None if v is None else str(v) for v in column.to_list()], dtype=pl.String)
    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        raise DataError(f"the target {column.name!r} holds no single label a row", received=f"cells of type {kind}")
    text = texts(column).str.strip_chars()
    text = text.set(text.str.to_lowercase().is_in(NOTHING), None)
    number = text.cast(pl.Float64, strict=False)
    if number.null_count() == text.null_count() and number.is_finite().all():
        whole = number.cast(pl.Int64, strict=False)
        if whole.cast(pl.Float64).eq(number).all():
            return whole.cast(pl.String)
    return text


def aligned(values: pl.Series, test: np.ndarray, notes: list[str]) -> pl.Series:
    """Test labels that differ from the training labels by case or a full stop only, written as there."""
    known = set(values.filter(pl.Series(~test)).drop_nulls().to_list())
    strange = set(values.filter(pl.Series(test)).drop_nulls().to_list()) - known

    def bare(name: str) -> str:
        return name.rstrip(". ").casefold()

    plain: dict[str, list[str]] = {}
    for name in known:
        plain.setdefault(bare(name), []).append(name)
    same = {s: plain[bare(s)][0] for s in sorted(strange) if len(plain.get(bare(s), ())) == 1}
    if same:
        shown = ", ".join(f"{a!r} as {b!r}" for a, b in list(same.items())[:4])
        notes.append(f"Labels of the test set are written otherwise than in the training set; read {shown}.")
        values = pl.Series(values.name, np.where(test, values.replace(same).to_numpy(), values.to_numpy()).tolist())
    foreign = strange - set(same)
    rows = values.filter(pl.Series(test)).is_in(list(foreign)).sum()
    if rows > test.sum() / 2:
        raise DataError(
            "the labels of the test set are not those of the training set",
            expected="some of " + ", ".join(map(repr, sorted(known)[:5])),
            received=", ".join(map(repr, sorted(foreign)[:5])),
        )
    if foreign:
        shown = ", ".join(map(repr, sorted(foreign)[:5]))
        have = "row has a label" if rows == 1 else "rows have labels"
        so = "it counts as an error" if rows == 1 else "they count as errors"
        notes.append(f"{rows:,} test {have} that no training row has ({shown}): {so}.")
    return values


def numbered(
    values: pl.Series, test: np.ndarray | None = None, order: tuple[str, ...] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers and names; every value must be there.

    Args:
        values: Class names.
        test: True for rows of a given test set, which may hold a class that no training row has.
        order: The names in the order to be kept; the labels' own where empty.

    Raises:
        DataError: One class only, a class with one row, or a target that is no class at all.
    """
    counts = Counter(values.to_list())
    target, rows = values.name, len(values)
    numeric = values.cast(pl.Float64, strict=False).null_count() == 0
    if len(counts) < 2:
        raise DataError(
            f"the target {target!r} has one class only",
            expected="two classes or more",
            received=f"{next(iter(counts))!r} in all {rows:,} rows",
        )
    fractions = numeric and any("." in name or "e" in name.lower() for name in counts)
    if len(counts) > 20 and (fractions or len(counts) > rows / 4):
        what = "looks continuous" if numeric else "has a class of its own for almost every row"
        raise DataError(
            f"the target {target!r} {what}",
            expected="classes that repeat (goodfit classifies; it has no regression yet)",
            received=f"{len(counts):,} different values in {rows:,} rows",
            fix="Cut it into classes, or name another column with --target.",
        )
    tested = set() if test is None else set(values.filter(pl.Series(test)).to_list())
    lonely = sorted(name for name, count in counts.items() if count == 1 and name not in tested)
    if lonely:
        shown = ", ".join(repr(name[:40]) for name in lonely[:5]) + (", ..." if len(lonely) > 5 else "")
        raise DataError(
            f"{len(lonely)} class{'es have' if lonely[1:] else ' has'} one row only ({shown})",
            expected="two rows or more of every class: one to learn from, one to judge by",
            fix="Add rows, merge such classes into another, or leave these rows out.",
        )
    classes = tuple(c for c in order if c in counts) or tuple(sorted(counts, key=float if numeric else str))
    index = {name: i for i, name in enumerate(classes)}
    return np.array([index[v] for v in values.to_list()], dtype=np.int64), classes
