"""`load`: any source to a `Dataset`, every mistake in it told in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from goodfit.data import columns, inputs, labels, large, weights
from goodfit.data.dataset import Dataset, Rows, describe, fingerprint, row_groups
from goodfit.data.disk import OnDisk
from goodfit.data.files import flat_folder, open_path
from goodfit.data.sources import digits, docstrings, keras_sets, memory
from goodfit.data.sources.raw import Raw, joined
from goodfit.data.splits import stratified
from goodfit.errors import DataError, UsageError, near

BUILT_IN: dict[str, Callable[[], Raw]] = {
    "digits": digits.read,
    "docstrings": docstrings.read,
    "imdb": keras_sets.imdb,
    "reuters": keras_sets.reuters,
}
"""Names that stand for a data set; a file or folder of such a name is reached as `./name`."""

Frame = TypeVar("Frame", pl.DataFrame, OnDisk)

FEWEST = 10
"""Rows under which nothing can be split and judged."""


def load(
    source: Any,
    target: str | None = None,
    text: str | None = None,
    test: Any = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    *,
    encoding: str | None = None,
    image_size: tuple[int, int] | None = None,
    drop: Sequence[str] = (),
    weight: str | None = None,
    class_weight: Mapping[Any, float] | str | None = None,
    stream: bool = False,
) -> Dataset:
    """Read labelled rows and set the test rows apart.

    Args:
        source: A path (CSV, TSV, JSONL, Parquet, .npz, IDX, a folder with one folder of .txt files or images per
            class), a built-in name, a data frame, `(x, y)`, `(x, y, sample_weight)`,
            `((x_train, y_train), (x_test, y_test))`, or a dict of arrays, labels among them. `x` may be a dict of
            arrays too: the inputs of a network by their names.
        target: The column or array to predict; not needed where the source knows it.
        text: The column that holds the texts; found by itself where None; `""` for none, all columns being a table.
        test: A test set like `source`; where None, the source's own one or a share drawn by `seed`.
        test_fraction: That share, in (0, 1), of every class.
        seed: Fixes the drawn test rows.
        encoding: The text encoding of files that are not UTF-8.
        image_size: Height and width to which images in folders are brought; the size of most of them where None.
        drop: Columns to leave out.
        weight: The column that says how much each row counts in training.
        class_weight: How much the rows of each class count, by its name or index; `"balanced"`: all classes alike.
        stream: Whether rows of a file too large for memory may stay on disk (`OnDisk`).

    Raises:
        DataError: The rows, columns or labels cannot be used.
        UsageError: An option that cannot be meant.
        MissingDataError: A data file has to be fetched first.
    """
    if not 0 < test_fraction < 1:
        raise UsageError("bad test fraction", expected="a share between 0 and 1", received=str(test_fraction))
    if target in drop:
        raise UsageError(f"{target!r} cannot be the target and left out at once")
    raw = _without(_open(source, encoding, image_size, stream), drop)
    if isinstance(source, (str, os.PathLike)):  # whoever gives x and y may call y anything
        raw.require_target(target)
    if isinstance(raw.rows, OnDisk):
        other = None if test is None else _open(test, encoding, image_size)
        raw = large.settled(raw, other, target, text, weight)
        if isinstance(raw.rows, OnDisk):
            test = weight = None
    for option, name in (("weight", weight), ("text", text)):
        if name and name == (raw.target if target is None else target):
            raise UsageError(f"{name!r} cannot be the target and the {option} at once")
    if weight is not None:
        raw = weights.taken(raw, weight)
    given = raw.target if target is None else target
    if target is not None and raw.labels is not None:
        raw.target = target
    if test is not None:
        other = _without(_open(test, encoding, image_size), drop, needed=False)
        raw = joined(
            _training_part(raw), other if weight is None else weights.taken(other, weight, needed=False), given
        )
    rows, values, target = _target(raw, target)
    notes = raw.notes

    labelled = values.is_not_null().to_numpy()
    missing = int((~labelled).sum())
    if missing * 2 > len(values):
        raise DataError(
            f"the target {target!r} is missing in most rows",
            expected="a label in every row",
            received=f"{missing:,} of {len(values):,} rows without one",
        )
    if missing:
        notes.append(f"{_rows(missing)} without a label {'was' if missing == 1 else 'were'} left out.")
        values = values.filter(pl.Series(labelled))
        rows = _kept(rows, labelled)
        raw.test = None if raw.test is None else raw.test[labelled]
        raw.weights = None if raw.weights is None else raw.weights[labelled]
    inputs.require_finite(inputs.alone(rows), np.flatnonzero(labelled))
    if len(values) < FEWEST:
        raise DataError("too few rows", expected=f"{FEWEST} labelled rows or more", received=str(len(values)))
    if raw.test is not None:
        values = labels.aligned(values, raw.test, notes)
    numbers, classes = labels.numbered(values, raw.test, raw.classes)

    rows, kind, text = _features(rows, raw.text if text is None else text, notes)
    groups = row_groups(rows)
    different = int(groups.max()) + 1
    copies = len(groups) - different
    if copies:
        verb = "repeats" if copies == 1 else "repeat"
        notes.append(f"{_rows(copies)} {verb} an earlier one: copies stay on one side of every split.")
    if different * 10 < len(groups):
        notes.append(f"Only {different:,} rows differ: every result rests on these few, however many copies there are.")
    if raw.test is None:
        mask = stratified(numbers, groups, test_fraction, seed)
    else:
        mask, keep = raw.test, _not_among_test_rows(groups, raw.test, notes)
        if not keep.all():
            rows, numbers, mask = _kept(rows, keep), numbers[keep], mask[keep]
            groups = np.unique(groups[keep], return_inverse=True)[1].astype(np.int64)
            raw.weights = None if raw.weights is None else raw.weights[keep]
    if len(np.unique(groups[~mask])) < 2:
        raise DataError(
            "too few different rows",
            expected="two or more to learn from, and one or more to judge by",
            received=f"{different:,} different among {len(groups):,} rows",
        )
    counts = weights.combined(raw.weights, class_weight, numbers, classes, mask)
    return Dataset(
        rows=rows,
        labels=numbers,
        classes=classes,
        kind=kind,
        test=mask,
        groups=groups,
        target=target,
        text=text,
        weights=counts,
        name=raw.name,
        source=str(source) if isinstance(source, (str, os.PathLike)) else describe(source),
        fingerprint=fingerprint(rows, numbers, classes, counts),
        notes=tuple(dict.fromkeys(notes)),
    )


def read_rows(source: Any, encoding: str | None = None, image_size: tuple[int, int] | None = None) -> Rows:
    """Rows to predict, labelled or not: a path or name like those of `load`, a folder of files, or what Python holds.

    A file's cells stay as they are written there; encoders read them as they read the typed ones.
    """
    if not isinstance(source, (str, os.PathLike)):
        return memory.as_rows(source)
    path = Path(source).expanduser()
    rows = flat_folder(path, encoding, image_size) if path.is_dir() else None
    return _open(source, encoding, image_size).rows if rows is None else rows


def _open(source: Any, encoding: str | None, image_size: tuple[int, int] | None, stream: bool = False) -> Raw:
    if not isinstance(source, (str, os.PathLike)):
        return memory.read(source)
    if str(source) in BUILT_IN:
        return BUILT_IN[str(source)]()
    path = Path(source).expanduser()
    if not path.exists() and path.name == str(source) and not path.suffix:
        raise DataError(
            f"there is no file, folder or built-in set {str(source)!r}",
            fix=near(str(source), [*BUILT_IN, *sorted(p.name for p in Path().iterdir())]),
        )
    found = large.read(path, encoding) if stream else None
    return found or open_path(path, encoding, image_size)


def _without(raw: Raw, drop: Sequence[str], *, needed: bool = True) -> Raw:
    """A source without some columns; `needed` tells whether they must be there."""
    rows: Any = raw.rows
    arrays = inputs.names(rows)
    if isinstance(rows, np.ndarray) and not arrays:
        if drop:
            raise UsageError(f"there is no column {drop[0]!r} to drop", expected="a table", received="arrays")
        return raw
    there = arrays or rows.columns
    if needed and (absent := [name for name in drop if name not in there]):
        raise DataError(f"there is no column {absent[0]!r} to drop", fix=near(absent[0], there))
    raw.rows = inputs.without(rows, drop) if arrays else rows.select([n for n in there if n not in drop])
    return raw


def _training_part(raw: Raw) -> Raw:
    """A source without its own test rows, for another test set was given."""
    if raw.test is None:
        return raw
    raw.rows = _kept(raw.rows, ~raw.test)
    raw.labels = None if raw.labels is None else raw.labels.filter(pl.Series(~raw.test))
    raw.weights = None if raw.weights is None else raw.weights[~raw.test]
    raw.test = None
    raw.notes.append("The data's own test rows were left out: another test set was given.")
    return raw


def _target(raw: Raw, target: str | None) -> tuple[Rows, pl.Series, str]:
    """Feature rows, class names (null where missing) and the target's name."""
    if raw.labels is not None:
        return raw.rows, labels.names(raw.labels), raw.target or "label"
    frame, target = raw.rows, target or raw.target
    if isinstance(frame, np.ndarray):
        rest, values = memory.parted(frame, target)
        return rest, labels.names(values), str(target)
    assert isinstance(frame, pl.DataFrame)
    if target is None:
        likely = sorted((frame[c].n_unique(), c) for c in frame.columns)
        some = ", ".join(map(repr, frame.columns[:8])) + (", ..." if frame.width > 8 else "")
        raise UsageError(
            "no target column is named",
            expected=f"one of {some}",
            fix=f"Name it, e.g. --target {next((c for n, c in likely if n > 1), frame.columns[0])!r}.",
        )
    if target not in frame.columns:
        raise DataError(f"there is no column {target!r}", fix=near(target, frame.columns))
    if frame.width == 1:
        raise DataError(f"{target!r} is the only column", expected="a target and something to predict it from")
    return frame.drop(target), labels.names(frame[target]), target


def _features(rows: Rows, text: str | None, notes: list[str]) -> tuple[Rows, str, str | None]:
    """Feature rows in plain types, their kind, and the text column."""
    rows = inputs.alone(rows)
    if isinstance(rows, np.ndarray):
        if text:
            raise DataError(f"there is no text column {text!r}", expected="a table", received="arrays of numbers")
        for name in inputs.names(rows):
            if rows.dtype[name].base.kind not in "biuf":
                fix = f"Number its words first (keras.layers.TextVectorization), or leave it out: --drop {name}."
                raise DataError(f"the array {name!r} holds no numbers", expected="numbers", fix=fix)
        if inputs.names(rows):
            return rows, "inputs", None
        if not len(rows) or rows[0].size == 0:
            raise DataError("the rows are empty", received=f"shape {rows.shape}")
        return rows, "image" if rows.ndim > 2 else "array", None
    if isinstance(rows, OnDisk):
        return _texts(rows, notes) if text else (_filled(rows), "table", None)
    if text:
        if text not in rows.columns:
            raise DataError(f"there is no text column {text!r}", fix=near(text, rows.columns))
        texts = [text]
    else:
        rows = _filled(columns.tidy(rows))
        texts = columns.free_texts(rows) if text is None else []
    if not texts:
        return rows, "table", None
    if text is None:
        notes += columns.choice(texts, rows.columns)
    return _texts(pl.DataFrame([columns.texts(rows[c]) for c in texts]), notes)


def _filled(rows: Frame) -> Frame:
    """The rows of a table, where any cell holds something."""
    if all(c.null_count() == len(c) for c in rows.iter_columns()):
        raise DataError("every cell beside the target is empty", expected="something to predict it from")
    return rows


def _texts(frame: pl.DataFrame | OnDisk, notes: list[str]) -> tuple[Rows, str, str | None]:
    """Rows of texts, where any holds something."""
    name, blank = frame.columns[0], pl.all_horizontal(columns.blank(pl.all()))
    blocks = frame.blocks() if isinstance(frame, OnDisk) else [frame]
    empty = sum(int(block.select(blank).to_series().sum()) for block in blocks)
    if empty == len(frame):
        raise DataError(
            f"the text column {name!r} is empty everywhere", expected="texts", fix="Name another one with --text."
        )
    if empty:
        notes.append(f"{_rows(empty)} {'has' if empty == 1 else 'have'} an empty text.")
    return frame, "text", name


def _not_among_test_rows(groups: np.ndarray, test: np.ndarray, notes: list[str]) -> np.ndarray:
    """False for a training row that stands in a given test set too; bool, shape `(rows,)`."""
    shared = ~test & np.isin(groups, groups[test])
    count, training = int(shared.sum()), int((~test).sum())
    if count * 2 > training:
        raise DataError(
            "most training rows stand in the test set too",
            expected="a test set of other rows",
            received=f"{count:,} of {training:,} training rows in it",
        )
    if count:
        stand = "stands" if count == 1 else "stand"
        notes.append(f"{_rows(count)} of the training set {stand} in the test set too: left out of the training set.")
    return ~shared


def _kept(rows: Rows, keep: np.ndarray) -> Rows:
    return rows.filter(pl.Series(keep)) if isinstance(rows, pl.DataFrame) else rows[keep]


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
