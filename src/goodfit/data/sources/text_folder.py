"""One folder of `.txt` files per class, with or without `train/` and `test/` above (the aclImdb layout)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.data.sources.decode import utf8
from goodfit.data.sources.raw import Raw
from goodfit.errors import DataError

SUFFIXES = (".txt",)
"""Text files that are read."""

TRAIN, VALIDATION, TEST = ("train", "training"), ("valid", "val", "validation", "dev"), ("test",)
"""Folder names above the classes."""

UNLABELLED = ("unsup", "__MACOSX")
"""Folders that are no class."""


def read(path: Path, encoding: str | None = None) -> Raw:
    """Every `.txt` file as a row of the columns `text` and `label`."""
    files, labels, test, notes = walk(path, SUFFIXES)
    texts = [text(f, encoding) for f in files]
    frame = pl.DataFrame({"text": texts, "label": labels}, schema={"text": pl.String, "label": pl.String})
    return Raw(frame, target="label", text="text", test=test, notes=notes, name=path.resolve().name)


def walk(path: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[str], np.ndarray | None, list[str]]:
    """Files of class folders: paths sorted by name, a label each, the test mask where `test/` stands, notes."""
    notes: list[str] = []
    folders = [f for f in _folders(path) if f.name not in UNLABELLED]
    while len(folders) == 1 and not _holds(folders[0], suffixes) and _folders(folders[0]):
        path = folders[0]
        folders = [f for f in _folders(path) if f.name not in UNLABELLED]
    sides = {f: f.name.lower() in TEST for f in folders if f.name.lower() in TRAIN + VALIDATION + TEST}
    if not any(f.name.lower() in TRAIN for f in sides):
        sides = {path: False}
    else:
        ignored = [f.name for f in folders if f not in sides]
        if ignored:
            notes.append(f"Folders beside train and test were left out: {', '.join(ignored[:5])}.")
        if any(f.name.lower() in VALIDATION for f in sides):
            notes.append("The validation folder was added to the training rows: validation rows are drawn by seed.")
    files: list[Path] = []
    labels: list[str] = []
    test: list[bool] = []
    for side, is_test in sorted(sides.items(), key=lambda item: (item[1], item[0].name)):
        for folder in _folders(side):
            if folder.name in UNLABELLED:
                notes.append(f"The folder {folder.name} has no labels: left out.")
                continue
            names = sorted(n for n in os.listdir(folder) if n.lower().endswith(suffixes) and n[0] != ".")
            found = [folder / name for name in names]
            files += found
            labels += [folder.name] * len(found)
            test += [is_test] * len(found)
    mask = np.array(test, dtype=bool)
    return files, labels, mask if mask.any() else None, list(dict.fromkeys(notes))


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith("."))
    except OSError as error:
        raise DataError(f"{path} cannot be read", received=error.strerror or str(error)) from None


def _holds(folder: Path, suffixes: tuple[str, ...]) -> bool:
    return any(name.lower().endswith(suffixes) for name in os.listdir(folder))


def text(file: Path, encoding: str | None) -> str:
    """One file's text, its line ends made plain."""
    try:  # the common case first: 50,000 small files are read in seconds
        if encoding is None:
            return file.read_bytes().decode().replace("\r\n", "\n").removeprefix("\ufeff").replace("\0", "")
    except (UnicodeError, OSError):
        pass
    return utf8(file, encoding).decode()
