"""Several arrays with one row each for every example: a NumPy structured array, a field for each input.

Such rows are chosen, cut and compared like those of any array. An `.npz` file or a dict of arrays becomes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from goodfit.errors import DataError


def names(rows: Any) -> tuple[str, ...]:
    """The names of the arrays; none for rows of any other kind."""
    return (rows.dtype.names or ()) if isinstance(rows, np.ndarray) else ()


def given(source: Any) -> dict[str, Any] | None:
    """Arrays by name, in the order of names, where a caller's object is several inputs; else None.

    A mapping is, if any of its arrays has two axes or more (else it is a table of columns); and so is a tuple, whose
    arrays are named 0, 1, ...
    """
    if isinstance(source, tuple) and len(source) > 1 and all(hasattr(a, "ndim") for a in source):
        arrays = {str(i): a for i, a in enumerate(source)}
    elif isinstance(source, Mapping):
        arrays = {str(name): source[name] for name in sorted(source, key=str)}
    else:
        return None
    return arrays if any(getattr(a, "ndim", 0) > 1 for a in arrays.values()) else None


def of(arrays: Mapping[str, Any]) -> np.ndarray:
    """Arrays of equally many rows as one, `(rows,)`.

    Raises:
        DataError: There is none, one has no rows, or they differ in their number.
    """
    if not arrays:
        raise DataError("no array is left", expected="one or more beside the labels")
    found = {name: np.asarray(a) for name, a in arrays.items()}
    if single := [name for name, a in found.items() if not a.ndim]:
        raise DataError(f"the array {single[0]!r} has no rows", expected="an axis of rows", received="a single value")
    counts = {name: len(a) for name, a in found.items()}
    if len(set(counts.values())) != 1:
        received = ", ".join(f"{count:,} in {name}" for name, count in counts.items())
        raise DataError("the arrays differ in their number of rows", expected="as many in each", received=received)
    kind = np.dtype([(name, a.dtype, a.shape[1:]) for name, a in found.items()])
    rows = np.empty(next(iter(counts.values())), kind)
    for name, a in found.items():
        rows[name] = a
    return rows


def without(rows: Any, left_out: Iterable[str]) -> np.ndarray:
    """The rows without some of their arrays."""
    left_out = set(left_out)
    return of({name: rows[name] for name in names(rows) if name not in left_out})


def alone(rows: Any) -> Any:
    """The array itself where there is one only; any other rows as they are."""
    found = names(rows)
    return rows[found[0]] if len(found) == 1 else rows


def each(rows: np.ndarray) -> list[np.ndarray]:
    """The arrays in their order, each whole in memory; a single array by itself."""
    return [np.ascontiguousarray(rows[name]) for name in names(rows)] or [rows]


def shape(rows: Any) -> tuple[Any, ...]:
    """The shape of a row; of several arrays a tuple of shapes."""
    found = names(rows)
    shapes = [rows.dtype[name].shape for name in found] if found else rows.shape[1:]
    return tuple(tuple(map(int, n)) if found else int(n) for n in shapes)


def size(rows: Any) -> int:
    """Numbers in a row."""
    found = names(rows)
    return sum(int(np.prod(s)) for s in (shape(rows) if found else [shape(rows)]))


def require_finite(rows: Any, numbers: np.ndarray) -> None:
    """Check that images and arrays by name hold no NaN and no infinity; a column of a table may: it is filled.

    Args:
        rows: Rows of any kind.
        numbers: How each row is counted where it came from, from 0.

    Raises:
        DataError: Some do.
    """
    if not isinstance(rows, np.ndarray) or not (names(rows) or rows.ndim > 2):
        return
    for name in names(rows) or (None,):
        x = rows if name is None else rows[name]
        if x.dtype.kind != "f":
            continue
        bad = ~np.isfinite(x).reshape(len(x), -1).all(1)
        if bad.any():
            raise DataError(
                f"the {'images hold' if name is None else f'array {name!r} holds'} what is no finite number",
                expected="numbers in every place",
                received=f"NaN or infinity in {bad.sum():,} of {len(x):,} rows, the first is row "
                f"{numbers[bad.argmax()] + 1:,}",
                fix="Leave such rows out, or fill them: numpy.nan_to_num.",
            )


def stacked(a: Any, b: Any) -> np.ndarray:
    """Rows below others; arrays that only the lower ones have are left out.

    Raises:
        DataError: The lower ones lack an array, or have one of another shape.
    """
    for name in names(a):
        if name not in names(b):
            raise DataError(f"the test set lacks the array {name!r}", expected=", ".join(names(a)))
        shapes = [x.dtype[name].shape for x in (a, b)]
        if shapes[0] != shapes[1]:
            what = f"the array {name!r} of the test set has rows of another shape"
            raise DataError(what, expected=str(shapes[0]), received=str(shapes[1]))
    return of({name: np.concatenate([a[name], b[name]]) for name in names(a)})
