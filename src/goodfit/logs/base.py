"""What a log file is, what a format is, and what a reader hands on. Standard library only."""

from __future__ import annotations

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from goodfit.errors import LogError

LARGEST = 256 * 2**20
"""A file above this many bytes is no training log."""

DAMAGED = "the JSON is damaged; what could be read of it is judged"
"""The note of a run that was saved from a file which is no whole JSON any more."""


@dataclass
class Table:
    """One run as a log has it, before names and epochs are brought to Keras's.

    Attributes:
        columns: Name in the log to one number a row; None where nothing was logged, NaN where NaN was.
        name: What tells this run from others of the same log; empty for the only one.
        facts: Anything that a diagnosis may use: `classes`, `batch_size`, `learning_rate`, `epochs`, `seed`, `variant`.
        notes: What was left out or guessed, one sentence each.
    """

    columns: dict[str, list[float | None]]
    name: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Log:
    """One file, opened once, for all formats to look at."""

    path: Path

    @cached_property
    def head(self) -> bytes:
        """The first 4 KiB."""
        with self.path.open("rb") as file:
            return file.read(4096)

    @cached_property
    def data(self) -> bytes:
        """The whole file."""
        if self.path.stat().st_size > LARGEST:
            raise LogError(
                "the file is too large for a training log",
                received=f"{self.path} of {self.path.stat().st_size:,} bytes",
            )
        return self.path.read_bytes()

    @cached_property
    def text(self) -> str:
        """The whole file as text; empty where it is none (bytes that are zero)."""
        for mark, encoding in (
            (codecs.BOM_UTF8, "utf-8-sig"),
            (codecs.BOM_UTF16_LE, "utf-16"),
            (codecs.BOM_UTF16_BE, "utf-16"),
        ):
            if self.head.startswith(mark):
                return self.data.decode(encoding, errors="replace")
        return "" if b"\0" in self.head else self.data.decode("utf-8", errors="replace")

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines that are not blank."""
        return [line for line in self.text.splitlines() if line.strip()]

    @cached_property
    def json(self) -> Any:
        """The file as one JSON document, or None."""
        if self.text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


class Format(ABC):
    """One kind of log, known by its content. Formats are final: none inherits from another.

    Attributes:
        name: What people call it.
    """

    name: str

    @abstractmethod
    def matches(self, log: Log) -> bool:
        """Whether this file is one; cheap, never an error."""

    @abstractmethod
    def read(self, log: Log) -> Sequence[Table]:
        """Its runs.

        Raises:
            LogError: The file is of this format, but nothing in it can be read.
        """


_ABSENT = {"", "na", "n/a", "none", "null", "-", "--", "<na>"}


def value(cell: Any) -> float | None:
    """A cell as a number; None where it holds none.

    Takes what logs hold: `NA`, `nan`, `1e-3`, `87.5%`, `tensor(0.5, device='cuda:0')`.
    """
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, int | float):
        return float(cell)
    if not isinstance(cell, str):
        return None
    text = cell.strip().strip("\"'").lower()
    if text in _ABSENT:
        return None
    if text.startswith("tensor("):
        text = text[7:].split(",")[0].rstrip(")")
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
