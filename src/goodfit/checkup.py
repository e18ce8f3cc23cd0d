"""`check`: any data or any Keras model to findings, before any training."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.data import BUILT_IN, columns, inputs, labels
from goodfit.data.dataset import row_groups
from goodfit.data.disk import OnDisk
from goodfit.data.files import open_path
from goodfit.data.sources import memory
from goodfit.data.sources.raw import Raw, joined
from goodfit.diagnose import preflight
from goodfit.diagnose.causes import gravest_first
from goodfit.diagnose.finding import Finding
from goodfit.diagnose.preflight.rows import TEST, Rows
from goodfit.errors import DataError, ModelError, UsageError, first_line, near
from goodfit.settings import prefer_jax

MODELS = (".keras", ".h5", ".hdf5")
"""Extensions of saved Keras models."""

BATCH = 512
"""Rows that a model is called with."""


def check(
    source: Any,
    target: str | None = None,
    *,
    data: Any = None,
    text: str | None = None,
    test: Any = None,
    difference: float | None = None,
    encoding: str | None = None,
) -> list[Finding]:
    """Say what is wrong with data, or with a Keras model and its compile settings, before any training.

    ```python
    goodfit.check("reviews.csv", target="sentiment")
    goodfit.check(model, data=(x_train, y_train))
    ```

    Args:
        source: Data, anything `goodfit.data.load` reads; or a Keras model, or the path of a saved one.
        target: The column or array to predict; not needed where the data know it.
        data: For a model: rows as they go into it and their labels as `fit` takes them, like `source`.
        text: The column that holds the texts; found by itself where None, `""` for none.
        test: For data: a test set like `source`.
        difference: For data: the difference in accuracy that one hopes to see between two networks.
        encoding: The text encoding of files that are not UTF-8.

    Returns:
        Findings, the gravest first; none for what is healthy.

    Raises:
        DataError: The rows, columns or labels cannot be used.
        ModelError: The model cannot be loaded.
        UsageError: An option that cannot be meant.
    """
    if is_model(source):
        for name, value in (("test", test), ("difference", difference)):
            if value is not None:
                raise UsageError(f"{name} is about data, and this is a model", fix="Check the data by themselves.")
        return check_model(source, data, target, encoding=encoding)
    if data is not None:
        raise UsageError("data goes with a model", expected="a Keras model or a .keras file", received=str(source)[:80])
    return check_data(source, target, text=text, test=test, difference=difference, encoding=encoding)


def is_model(source: Any) -> bool:
    """Whether this is a Keras model or the path of a saved one."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source).suffix.lower() in MODELS
    return hasattr(source, "layers") and hasattr(source, "compile")


def check_model(
    model: Any, data: Any = None, target: str | None = None, *, encoding: str | None = None
) -> list[Finding]:
    """Say what is wrong with a Keras model and its compile settings; see `check`."""
    if isinstance(model, (str, os.PathLike)):
        model = _loaded(Path(model).expanduser())
    if data is None:
        return preflight.model(model)
    x, y, indices = _batch(model, data, target, encoding)
    output = None
    if isinstance(x, np.ndarray) and getattr(model, "built", False):
        from goodfit.doctor.probe import Probe

        few = np.unique(np.linspace(0, len(x) - 1, min(BATCH, len(x))).astype(int))
        try:
            output = Probe(model, x[few], None).output()
        except (ValueError, TypeError, RuntimeError) as error:
            raise ModelError(
                "the rows do not go into the model",
                expected=f"rows of shape {getattr(model, 'input_shape', 'unknown')}",
                received=f"shape {x.shape}",
                fix=first_line(error),
            ) from None
        begun = preflight.model(model, x[few], y[few], output, indices=indices)
        first = [f for f in begun if f.code == "exploding_gradient"]
        found = preflight.model(model, x, y, indices=indices)
        return found if any(f.severity == "error" for f in found) else gravest_first([*found, *first])
    return preflight.model(model, None, y, indices=indices)


def _loaded(path: Path) -> Any:
    if not path.is_file():
        raise ModelError(f"{path} does not exist", expected="a saved Keras model")
    prefer_jax()
    import keras

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the optimizer's state, which Keras may miss, is of no interest here
            return keras.saving.load_model(path)
    except Exception as error:  # whatever a damaged or foreign file makes Keras raise
        raise ModelError(
            f"{path} cannot be loaded as a Keras model",
            received=first_line(error, 300),
            fix="Custom layers have to be registered: check the model from Python, goodfit.check(model, data=(x, y)).",
        ) from None


def _batch(
    model: Any, data: Any, target: str | None, encoding: str | None
) -> tuple[np.ndarray | None, np.ndarray, bool]:
    """Rows as they go into the model (None where that is not known), labels, and whether these are one a row.

    A file has one label a row: whoever uses a loss of one-hot rows makes them of it. Two arrays are what `fit` takes.
    """
    if isinstance(data, (tuple, list)) and len(data) == 2 and all(isinstance(part, np.ndarray) for part in data):
        return data[0], data[1], False
    raw = _opened(data, encoding, target)
    features, values = _parted(raw, raw.target if target is None else target)
    there = values.is_not_null().to_numpy()
    values = values.filter(pl.Series(there))
    numbers = values.cast(pl.Float64, strict=False)
    if numbers.null_count():
        classes = _classes(values, raw.classes)
        y = values.replace_strict({c: i for i, c in enumerate(classes)}, return_dtype=pl.Int64).to_numpy()
    else:
        y = numbers.to_numpy()
        y = y.astype(np.int64) if np.all(y == np.round(y)) else y
    if inputs.names(features):
        return None, y, True
    if isinstance(features, np.ndarray):
        return features[there], y, True
    frame = columns.tidy(features).filter(pl.Series(there))
    shape = getattr(model, "input_shape", None)
    fits = isinstance(shape, tuple) and shape[1:] == (frame.width,) and all(d.is_numeric() for d in frame.dtypes)
    return (frame.cast(pl.Float32).to_numpy() if fits else None), y, True


def check_data(
    source: Any,
    target: str | None = None,
    *,
    text: str | None = None,
    test: Any = None,
    difference: float | None = None,
    encoding: str | None = None,
) -> list[Finding]:
    """Say what is wrong with labelled rows, as they are: nothing is repaired or left out first.

    Args:
        source: Anything `goodfit.data.load` reads.
        target: The column or array to predict; not needed where the source knows it.
        text: The column that holds the texts; found by itself where None, `""` for none.
        test: A test set like `source`.
        difference: Difference in accuracy that one hopes to see between two networks.
        encoding: The text encoding of files that are not UTF-8.

    Returns:
        Findings, the gravest first; none for healthy data.

    Raises:
        DataError: The rows, columns or labels cannot be used.
        UsageError: An option that cannot be meant.
    """
    if difference is not None and not 0 < difference < 1:
        raise UsageError("bad difference", expected="a share between 0 and 1, such as 0.01", received=str(difference))
    return preflight.data(rows(source, target, text=text, test=test, encoding=encoding), difference)


def rows(source: Any, target: str | None, *, text: str | None, test: Any, encoding: str | None) -> Rows:
    """Labelled rows of any source, in their order, every one of them."""
    raw = _opened(source, encoding, target)
    given = raw.target if target is None else target
    if test is not None:
        raw = joined(raw, _opened(test, encoding), given)
    side = np.zeros(len(raw.rows), np.int8)
    if raw.test is not None:
        side[raw.test] = TEST
    features, values = _parted(raw, given)
    there = values.is_not_null().to_numpy()
    if isinstance(features, pl.DataFrame):
        features = columns.tidy(features.filter(pl.Series(there)))
    else:
        features = features[there]
    side, values = side[there], values.filter(pl.Series(there))
    if raw.test is not None:
        values = labels.aligned(values, side == TEST, [])
    classes = _classes(values, raw.classes)
    index = {name: i for i, name in enumerate(classes)}
    numbers = np.array([index[v] for v in values.to_list()], np.int64)
    texts = None
    if text and isinstance(features, np.ndarray):
        raise DataError(f"there is no text column {text!r}", expected="a table", received="arrays of numbers")
    cells: dict[str, np.ndarray] = {}
    names: frozenset[str] = frozenset()
    if isinstance(features, pl.DataFrame):
        wanted = raw.text if text is None else text
        if wanted and wanted not in features.columns:
            raise DataError(f"there is no text column {wanted!r}", fix=near(wanted, features.columns))
        read = [wanted] if wanted else columns.free_texts(features) if wanted is None else []
        if read:
            # What stands beside the texts is not read, so it can do no harm.
            features = features.select(pl.col(c).cast(pl.String) for c in read)
            texts = features.select(pl.concat_str(pl.all().fill_null(""), separator="\n")).to_series().to_list()
        else:
            cells, names = columns.cells(features)
    elif inputs.names(features):
        flat = {n: a.reshape(len(a), -1) for n, a in zip(inputs.names(features), inputs.each(features), strict=True)}
        wide = {n: a for n, a in flat.items() if a.dtype.kind in "biuf" and a.shape[1] <= 100}
        cells = {f"{n}, column {i}": a[:, i].astype(np.float64) for n, a in wide.items() for i in range(a.shape[1])}
    elif features.ndim == 2 and features.shape[1] <= 100:
        cells = {f"column {i}": features[:, i].astype(np.float64) for i in range(features.shape[1])}
    return Rows(numbers, classes, row_groups(features), side, cells, names, texts)


def _opened(source: Any, encoding: str | None, target: str | None = None) -> Raw:
    if not isinstance(source, (str, os.PathLike)):
        return memory.read(source)
    path = Path(source).expanduser()
    raw = BUILT_IN[str(source)]() if str(source) in BUILT_IN else open_path(path, encoding)
    raw.require_target(target)
    return raw


def _parted(raw: Raw, target: str | None) -> tuple[pl.DataFrame | np.ndarray, pl.Series]:
    """Feature rows, and class names (null where missing)."""
    frame = raw.rows
    assert not isinstance(frame, OnDisk)  # only studies read from disk
    if raw.labels is not None:
        return frame, labels.names(raw.labels)
    if isinstance(frame, np.ndarray):
        rest, values = memory.parted(frame, target)
        return inputs.alone(rest), labels.names(values)
    if target is None:
        raise UsageError(
            "which column is the target?",
            expected="one of " + ", ".join(map(repr, frame.columns[:8])) + (", ..." if frame.width > 8 else ""),
            fix="Name it with --target.",
        )
    if target not in frame.columns:
        raise DataError(f"there is no column {target!r}", fix=near(target, frame.columns))
    if frame.width == 1:
        raise DataError(f"{target!r} is the only column", expected="a target and something to predict it from")
    return frame.drop(target), labels.names(frame[target])


def _classes(values: pl.Series, order: tuple[str, ...]) -> tuple[str, ...]:
    """Class names; a class of one row is a finding here, not a mistake."""
    lonely = values.is_unique()
    kept = values.filter(~lonely) if 2 * int(lonely.sum()) < len(values) else values
    classes = labels.numbered(kept, order=order)[1]
    return classes + tuple(sorted(set(values.to_list()) - set(classes)))
