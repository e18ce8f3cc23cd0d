"""Where a half-trained chunk waits: one file, replaced as a whole."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from goodfit.errors import StudyError
from goodfit.models.predict import stored


class Checkpoint:
    """Saves the state of the chunk in training from time to time, and gives it back after a crash.

    Args:
        path: The file; there is at most one.
        every: Seconds between two saves at least.
        on_save: Called after each of them.
    """

    def __init__(self, path: Path, every: float = 20.0, on_save: Callable[[], None] = lambda: None):
        self.path = path
        self.every = every
        self.on_save = on_save
        self.saved = time.monotonic()

    def save(self, tag: str, tree: Any, *, force: bool = False) -> None:
        """Write a tree of arrays under a tag, if it is time or `force`."""
        if not force and time.monotonic() - self.saved < self.every:
            return
        began = time.monotonic()
        leaves = jax.tree.leaves(tree)
        part = self.path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                named: dict[str, Any] = {f"leaf{i}": stored(leaf) for i, leaf in enumerate(leaves)}
                np.savez(file, tag=np.asarray(tag), **named)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
            self.on_save()
        except OSError as error:  # a convenience that fails must not end a training that goes on
            part.unlink(missing_ok=True)
            if force:
                raise StudyError(
                    f"the half-trained runs cannot be saved: {error.strerror}",
                    fix="What is finished is kept; the same command trains the others anew.",
                ) from None
        self.saved = time.monotonic()
        self.every = max(self.every, 20 * (self.saved - began))  # never more than a twentieth of the time

    def load(self, tag: str, like: Any) -> Any | None:
        """The tree saved under this tag, in the structure of `like`; None if there is none (or it is damaged)."""
        try:
            with self.path.open("rb") as opened, np.load(opened) as file:
                if str(file["tag"]) != tag:
                    return None
                leaves, tree = jax.tree.flatten(like)
                loaded = [_like(file[f"leaf{i}"], leaf) for i, leaf in enumerate(leaves)]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return jax.tree.unflatten(tree, loaded)

    def clear(self) -> None:
        """Forget what was saved."""
        self.path.unlink(missing_ok=True)
        self.saved = time.monotonic()


def _like(array: np.ndarray, leaf: Any) -> np.ndarray:
    """An array as it was before it was `stored`."""
    dtype = getattr(leaf, "dtype", array.dtype)
    return array.astype(dtype) if dtype.isbuiltin == 2 else array
