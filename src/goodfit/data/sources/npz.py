"""NumPy's `.npz`: `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test`, or arrays of any names, one of labels."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from goodfit.data import inputs
from goodfit.data.sources import memory
from goodfit.data.sources.decode import read_bytes
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError, first_line

PAIRS = (("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("arr_0", "arr_1"))
"""Names under which rows and labels are looked for; where more arrays have as many rows, they all are inputs."""


def read(path: Path, encoding: str | None = None) -> Raw:
    """Arrays by their names; pickled objects inside are refused, for a pickle runs whatever its author wrote."""
    data = io.BytesIO(read_bytes(path))
    if not zipfile.is_zipfile(data):
        expected = "a whole archive, as np.savez writes it"
        raise DataError(f"{path} cannot be read as .npz", expected=expected, received="another or a damaged file")
    try:
        with np.load(data, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # whatever damaged bytes make NumPy, zipfile and zlib raise
        pickled = "allow_pickle" in str(error)
        raise DataError(
            f"{path} cannot be read as .npz",
            expected="arrays of numbers or texts",
            received="pickled objects, which are never run" if pickled else first_line(error),
            fix="Keras's own files are read by name: imdb, reuters." if pickled else "",
        ) from None
    if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        raw = memory.read(((arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])))
        raw.target = "y"
    else:
        pair = next((p for p in PAIRS if set(p) <= set(arrays)), None)
        if not arrays:
            raise DataError(f"{path} holds no arrays", expected="x and y, or inputs by their names, and labels")
        rows = dict(sorted(arrays.items()))
        if pair:  # what has other rows is of another kind
            rows = {name: a for name, a in rows.items() if name in pair or a.shape[:1] == rows[pair[0]].shape[:1]}
        if pair and len(rows) == len(pair):
            raw = memory.read((arrays[pair[0]], arrays[pair[1]]))
            raw.target = pair[1]
        else:
            raw = Raw(inputs.of(rows), target=next((y for _, y in PAIRS if y in rows), None))
    raw.name = path.stem
    return raw
