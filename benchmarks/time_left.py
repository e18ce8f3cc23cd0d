"""How right the time left is: what a study tells after its first epoch, and later, against what it then takes.

    python benchmarks/time_left.py                    # built-in sets: texts and images
    python benchmarks/time_left.py titanic.csv:survived

Each study runs in a process of its own with an empty cache, as the first one of a new user does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import Any

STUDIES = ("docstrings", "digits")
LATER = (0.25, 0.5)
"""Shares of the time after the first epoch at which what is told is held against what is left, too."""


class Watch:
    """Notes when what time left was told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float]] = []

    def stage(self, text: str) -> None:
        """A new stage begins."""

    def progress(self, stage: str, progress: Any) -> None:
        """An epoch is done."""
        self.told.append((time.perf_counter(), progress.seconds_in_all))


def study(name: str, out: str) -> None:
    """Run one study and print its line of the table."""
    import goodfit

    source, _, target = name.partition(":")
    watch, began = Watch(), time.perf_counter()
    goodfit.fit(source, target or None, out=out, view=watch)
    end = time.perf_counter()
    first = watch.told[0]
    at = [first, *(next(t for t in watch.told if t[0] >= first[0] + s * (end - first[0])) for s in LATER)]
    shares = " ".join(f"{told / max(end - now, 1e-9):12.2f}" for now, told in at)
    print(f"{name[-30:]:30} {first[0] - began:12.1f} {first[1]:12.1f} {end - first[0]:12.1f} {shares}", flush=True)


def main(names: list[str]) -> None:
    """Run studies one after the other, each in a process of its own."""
    heads = ("first epoch", "told", "took", "told/took", *(f"at {s:.0%}" for s in LATER))
    print(f"{'seconds':30} " + " ".join(f"{head:>12}" for head in heads), flush=True)
    for name in names or STUDIES:
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "GOODFIT_CACHE": os.path.join(folder, "cache")}
            subprocess.run([sys.executable, __file__, "--one", name, os.path.join(folder, "out")], env=env, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        study(*sys.argv[2:])
    else:
        main(sys.argv[1:])
