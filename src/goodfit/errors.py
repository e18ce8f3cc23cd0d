"""Every exception that goodfit raises for a caller's mistake.

```
GoodfitError                 one line: what is wrong, what was expected, what was received, what to do
├── UsageError               a wrong option, name or combination
├── DataError                rows, columns, labels or files that cannot be used
│   └── MissingDataError     a data file that has to be put somewhere first
├── LogError                 a training log that cannot be read
├── ModelError               a network that cannot be built, loaded or trained
└── StudyError               a study folder that is missing, foreign, damaged or cannot be written
```

A training outcome (divergence, overfitting, "undecided") is a value, never one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


class GoodfitError(Exception):
    """A caller's mistake, told in one line.

    Args:
        what: What is wrong.
        expected: What would have been right.
        received: What stood there instead.
        fix: What to do or write instead.
    """

    def __init__(self, what: str, *, expected: str = "", received: str = "", fix: str = ""):
        self.what, self.expected, self.received, self.fix = what, expected, received, fix
        parts = [what.rstrip(".")]
        if expected:
            parts.append(f"expected {expected}")
        if received:
            parts.append(f"received {received}")
        line = "; ".join(parts)
        fix = fix[:1].upper() + fix[1:]
        end = "" if line.endswith(".") else "."
        super().__init__(" ".join(f"{line}{end} {fix}".split()))


class UsageError(GoodfitError):
    """A wrong option, name or combination of them."""


class DataError(GoodfitError):
    """Rows, columns, labels or files that cannot be used."""


class MissingDataError(DataError):
    """A data file that has to be put somewhere first."""


class LogError(GoodfitError):
    """A training log that cannot be read."""


class ModelError(GoodfitError):
    """A network that cannot be built, loaded or trained."""


class StudyError(GoodfitError):
    """A study folder that is missing, foreign, damaged or cannot be written."""


def first_line(error: BaseException, most: int = 160) -> str:
    """The first line of an exception that says something, cut after `most` characters; without any its type's name.

    Keras puts a line of no use ("Exception encountered when calling ...") and a terminal's codes around what failed.
    """
    return _first(r"\n", error, most)


def first_paragraph(error: BaseException, most: int = 160) -> str:
    """As `first_line`, but the lines up to an empty one, in one: what people write themselves may go over several."""
    return _first(r"\n\s*\n", error, most)


def _first(apart: str, error: BaseException, most: int) -> str:
    parts = (" ".join(part.split()) for part in re.split(apart, re.sub(r"\x1b\[[0-9;]*m", "", str(error))))
    said = (part for part in parts if part and not part.startswith("Exception encountered when"))
    return next(said, type(error).__name__)[:most]


def near(name: str, names: Iterable[str], most: int = 3) -> str:
    """The known names nearest to `name`, for a message: `"did you mean 'a' or 'b'?"`, or a short list of all."""
    import difflib  # only here: it costs start-up time

    known = [str(n) for n in names]
    lower = {n.lower(): n for n in known}
    hits = [lower[h] for h in difflib.get_close_matches(str(name).lower(), lower, n=most, cutoff=0.62)]
    if hits:
        return "did you mean " + " or ".join(repr(h) for h in hits) + "?"
    shown = ", ".join(repr(n) for n in known[:8])
    return f"there is {shown}{', ...' if len(known) > 8 else '.'}" if known else ""


def beside(path: Path) -> str:
    """What stands where a missing file was looked for, for a message: as `near`, or that there is no such folder."""
    try:
        return near(path.name, sorted(p.name for p in path.parent.iterdir() if not p.name.startswith(".")))
    except OSError:
        return f"There is no folder {path.parent} either."
