"""IDX files, plain or gzip: the format of MNIST and its successors."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.data.sources.decode import read_bytes
from goodfit.data.sources.raw import Raw, joined
from goodfit.errors import DataError

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""The format's type codes."""

MOST = 4
"""Dimensions at most: rows, height, width, channels."""

NAME = re.compile(r"(?P<side>\w+?)-(?P<what>images|labels)[.-]idx\d(-ubyte)?(\.gz)?$")
"""`train-images-idx3-ubyte.gz`, with a dash or a dot."""

SIDES = {"t10k": True, "test": True, "train": False}
"""First word of a file's name: whether it holds test rows."""


def fits(path: Path) -> bool:
    """Whether a file, or a folder's file, is named like IDX images."""
    return bool(_images(path))


def read(path: Path, encoding: str | None = None) -> Raw:
    """Images with the labels that lie beside them; of a folder both the training and the test files."""
    sides: dict[bool, Raw] = {}
    for images in _images(path):
        sides[SIDES.get(NAME.match(images.name)["side"], False)] = _pair(images)  # type: ignore[index]
    train = sides.get(False) or sides[True]
    train.name = path.resolve().name if path.is_dir() else path.name.split(".")[0]
    return joined(train, sides[True]) if len(sides) == 2 else train


def array(path: Path) -> np.ndarray:
    """One IDX file as an array in the machine's byte order."""
    data = read_bytes(path)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES or not 1 <= data[3] <= MOST:
        expected = f"two zero bytes, a type and a number of dimensions from 1 to {MOST}"
        raise DataError(f"{path} is no IDX file", expected=expected, received=data[:4].hex(" "))
    head, kind = 4 + 4 * data[3], np.dtype(TYPES[data[2]])
    shape = struct.unpack_from(f">{data[3]}I", data.ljust(head, b"\xff"), 4)
    size = math.prod(shape) * kind.itemsize
    if len(data) != head + size:
        raise DataError(
            f"{path} is cut short or damaged",
            expected=f"{head + size:,} bytes for shape {shape}",
            received=f"{len(data):,}",
        )
    return np.frombuffer(data, kind, offset=head).reshape(shape).astype(kind.newbyteorder("="))


def _images(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [f for f in files if (m := NAME.match(f.name)) and m["what"] == "images"]


def _pair(images: Path) -> Raw:
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    labels = next((p for p in (images.with_name(name), images.with_name(name.removesuffix(".gz"))) if p.exists()), None)
    if labels is None:
        raise DataError(f"{images} has no labels beside it", expected=name)
    x, y = array(images), array(labels)
    if len(x) != len(y) or y.ndim != 1:
        raise DataError(f"{labels} does not fit its images", expected=f"{len(x):,} labels", received=f"shape {y.shape}")
    return Raw(x, pl.Series("label", y), "label")
